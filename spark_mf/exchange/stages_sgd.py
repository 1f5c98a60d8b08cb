"""Stratified SGD as ordinary Spark stages, one per stratum, for sessions that cannot run barrier stages.

The schedule and the results are those of the ring, but all rows pass through the driver in each stratum.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from pyspark import Broadcast, SparkContext

from spark_mf.exchange.base import FitState, IterationResult
from spark_mf.exchange.sgd_task import SGDTask, UserBlock
from spark_mf.exchange.stopping import FitProgress
from spark_mf.objectives.explicit import SquaredLoss
from spark_mf.ratings.grid import Grid, GridRow
from spark_mf.runtime.freeze_gc import freeze_gc
from spark_mf.runtime.jobs import job_description
from spark_mf.solvers.base import Factors


@dataclass(frozen=True)
class _Visited:
    """The result of a cell: the rows of both blocks, Σ e², and the seconds in the kernel."""

    user_block: int
    users: Factors
    items: Factors
    squared_error: float
    kernel_seconds: float


class StagesSGD:
    """The exchange "stages" of SGD, with one partition per cell of the grid."""

    def __init__(self, context: SparkContext, grid: Grid, task: SGDTask) -> None:
        self._context, self._grid, self._task = context, grid, task

    def run(
        self, state: FitState, progress: FitProgress, numbers: range
    ) -> Generator[tuple[IterationResult, FitProgress]]:
        """Run epochs; `state` has the new rows after each epoch."""
        width = self._task.update.layout.width
        shared = self._context.broadcast(self._task)
        try:
            for _ in numbers:
                if progress.end is not None:
                    return
                began = time.perf_counter()
                loss, kernel_seconds = self._epoch(state, progress, shared)
                result, progress = self._task.finish(loss, time.perf_counter() - began, kernel_seconds, progress)
                if self._task.rules.keeps_best and progress.is_best:
                    state.best_users, state.best_items = state.users[:, :width].copy(), state.items[:, :width].copy()
                yield result, progress
        finally:
            shared.destroy()

    def _epoch(self, state: FitState, progress: FitProgress, shared: Broadcast[SGDTask]) -> tuple[SquaredLoss, float]:
        """Run one epoch; return its loss and the seconds in the kernels."""
        task = self._task
        strata = task.strata.strata(progress.iteration)
        # The order of summation is that of the ring: over the visits of each member, then over the members.
        errors = [0.0] * len(strata[0])
        kernel_seconds = 0.0
        for turn, stratum in enumerate(strata, 1):
            label = f"SGD {progress.iteration + 1}/{task.rules.max_iterations} stratum {turn}/{len(strata)}"
            for visited in self._visit(label, stratum, state, progress, shared):
                state.users[task.users.members(visited.user_block)] = visited.users
                state.items[task.items.members(stratum[visited.user_block])] = visited.items
                errors[visited.user_block] += visited.squared_error
                kernel_seconds += visited.kernel_seconds
        validation = 0.0
        if task.objective.n_validation:
            validation, validation_seconds = self._validate(state, progress.iteration, shared)
            kernel_seconds += validation_seconds
        return SquaredLoss(float(sum(errors)), validation, self._penalties(state)), kernel_seconds

    def _visit(
        self, label: str, stratum: list[int], state: FitState, progress: FitProgress, shared: Broadcast[SGDTask]
    ) -> list[_Visited]:
        """Train the cells of one stratum; return their results."""
        task, epoch, step = self._task, progress.iteration, progress.step
        sent: list[Broadcast[tuple[Factors, Factors]]] = []

        def visit(rows: Iterable[GridRow]) -> Iterator[_Visited]:
            freeze_gc()
            (row,) = rows
            users, items = (part.copy() for part in sent[row.number].value)
            block = UserBlock(row, users, shared.value)
            error = block.train(stratum[row.number], items, epoch, step)
            yield _Visited(row.number, users, items, error, block.kernel_seconds)

        cells = [user_block * task.strata.item_blocks + item_block for user_block, item_block in enumerate(stratum)]
        with ExitStack() as cleanup:
            # One broadcast per task, so that a task loads only its own rows.
            for user_block, item_block in enumerate(stratum):
                rows = state.users[task.users.members(user_block)], state.items[task.items.members(item_block)]
                sent.append(self._context.broadcast(rows))
                cleanup.callback(sent[-1].destroy)
            with job_description(self._context, label):
                return self._context.runJob(self._grid.rows, visit, cells)

    def _validate(self, state: FitState, epoch: int, shared: Broadcast[SGDTask]) -> tuple[float, float]:
        """Return Σ e² of the validation ratings, which the first cell of each user block has, and the seconds."""
        task = self._task
        width, q = task.update.layout.width, task.strata.item_blocks
        items = np.concatenate([state.items[task.items.members(block)] for block in range(q)])
        sent = self._context.broadcast((state.users, items[:, :width].copy()))

        def validate(rows: Iterable[GridRow]) -> Iterator[tuple[float, float]]:
            freeze_gc()
            (row,) = rows
            users, items = sent.value
            block = UserBlock(row, users[shared.value.users.members(row.number)], shared.value)
            error = block.validation_error(items)
            yield error, block.kernel_seconds

        cells = [user_block * q for user_block in range(task.strata.user_blocks)]
        try:
            with job_description(self._context, f"SGD {epoch + 1}/{task.rules.max_iterations} validation"):
                errors, seconds = zip(*self._context.runJob(self._grid.rows, validate, cells), strict=True)
                return float(sum(errors)), float(sum(seconds))
        finally:
            sent.destroy()

    def _penalties(self, state: FitState) -> float:
        task = self._task
        total = []
        for user_block in range(task.strata.user_blocks):
            members = task.users.members(user_block)
            penalties = task.penalties("user", user_block, state.users[members])
            for item_block in task.strata.owned(user_block):
                rows = state.items[task.items.members(item_block)]
                penalties += task.penalties("item", item_block, rows)
            total.append(penalties)
        return float(sum(total))
