"""The interfaces of objectives and of sums over the tasks of a fit."""

import math
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spark_mf.blocks.csr import RatingBlock
from spark_mf.objectives.regularization import SideName
from spark_mf.solvers.base import Factors, Losses, RowProblem


class Summable(Protocol):
    """Partial sums of a task, whose total over all tasks is computed by addition."""

    def __add__(self, other: Self) -> Self:
        """Return the total of both sums."""
        ...

    def to_array(self) -> NDArray[np.float64]:
        """Return the sums as float64[k], the form in which tasks exchange them."""
        ...

    @classmethod
    def from_array(cls, sums: NDArray[np.float64]) -> Self:
        """Return the sums from what `to_array` returned."""
        ...


class FloatSums:
    """Base class of frozen dataclasses of floats that are added field by field."""

    __slots__ = ()

    def __add__(self, other: Self) -> Self:
        """Return the total of both sums."""
        return type(self)(*(mine + theirs for mine, theirs in zip(self._fields(), other._fields(), strict=True)))

    def to_array(self) -> NDArray[np.float64]:
        """Return the sums as float64[fields]."""
        return np.array(self._fields())

    @classmethod
    def from_array(cls, sums: NDArray[np.float64]) -> Self:
        """Return the sums from what `to_array` returned."""
        return cls(*sums.tolist())

    @property
    def is_finite(self) -> bool:
        """Whether all sums, and therefore the factors, are finite."""
        return all(map(math.isfinite, self._fields()))

    def _fields(self) -> tuple[float, ...]:
        return astuple(self)  # type: ignore[call-overload]  # subclasses are dataclasses


class SideSums(Summable, Protocol):
    """Sums over all rows of one side, such as the Gram matrix VᵀV, that the other side's half-steps need."""


class Loss(Summable, Protocol):
    """Errors and penalties of an iteration's factors."""

    @property
    def is_finite(self) -> bool:
        """Whether the factors of the loss are finite."""
        ...


class Objective(Protocol):
    """The function that a fit minimises."""

    @property
    def n_validation(self) -> float:
        """Number of validation ratings of known users and items, or the sum of their weights."""
        ...

    def begin(self, fixed: Factors, measured: Factors | None) -> tuple["Objective", Factors, Factors | None]:
        """Return the objective for the blocks of one half-step, and both arguments as `problem` and `loss` take them.

        Objectives can precompute here what depends on these rows only, once for all blocks of a task.

        Parameters
        ----------
        fixed : float32[n, width]
            Rows of the other side.
        measured : float32[n, width] or None
            Rows of the other side with which errors are computed, often the same array; None if they are not.
        """
        ...

    def product_rows(self, rows: Factors, side: SideName) -> Factors:
        """Return rows of `side` as factors whose products with the other side's are predictions up to a constant."""
        ...

    def problem(self, ratings: RatingBlock, fixed: Factors, sums: Any, side: SideName) -> RowProblem:
        """Return the problem of a block's rows of `side`, given the factors and the `side_sums` of the other side."""
        ...

    def side_sums(self, factors: Factors) -> SideSums | None:
        """Return the contribution of some rows to the sums of their side; None if the objective needs none."""
        ...

    def penalty_loss(self, problem: RowProblem, solved: Factors) -> Any:
        """Return the `Loss` of a solved block without the errors of its ratings."""
        ...

    def loss(
        self,
        problem: RowProblem,
        training: RatingBlock,
        validation: RatingBlock,
        solved: Factors,
        measured: Factors,
        n_threads: int,
        losses: Losses | None = None,
    ) -> Any:
        """Return the `Loss` of a solved block, with errors computed from the factors `measured` of the other side.

        `losses` are those of `RowSolver.solve`, NaN where the solver does not know them; None if `measured` are not the
        fixed factors of the problem.
        """
        ...

    def metrics(self, loss: Any) -> Mapping[str, float | None]:
        """Return the metrics in the history, by name, from the loss of all tasks."""
        ...


class ProductObjective:
    """Base class of objectives whose predictions are the inner products of the rows of both sides."""

    __slots__ = ()

    def begin(self, fixed: Factors, measured: Factors | None) -> tuple[Self, Factors, Factors | None]:
        """Return the arguments as they are."""
        return self, fixed, measured

    def product_rows(self, rows: Factors, side: SideName) -> Factors:
        """Return the rows as they are."""
        return rows
