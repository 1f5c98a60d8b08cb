"""Half-steps on a ring: blocks stay in the workers' memory, and new rows travel from worker to worker.

Both factor matrices, n·rank·4 bytes each, must fit in the driver and in each running task, twice if factors are
extrapolated. They pass through the driver only between stages.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark import SparkContext

from spark_mf.blocks.partition import Partition
from spark_mf.exchange.barrier_stage import BarrierStage
from spark_mf.exchange.base import FitState, IterationResult
from spark_mf.exchange.half_step import HalfStepTask, IterationSums, SolvedBlock, add_sums, solve_block, sums_bytes
from spark_mf.exchange.ring.ring import Ring
from spark_mf.exchange.stopping import FitProgress
from spark_mf.objectives.regularization import SideName
from spark_mf.ratings.layout import LaidOutBlock, Layout, PackedBlock, blocks_of_member, unpack_block
from spark_mf.solvers.base import Factors

_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class _Solved:
    """The result of a member: its own rows of the arrays of a `FitState`, by name, and the iterations.

    The best rows are those of this stage, and absent if an earlier one had the best iteration. The iterations are the
    same for every member.
    """

    own: dict[str, Factors]
    iterations: list[tuple[IterationResult, FitProgress]]


class RingHalfSteps:
    """The exchange "ring" of ALS and GD: several iterations in each barrier stage."""

    def __init__(self, context: SparkContext, users: Layout, items: Layout, task: HalfStepTask, timeout: float) -> None:
        self._context, self._users, self._items, self._task = context, users, items, task
        largest = max(len(users.side), len(items.side)) * task.width * _FLOAT32_BYTES
        self._stage = BarrierStage(users.members.zip(items.members), timeout, max(largest, sums_bytes(task)))

    def run(
        self, state: FitState, progress: FitProgress, numbers: range
    ) -> Generator[tuple[IterationResult, FitProgress]]:
        """Run half-steps, items first; `state` has the last iteration's rows once all results have been yielded."""
        partitions = self._users.side.partition, self._items.side.partition
        sent = self._context.broadcast((partitions, replace(state, best_users=None, best_items=None)))
        task, unchanged = self._task, (self._users.unchanged, self._items.unchanged)
        names = self._users.side.row_name, self._items.side.row_name

        def work(ring: Ring, record: tuple[tuple[PackedBlock, ...], tuple[PackedBlock, ...]]) -> _Solved:
            sides, begun = sent.value
            parts = (_Part(ring, names[side], sides[side], unchanged[side](record[side])) for side in (0, 1))
            own = FitState(**{name: rows.copy() for name, rows in begun.arrays().items()})
            return _Member(ring, task, *parts).work(own, progress, len(numbers))

        try:
            label = f"{task.estimator} {numbers[0]}–{numbers[-1]}/{task.rules.max_iterations}"
            solved = self._stage.run(label, work)
        finally:
            sent.destroy()
        for name in solved[0].own:
            setattr(state, name, _whole([part.own[name] for part in solved], partitions[_side_of(name)]))
        yield from solved[0].iterations


class _Part:
    """A member's blocks of one side, and the rows of the side that each member has."""

    def __init__(self, ring: Ring, side: SideName, partition: Partition, packed: tuple[PackedBlock, ...]) -> None:
        self.side = side
        self.blocks: list[LaidOutBlock] = [unpack_block(block) for block in packed]
        self.rows = [_rows_of(partition, position, ring.size) for position in range(ring.size)]
        self.own = self.rows[ring.position]


