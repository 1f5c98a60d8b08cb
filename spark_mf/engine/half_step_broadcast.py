"""Half-steps as ordinary Spark stages: each broadcasts the fixed side's factors and gathers the other's.

Limit: a factor matrix, n·rank·4 bytes, must fit in the driver and once per running task in the executors; the exact
solver needs one side's at a time there, inner steps both, and a simultaneous step the items' old and new ones, too.
With tol, each block's result has 32·rank² bytes more.
"""

import time
from collections.abc import Generator

import numpy as np
from pyspark import Broadcast, SparkContext

from spark_mf.engine.half_step import Factors, SolvedBlock, Subproblem, solve_block
from spark_mf.engine.iteration import Iteration, State, block_sums, summed
from spark_mf.runtime.jobs import described
from spark_mf.ratings.layout import Layout, PackedBlock, unpack_block
from spark_mf.runtime.garbage import settle


class BroadcastEngine:
    """Runs the iterations of one fit on laid-out ratings."""

    name = "broadcast"

    def __init__(self, context: SparkContext, users: Layout, items: Layout, problem: Subproblem) -> None:
        self._context, self._users, self._items, self._problem = context, users, items, problem

    def iterate(self, state: State, numbers: range, total: int) -> Generator[Iteration]:
        """Improve `state` by half-steps, items first as pyspark's ALS does; yield after each iteration.

        Parameters
        ----------
        state : State
            Has the factors after each iteration.
        numbers : range
            Of the iterations, from 1; those after the last that `Iteration.is_last` tells are not run.
        total : int
            The last iteration of the fit.
        """
        sent: dict[str, Broadcast] = {}
        try:
            sent["users"] = self._context.broadcast(state.users)
            sent["items"] = self._context.broadcast(state.items)
            for number in numbers:
                iteration = self._iterate_once(sent, state, number, f"{self._problem.estimator} {number}/{total}")
                yield iteration
                if iteration.is_last(self._problem):
                    return
        finally:
            for factors in sent.values():
                factors.destroy()

    def _iterate_once(self, sent: dict[str, Broadcast], state: State, number: int, label: str) -> Iteration:
        """Run both half-steps and replace the factors in `state` and those that were `sent`."""
        began = time.perf_counter()
        state.items, items = self._half_step(f"{label} items", self._items, sent["users"], sent["items"], None)
        sent["new items"] = self._context.broadcast(state.items)
        if self._problem.method.alternates:
            sent.pop("items").destroy()
        fixed = sent.get("items", sent["new items"])
        state.users, users = self._half_step(
            f"{label} users", self._users, fixed, sent["users"], measured=sent["new items"]
        )
        for name in sent.keys() & {"users", "items"}:
            sent.pop(name).destroy()
        sent["items"] = sent.pop("new items")
        sent["users"] = self._context.broadcast(state.users)
        seconds = time.perf_counter() - began
        return summed(number, seconds, [block_sums(users, items, self._problem)], self._problem)

    def _half_step(
        self, description: str, layout: Layout, fixed: Broadcast, previous: Broadcast, measured: Broadcast | None
    ) -> tuple[Factors, list[SolvedBlock]]:
        """Improve every block of a side; return its factor matrix and the blocks."""
        problem = self._problem

        def solve(packed: PackedBlock) -> SolvedBlock:
            settle()
            # Where a half-step starts from nothing, its workers never load the previous factors.
            start = previous.value if problem.needs_previous else None
            errors_with = None if measured is None else measured.value
            return solve_block(unpack_block(packed), fixed.value, start, problem, errors_with)

        partition = layout.side.partition
        factors = np.empty((len(layout.side), problem.rank), np.float32)
        with described(self._context, description):
            solved = layout.blocks.map(solve).collect()
        for block in solved:
            factors[partition.members(block.number)] = block.factors
        return factors, solved
