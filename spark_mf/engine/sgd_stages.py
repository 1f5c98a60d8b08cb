"""Stratified descent as ordinary Spark stages, one a stratum: where barrier stages cannot run.

The same schedule and the same results as on the ring, but every block's rows pass the driver in each stratum.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from pyspark import Broadcast, SparkContext

from spark_mf.engine.course import DIVERGED, Course, EpochSums
from spark_mf.engine.descent import Descent, DescentState, Epoch, Rows, UserBlock
from spark_mf.ratings.grid import Grid, GridRow
from spark_mf.runtime.jobs import described
from spark_mf.runtime.garbage import settle


@dataclass(frozen=True)
class _Visited:
    """A cell's result: the rows of both blocks, Σ e², and how long it took."""

    user_block: int
    users: Rows
    items: Rows
    squared_error: float
    kernel_seconds: float


class StagesDescent:
    """Runs the epochs of one fit on its grid, which has each cell in a partition of its own: a stratum a stage."""

    name = "stages"

    def __init__(self, context: SparkContext, grid: Grid, descent: Descent) -> None:
        self._context, self._grid, self._descent = context, grid, descent

    def run(self, state: DescentState, course: Course, numbers: range) -> Generator[tuple[Epoch, Course]]:
        """Run epochs as `RingDescent.run` does; `state` has the rows after each."""
        rules, width = self._descent.rules, self._descent.update.lanes.width
        self._sent = self._context.broadcast(self._descent)
        try:
            for _ in numbers:
                if course.end is not None:
                    break
                began = time.perf_counter()
                step = course.step
                sums = self._epoch(state, course)
                course = course.after(sums, rules)
                if course.is_best and rules.n_validation and course.end != DIVERGED:
                    state.best_users, state.best_items = state.users[:, :width].copy(), state.items[:, :width].copy()
                yield Epoch(time.perf_counter() - began, step, sums), course
        finally:
            self._sent.destroy()

    def _epoch(self, state: DescentState, course: Course) -> EpochSums:
        descent = self._descent
        strata = descent.strata.strata(course.epoch)
        # Summed as the members of a ring do: each its own visits in turn, then one after the other.
        errors = [0.0] * len(strata[0])
        kernel_seconds = 0.0
        for turn, stratum in enumerate(strata, 1):
            label = f"SGD {course.epoch + 1}/{descent.rules.epochs} stratum {turn}/{len(strata)}"
            for visited in self._visit(label, stratum, state, course):
                state.users[descent.users.members(visited.user_block)] = visited.users
                state.items[descent.items.members(stratum[visited.user_block])] = visited.items
                errors[visited.user_block] += visited.squared_error
                kernel_seconds += visited.kernel_seconds
        validation = 0.0
        if descent.rules.n_validation:
            validation, validation_seconds = self._validate(state, course.epoch)
            kernel_seconds += validation_seconds
        return EpochSums(float(sum(errors)), self._penalties(state), validation, kernel_seconds)

    def _visit(self, label: str, stratum: list[int], state: DescentState, course: Course) -> list[_Visited]:
        """Train the cells of one stratum."""
        descent, shared = self._descent, self._sent
        sent: list[Broadcast[tuple[Rows, Rows]]] = []

        def visit(rows: Iterable[GridRow]) -> Iterator[_Visited]:
            settle()
            (row,) = rows
            users, items = (part.copy() for part in sent[row.number].value)
            block = UserBlock(row, users, shared.value)
            error = block.train(stratum[row.number], items, course.epoch, course.step)
            yield _Visited(row.number, users, items, error, block.kernel_seconds)

        cells = [user_block * descent.strata.item_blocks + item_block for user_block, item_block in enumerate(stratum)]
        with ExitStack() as held:
            # One broadcast for each task, which loads no other.
            for user_block, item_block in enumerate(stratum):
                rows = state.users[descent.users.members(user_block)], state.items[descent.items.members(item_block)]
                sent.append(self._context.broadcast(rows))
                held.callback(sent[-1].destroy)
            with described(self._context, label):
                return self._context.runJob(self._grid.rows, visit, cells)

    def _validate(self, state: DescentState, epoch: int) -> tuple[float, float]:
        """Σ e² over the validation ratings, which are with the first cell of each user block, and kernel seconds."""
        descent, shared = self._descent, self._sent
        width, q = descent.update.lanes.width, descent.strata.item_blocks
        items = np.concatenate([state.items[descent.items.members(block)] for block in range(q)])
        sent = self._context.broadcast((state.users, items[:, :width].copy()))

        def validate(rows: Iterable[GridRow]) -> Iterator[tuple[float, float]]:
            settle()
            (row,) = rows
            users, items = sent.value
            block = UserBlock(row, users[shared.value.users.members(row.number)], shared.value)
            error = block.validation_error(items)
            yield error, block.kernel_seconds

        cells = [user_block * q for user_block in range(descent.strata.user_blocks)]
        try:
            with described(self._context, f"SGD {epoch + 1}/{descent.rules.epochs} validation"):
                errors, seconds = zip(*self._context.runJob(self._grid.rows, validate, cells), strict=True)
                return float(sum(errors)), float(sum(seconds))
        finally:
            sent.destroy()

    def _penalties(self, state: DescentState) -> float:
        descent = self._descent
        total = []
        for user_block in range(descent.strata.user_blocks):
            members = descent.users.members(user_block)
            penalties = descent.penalties("user", user_block, state.users[members])
            for item_block in descent.strata.owned(user_block):
                rows = state.items[descent.items.members(item_block)]
                penalties += descent.penalties("item", item_block, rows)
            total.append(penalties)
        return float(sum(total))
