"""Base class of all methods: hyperparameters, initial factors, and the loop over iterations."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spark_mf.textbook.checks import require, require_at_least_zero, require_choice, require_count
from spark_mf.textbook.loss import REGULARIZATIONS, objective
from spark_mf.textbook.model import Model, Parameters, Record, Summary, rmse
from spark_mf.textbook.ratings import Matrix, Ratings
from spark_mf.textbook.stopping import ChangeOrPatience, EarlyStopping, ProductChange, product_change


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """Base class of the estimators, with the Params that all methods share; they are those of the estimators on Spark.

    Parameters
    ----------
    rank : int
        Number of factors of each user and item, k.
    maxIter : int
        Maximum number of iterations.
    regParam : float
        λ.
    userRegParam, itemRegParam : float or None
        λ of the user factors and of the item factors; None for regParam.
    regularization : {"weighted", "plain", "mean", "frequency"}
        See `spark_mf.textbook.loss`.
    regExponent : float or None
        Exponent ν of "frequency"; None for 1.
    initStd : float
        Standard deviation of the initial factors.
    tol : float
        ALS and GD stop after the first iteration with ‖U Vᵀ − U₀ V₀ᵀ‖_F < tol; 0 disables this.
    earlyStoppingPatience : int
        ALS and GD stop after this number of iterations without a lower validation RMSE, or for implicit feedback a
        higher validation recall, and the model has the parameters of the best iteration; 0 disables this.
    seed : int or None
        Seed of the random numbers if `fit` is called without a generator; None for 0.
    userCol, itemCol, ratingCol, validationIndicatorCol : str
        Columns of a table that is passed to `fit`.
    clipPredictions : bool
        Whether predictions are clipped to the range of the training ratings.
    clipTo : tuple[float, float] or None
        Range to which predictions are clipped instead.

    Raises
    ------
    ValueError
        If a value is out of range or not among the choices.
    """

    rank: int = 10
    maxIter: int = 10
    regParam: float = 0.1
    userRegParam: float | None = None
    itemRegParam: float | None = None
    regularization: str = "weighted"
    regExponent: float | None = None
    initStd: float = 0.1
    tol: float = 0.0
    earlyStoppingPatience: int = 0
    seed: int | None = None
    userCol: str = "user"
    itemCol: str = "item"
    ratingCol: str = "rating"
    validationIndicatorCol: str | None = None
    clipPredictions: bool = False
    clipTo: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        require_count("rank", self.rank, 1)
        require_count("maxIter", self.maxIter, 0)
        require_count("earlyStoppingPatience", self.earlyStoppingPatience, 0)
        require_choice("regularization", self.regularization, REGULARIZATIONS)
        for name in ("regParam", "initStd", "tol"):
            require_at_least_zero(name, getattr(self, name))
        for name in ("userRegParam", "itemRegParam", "regExponent"):
            if getattr(self, name) is not None:
                require_at_least_zero(name, getattr(self, name))
        if self.regExponent is not None and self.regularization != "frequency":
            raise ValueError(
                f"regExponent must be set with regularization='frequency' only, got {self.regExponent:g} with "
                f"{self.regularization!r}. Use regularization='frequency', or leave it unset."
            )
        is_range = self.clipTo is None or (len(self.clipTo) == 2 and self.clipTo[0] <= self.clipTo[1])
        require(is_range, "clipTo", self.clipTo, "a pair (lowest, highest) or None")

    def fit(
        self, ratings: Any, rng: np.random.Generator | None = None, initial: tuple[Matrix, Matrix] | None = None
    ) -> Model:
        """Fit a model to the training ratings.

        Parameters
        ----------
        ratings : Ratings, or a table for `Ratings.from_columns`
        rng : numpy.random.Generator, optional
            Generator of U, then V, then the order of each epoch; by default a new one with `seed`.
        initial : tuple[float64[n, k], float64[m, k]], optional
            Initial (U, V) instead of random factors; not changed.

        Returns
        -------
        Model

        Raises
        ------
        ValueError, TypeError
            If the ratings cannot be used, `initial` has other shapes than the ratings require, or there are no
            validation ratings for `earlyStoppingPatience`.
        ArithmeticError
            If the parameters become infinite, for example because the step size is too large.
        """
        if not isinstance(ratings, Ratings):
            names = self.userCol, self.itemCol, self.ratingCol, self.validationIndicatorCol
            ratings = Ratings.from_columns(ratings, *names)
        rng = np.random.default_rng(self.seed or 0) if rng is None else rng
        U, V = self.draw(rng, ratings.shape) if initial is None else self._given(initial, ratings.shape)
        kept = parameters = self._start(ratings, U, V)
        clip = self._clip(ratings)
        stopping, ended = self._stopping(ratings), False
        history: list[Record] = []
        iterates = self.iterates(ratings, parameters, rng)
        while len(history) < self.maxIter and not ended:
            old, began = parameters, time.perf_counter()
            with np.errstate(over="ignore", invalid="ignore"):
                parameters = next(iterates)
                seconds = time.perf_counter() - began
                history.append(self._record(len(history) + 1, seconds, ratings, old, parameters, clip))
            self._require_finite(history[-1])
            ended = stopping.ends_after(history[-1])
            if stopping.bestIteration in (None, len(history)):
                kept = parameters
        summary = Summary(tuple(history), ended, stopping.bestIteration)
        return Model(**vars(kept), summary=summary, clip=clip)

    def iterates(self, ratings: Ratings, start: Parameters, rng: np.random.Generator) -> Iterator[Parameters]:
        """Yield the parameters after each of infinitely many iterations."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Matrix, Matrix]:
        """Draw the initial U, then V, from N(0, initStd²)."""
        n, m = shape
        return rng.normal(0, self.initStd, (n, self.rank)), rng.normal(0, self.initStd, (m, self.rank))

    def objective(self, ratings: Ratings, parameters: Parameters) -> float:
        """Return the objective, which the method minimizes."""
        return objective(ratings, parameters, self.regParam, self.regularization, **self._own_regularization)

    @property
    def _own_regularization(self) -> dict[str, Any]:
        """The Params of regularization that are optional, by name."""
        return {name: getattr(self, name) for name in ("userRegParam", "itemRegParam", "regExponent")}

    @property
    def _lambdas(self) -> tuple[float, float]:
        """λ of the users and of the items."""
        user, item = self.userRegParam, self.itemRegParam
        return self.regParam if user is None else user, self.regParam if item is None else item

    def _start(self, ratings: Ratings, U: Matrix, V: Matrix) -> Parameters:
        return Parameters.without_biases(U, V)

    def _stopping(self, ratings: Ratings) -> ProductChange | EarlyStopping | ChangeOrPatience:
        if self.earlyStoppingPatience == 0:
            return ProductChange(self.tol)
        if ratings.validation is None:
            raise ValueError(
                f"ratings must have validation ratings with earlyStoppingPatience={self.earlyStoppingPatience}, got "
                "none. Set validationIndicatorCol, or use earlyStoppingPatience=0."
            )
        return ChangeOrPatience(self.tol, self.earlyStoppingPatience)

    def _given(self, initial: tuple[Matrix, Matrix], shape: tuple[int, int]) -> tuple[Matrix, Matrix]:
        U, V = (np.array(factors, np.float64) for factors in initial)
        needed = (shape[0], self.rank), (shape[1], self.rank)
        require((U.shape, V.shape) == needed, "initial", (U.shape, V.shape), f"a pair of factors of shapes {needed}")
        return U, V

    def _clip(self, ratings: Ratings) -> tuple[float, float] | None:
        if self.clipTo is None and self.clipPredictions:
            return float(ratings.values.min()), float(ratings.values.max())
        return self.clipTo

    def _record(
        self,
        iteration: int,
        seconds: float,
        ratings: Ratings,
        old: Parameters,
        new: Parameters,
        clip: tuple[float, float] | None,
    ) -> Record:
        return Record(
            iteration=iteration,
            seconds=seconds,
            objective=self.objective(ratings, new),
            product_change=product_change(new.U, new.V, old.U, old.V),
            **self._errors(ratings, new, clip),
        )

    def _errors(
        self, ratings: Ratings, parameters: Parameters, clip: tuple[float, float] | None
    ) -> dict[str, float | None]:
        """Return the metrics of the predictions, by the names of the fields of a record."""
        validation = None if ratings.validation is None else rmse(parameters, ratings.validation, clip)
        return {"train_rmse": rmse(parameters, ratings), "validation_rmse": validation}

    def _require_finite(self, record: Record) -> None:
        if not np.isfinite(record.objective):
            raise ArithmeticError(
                f"the parameters are no longer finite after iteration {record.iteration}. "
                "Use a smaller stepSize or a larger regParam."
            )
