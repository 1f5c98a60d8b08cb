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
    """Stochastic gradient descent (batchSize=1) or mini-batch gradient descent on r̂ = μ + b_u + b_i + u·v.

    An iteration is an epoch over the training ratings in a new random order, `batchSize` at a time. With e = r − r̂ and
    the weight w of a row in the sum form Σ e² + Σ w‖row‖² (λ, λ·n_row, λ·|Ω| or λ·n_row^ν, see
    `spark_mf.textbook.loss`), the gradient of a batch for the row u of a user is

    - ``updatedRows="touched"``: −2 Σ (e·v − (w/n_u)·u) over the user's ratings in the batch. Errors are summed, each
      rating carries its share of the penalty of its row, and only rows with ratings in the batch, and their optimizer
      state, change. Large-scale code such as `spark_mf.SGD` does this, because a step costs only as much as its
      ratings.
    - ``updatedRows="all"``: −(2/B) Σ e·v over the same ratings, with B ratings in the batch, plus 2 (w/|Ω|)·u, which is
      2λ·u for ``regularization="mean"``. Errors are averaged, and each batch regularizes every row and updates its
      state.

    Both are unbiased: for a random batch, "touched" is in expectation B/|Ω| times, and "all" 1/|Ω| times the gradient
    of the sum form. A step s of "all" is therefore in expectation a step s/B of "touched" with the same λ and
    regularization; if one batch has all ratings and each row one of them, both are equal up to rounding. This holds for
    the plain optimizer. Momentum and Adam differ with smaller batches, because "touched" does not change the state of a
    row between its ratings; Adam keeps the step s, because its steps do not grow with the gradient. In the last batch
    of an epoch, which may be smaller, averaging gives each rating more weight.

    ``updateOrder="sequential"`` updates the items of a batch first, and then the users from the new items and the old
    errors; with ``batchSize=1``, this is ALS+SGD. "simultaneous" updates both from the old rows. Koren, Bell and
    Volinsky 2009, "Matrix factorization techniques for recommender systems", leave the factor 2 out of the step.

    With validation ratings, the model has the parameters of the best epoch. `spark_mf.SGD` has the same Params except
    `updatedRows`.

    Parameters
    ----------
    stepSize : float
        Step size of the first epoch.
    fitBias : bool
        Whether to fit biases, which start at 0, and to use the mean of the training ratings as μ.
    biasRegParam, biasStepSize : float or None
        λ and step size of the biases; None for regParam and stepSize.
    optimizer : {"sgd", "momentum", "adam"}
    momentum, beta1, beta2, epsilon : float
        See `spark_mf.textbook.optimizers`.
    schedule : {"constant", "exponential", "inverse"}
        Learning-rate schedule with the parameter `decay`.
    updateOrder : {"simultaneous", "sequential"}
    batchSize : int
        Number of ratings of a batch; the last batch of an epoch may be smaller.
    earlyStoppingPatience : int
        Number of epochs without a lower RMSE after which the fit stops; 0 disables this.
    tol : float
        Minimum decrease of the RMSE that counts as an improvement; see `spark_mf.textbook.stopping`.
    updatedRows : {"touched", "all"}
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
        lam_u, lam_i = self._lambdas
        U, V = self._block(start.U, n_u, lam_u), self._block(start.V, n_i, lam_i)
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
                u, v = U.x[i], V.x[j]  # copies of the old rows
                e = (values[batch] - (mean + b_u.x[i, 0] + b_i.x[j, 0] + (u * v).sum(axis=1)))[:, None]
                V.descend(j, e, u, step)
                U.descend(i, e, v if self.updateOrder == "simultaneous" else V.x[j], step)
                if self.fitBias:
                    b_i.descend(j, e, np.ones_like(e), bias_step)
                    b_u.descend(i, e, np.ones_like(e), bias_step)
            epoch += 1
            yield Parameters(U.x.copy(), V.x.copy(), b_u.x[:, 0].copy(), b_i.x[:, 0].copy(), mean)

    def objective(self, ratings: Ratings, parameters: Parameters) -> float:
        """Return the objective, with the λ of the biases."""
        own = self._own_regularization
        return objective(ratings, parameters, self.regParam, self.regularization, self._bias_lambda, **own)

    @property
    def _bias_lambda(self) -> float:
        return self.regParam if self.biasRegParam is None else self.biasRegParam

    @property
    def _bias_step(self) -> float:
        return self.stepSize if self.biasStepSize is None else self.biasStepSize

    def _start(self, ratings: Ratings, U: Matrix, V: Matrix) -> Parameters:
        mean = float(ratings.values.mean()) if self.fitBias else 0.0
        return Parameters(U, V, np.zeros(len(U)), np.zeros(len(V)), mean)

    def _stopping(self, ratings: Ratings) -> EarlyStopping:
        return EarlyStopping(self.earlyStoppingPatience, self.tol)

    def _block(self, x: Matrix, counts: Positions, lam: float) -> "_Block":
        optimizer: Optimizer = Plain()
        if self.optimizer == "momentum":
            optimizer = Momentum(x.shape, self.momentum)
        elif self.optimizer == "adam":
            optimizer = Adam(x.shape, self.beta1, self.beta2, self.epsilon)
        penalties = row_penalties(counts, lam, self.regularization, self.regExponent)
        kind = _AllRows if self.updatedRows == ALL else _TouchedRows
        return kind(x.copy(), optimizer, penalties, counts)


class _Block:
    """One array of parameters (U, V, or the biases of one side) and its updates.

    Parameters
    ----------
    x : float64[rows, k]
        Changed in place.
    optimizer : Optimizer
    penalties : float64[rows]
        The weights w.
    counts : int64[rows]
        Number of ratings of each row.
    """

    def __init__(self, x: Matrix, optimizer: Optimizer, penalties: Vector, counts: Positions) -> None:
        self.x, self.optimizer = x, optimizer
        # The share of each rating in the penalty of its row, and the penalty in the mean form.
        self.share = (penalties / np.maximum(counts, 1))[:, None]
        self.of_mean = (penalties / counts.sum())[:, None]

    def descend(self, i: Positions, e: Matrix, slope: Matrix, step: float) -> None:
        """Take a step along the negative gradient of a batch.

        Parameters
        ----------
        i : int64[B]
            Row of each rating.
        e : float64[B, 1]
            Error of each rating.
        slope : float64[B, k]
            Derivative of r̂ with respect to the row: the row of the other side, or 1 for a bias.
        step : float
        """
        raise NotImplementedError


class _TouchedRows(_Block):
    def descend(self, i: Positions, e: Matrix, slope: Matrix, step: float) -> None:
        rows, position = np.unique(i, return_inverse=True)
        g = np.zeros((len(rows), self.x.shape[1]))
        # A row may occur several times in a batch, and g[position] += … would count it once.
        np.add.at(g, position, -2 * (e * slope - self.share[i] * self.x[i]))
        self.x[rows] += self.optimizer.change(g, step, rows)


class _AllRows(_Block):
    def descend(self, i: Positions, e: Matrix, slope: Matrix, step: float) -> None:
        g = 2 * (self.of_mean * self.x)
        np.add.at(g, i, -2 * e * slope / len(i))
        self.x += self.optimizer.change(g, step)
