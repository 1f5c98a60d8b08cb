"""A user block cut into the cells of its row of the grid, as Spark keeps it and as a task works on it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark import RDD, Broadcast, SparkContext, StorageLevel

from spark_mf.blocks.compact import compact_indices, compact_values, restore_indices, restore_values
from spark_mf.blocks.csr import RatingBlock, unpack
from spark_mf.blocks.partition import Partition
from spark_mf.engine.jobs import described
from spark_mf.engine.layout import Layout, PackedBlock, one_record_each
from spark_mf.engine.worker import settle
from spark_mf.kernels.sgd import Cell, make_cells


class PackedCell(NamedTuple):
    """A cell, compact while Spark keeps it.

    Attributes
    ----------
    rows, columns : as `spark_mf.blocks.compact.compact_indices` returns them
    values : as `compact_values` does
    starts : int64[tiles + 1]
    """

    rows: tuple[NDArray[Any], ...]
    columns: tuple[NDArray[Any], ...]
    values: tuple[NDArray[Any], ...]
    starts: NDArray[np.int64]

    @classmethod
    def pack(cls, cell: Cell) -> "PackedCell":
        """Make a cell compact."""
        rows, columns = compact_indices(cell.rows), compact_indices(cell.columns)
        return cls(rows, columns, compact_values(cell.values), cell.starts)

    def unpack(self) -> Cell:
        """Return the cell again, equal in every bit."""
        rows, columns = restore_indices(self.rows), restore_indices(self.columns)
        return Cell(rows, columns, restore_values(self.values), self.starts)


class GridRow(NamedTuple):
    """One user block: its users, and a cell of training and one of validation ratings for each item block.

    Attributes
    ----------
    number : int
    users : int32[n], dense indices, ascending
    training, validation : one cell an item block
    """

    number: int
    users: NDArray[np.int32]
    training: tuple[PackedCell, ...]
    validation: tuple[PackedCell, ...]


class Grid:
    """The grid of a fit as an RDD with one `GridRow` a partition.

    Parameters
    ----------
    context : SparkContext
    by_user : Layout
        With each block in a partition of its own.
    items : Partition
    seed : int
        Of the order of a tile's ratings.
    level : StorageLevel
    """

    def __init__(
        self, context: SparkContext, by_user: Layout, items: Partition, seed: int, level: StorageLevel
    ) -> None:
        self._items: Broadcast[Partition] = context.broadcast(items)
        sent = self._items

        def cut(blocks: tuple[PackedBlock, ...]) -> GridRow:
            settle()
            (packed,) = blocks
            training = unpack(packed.training)
            cells = _cells(training, sent.value, seed), _cells(unpack(packed.validation), sent.value, seed)
            return GridRow(packed.number, training.rows, *cells)

        self.rows: RDD = one_record_each(by_user.members.map(cut)).persist(level)
        with described(context, "SGD: cut ratings into cells"):
            self.rows.foreach(lambda row: None)

    def unpersist(self) -> None:
        """Release the executors' memory; the grid is gone then."""
        self.rows.unpersist()
        self._items.destroy()


def _cells(block: RatingBlock, items: Partition, seed: int) -> tuple[PackedCell, ...]:
    cells = make_cells(
        block.indptr, block.rows, block.indices, block.values, items.block, items.row, items.n_blocks, seed
    )
    return tuple(PackedCell.pack(cell) for cell in cells)
