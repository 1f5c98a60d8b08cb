"""Half-steps on a ring: blocks stay in the workers' memory, and new factors go from worker to worker.

The same half-steps as those of `half_step_broadcast`, and the same limit: both factor matrices, n·rank·4 bytes each,
must fit in the driver and once per running task in the executors. They pass the driver only between stages.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark import SparkContext

from spark_mf.blocks.partition import Partition
from spark_mf.exchange.gang import Gang
from spark_mf.engine.half_step import Factors, SolvedBlock, Subproblem, solve_block
from spark_mf.engine.iteration import Iteration, State, block_sums, block_sums_bytes, summed
from spark_mf.ratings.layout import LaidOutBlock, Layout, PackedBlock, blocks_of_member, unpack_block
from spark_mf.exchange.ring.ring import Ring

_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class _Solved:
    """What a member leaves behind: the factors of its own rows, and the iterations as every member knows them."""

    users: Factors
    items: Factors
    iterations: list[Iteration]


class RingEngine:
    """Runs the iterations of one fit on laid-out ratings, several in each barrier stage."""

    name = "ring"

    def __init__(
        self, context: SparkContext, users: Layout, items: Layout, problem: Subproblem, timeout: float
    ) -> None:
        self._context, self._users, self._items, self._problem = context, users, items, problem
        largest = max(len(users.side), len(items.side)) * problem.rank * _FLOAT32_BYTES
        self._gang = Gang(users.members.zip(items.members), timeout, max(largest, block_sums_bytes(problem)))

    def iterate(self, state: State, numbers: range, total: int) -> Generator[Iteration]:
        """Improve `state` as `BroadcastEngine.iterate` does; it has the factors of the last of the iterations."""
        partitions = self._users.side.partition, self._items.side.partition
        problem, unchanged = self._problem, (self._users.unchanged, self._items.unchanged)
        sent = self._context.broadcast((partitions, state))

        def work(ring: Ring, record: tuple[tuple[PackedBlock, ...], tuple[PackedBlock, ...]]) -> _Solved:
            sides, start = sent.value
            parts = (_Part(ring, sides[side], unchanged[side](record[side])) for side in (0, 1))
            return _Member(ring, problem, *parts).work(State(start.users.copy(), start.items.copy()), numbers)

        try:
            solved = self._gang.run(f"{problem.estimator} {numbers[0]}–{numbers[-1]}/{total}", work)
        finally:
            sent.destroy()
        state.users = _whole([part.users for part in solved], partitions[0])
        state.items = _whole([part.items for part in solved], partitions[1])
        yield from solved[0].iterations


class _Part:
    """A member's blocks of one side, and which rows of the side each member has."""

    def __init__(self, ring: Ring, partition: Partition, packed: tuple[PackedBlock, ...]) -> None:
        self.blocks: list[LaidOutBlock] = [unpack_block(block) for block in packed]
        self.rows = [_rows_of(partition, position, ring.size) for position in range(ring.size)]


class _Member:
    """One member at work on its blocks of both sides."""

    def __init__(self, ring: Ring, problem: Subproblem, users: _Part, items: _Part) -> None:
        self._ring, self._problem, self._users, self._items = ring, problem, users, items

    def work(self, state: State, numbers: range) -> _Solved:
        """Run iterations, all in step with the other members; all come to the same last one."""
        iterations: list[Iteration] = []
        self._ring.joined()
        for number in numbers:
            iterations.append(self._iterate_once(state, number))
            if iterations[-1].is_last(self._problem):
                break
        own = self._ring.position
        return _Solved(state.users[self._users.rows[own]], state.items[self._items.rows[own]], iterations)

    def _iterate_once(self, state: State, number: int) -> Iteration:
        """Run both half-steps and replace the factors in `state`."""
        began = time.perf_counter()
        old_items = state.items
        if not self._problem.method.alternates:
            # The users' half-step needs them once more.
            state.items = np.empty_like(old_items)
        items = self._half_step(self._items, state.users, old_items, state.items, measured=None)
        fixed = state.items if self._problem.method.alternates else old_items
        users = self._half_step(self._users, fixed, state.users, state.users, measured=state.items)
        parts = self._ring.all_gather(block_sums(users, items, self._problem))
        return summed(number, time.perf_counter() - began, parts, self._problem)

    def _half_step(
        self, part: _Part, fixed: Factors, previous: Factors, new: Factors, measured: Factors | None
    ) -> list[SolvedBlock]:
        """Improve the member's rows of one side, and write those of all members to `new`."""
        start = previous if self._problem.needs_previous else None
        solved = []
        for block in part.blocks:
            solved.append(solve_block(block, fixed, start, self._problem, measured))
            self._ring.alive()
        own = np.concatenate([block.factors for block in solved])
        for rows, gathered in zip(part.rows, self._ring.all_gather(own.reshape(-1)), strict=True):
            new[rows] = gathered.reshape(-1, self._problem.rank)
        return solved


def _rows_of(partition: Partition, position: int, n_members: int) -> NDArray[np.int32]:
    """Dense indices of a member's rows, block by block."""
    blocks = blocks_of_member(position, partition.n_blocks, n_members)
    return np.concatenate([partition.members(block) for block in blocks])


def _whole(parts: list[Factors], partition: Partition) -> Factors:
    """Put the members' rows of one side together."""
    factors = np.empty((len(partition), parts[0].shape[1]), np.float32)
    for position, part in enumerate(parts):
        factors[_rows_of(partition, position, len(parts))] = part
    return factors
