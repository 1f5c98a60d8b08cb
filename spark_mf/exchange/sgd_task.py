"""Stochastic gradient descent in a task, on a user block and one item block at a time."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pyspark import TaskContext

from spark_mf.blocks.partition import Partition
from spark_mf.blocks.strata import Strata
from spark_mf.exchange.base import IterationResult
from spark_mf.exchange.stopping import FitProgress, StoppingRules
from spark_mf.kernels.objective import Counts
from spark_mf.kernels.sgd import Cell, Update, penalties, squared_error, train
from spark_mf.objectives.explicit import ExplicitObjective, SquaredLoss
from spark_mf.objectives.regularization import SideName
from spark_mf.ratings.grid import GridRow
from spark_mf.solvers.base import Factors


@dataclass(frozen=True)
class SGDTask:
    """Parameters that all tasks of a fit share.

    Attributes
    ----------
    update : Update
        The update with the learning rates before the schedule applies.
    objective : ExplicitObjective
    rules : StoppingRules
    strata : Strata
    mean : float
        Global mean μ.
    users, items : Partition
    user_counts, item_counts : int64[n_users], int64[n_items]
        Number of training ratings of each user and item, or float64 sums of their weights.
    """

    update: Update
    objective: ExplicitObjective
    rules: StoppingRules
    strata: Strata
    mean: float
    users: Partition
    items: Partition
    user_counts: Counts
    item_counts: Counts

    def penalties(self, side: SideName, block: int, rows: Factors) -> float:
        """Return the penalty of a block's rows in the objective."""
        weights = (self.shares(side, block) * self._counts(side, block)).astype(np.float32)
        reg_param = self.objective.regularization.reg_param(side)
        return penalties(rows, weights, self.update.layout, side, reg_param, self.update.biasRegParam)

    def shares(self, side: SideName, block: int) -> NDArray[np.float32]:
        """Return, for each row of a block, the share of the row's penalty per rating, float32[rows]."""
        return self.objective.regularization.shares(side, self._counts(side, block))

    def finish(
        self, loss: SquaredLoss, seconds: float, kernel_seconds: float, progress: FitProgress
    ) -> tuple[IterationResult, FitProgress]:
        """Return the result of an epoch and the progress after it, from the loss of all blocks.

        The training error of each rating is measured just before its update; all other values at the end of the epoch.
        """
        metrics = self.objective.metrics(loss)
        after = progress.after(metrics, loss.is_finite, None, self.rules)
        metrics["step_size"] = self.update.stepSize * progress.step
        return IterationResult(after.iteration, seconds, metrics, kernel_seconds), after

    def _counts(self, side: SideName, block: int) -> Counts:
        partition, counts = (self.users, self.user_counts) if side == "user" else (self.items, self.item_counts)
        return counts[partition.members(block)]


class UserBlock:
    """Ratings and rows of a user block in a task, trained with one thread per core of the task.

    Parameters
    ----------
    row : GridRow
    users : float32[n, stride]
        Rows of the user block, updated in place.
    task : SGDTask

    Attributes
    ----------
    kernel_seconds : float
        Total wall-clock seconds of training and validation.
    """

    def __init__(self, row: GridRow, users: Factors, task: SGDTask) -> None:
        self.number, self.rows, self.kernel_seconds = row.number, users, 0.0
        self._row, self._task = row, task
        self._shares = task.shares("user", row.number)
        self._training: dict[int, Cell] = {}
        self._item_shares: dict[int, NDArray[np.float32]] = {}
        context = TaskContext.get()
        self._n_threads = context.cpus() if context else 1

    def train(self, item_block: int, items: Factors, epoch: int, step: float) -> float:
        """Visit the ratings of a cell once, updating the rows of both blocks; return Σ e² as `kernels.sgd.train`."""
        task = self._task
        if item_block not in self._training:
            self._training[item_block] = self._row.training[item_block].unpack()
            self._item_shares[item_block] = task.shares("item", item_block)
        cell, shares = self._training[item_block], self._item_shares[item_block]
        scaled = replace(
            task.update, stepSize=task.update.stepSize * step, biasStepSize=task.update.biasStepSize * step
        )
        order = task.strata.tile_order(epoch, self.number, item_block, cell.starts.size - 1)

        def visit(tiles: NDArray[np.int32]) -> float:
            return train(cell, tiles, self.rows, items, self._shares, shares, task.mean, scaled)

        with self._clock():
            if self._n_threads == 1:
                return visit(order)
            return sum(self._threads.map(visit, [order[i :: self._n_threads].copy() for i in range(self._n_threads)]))

    def validation_error(self, items: Factors) -> float:
        """Return Σ e² of the block's validation ratings; `items` has the rows of all item blocks in order."""
        layout, mean = self._task.update.layout, self._task.mean

        def measure(cell: Cell) -> float:
            return squared_error(cell, self.rows, items, mean, layout)

        with self._clock():
            if self._n_threads == 1:
                return measure(self._validation)
            return sum(self._threads.map(measure, self._validation.parts(self._n_threads)))

    def penalties(self) -> float:
        """Return the penalty of the block's rows in the objective."""
        return self._task.penalties("user", self.number, self.rows)

    @contextmanager
    def _clock(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.kernel_seconds += time.perf_counter() - began

    @cached_property
    def _validation(self) -> Cell:
        assert self._row.validation is not None
        return self._row.validation.unpack()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._n_threads)
