"""Laid-out ratings as Parquet: a row of the file is a row of the matrix, with its ratings as lists.

Written and read by Spark on any file system.  Reading skips what laying out costs (counting, encoding, sorting):
lists of consecutive rows are already what a block consists of.
"""

import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf.blocks.csr import RatingBlock, unpack
from spark_mf.engine.chunks import arrow_batches
from spark_mf.engine.factors import id_type
from spark_mf.engine.jobs import described
from spark_mf.engine.layout import Layout, PackedBlock, Side, pack_block
from spark_mf.engine.worker import settle
from spark_mf.kernels.layout import csr_from_triples

#: What a row of a stored layout holds; lists of a row belong together element by element.
ROW_COLUMNS = (
    "block int, row int, columns array<int>, ratings array<float>, "
    "validation_columns array<int>, validation_ratings array<float>"
)
#: What a row of the grid holds: the ratings of one row of a user block in one item block.
CELL_COLUMNS = "block int, column_block int, row int, columns array<int>, ratings array<float>"

# Ratings of one Arrow batch, so that neither Python nor the JVM holds a block twice.
_BATCH_RATINGS = 1 << 20

_READ_SCHEMA = pa.schema(
    [
        ("block", pa.int32()),
        ("row", pa.int32()),
        ("columns", pa.list_(pa.int32())),
        ("ratings", pa.list_(pa.float32())),
        ("validation_columns", pa.list_(pa.int32())),
        ("validation_ratings", pa.list_(pa.float32())),
    ]
)


def layout_rows(session: SparkSession, layout: Layout) -> DataFrame:
    """The rows of a layout as `ROW_COLUMNS`, one partition a block. Lazy."""

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block, training, validation in _blocks(batches):
            yield from _row_batches(block, training, validation)

    return _packed_blocks(session, layout).mapInArrow(rows, ROW_COLUMNS)


def grid_rows(session: SparkSession, layout: Layout, columns: Side) -> DataFrame:
    """The training ratings of a layout cut along both sides, as `CELL_COLUMNS`, one partition a row block. Lazy.

    Parameters
    ----------
    layout : Layout
        By user.
    columns : Side
        The items.
    """
    block_of_column = session.sparkContext.broadcast(columns.partition.block)
    n_blocks = columns.partition.n_blocks

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block, training, _ in _blocks(batches):
            yield from _cell_batches(block, training, block_of_column.value, n_blocks)

    return _packed_blocks(session, layout).mapInArrow(rows, CELL_COLUMNS)


