"""Stochastic gradient descent inside a task: one user block and the item blocks that come to it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pyspark import TaskContext

from spark_mf.blocks.partition import Partition
from spark_mf.blocks.strata import Strata
from spark_mf.engine.course import EpochSums, Rules
from spark_mf.ratings.grid import GridRow
from spark_mf.kernels.objective import row_shares
from spark_mf.kernels.sgd import Cell, Update, penalties, squared_error, train

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Descent:
    """What all tasks of a fit share.

    Attributes
    ----------
    update : Update
        The step in an epoch whose factor is 1.
    rules : Rules
    strata : Strata
    mean : float
        μ.
    users, items : Partition
    user_counts, item_counts : int64[n_users], int64[n_items]
        Training ratings of each.
    """

    update: Update
    rules: Rules
    strata: Strata
    mean: float
    users: Partition
    items: Partition
    user_counts: NDArray[np.int64]
    item_counts: NDArray[np.int64]

    def penalties(self, side: Literal["user", "item"], block: int, rows: Rows) -> float:
        """Σ over a block's rows of what they add to the objective besides the errors."""
        counts = self._counts(side, block)
        weights = (self.shares(side, block) * counts).astype(np.float32)
        return penalties(rows, weights, self.update.lanes, side, self.update.regParam, self.update.biasRegParam)

    def shares(self, side: Literal["user", "item"], block: int) -> NDArray[np.float32]:
        """The part of its row's penalty that each rating of a block's rows carries, float32[rows]."""
        return row_shares(self._counts(side, block), self.rules.regularization, self.rules.n_ratings)

    def _counts(self, side: Literal["user", "item"], block: int) -> NDArray[np.int64]:
        partition, counts = (self.users, self.user_counts) if side == "user" else (self.items, self.item_counts)
        return counts[partition.members(block)]


class UserBlock:
    """A user block at work in a task: its ratings and rows, trained with as many threads as the task has cores.

    Parameters
    ----------
    row : GridRow
    users : float32[n, stride]
        Changed in place.
    descent : Descent

    Attributes
    ----------
    kernel_seconds : float
        Wall-clock seconds in training and validation so far.
    """

    def __init__(self, row: GridRow, users: Rows, descent: Descent) -> None:
        self.number, self.rows, self.kernel_seconds = row.number, users, 0.0
        self._row, self._descent = row, descent
        self._shares = descent.shares("user", row.number)
        self._training: dict[int, Cell] = {}
        self._item_shares: dict[int, NDArray[np.float32]] = {}
        context = TaskContext.get()
        self._n_threads = context.cpus() if context else 1

    def train(self, item_block: int, items: Rows, epoch: int, step: float) -> float:
        """Visit a cell's ratings once, changing both blocks' rows; return Σ e² as `kernels.sgd.train` does."""
        descent = self._descent
        if item_block not in self._training:
            self._training[item_block] = self._row.training[item_block].unpack()
            self._item_shares[item_block] = descent.shares("item", item_block)
        cell, shares = self._training[item_block], self._item_shares[item_block]
        scaled = replace(
            descent.update,
            stepSize=descent.update.stepSize * step,
            biasStepSize=descent.update.biasStepSize * step,
        )
        order = descent.strata.tile_order(epoch, self.number, item_block, cell.starts.size - 1)

        def visit(tiles: NDArray[np.int32]) -> float:
            return train(cell, tiles, self.rows, items, self._shares, shares, descent.mean, scaled)

        with self._clock():
            if self._n_threads == 1:
                return visit(order)
            return sum(self._threads.map(visit, [order[i :: self._n_threads].copy() for i in range(self._n_threads)]))

    def validation_error(self, items: Rows) -> float:
        """Σ e² over the block's validation ratings; `items` are those of all blocks, one behind the other."""
        lanes, mean = self._descent.update.lanes, self._descent.mean

        def measure(cell: Cell) -> float:
            return squared_error(cell, self.rows, items, mean, lanes)

        with self._clock():
            if self._n_threads == 1:
                return measure(self._validation)
            return sum(self._threads.map(measure, self._validation.parts(self._n_threads)))

    def penalties(self) -> float:
        """What the block's rows add to the objective besides the errors."""
        return self._descent.penalties("user", self.number, self.rows)

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


@dataclass
class DescentState:
    """Both sides' rows in the order of their dense indices, as `kernels.sgd.Lanes` lays them out.

    Attributes
    ----------
    users, items : float32[n_users, stride], float32[n_items, stride]
    best_users, best_items : float32[n_users, width], float32[n_items, width], or None
        Without the optimizer's state, after the epoch with the lowest validation RMSE.
    """

    users: Rows
    items: Rows
    best_users: Rows | None = None
    best_items: Rows | None = None


@dataclass(frozen=True)
class Epoch:
    """What one epoch left behind: wall-clock seconds, the factor of its step, and sums over all blocks."""

    seconds: float
    step: float
    sums: EpochSums