class _Member:
    """A member of the ring, which runs the half-steps of its blocks of both sides."""

    def __init__(self, ring: Ring, task: HalfStepTask, users: _Part, items: _Part) -> None:
        self._ring, self._task, self._users, self._items = ring, task, users, items

    def work(self, state: FitState, progress: FitProgress, n_iterations: int) -> _Solved:
        """Run iterations in lockstep with the other members, which all stop after the same one."""
        iterations: list[tuple[IterationResult, FitProgress]] = []
        best: dict[str, Factors] = {}
        if self._task.extrapolation is not None and state.previous_users is None:
            state.previous_users, state.solved_items = np.empty_like(state.users), np.empty_like(state.items)
        self._ring.joined()
        self._user_sums = self._sums_of(self._users, state.users)
        self._item_sums = self._sums_of(self._items, state.items)
        while len(iterations) < n_iterations and progress.end is None:
            result, progress = self._iterate(state, progress)
            iterations.append((result, progress))
            if self._task.rules.keeps_best and progress.is_best:
                best = {"best_users": state.users[self._users.own], "best_items": state.items[self._items.own]}
        parts = self._users, self._items
        own = {name: rows[parts[_side_of(name)].own] for name, rows in state.arrays().items()}
        return _Solved(own | best, iterations)

    def _iterate(self, state: FitState, progress: FitProgress) -> tuple[IterationResult, FitProgress]:
        """Run both half-steps and update `state`."""
        began = time.perf_counter()
        alternates, items = self._task.solver.alternates, state.items
        of_items = self._items_half_step(state, progress)
        new_sums = self._all_sums([block.sums for block in of_items])
        fixed, sums = (state.items, new_sums) if alternates else (items, self._item_sums)
        of_users = self._half_step(self._users, fixed, sums, state.users, state.users, measured=state.items)
        self._item_sums = new_sums
        self._user_sums = self._all_sums([block.sums for block in of_users])
        own = IterationSums.of_blocks(of_users, of_items)
        parts = self._ring.all_gather(own.to_array())
        total = own.with_sums(sum(parts[1:], start=parts[0]))
        return total.finish(time.perf_counter() - began, progress, self._task)

    def _items_half_step(self, state: FitState, progress: FitProgress) -> list[SolvedBlock]:
        """Run the half-step of the items, which starts from extrapolated users; update all rows but the users."""
        extrapolation, last_solved = self._task.extrapolation, None
        fixed, sums, items = state.users, self._user_sums, state.items
        if extrapolation is not None and extrapolation.applies_after(progress):
            assert state.previous_users is not None
            fixed, last_solved = extrapolation.of(state.users, state.previous_users), state.solved_items
            sums = self._sums_of(self._users, fixed)
        # GD's simultaneous step of the users needs the old items.
        state.items = items if self._task.solver.alternates else np.empty_like(items)
        solved = self._half_step(self._items, fixed, sums, items, state.items, None, last_solved)
        if state.previous_users is not None and state.solved_items is not None:
            state.previous_users[:] = state.users
            for block, own in zip(self._items.blocks, solved, strict=True):
                # The rows of other members stay undefined; nothing reads them.
                state.solved_items[block.training.rows] = own.solved
        return solved

    def _half_step(
        self,
        part: _Part,
        fixed: Factors,
        sums: Any,
        previous: Factors,
        new: Factors,
        measured: Factors | None,
        last_solved: Factors | None = None,
    ) -> list[SolvedBlock]:
        """Solve the member's rows of one side, and write the rows of all members to `new`."""
        start = previous if self._task.needs_previous else None
        task, fixed, measured = self._task.begin(fixed, measured)
        solved = []
        for block in part.blocks:
            solved.append(solve_block(block, part.side, fixed, sums, start, task, measured, last_solved))
            self._ring.alive()
        own = np.concatenate([block.factors for block in solved])
        for rows, gathered in zip(part.rows, self._ring.all_gather(own.reshape(-1)), strict=True):
            new[rows] = gathered.reshape(-1, self._task.width)
        return solved

    def _sums_of(self, part: _Part, rows: Factors) -> Any:
        """Return the side sums of all rows of a side, of which each member adds up its own."""
        return self._all_sums([self._task.objective.side_sums(rows[part.own])])

    def _all_sums(self, own: list[Any]) -> Any:
        """Return the side sums of all members; None if the objective needs none."""
        sums = add_sums(own)
        if sums is None:
            return None
        return add_sums([sums.from_array(part) for part in self._ring.all_gather(sums.to_array())])


def _side_of(name: str) -> int:
    """Return 0 for an array of users in a `FitState`, and 1 for one of items."""
    return int(name.endswith("items"))


def _rows_of(partition: Partition, position: int, n_members: int) -> NDArray[np.int32]:
    """Return the dense indices of a member's rows, block by block."""
    blocks = blocks_of_member(position, partition.n_blocks, n_members)
    return np.concatenate([partition.members(block) for block in blocks])


def _whole(parts: list[Factors], partition: Partition) -> Factors:
    """Return the rows of one side, put together from those of the members."""
    factors = np.empty((len(partition), parts[0].shape[1]), np.float32)
    for position, part in enumerate(parts):
        factors[_rows_of(partition, position, len(parts))] = part
    return factors
