"""Stochastic and mini-batch gradient descent."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spark_mf.textbook.checks import (
    require,
    require_above_zero,
    require_at_least_zero,
    require_choice,
    require_count,
    require_part,
)
from spark_mf.textbook.estimator import Estimator
from spark_mf.textbook.loss import objective, row_penalties
from spark_mf.textbook.model import Parameters
from spark_mf.textbook.optimizers import OPTIMIZERS, SCHEDULES, Adam, Momentum, Optimizer, Plain, step_factor
from spark_mf.textbook.ratings import Matrix, Positions, Ratings, Vector
from spark_mf.textbook.stopping import EarlyStopping

UPDATE_ORDERS = ("simultaneous", "sequential")
TOUCHED, ALL = "touched", "all"


@dataclass(frozen=True, kw_only=True)
class SGD(Estimator):
    """Stochastic gradient descent (batchSize=1), and mini-batch gradient descent (more), on r̂ = μ + b_u + b_i + u·v.

    An iteration is an epoch: the training ratings in an order drawn anew, `batchSize` at a time. With e = r − r̂ and
    the weight w of a row in the sum form Σ e² + Σ w‖row‖² (λ, λ·n_row or λ·|Ω|, see `spark_mf.textbook.loss`) the
    gradient of a batch is, for a user's row u,

    - ``updatedRows="touched"``: −2 Σ (e·v − (w/n_u)·u) over the user's ratings in the batch. Errors are summed, each
      rating carries its share of its row's penalty, and only rows with a rating in the batch, and the optimizer's
      state of those, change. What large-scale code does, spark_mf.SGD among it: a step costs what its ratings cost.
    - ``updatedRows="all"``: −(2/B) Σ e·v over them, B the ratings of the batch, plus 2 (w/|Ω|)·u, which is 2λ·u for
      ``regularization="mean"``. Errors are averaged, and every row is shrunk, and its state moves, at every batch.

    Both are unbiased: over a batch drawn at random "touched" is in expectation B/|Ω| times, "all" 1/|Ω| times the
    gradient of the sum form. So a step s of "all" is in expectation a step s/B of "touched" with the same λ and
    regularization, and where one batch has all ratings and each row one of them, it is the same to rounding. That
    holds for the plain optimizer; momentum and Adam differ with smaller batches, as "touched" lets the state of a row
    rest between its ratings, and Adam, whose steps do not grow with the gradient, keeps the step s. The last batch of
    an epoch may be smaller: averaged, its ratings count for more.

    ``updateOrder="sequential"`` updates the items of a batch first and the users from the new items, by the errors
    before both; with ``batchSize=1`` that is ALS+SGD. "simultaneous" updates both from the old ones. Koren, Bell and
    Volinsky 2009, "Matrix factorization techniques for recommender systems", whose step leaves out the 2 of the square.

    With ratings held out the model has the parameters of the best epoch; spark_mf.SGD has the same settings, except
    `updatedRows`.

    Parameters
    ----------
    stepSize : of the first epoch
    fitBias : whether there are biases, which start at 0, and μ, the mean of the training ratings
    biasRegParam, biasStepSize : λ and step of the biases; regParam and stepSize where they are None
    optimizer : "sgd", "momentum" or "adam"
    momentum, beta1, beta2, epsilon : settings of the optimizers, see `spark_mf.textbook.optimizers`
    schedule, decay : of the step, "constant", "exponential" or "inverse"
    updateOrder : "simultaneous" or "sequential"
    batchSize : ratings of a batch; the last one of an epoch has what is left
    earlyStoppingPatience : epochs without a lower RMSE after which the fit ends; 0 for never
    tol : what an RMSE must be lower by to count, see `spark_mf.textbook.stopping`
    updatedRows : "touched" or "all"
    """

    maxIter: int = 20
    regParam: float = 0.05
    initStd: float = 0.01
    stepSize: float = 0.015
    fitBias: bool = True
    biasRegParam: float | None = None
    biasStepSize: float | None = None
    optimizer: str = "sgd"
    schedule: str = "exponential"
    decay: float = 0.95
    updateOrder: str = "simultaneous"
    batchSize: int = 1
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    earlyStoppingPatience: int = 10
    updatedRows: str = TOUCHED

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("optimizer", self.optimizer, OPTIMIZERS)
        require_choice("schedule", self.schedule, SCHEDULES)
        require_choice("updateOrder", self.updateOrder, UPDATE_ORDERS)
        require_choice("updatedRows", self.updatedRows, (TOUCHED, ALL))
        require_count("batchSize", self.batchSize, 1)
        require_count("earlyStoppingPatience", self.earlyStoppingPatience, 0)
        require_above_zero("epsilon", self.epsilon)
        require_above_zero("stepSize", self.stepSize)
        require_above_zero("biasStepSize", self._bias_step)
        require_at_least_zero("biasRegParam", self._bias_lambda)
        require_at_least_zero("decay", self.decay)
        is_factor = self.schedule != "exponential" or 0 < self.decay <= 1
        require(is_factor, "decay", self.decay, "in (0, 1] with schedule 'exponential'")
        for name in ("momentum", "beta1", "beta2"):
            require_part(name, getattr(self, name))

    def iterates(self, ratings: Ratings, start: Parameters, rng: np.random.Generator) -> Iterator[Parameters]:
        """Yield the parameters after each epoch."""
        users, items, values, mean = ratings.users, ratings.items, ratings.values, start.globalMean
        n_u, n_i = ratings.user_counts, ratings.item_counts
        U, V = (self._block(x, n, self.regParam) for x, n in ((start.U, n_u), (start.V, n_i)))
        b_u, b_i = (
            self._block(x[:, None], n, self._bias_lambda) for x, n in ((start.userBias, n_u), (start.itemBias, n_i))
        )
        epoch = 0
        while True:
            factor = step_factor(self.schedule, self.decay, epoch)
            step, bias_step = self.stepSize * factor, self._bias_step * factor
            order = rng.permutation(len(ratings))
            for begin in range(0, len(order), self.batchSize):
                batch = order[begin : begin + self.batchSize]
                i, j = users[batch], items[batch]
                u, v = U.x[i], V.x[j]  # copies, so the old rows
                e = (values[batch] - (mean + b_u.x[i, 0] + b_i.x[j, 0] + (u * v).sum(axis=1)))[:, None]
                V.descend(j, e, u, step)
                U.descend(i, e, v if self.updateOrder == "simultaneous" else V.x[j], step)
                if self.fitBias:
                    b_i.descend(j, e, np.ones_like(e), bias_step)
                    b_u.descend(i, e, np.ones_like(e), bias_step)
            epoch += 1
            yield Parameters(U.x.copy(), V.x.copy(), b_u.x[:, 0].copy(), b_i.x[:, 0].copy(), mean)

    def objective(self, ratings: Ratings, parameters: Parameters) -> float:
        """Return what is minimised, with the biases' own λ."""
        return objective(ratings, parameters, self.regParam, self.regularization, self._bias_lambda)

    @property
    def _bias_lambda(self) -> float:
        return self.regParam if self.biasRegParam is None else self.biasRegParam

    @property
    def _bias_step(self) -> float:
        return self.stepSize if self.biasStepSize is None else self.biasStepSize

    def _start(self, ratings: Ratings, U: Matrix, V: Matrix) -> Parameters:
        mean = float(ratings.values.mean()) if self.fitBias else 0.0
        return Parameters(U, V, np.zeros(len(U)), np.zeros(len(V)), mean)

    def _stopping(self) -> EarlyStopping:
        return EarlyStopping(self.earlyStoppingPatience, self.tol)

    def _block(self, x: Matrix, counts: Positions, lam: float) -> "_Block":
        optimizer: Optimizer = Plain()
        if self.optimizer == "momentum":
            optimizer = Momentum(x.shape, self.momentum)
        elif self.optimizer == "adam":
            optimizer = Adam(x.shape, self.beta1, self.beta2, self.epsilon)
        penalties = row_penalties(counts, lam, self.regularization)
        kind = _AllRows if self.updatedRows == ALL else _TouchedRows
        return kind(x.copy(), optimizer, penalties, counts)