def grid_content(layout: Layout, columns: Side) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Ratings of each cell of `grid_rows`, row block by row block, and CRC-32 of each row block; runs one job."""
    context = layout.blocks.context
    sent = context.broadcast(columns.partition.block)
    n_blocks = columns.partition.n_blocks

    def describe(packed: PackedBlock) -> tuple[int, tuple[int, ...], int]:
        starts, rows, indices, values = _cells(unpack(packed.training), sent.value, n_blocks)
        checksum = 0
        for array in (starts, rows, indices, values):
            checksum = zlib.crc32(array.tobytes(), checksum)
        return packed.number, tuple(np.diff(starts).tolist()), checksum

    with described(context, "count the ratings of the grid's cells"):
        described_blocks = sorted(layout.blocks.map(describe).collect())
    sent.destroy()
    return tuple(cells for _, cells, _ in described_blocks), tuple(checksum for *_, checksum in described_blocks)


def checksums(layout: Layout) -> tuple[int, ...]:
    """CRC-32 of the content of each block; runs one job."""
    with described(layout.blocks.context, f"checksums of the blocks by {layout.side.name}"):
        found = layout.blocks.map(lambda packed: (packed.number, packed.checksum())).collect()
    return tuple(checksum for _, checksum in sorted(found))


def side_rows(session: SparkSession, side: Side, counts: NDArray[np.int64], ids: DataFrame | None) -> DataFrame:
    """A side's ids as (index int, id, ratings bigint, block int), by ascending index. Lazy.

    Parameters
    ----------
    counts : int64[n]
        Ratings of each id.
    ids : DataFrame (key bigint, id string) or None
        Where the side's ids are keys, what they stand for.
    """
    table = pa.table(
        {
            "index": pa.array(np.arange(len(side), dtype=np.int32)),
            "id": pa.array(side.index.ids).cast(id_type(side.index.ids)),
            "ratings": pa.array(counts),
            "block": pa.array(side.partition.block),
        }
    )
    frame = session.createDataFrame(table)
    if ids is not None:
        keyed = frame.select("index", F.col("id").cast("bigint").alias("key"), "ratings", "block")
        frame = keyed.join(ids, "key").select("index", "id", "ratings", "block")
    return frame.repartitionByRange("index").sortWithinPartitions("index")


def side_checksum(rows: DataFrame) -> int:
    """A checksum of what `side_rows` has, in any order, from 0 to 2**64 - 1; runs one job."""
    found = rows.agg(F.bit_xor(F.xxhash64("index", "id", "ratings", "block"))).collect()[0][0]
    return int(found or 0) % 2**64


def read_layout(rows: DataFrame, side: Side, n_columns: int, level: StorageLevel) -> tuple[Layout, tuple[int, ...]]:
    """Read a stored layout; runs one job and leaves the blocks persisted.

    Parameters
    ----------
    rows : DataFrame of `ROW_COLUMNS`
        In any order.
    side : Side
    n_columns : int
        Ids of the other side.
    level : StorageLevel

    Returns
    -------
    the layout, and CRC-32 of each block as it was read; a block whose rows do not fit together is read as empty
    """
    context = rows.sparkSession.sparkContext
    sides = context.broadcast(side)
    n_blocks = side.partition.n_blocks

    def split(index: int, batches: Iterable[bytes]) -> Iterator[tuple[int, tuple]]:
        settle()
        for batch in batches:
            yield from _pieces(pa.ipc.read_record_batch(pa.py_buffer(batch), _READ_SCHEMA), n_blocks)

    def assemble(number: int, pieces: Iterable[tuple[int, tuple]]) -> Iterator[PackedBlock]:
        in_order = sorted((piece for _, piece in pieces), key=lambda piece: piece[0][0])
        yield _assemble(number, in_order, sides.value.partition.members(number), n_columns)

    pieces = arrow_batches(rows).mapPartitionsWithIndex(split).partitionBy(n_blocks, int)
    blocks = pieces.mapPartitionsWithIndex(assemble, preservesPartitioning=True).persist(level)
    with described(context, f"read ratings laid out by {side.name}"):
        read = blocks.map(lambda b: (b.number, b.duplicates, b.validation_ratings, b.checksum())).collect()
    layout = Layout(side, blocks, sides, sum(block[1] for block in read), sum(block[2] for block in read))
    return layout, tuple(block[3] for block in sorted(read))


def _packed_blocks(session: SparkSession, layout: Layout) -> DataFrame:
    """The packed blocks as rows (block, training, validation): few and large, so that pickling them costs nothing."""
    packed = layout.blocks.map(lambda block: (block.number, block.training, block.validation))
    schema = "block int, training binary, validation binary"
    return session.createDataFrame(packed, schema, verifySchema=False)


def _blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, RatingBlock, RatingBlock]]:
    for batch in batches:
        for row in range(batch.num_rows):
            block, training, validation = (column[row] for column in batch.columns)
            yield block.as_py(), unpack(training.as_buffer()), unpack(validation.as_buffer())


def _row_batches(number: int, training: RatingBlock, validation: RatingBlock) -> Iterator[pa.RecordBatch]:
    for first, last in _cuts(training.indptr + validation.indptr):
        columns = [
            pa.array(np.full(last - first, number, np.int32)),
            pa.array(training.rows[first:last]),
            *_lists(training.indptr, training.indices, training.values, first, last),
            *_lists(validation.indptr, validation.indices, validation.values, first, last),
        ]
        yield pa.record_batch(columns, schema=_READ_SCHEMA)


def _cells(
    block: RatingBlock, block_of_column: NDArray[np.int32], n_blocks: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """A row block's ratings sorted by the block of their column, and by row inside it.

    Returns
    -------
    starts : int64[n_blocks + 1], where each cell's ratings start
    rows : int32[n], dense index of each rating's row
    indices : int32[n], dense index of each rating's column
    values : float32[n]
    """
    places = np.arange(block.n_ratings, dtype=np.int32)
    starts, order, values = csr_from_triples(block_of_column[block.indices], places, block.values, n_blocks)
    rows = np.repeat(block.rows, np.diff(block.indptr))
    return starts, rows[order], block.indices[order], values


def _cell_batches(
    number: int, block: RatingBlock, block_of_column: NDArray[np.int32], n_blocks: int
) -> Iterator[pa.RecordBatch]:
    starts, rows, indices, values = _cells(block, block_of_column, n_blocks)
    for cell, (start, end) in enumerate(pairwise(starts.tolist())):
        firsts = start + np.flatnonzero(np.diff(rows[start:end], prepend=-1))
        indptr = np.append(firsts, end)
        for first, last in _cuts(indptr):
            columns = [
                pa.array(np.full(last - first, number, np.int32)),
                pa.array(np.full(last - first, cell, np.int32)),
                pa.array(rows[firsts[first:last]]),
                *_lists(indptr, indices, values, first, last),
            ]
            yield pa.record_batch(columns, ["block", "column_block", "row", "columns", "ratings"])


def _cuts(indptr: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of rows, each of one row or at most `_BATCH_RATINGS` ratings."""
    first, n_rows = 0, indptr.size - 1
    while first < n_rows:
        last = max(int(np.searchsorted(indptr, indptr[first] + _BATCH_RATINGS, side="right")) - 1, first + 1)
        yield first, last
        first = last


