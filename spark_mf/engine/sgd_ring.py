"""Stratified descent on a ring: a barrier stage for several epochs, item blocks travelling from worker to worker.

A member keeps its user block and its row of the grid in memory. It hands each item block on as soon as it was worked
on, so that with more item blocks than members one is under way while another is worked on (Yun, Yu, Hsieh, Vishwanathan
and Dhillon 2014, "NOMAD", §3). All rows pass the driver between stages only.
"""

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import cast

import numpy as np
from pyspark import SparkContext

from spark_mf.engine.course import DIVERGED, Course, EpochSums
from spark_mf.engine.descent import Descent, DescentState, Epoch, Rows, UserBlock
from spark_mf.exchange.gang import Gang
from spark_mf.ratings.grid import Grid, GridRow
from spark_mf.exchange.ring.ring import Ring

_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class _Worked:
    """What a member leaves behind: the rows of its user block and of the item blocks it owns, now and at the best
    epoch of the stage, and the epochs as every member knows them."""

    users: Rows
    items: dict[int, Rows]
    best: tuple[Rows, dict[int, Rows]] | None
    epochs: list[Epoch]
    course: Course


class RingDescent:
    """Runs the epochs of one fit on its grid, several in each barrier stage."""

    name = "ring"

    def __init__(self, context: SparkContext, grid: Grid, descent: Descent, timeout: float) -> None:
        self._context, self._grid, self._descent = context, grid, descent
        p = descent.strata.user_blocks
        # What travels is a block's rows, or those of all that a member owns.
        sizes = descent.items.sizes
        most = max(sum(int(sizes[block]) for block in descent.strata.owned(member)) for member in range(p))
        largest = most * descent.update.lanes.stride * _FLOAT32_BYTES
        self._gang = Gang(grid.rows, timeout, largest)

    def run(self, state: DescentState, course: Course, numbers: range) -> Generator[tuple[Epoch, Course]]:
        """Run epochs until the course ends; `state` has the rows of the last one when all are yielded.

        Parameters
        ----------
        state : DescentState
            Changed.
        course : Course
            After the epoch before.
        numbers : range
            Of the epochs, from 1.

        Yields
        ------
        each epoch, and the course after it
        """
        descent, total = self._descent, self._descent.rules.epochs
        sent = self._context.broadcast((descent, state.users, state.items))

        def work(ring: Ring, row: GridRow) -> _Worked:
            return _Member(ring, row, *sent.value).work(course, len(numbers))

        try:
            worked = self._gang.run(f"SGD {numbers[0]}–{numbers[-1]}/{total}", work)
        finally:
            sent.destroy()
        for epoch in worked[0].epochs:
            course = course.after(epoch.sums, descent.rules)
            yield epoch, course
        _collect(state, worked, descent)


class _Member:
    """One member at work."""

    def __init__(self, ring: Ring, row: GridRow, descent: Descent, users: Rows, items: Rows) -> None:
        lanes = descent.update.lanes
        self._ring, self._descent, self._stride = ring, descent, lanes.stride
        mine = descent.users.members(row.number)
        own_rows = lanes.zeros(mine.size)
        own_rows[:] = users[mine]
        self._users = UserBlock(row, own_rows, descent)
        self._own: dict[int, Rows] = {}
        for block in descent.strata.owned(ring.position):
            members = descent.items.members(block)
            self._own[block] = lanes.zeros(members.size)
            self._own[block][:] = items[members]

    def work(self, course: Course, n_epochs: int) -> _Worked:
        """Run epochs, all in step with the other members; fewer when the course ends."""
        epochs: list[Epoch] = []
        best = None
        self._ring.joined()
        while len(epochs) < n_epochs and course.end is None:
            began = time.perf_counter()
            sums = self._epoch(course)
            epochs.append(Epoch(time.perf_counter() - began, course.step, sums))
            course = course.after(sums, self._descent.rules)
            if course.is_best and self._descent.rules.n_validation and course.end != DIVERGED:
                best = self._copy()
        return _Worked(self._users.rows, self._own, best, epochs, course)

    def _epoch(self, course: Course) -> EpochSums:
        epoch, step, worked_before = course.epoch, course.step, self._users.kernel_seconds
        error = self._rotate(epoch, lambda block, rows: self._users.train(block, rows, epoch, step))
        penalties = self._users.penalties()
        for block in sorted(self._own):
            penalties += self._descent.penalties("item", block, self._own[block])
        validation = 0.0
        if self._descent.rules.n_validation:
            validation = self._users.validation_error(self._all_items())
        own = np.array([error, penalties, validation, self._users.kernel_seconds - worked_before])
        return EpochSums(*(float(sum(parts)) for parts in zip(*self._ring.all_gather(own), strict=True)))

    def _all_items(self) -> Rows:
        """The items' rows without the optimizer's state, block after block."""
        width = self._descent.update.lanes.width
        own = np.concatenate([self._own[block][:, :width] for block in sorted(self._own)])
        return np.concatenate(self._ring.all_gather(own.reshape(-1))).reshape(-1, width)

    def _rotate(self, epoch: int, visit: Callable[[int, Rows], float]) -> float:
        """Visit every item block once, handing each on; return the sum of what `visit` returns."""
        strata, position = self._descent.strata, self._ring.position
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

    def _receive(self) -> tuple[int, Rows]:
        block, values = self._ring.receive()
        return block, values.reshape(-1, self._stride)

    def _copy(self) -> tuple[Rows, dict[int, Rows]]:
        width = self._descent.update.lanes.width
        own = {block: rows[:, :width].copy() for block, rows in self._own.items()}
        return self._users.rows[:, :width].copy(), own


def _collect(state: DescentState, worked: list[_Worked], descent: Descent) -> None:
    """Put the members' rows into the state."""
    for number, member in enumerate(worked):
        state.users[descent.users.members(number)] = member.users
        for block, rows in member.items.items():
            state.items[descent.items.members(block)] = rows
    if worked[0].best is None:
        return
    width = descent.update.lanes.width
    state.best_users = np.empty((len(descent.users), width), np.float32)
    state.best_items = np.empty((len(descent.items), width), np.float32)
    for number, member in enumerate(worked):
        users, items = cast(tuple[Rows, dict[int, Rows]], member.best)
        state.best_users[descent.users.members(number)] = users
        for block, rows in items.items():
            state.best_items[descent.items.members(block)] = rows
