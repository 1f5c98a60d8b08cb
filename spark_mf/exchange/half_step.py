"""Alternating iterations inside a task: the half-step of one block, and the sums of an iteration."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark import TaskContext

from spark_mf.exchange.base import IterationResult
from spark_mf.exchange.stopping import FitProgress, StoppingRules
from spark_mf.kernels.linalg.product_change import change_gram, product_change
from spark_mf.objectives.base import Objective
from spark_mf.ratings.layout import LaidOutBlock
from spark_mf.solvers.base import Factors, RowSolver

_FLOAT64_BYTES = 8
#: Numbers of a loss and of side sums besides matrices, at most.
_MOST_SCALARS = 64


@dataclass(frozen=True, slots=True)
class HalfStepTask:
    """What all half-steps of a fit share.

    Attributes
    ----------
    estimator : str
        The name that Spark's UI shows.
    width : int
        Columns of both sides' rows.
    objective : Objective
    solver : RowSolver
    rules : StoppingRules
    """

    estimator: str
    width: int
    objective: Objective
    solver: RowSolver
    rules: StoppingRules

    @property
    def measures_change(self) -> bool:
        """Whether the change of U Vᵀ is computed."""
        return self.rules.change_tol > 0

    @property
    def needs_previous(self) -> bool:
        """Whether a half-step needs the rows of the iteration before."""
        return self.solver.needs_previous or self.measures_change


@dataclass(frozen=True, slots=True)
class SolvedBlock:
    """A half-step's result for one block.

    Attributes
    ----------
    number : int
    factors : float32[rows, width], in the order of the block's rows
    loss : Loss
        Of the rows; without their errors where they were not measured.
    sums : SideSums or None
        What the rows add to their side's sums.
    change : float64[2·width, 2·width] or None
        `spark_mf.kernels.linalg.product_change.change_gram` of the rows.
    seconds : float
        Wall-clock seconds that all of it took.
    """

    number: int
    factors: Factors
    loss: Any
    sums: Any
    change: NDArray[np.float64] | None
    seconds: float


def solve_block(
    block: LaidOutBlock,
    fixed: Factors,
    sums: Any,
    previous: Factors | None,
    task: HalfStepTask,
    solver: RowSolver,
    measured: Factors | None,
) -> SolvedBlock:
    """Solve the rows of a block.

    Parameters
    ----------
    block : LaidOutBlock
    fixed : float32[n, width], the other side's rows
    sums : SideSums or None, of the other side
    previous : float32[m, width], this side's rows so far; None where the task does not need them
    task : HalfStepTask
    solver : RowSolver
        What `task.solver.begin(fixed)` returned.
    measured : float32[n, width]
        The other side's rows that errors of the new rows are summed with, which costs one more pass over the ratings;
        None for no errors.
    """
    began = time.perf_counter()
    training, objective, n_threads = block.training, task.objective, _threads()
    problem = objective.problem(training, fixed, sums)
    old = None if previous is None else previous[training.rows]
    solved = np.empty((training.n_rows, task.width), np.float32) if old is None else old.copy()
    solver.solve(problem, solved, n_threads)
    if measured is None:
        loss = objective.penalty_loss(problem, solved)
    else:
        loss = objective.loss(problem, training, block.validation, solved, measured, n_threads)
    return SolvedBlock(
        number=block.number,
        factors=solved,
        loss=loss,
        sums=objective.side_sums(solved),
        change=change_gram(solved, old) if task.measures_change and old is not None else None,
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True)
class IterationSums:
    """What some or all blocks add to an iteration's sums.

    Attributes
    ----------
    loss : Loss
    seconds : float
        Of the kernels.
    changes : float64[2, 2·width, 2·width] or None
        Both sides' `change_gram`.
    """

    loss: Any
    seconds: float
    changes: NDArray[np.float64] | None

    @classmethod
    def of_blocks(cls, users: Sequence[SolvedBlock], items: Sequence[SolvedBlock]) -> "IterationSums":
        """Add up the blocks of both half-steps."""
        loss, *others = (block.loss for block in (*users, *items))
        for other in others:
            loss = loss + other
        grams = [[block.change for block in side if block.change is not None] for side in (users, items)]
        changes = np.stack([sum(side[1:], start=side[0]) for side in grams]) if all(grams) else None
        return cls(loss, sum(block.seconds for block in (*users, *items)), changes)

    def to_array(self) -> NDArray[np.float64]:
        """Return the sums as one array, which members of a ring exchange and add up."""
        changes = np.empty(0) if self.changes is None else self.changes.reshape(-1)
        return np.concatenate([[self.seconds], self.loss.to_array(), changes])

    def with_sums(self, total: NDArray[np.float64]) -> "IterationSums":
        """Return sums of the same kind from the added arrays of all members."""
        n_loss = self.loss.to_array().size
        changes = None if self.changes is None else total[1 + n_loss :].reshape(self.changes.shape)
        return IterationSums(self.loss.from_array(total[1 : 1 + n_loss]), float(total[0]), changes)

    def finish(self, seconds: float, progress: FitProgress, task: HalfStepTask) -> tuple[IterationResult, FitProgress]:
        """Return an iteration's result and the progress after it, from the sums of all blocks."""
        change = None if self.changes is None else product_change(*self.changes)
        metrics = dict(task.objective.metrics(self.loss))
        after = progress.after(metrics, self.loss.is_finite, change, task.rules)
        if change is not None:
            metrics["product_change"] = change
        return IterationResult(after.iteration, seconds, metrics, self.seconds), after


def sums_bytes(task: HalfStepTask) -> int:
    """Return an upper bound on the bytes of the sums that members of a ring exchange."""
    matrices = 2 * (2 * task.width) ** 2 if task.measures_change else task.width**2
    return _FLOAT64_BYTES * (_MOST_SCALARS + matrices)


def add_sums(parts: Sequence[Any]) -> Any:
    """Return the total of the side sums of blocks or members; None where the objective needs none."""
    if parts[0] is None:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _threads() -> int:
    context = TaskContext.get()
    return context.cpus() if context else 1
