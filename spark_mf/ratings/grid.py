"""The grid of cells as a persisted RDD; a cell holds the ratings of one user block and one item block."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark import RDD, Broadcast, SparkContext, StorageLevel

from spark_mf.blocks.compact import (
    compact_indices,
    compact_values,
    compact_weights,
    restore_indices,
    restore_values,
    restore_weights,
)
from spark_mf.blocks.csr import RatingBlock, join_blocks, unpack
from spark_mf.blocks.partition import Partition
from spark_mf.kernels.sgd import Cell, make_cells
from spark_mf.ratings.layout import Layout, PackedBlock, one_record_each
from spark_mf.runtime.freeze_gc import freeze_gc
from spark_mf.runtime.jobs import job_description


class PackedCell(NamedTuple):
    """A cell in the compact form in which Spark keeps it.

    Attributes
    ----------
    rows, columns : tuple of arrays
        Output of `spark_mf.blocks.compact.compact_indices`.
    values : tuple of arrays
        Output of `spark_mf.blocks.compact.compact_values`.
    starts : int64[tiles + 1]
    weights : tuple of arrays or None
        Output of `spark_mf.blocks.compact.compact_weights`.
    """

    rows: tuple[NDArray[Any], ...]
    columns: tuple[NDArray[Any], ...]
    values: tuple[NDArray[Any], ...]
    starts: NDArray[np.int64]
    weights: tuple[NDArray[Any], ...] | None

    @classmethod
    def pack(cls, cell: Cell) -> "PackedCell":
        """Return the compact form of a cell."""
        rows, columns = compact_indices(cell.rows), compact_indices(cell.columns)
        return cls(rows, columns, compact_values(cell.values), cell.starts, compact_weights(cell.weights))

    def unpack(self) -> Cell:
        """Return the original cell, equal in every bit."""
        rows, columns = restore_indices(self.rows), restore_indices(self.columns)
        return Cell(rows, columns, restore_values(self.values), self.starts, restore_weights(self.weights))


class GridRow(NamedTuple):
    """Some or all cells of a user block, and the validation ratings of the block with its first cell.

    Attributes
    ----------
    number : int
        Number of the user block.
    training : dict[int, PackedCell]
        Cells by item block.
    validation : PackedCell or None
        Validation ratings for the items of all blocks, with `places` as columns; None without the first cell.
    """

    number: int
    training: dict[int, PackedCell]
    validation: PackedCell | None

    def split(self) -> Iterator["GridRow"]:
        """Yield each cell as a separate row."""
        for block, cell in self.training.items():
            yield GridRow(self.number, {block: cell}, None if block else self.validation)


class Grid:
    """The grid of a fit as a persisted RDD.

    Parameters
    ----------
    context : SparkContext
    by_user : Layout
        Consecutive blocks in one partition are one user block of the grid.
    users, items : Partition
    seed : int
        Seed of the order of the ratings in a tile.
    level : StorageLevel
    by_cell : bool
        Whether each cell has its own partition, a·q + b for cell (a, b), rather than each user block.

    Attributes
    ----------
    rows : RDD
        RDD of `GridRow`, one per partition.
    """

    def __init__(
        self,
        context: SparkContext,
        by_user: Layout,
        users: Partition,
        items: Partition,
        seed: int,
        level: StorageLevel,
        *,
        by_cell: bool,
    ) -> None:
        self._sides: Broadcast[tuple[Partition, Partition]] = context.broadcast((users, items))
        sent, p, q = self._sides, users.n_blocks, items.n_blocks
        blocks_of, unchanged = by_user.side.partition.n_blocks, by_user.unchanged

        def cut(blocks: tuple[PackedBlock, ...]) -> GridRow:
            freeze_gc()
            users, items = sent.value
            number = blocks[0].number * p // blocks_of
            members, parts = users.members(number), unchanged(blocks)
            training = join_blocks(members, users.row, [unpack(block.training) for block in parts])
            validation = join_blocks(members, users.row, [unpack(block.validation) for block in parts])
            return GridRow(number, training_cells(training, items, seed), validation_cell(validation, items, seed))

        with ExitStack() as on_failure:
            on_failure.callback(self._sides.destroy)
            rows = by_user.members.map(cut)
            if by_cell:
                cells = rows.flatMap(GridRow.split).keyBy(lambda row: row.number * q + next(iter(row.training)))
                rows = cells.partitionBy(p * q, lambda cell: cell).values()
            self.rows: RDD = one_record_each(rows).persist(level)
            on_failure.callback(self.rows.unpersist)
            with job_description(context, "cut ratings into cells"):
                self.rows.foreach(lambda row: None)
            on_failure.pop_all()

    def unpersist(self) -> None:
        """Release the grid on the executors; it cannot be used afterwards."""
        self.rows.unpersist()
        self._sides.destroy()


def training_cells(block: RatingBlock, items: Partition, seed: int) -> dict[int, PackedCell]:
    """Cut a user block into cells by the blocks of its items."""
    return _cut(block, items.block, items.row, items.n_blocks, seed)


def validation_cell(block: RatingBlock, items: Partition, seed: int) -> PackedCell:
    """Make one cell of the validation ratings of a user block.

    There are too few of them to load the row of a user into the cache for each item block.
    """
    return _cut(block, np.zeros(len(items), np.int32), places(items), 1, seed)[0]


def places(items: Partition) -> NDArray[np.int32]:
    """Return the position of each item in the concatenated items of all blocks, as int32[n_items]."""
    starts = np.cumsum(items.sizes) - items.sizes
    return (starts[items.block] + items.row).astype(np.int32)


def _cut(
    block: RatingBlock, column_block: NDArray[np.int32], column_row: NDArray[np.int32], n_blocks: int, seed: int
) -> dict[int, PackedCell]:
    csr = (block.indptr, block.rows, block.indices, block.values)
    cells = make_cells(*csr, column_block, column_row, n_blocks, seed, block.weights)
    return dict(enumerate(map(PackedCell.pack, cells)))
