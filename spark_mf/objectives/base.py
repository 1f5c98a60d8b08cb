"""The interface of objectives, and of the sums that add up over the tasks of a fit."""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spark_mf.blocks.csr import RatingBlock
from spark_mf.solvers.base import Factors, RowProblem


class Summable(Protocol):
    """Partial sums of a task, which add up to those of all tasks."""

    def __add__(self, other: Self) -> Self:
        """Return the sums of both parts."""
        ...

    def to_array(self) -> NDArray[np.float64]:
        """Return the sums as float64[k], the form in which tasks exchange them."""
        ...

    @classmethod
    def from_array(cls, sums: NDArray[np.float64]) -> Self:
        """Return the sums whose `to_array` this is."""
        ...


class SideSums(Summable, Protocol):
    """Sums over all rows of one side, such as the Gram matrix VᵀV, that the other side's half-steps need."""


class Loss(Summable, Protocol):
    """Errors and penalties of an iteration's factors."""

    @property
    def is_finite(self) -> bool:
        """Whether the factors that the loss belongs to are finite."""
        ...


class Objective(Protocol):
    """What a fit minimises."""

    def problem(self, ratings: RatingBlock, fixed: Factors, sums: Any) -> RowProblem:
        """Return the problem of a block's rows for the other side's factors and its `side_sums`."""
        ...

    def side_sums(self, factors: Factors) -> SideSums | None:
        """Return what some rows of a side add to its sums; None where the objective needs none."""
        ...

    def penalty_loss(self, problem: RowProblem, solved: Factors) -> Any:
        """Return the `Loss` of a solved block whose ratings are not measured."""
        ...

    def loss(
        self,
        problem: RowProblem,
        training: RatingBlock,
        validation: RatingBlock,
        solved: Factors,
        measured: Factors,
        n_threads: int,
    ) -> Any:
        """Return the `Loss` of a solved block, its ratings measured with the other side's factors."""
        ...

    def metrics(self, loss: Any) -> Mapping[str, float | None]:
        """Return what the history reports of the loss of all tasks, by name."""
        ...
