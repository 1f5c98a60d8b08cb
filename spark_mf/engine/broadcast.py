"""ALS as ordinary Spark stages: each half-step broadcasts the fixed side's factors and gathers the other's.

Limit: a factor matrix, n·rank·4 bytes, must fit in the driver and once per running task in the executors; the
exact solver needs one side's at a time there, conjugate gradients both.
"""

import time
from collections.abc import Iterator

import numpy as np
from pyspark import Broadcast, SparkContext

from spark_mf.engine.half_step import SolvedBlock, Subproblem, solve_block
from spark_mf.engine.iteration import Factors, Iteration, State
from spark_mf.engine.jobs import described
from spark_mf.engine.layout import Layout, PackedBlock, unpack_block
from spark_mf.engine.worker import settle


class BroadcastEngine:
    """Runs the iterations of one fit on laid-out ratings."""

    name = "broadcast"

    def __init__(self, context: SparkContext, users: Layout, items: Layout, problem: Subproblem) -> None:
        self._context, self._users, self._items, self._problem = context, users, items, problem

    def iterate(self, state: State, numbers: range, total: int) -> Iterator[Iteration]:
        """Improve `state` by alternating half-steps, items first as pyspark's ALS does; yield after each iteration.

        Parameters
        ----------
        state : State
            Has the factors after each iteration.
        numbers : range
            Of the iterations, from 1.
        total : int
            The last iteration of the fit.

        Raises
        ------
        ArithmeticError
            When a factor is not finite any more.
        """
        sent_users = self._context.broadcast(state.users)
        sent_items = self._context.broadcast(state.items)
        try:
            for number in numbers:
                began = time.perf_counter()
                label = f"ALS {number}/{total}"
                state.items, solved_items = self._half_step(
                    f"{label} items", self._items, sent_users, sent_items, with_errors=False
                )
                sent_items = self._replace(sent_items, state.items)
                state.users, solved_users = self._half_step(
                    f"{label} users", self._users, sent_items, sent_users, with_errors=True
                )
                sent_users = self._replace(sent_users, state.users)
                iteration = _summed(time.perf_counter() - began, solved_users, solved_items)
                iteration.require_finite(number, self._problem)
                yield iteration
        finally:
            sent_users.destroy()
            sent_items.destroy()

    def _half_step(
        self, description: str, layout: Layout, fixed: Broadcast, previous: Broadcast, with_errors: bool
    ) -> tuple[Factors, list[SolvedBlock]]:
        """Solve every block of a side; return its factor matrix and the blocks without theirs."""
        problem = self._problem

        def solve(packed: PackedBlock) -> SolvedBlock:
            settle()
            # An exact solver starts from nothing: its workers never load the previous factors.
            start = previous.value if problem.needs_previous else None
            return solve_block(unpack_block(packed), fixed.value, start, problem, with_errors)

        partition = layout.side.partition
        factors = np.empty((len(layout.side), problem.rank), np.float32)
        with described(self._context, description):
            solved = layout.blocks.map(solve).collect()
        for block in solved:
            factors[partition.members(block.number)] = block.factors
        return factors, solved

    def _replace(self, sent: Broadcast, factors: Factors) -> Broadcast:
        sent.destroy()
        return self._context.broadcast(factors)


def _summed(seconds: float, users: list[SolvedBlock], items: list[SolvedBlock]) -> Iteration:
    return Iteration(
        seconds,
        sum(block.squared_error for block in users),
        sum(block.validation_squared_error for block in users),
        sum(block.penalties for block in users + items),
    )