def _lists(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], values: NDArray[np.float32], first: int, last: int
) -> tuple[pa.ListArray, pa.ListArray]:
    ratings = slice(indptr[first], indptr[last])
    offsets = pa.array((indptr[first : last + 1] - indptr[first]).astype(np.int32))
    return tuple(pa.ListArray.from_arrays(offsets, pa.array(array[ratings])) for array in (indices, values))


def _pieces(batch: pa.RecordBatch, n_blocks: int) -> Iterator[tuple[int, tuple]]:
    """Cut a batch where its block changes: (block, arrays of rows, and lengths, columns and ratings of both kinds)."""
    block = batch.column(0).to_numpy()
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    for start, end in pairwise([*starts.tolist(), len(block)]):
        number, part = int(block[start]), batch.slice(start, end - start)
        if 0 <= number < n_blocks:
            yield number, (part.column(1).to_numpy(), *_arrays(part, 2), *_arrays(part, 4))


def _arrays(part: pa.RecordBatch, first: int) -> tuple[NDArray, NDArray, NDArray]:
    columns, ratings = part.column(first), part.column(first + 1)
    return columns.value_lengths().to_numpy(), columns.flatten().to_numpy(), ratings.flatten().to_numpy()


def _assemble(number: int, pieces: list[tuple], members: NDArray[np.int32], n_columns: int) -> PackedBlock:
    rows = np.concatenate([np.empty(0, np.int32), *(piece[0] for piece in pieces)])
    try:
        if not np.array_equal(rows, members):
            raise ValueError("the block has other rows")
        training, validation = (_block_of(members, [piece[at : at + 3] for piece in pieces]) for at in (1, 4))
        for block in (training, validation):
            if block.indices.size and not 0 <= block.indices.min() <= block.indices.max() < n_columns:
                raise ValueError("the block has a column out of range")
        return pack_block(number, training, validation, n_columns)
    except ValueError:
        # The driver sees the wrong checksum, and knows the folder's name; an error from here would be a page long.
        no_index, no_value = np.empty(0, np.int32), np.empty(0, np.float32)
        empty = RatingBlock.from_triples(members, no_index, no_index, no_value)
        return pack_block(number, empty, empty, n_columns)


def _block_of(rows: NDArray[np.int32], pieces: list[tuple]) -> RatingBlock:
    lengths, indices, values = (
        np.concatenate([np.empty(0, kind), *(piece[at] for piece in pieces)])
        for at, kind in enumerate((np.int32, np.int32, np.float32))
    )
    indptr = np.zeros(rows.size + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return RatingBlock(rows, indptr, indices, values)
