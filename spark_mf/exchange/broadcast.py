"""Half-steps as ordinary Spark stages, which broadcast the rows of the fixed side and collect those of the other.

A factor matrix, n·rank·4 bytes, must fit in the driver and in each running task. Tasks of the exact solver need the
matrix of one side, those of iterative solvers both, and those of GD's simultaneous step the old and the new item
factors as well. Tasks that extrapolate items also need those of the previous iteration. If a tolerance on the change is
set, the result of each block has 32·rank² more bytes.
"""

import time
from collections.abc import Generator
from typing import Any

import numpy as np
from pyspark import Broadcast, SparkContext

from spark_mf.exchange.base import FitState, IterationResult
from spark_mf.exchange.half_step import HalfStepTask, IterationSums, SolvedBlock, add_sums, solve_block
from spark_mf.exchange.stopping import FitProgress
from spark_mf.ratings.layout import Layout, PackedBlock, unpack_block
from spark_mf.runtime.freeze_gc import freeze_gc
from spark_mf.runtime.jobs import job_description
from spark_mf.solvers.base import Factors


class BroadcastHalfSteps:
    """The exchange "broadcast" of ALS and GD."""

    def __init__(self, context: SparkContext, users: Layout, items: Layout, task: HalfStepTask) -> None:
        self._context, self._users, self._items, self._task = context, users, items, task

    def run(
        self, state: FitState, progress: FitProgress, numbers: range
    ) -> Generator[tuple[IterationResult, FitProgress]]:
        """Run half-steps, items first as in pyspark's ALS; `state` has the new rows after each iteration."""
        task, sent = self._task, _Sent(self._context)
        sums = {name: task.objective.side_sums(getattr(state, name)) for name in ("users", "items")}
        try:
            sent.put("users", state.users)
            sent.put("items", state.items)
            for number in numbers:
                began = time.perf_counter()
                label = f"{task.estimator} {number}/{task.rules.max_iterations}"
                solved = self._iterate(sent, sums, state, label, progress)
                result, progress = solved.finish(time.perf_counter() - began, progress, task)
                if task.rules.keeps_best and progress.is_best:
                    state.best_users, state.best_items = state.users, state.items
                yield result, progress
                if progress.end is not None:
                    return
        finally:
            sent.destroy_all()

    def _iterate(
        self, sent: "_Sent", sums: dict[str, Any], state: FitState, label: str, progress: FitProgress
    ) -> IterationSums:
        """Run both half-steps; replace the rows in `state`, their broadcasts and their sums."""
        alternates = self._task.solver.alternates
        items = self._items_half_step(sent, sums["users"], state, label, progress)
        new_sums = add_sums([block.sums for block in items])
        sent.put("new items", state.items)
        if alternates:
            sent.destroy("items")
        fixed = "new items" if alternates else "items"
        users = self._half_step(
            f"{label} users",
            self._users,
            sent[fixed],
            new_sums if alternates else sums["items"],
            sent["users"],
            measured=sent["new items"],
        )
        sums["users"], sums["items"] = add_sums([block.sums for block in users]), new_sums
        state.users = _whole(self._users, users)
        sent.move("new items", "items")
        sent.put("users", state.users)
        return IterationSums.of_blocks(users, items)

    def _items_half_step(
        self, sent: "_Sent", user_sums: Any, state: FitState, label: str, progress: FitProgress
    ) -> list[SolvedBlock]:
        """Run the half-step of the items, which starts from extrapolated users; replace the rows in `state`."""
        extrapolation, last_solved, fixed = self._task.extrapolation, None, sent["users"]
        if extrapolation is not None and extrapolation.applies_after(progress):
            assert state.previous_users is not None
            assert state.solved_items is not None
            users = extrapolation.of(state.users, state.previous_users)
            user_sums = self._task.objective.side_sums(users)
            fixed = sent.put("extrapolated users", users)
            last_solved = sent.put("solved items", state.solved_items)
        items = self._half_step(f"{label} items", self._items, fixed, user_sums, sent["items"], None, last_solved)
        sent.destroy("extrapolated users")
        sent.destroy("solved items")
        state.items = _whole(self._items, items)
        if extrapolation is not None:
            state.previous_users = state.users
            state.solved_items = _whole(self._items, items, before_extrapolation=True)
        return items

    def _half_step(
        self,
        description: str,
        layout: Layout,
        fixed: Broadcast,
        sums: Any,
        previous: Broadcast,
        measured: Broadcast | None,
        last_solved: Broadcast | None = None,
    ) -> list[SolvedBlock]:
        """Solve every block of a side; the arguments are those of `solve_block`."""
        task, side = self._task, layout.side.row_name

        def solve(packed: PackedBlock) -> SolvedBlock:
            freeze_gc()
            # Workers load the previous rows only if the half-step needs them.
            start = previous.value if task.needs_previous else None
            errors_with = None if measured is None else measured.value
            from_rows = None if last_solved is None else last_solved.value
            begun, rows, measured_rows = task.begin(fixed.value, errors_with)
            return solve_block(unpack_block(packed), side, rows, sums, start, begun, measured_rows, from_rows)

        with job_description(self._context, description):
            return layout.blocks.map(solve).collect()


def _whole(layout: Layout, blocks: list[SolvedBlock], before_extrapolation: bool = False) -> Factors:
    """Return the rows of one side, put together from those of its blocks."""
    rows = np.empty((len(layout.side), blocks[0].factors.shape[1]), np.float32)
    for block in blocks:
        rows[layout.side.partition.members(block.number)] = block.solved if before_extrapolation else block.factors
    return rows


class _Sent:
    """The broadcasts of a fit by name; replacing a broadcast destroys the old one."""

    def __init__(self, context: SparkContext) -> None:
        self._context = context
        self._broadcasts: dict[str, Broadcast] = {}

    def __getitem__(self, name: str) -> Broadcast:
        return self._broadcasts[name]

    def put(self, name: str, rows: Factors) -> Broadcast:
        self.destroy(name)
        self._broadcasts[name] = self._context.broadcast(rows)
        return self._broadcasts[name]

    def move(self, name: str, to: str) -> None:
        self.destroy(to)
        self._broadcasts[to] = self._broadcasts.pop(name)

    def destroy(self, name: str) -> None:
        if name in self._broadcasts:
            self._broadcasts.pop(name).destroy()

    def destroy_all(self) -> None:
        for name in list(self._broadcasts):
            self.destroy(name)
