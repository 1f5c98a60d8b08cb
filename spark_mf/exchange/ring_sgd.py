"""Stratified SGD on a ring: a barrier stage runs several epochs, and item blocks travel from worker to worker.

A member keeps its user block and its row of the grid in memory. It sends each item block on as soon as it has trained
it, so that with more item blocks than members a block travels while another one is trained (Yun, Yu, Hsieh,
Vishwanathan and Dhillon 2014, "NOMAD", §3). Rows pass through the driver only between stages.
"""

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import cast

import numpy as np
from pyspark import SparkContext

from spark_mf.exchange.barrier_stage import BarrierStage
from spark_mf.exchange.base import FitState, IterationResult
from spark_mf.exchange.ring.ring import Ring
from spark_mf.exchange.sgd_task import SGDTask, UserBlock
from spark_mf.exchange.stopping import FitProgress
from spark_mf.objectives.explicit import SquaredLoss
from spark_mf.ratings.grid import Grid, GridRow
from spark_mf.solvers.base import Factors

_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class _Trained:
    """The result of a member: the rows of its user block and of the item blocks it owns, after the last and after the
    best epoch of the stage, and the epochs, which are the same for every member."""

    users: Factors
    items: dict[int, Factors]
    best: tuple[Factors, dict[int, Factors]] | None
    epochs: list[tuple[IterationResult, FitProgress]]


class RingSGD:
    """The exchange "ring" of SGD: several epochs in each barrier stage."""

    def __init__(self, context: SparkContext, grid: Grid, task: SGDTask, timeout: float) -> None:
        self._context, self._grid, self._task = context, grid, task
        p = task.strata.user_blocks
        # Members send the rows of one item block, or those of all item blocks that they own.
        sizes = task.items.sizes
        most = max(sum(int(sizes[block]) for block in task.strata.owned(member)) for member in range(p))
        largest = most * task.update.layout.stride * _FLOAT32_BYTES
        self._stage = BarrierStage(grid.rows, timeout, largest)

    def run(
        self, state: FitState, progress: FitProgress, numbers: range
    ) -> Generator[tuple[IterationResult, FitProgress]]:
        """Run epochs; `state` has the rows of the last epoch once all results have been yielded."""
        task, total = self._task, self._task.rules.max_iterations
        sent = self._context.broadcast((task, state.users, state.items))

        def work(ring: Ring, row: GridRow) -> _Trained:
            return _Member(ring, row, *sent.value).work(progress, len(numbers))

        try:
            trained = self._stage.run(f"SGD {numbers[0]}–{numbers[-1]}/{total}", work)
        finally:
            sent.destroy()
        _collect(state, trained, task)
        yield from trained[0].epochs


class _Member:
    """A member of the ring, which trains its user block with the item blocks that pass through it."""

    def __init__(self, ring: Ring, row: GridRow, task: SGDTask, users: Factors, items: Factors) -> None:
        layout = task.update.layout
        self._ring, self._task, self._stride = ring, task, layout.stride
        mine = task.users.members(row.number)
        own_rows = layout.zeros(mine.size)
        own_rows[:] = users[mine]
        self._users = UserBlock(row, own_rows, task)
        self._own: dict[int, Factors] = {}
        for block in task.strata.owned(ring.position):
            members = task.items.members(block)
            self._own[block] = layout.zeros(members.size)
            self._own[block][:] = items[members]

    def work(self, progress: FitProgress, n_epochs: int) -> _Trained:
        """Run epochs in lockstep with the other members, until a stopping rule ends the fit."""
        epochs: list[tuple[IterationResult, FitProgress]] = []
        best = None
        self._ring.joined()
        while len(epochs) < n_epochs and progress.end is None:
            began, worked_before = time.perf_counter(), self._users.kernel_seconds
            loss = self._epoch(progress)
            own = np.concatenate([loss.to_array(), [self._users.kernel_seconds - worked_before]])
            parts = self._ring.all_gather(own)
            total = sum(parts[1:], start=parts[0])
            seconds = time.perf_counter() - began
            result, progress = self._task.finish(
                SquaredLoss.from_array(total[:-1]), seconds, float(total[-1]), progress
            )
            epochs.append((result, progress))
            if self._task.rules.keeps_best and progress.is_best:
                best = self._copy()
        return _Trained(self._users.rows, self._own, best, epochs)

    def _epoch(self, progress: FitProgress) -> SquaredLoss:
        """Run one epoch and return this member's part of its loss."""
        epoch, step = progress.iteration, progress.step
        error = self._rotate(epoch, lambda block, rows: self._users.train(block, rows, epoch, step))
        penalties = self._users.penalties()
        for block in sorted(self._own):
            penalties += self._task.penalties("item", block, self._own[block])
        validation = self._users.validation_error(self._all_items()) if self._task.objective.n_validation else 0.0
        return SquaredLoss(error, validation, penalties)

    def _all_items(self) -> Factors:
        """Return the rows of all item blocks in order, without the optimizer's state."""
        width = self._task.update.layout.width
        own = np.concatenate([self._own[block][:, :width] for block in sorted(self._own)])
        return np.concatenate(self._ring.all_gather(own.reshape(-1))).reshape(-1, width)

    def _rotate(self, epoch: int, visit: Callable[[int, Factors], float]) -> float:
        """Call `visit` once for every item block, and send each one on; return the total of the results."""
        strata, position = self._task.strata, self._ring.position
        owned = strata.owned(position)
        circle = strata.circle(epoch)
        waiting = deque((block, self._own.pop(block)) for block in circle[owned.start : owned.stop])
        total = 0.0
        for _ in range(strata.item_blocks):
            block, rows = waiting.popleft() if waiting else self._receive()
            total += visit(block, rows)
            self._ring.send(block, rows)
        self._own = dict(self._receive() for _ in owned)
        return total

    def _receive(self) -> tuple[int, Factors]:
        block, values = self._ring.receive()
        return block, values.reshape(-1, self._stride)

    def _copy(self) -> tuple[Factors, dict[int, Factors]]:
        width = self._task.update.layout.width
        own = {block: rows[:, :width].copy() for block, rows in self._own.items()}
        return self._users.rows[:, :width].copy(), own


def _collect(state: FitState, trained: list[_Trained], task: SGDTask) -> None:
    """Write the members' rows to the state."""
    for number, member in enumerate(trained):
        state.users[task.users.members(number)] = member.users
        for block, rows in member.items.items():
            state.items[task.items.members(block)] = rows
    if trained[0].best is None:
        return
    width = task.update.layout.width
    state.best_users = np.empty((len(task.users), width), np.float32)
    state.best_items = np.empty((len(task.items), width), np.float32)
    for number, member in enumerate(trained):
        users, items = cast(tuple[Factors, dict[int, Factors]], member.best)
        state.best_users[task.users.members(number)] = users
        for block, rows in items.items():
            state.best_items[task.items.members(block)] = rows