class _Block:
    """One array of parameters, U, V or a side's biases, and how a batch changes it.

    Parameters
    ----------
    x : float64[rows, k], changed in place
    optimizer : Optimizer
    penalties : float64[rows], w
    counts : int64[rows], the ratings of each row
    """

    def __init__(self, x: Matrix, optimizer: Optimizer, penalties: Vector, counts: Positions) -> None:
        self.x, self.optimizer = x, optimizer
        # What each rating of a row carries of its penalty, and the penalty in the mean form.
        self.share = (penalties / np.maximum(counts, 1))[:, None]
        self.of_mean = (penalties / counts.sum())[:, None]

    def descend(self, i: Positions, e: Matrix, slope: Matrix, step: float) -> None:
        """Go down the gradient of a batch.

        Parameters
        ----------
        i : int64[B], the row of each rating
        e : float64[B, 1]
        slope : float64[B, k], the derivative of r̂ by the row: the other side's row, or 1 for a bias
        """
        raise NotImplementedError


class _TouchedRows(_Block):
    def descend(self, i: Positions, e: Matrix, slope: Matrix, step: float) -> None:
        rows, position = np.unique(i, return_inverse=True)
        g = np.zeros((len(rows), self.x.shape[1]))
        # A row may come several times in a batch, and g[position] += … would count it once.
        np.add.at(g, position, -2 * (e * slope - self.share[i] * self.x[i]))
        self.x[rows] += self.optimizer.change(g, step, rows)


class _AllRows(_Block):
    def descend(self, i: Positions, e: Matrix, slope: Matrix, step: float) -> None:
        g = 2 * (self.of_mean * self.x)
        np.add.at(g, i, -2 * e * slope / len(i))
        self.x += self.optimizer.change(g, step)
