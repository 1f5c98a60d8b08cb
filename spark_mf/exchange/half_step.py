"""The half-step of one block in a task, and the sums of an iteration over all blocks."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark import TaskContext

from spark_mf.exchange.base import IterationResult
from spark_mf.exchange.extrapolation import Extrapolation
from spark_mf.exchange.stopping import FitProgress, StoppingRules
from spark_mf.kernels.linalg.product_change import change_gram, product_change
from spark_mf.objectives.base import Objective
from spark_mf.objectives.regularization import SideName
from spark_mf.ratings.layout import LaidOutBlock
from spark_mf.solvers.base import Factors, RowSolver

_FLOAT64_BYTES = 8
#: Maximum number of scalars in a loss and in side sums.
_MOST_SCALARS = 64


@dataclass(frozen=True, slots=True)
class HalfStepTask:
    """Parameters that all half-steps of a fit share.

    Attributes
    ----------
    estimator : str
        Name of the estimator in Spark's UI.
    width : int
        Number of columns of the rows of both sides.
    objective : Objective
    solver : RowSolver
    rules : StoppingRules
    extrapolation : Extrapolation or None
        Extrapolation of the factors between half-steps.
    """

    estimator: str
    width: int
    objective: Objective
    solver: RowSolver
    rules: StoppingRules
    extrapolation: Extrapolation | None = None

    @property
    def measures_change(self) -> bool:
        """Whether the change of U Vᵀ is computed."""
        return self.rules.change_tol > 0

    @property
    def needs_previous(self) -> bool:
        """Whether a half-step needs the rows of the previous iteration."""
        return self.solver.needs_previous or self.measures_change

    def begin(self, fixed: Factors, measured: Factors | None) -> tuple["HalfStepTask", Factors, Factors | None]:
        """Return what `solve_block` needs for the blocks of one half-step: the task, `fixed` and `measured`.

        Parameters
        ----------
        fixed : float32[n, width]
            Rows of the other side.
        measured : float32[n, width] or None
            Rows of the other side with which errors are computed.
        """
        objective, fixed, measured = self.objective.begin(fixed, measured)
        return replace(self, objective=objective, solver=self.solver.begin(fixed)), fixed, measured


@dataclass(frozen=True, slots=True)
class SolvedBlock:
    """The result of a half-step for one block.

    Attributes
    ----------
    number : int
        Number of the block.
    factors : float32[rows, width]
        Rows of the model, in the order of the block's rows.
    solved : float32[rows, width]
        The rows before their extrapolation; the same array without extrapolation.
    loss : Loss
        Loss of the rows, without their errors if these were not computed.
    sums : SideSums or None
        Contribution of the rows to the sums of their side.
    change : float64[2·k, 2·k] or None
        `spark_mf.kernels.linalg.product_change.change_gram` of the rows as the objective's `product_rows`, of width k.
    seconds : float
        Wall-clock seconds.
    """

    number: int
    factors: Factors
    solved: Factors
    loss: Any
    sums: Any
    change: NDArray[np.float64] | None
    seconds: float


def solve_block(
    block: LaidOutBlock,
    side: SideName,
    fixed: Factors,
    sums: Any,
    previous: Factors | None,
    task: HalfStepTask,
    measured: Factors | None,
    last_solved: Factors | None = None,
) -> SolvedBlock:
    """Return the solved rows of a block, extrapolated if `last_solved` is given.

    Parameters
    ----------
    block : LaidOutBlock
    side : "user" or "item"
        The side of the block's rows.
    fixed : float32[n, width]
        Rows of the other side, from `HalfStepTask.begin`.
    sums : SideSums or None
        Sums of the other side.
    previous : float32[m, width] or None
        Previous rows of this side; None if the task does not need them.
    task : HalfStepTask
        The task from `HalfStepTask.begin`.
    measured : float32[n, width] or None
        Rows of the other side, from `HalfStepTask.begin`, with which the errors of the new rows are computed, by one
        more pass over the ratings unless they are `fixed` and the solver knows them; None for no errors.
    last_solved : float32[m, width] or None
        Solved rows of this side in the previous iteration, from which the new ones are extrapolated; None for no
        extrapolation.
    """
    began = time.perf_counter()
    training, objective, n_threads = block.training, task.objective, _threads()
    problem = objective.problem(training, fixed, sums, side)
    old = None if previous is None else previous[training.rows]
    solved = np.empty((training.n_rows, task.width), np.float32) if old is None else old.copy()
    # A solver can tell the losses of its own rows with the factors that it was given, and no others.
    losses = np.full(training.n_rows, np.nan) if measured is fixed and last_solved is None else None
    task.solver.solve(problem, solved, n_threads, losses)
    factors = solved
    if task.extrapolation is not None and last_solved is not None:
        factors = task.extrapolation.of(solved, last_solved[training.rows])
    if measured is None:
        loss = objective.penalty_loss(problem, factors)
    else:
        loss = objective.loss(problem, training, block.validation, factors, measured, n_threads, losses)
    return SolvedBlock(
        number=block.number,
        factors=factors,
        solved=solved,
        loss=loss,
        sums=objective.side_sums(factors),
        change=_change(factors, old, side, task) if old is not None else None,
        seconds=time.perf_counter() - began,
    )


def _change(new: Factors, old: Factors, side: SideName, task: HalfStepTask) -> NDArray[np.float64] | None:
    if not task.measures_change:
        return None
    return change_gram(task.objective.product_rows(new, side), task.objective.product_rows(old, side))


@dataclass(frozen=True)
class IterationSums:
    """Sums of an iteration over some or all blocks.

    Attributes
    ----------
    loss : Loss
    seconds : float
        Seconds in the kernels.
    changes : float64[2, 2·k, 2·k] or None
        `change_gram` of both sides.
    """

    loss: Any
    seconds: float
    changes: NDArray[np.float64] | None

    @classmethod
    def of_blocks(cls, users: Sequence[SolvedBlock], items: Sequence[SolvedBlock]) -> "IterationSums":
        """Return the sums over the blocks of both half-steps."""
        loss, *others = (block.loss for block in (*users, *items))
        for other in others:
            loss = loss + other
        grams = [[block.change for block in side if block.change is not None] for side in (users, items)]
        changes = np.stack([sum(side[1:], start=side[0]) for side in grams]) if all(grams) else None
        return cls(loss, sum(block.seconds for block in (*users, *items)), changes)

    def to_array(self) -> NDArray[np.float64]:
        """Return the sums as one array, which the members of a ring exchange and add up."""
        changes = np.empty(0) if self.changes is None else self.changes.reshape(-1)
        return np.concatenate([[self.seconds], self.loss.to_array(), changes])

    def with_sums(self, total: NDArray[np.float64]) -> "IterationSums":
        """Return the sums of all members from the total of their arrays."""
        n_loss = self.loss.to_array().size
        changes = None if self.changes is None else total[1 + n_loss :].reshape(self.changes.shape)
        return IterationSums(self.loss.from_array(total[1 : 1 + n_loss]), float(total[0]), changes)

    def finish(self, seconds: float, progress: FitProgress, task: HalfStepTask) -> tuple[IterationResult, FitProgress]:
        """Return the result of an iteration and the progress after it, from the sums over all blocks."""
        change = None if self.changes is None else product_change(*self.changes)
        metrics = dict(task.objective.metrics(self.loss))
        after = progress.after(metrics, self.loss.is_finite, change, task.rules)
        if change is not None:
            metrics["product_change"] = change
        return IterationResult(after.iteration, seconds, metrics, self.seconds), after


def sums_bytes(task: HalfStepTask) -> int:
    """Return an upper bound on the bytes of the sums that members of a ring exchange."""
    k = task.objective.product_rows(np.empty((0, task.width), np.float32), "user").shape[1]
    matrices = 2 * (2 * k) ** 2 if task.measures_change else task.width**2
    return _FLOAT64_BYTES * (_MOST_SCALARS + matrices)


def add_sums(parts: Sequence[Any]) -> Any:
    """Return the total of the side sums of blocks or members; None if the objective needs none."""
    if parts[0] is None:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _threads() -> int:
    context = TaskContext.get()
    return context.cpus() if context else 1
