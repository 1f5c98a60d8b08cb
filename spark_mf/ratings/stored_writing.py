"""Writing of laid-out ratings to Parquet files, with one row per row of the matrix and its ratings as lists.

Reading avoids the cost of the layout (counting, encoding, sorting and a shuffle), because the concatenated lists of the
rows of a file are the arrays of a block.

On the local file system the tasks write and read the files themselves; on other file systems Spark does. The writer of
Spark handles each rating as an object in the JVM, which takes five times the processor time for 20 million ratings.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf.blocks.csr import RatingBlock, unpack
from spark_mf.kernels.layout import csr_from_triples
from spark_mf.ratings.layout import LaidOutBlock, Layout, PackedBlock, unpack_block
from spark_mf.ratings.side import Side
from spark_mf.runtime.frames import arrow_frame, id_type
from spark_mf.runtime.freeze_gc import freeze_gc
from spark_mf.runtime.jobs import job_description

#: Columns of a stored layout; the lists of a row correspond element by element.
ROW_COLUMNS = (
    "block int, row int, columns array<int>, ratings array<float>, "
    "validation_columns array<int>, validation_ratings array<float>"
)
#: Columns of the grid, with one row for the ratings of one user in one item block.
CELL_COLUMNS = "block int, column_block int, row int, columns array<int>, ratings array<float>"
#: More columns of both if ratings have weights.
ROW_WEIGHTS, CELL_WEIGHTS = "weights array<float>, validation_weights array<float>", "weights array<float>"

# Ratings of one Arrow batch, so that neither Python nor the JVM holds a block twice.
_BATCH_RATINGS = 1 << 20


ROW_SCHEMA = pa.schema(
    [
        ("block", pa.int32()),
        ("row", pa.int32()),
        ("columns", pa.list_(pa.int32())),
        ("ratings", pa.list_(pa.float32())),
        ("validation_columns", pa.list_(pa.int32())),
        ("validation_ratings", pa.list_(pa.float32())),
    ]
)
WEIGHTED_ROW_SCHEMA = pa.schema(
    [*ROW_SCHEMA, ("weights", pa.list_(pa.float32())), ("validation_weights", pa.list_(pa.float32()))]
)


@dataclass(frozen=True)
class Folder:
    """Location of files: a path for Spark, and the local path or None on other file systems."""

    path: str
    local: Path | None


def write_layout(session: SparkSession, layout: Layout, folder: Folder, *, weighted: bool) -> None:
    """Write a layout with `ROW_COLUMNS`, and `ROW_WEIGHTS` if weighted, one file per block; runs one job."""
    names = f"{ROW_COLUMNS}, {ROW_WEIGHTS}" if weighted else ROW_COLUMNS
    _write(session, layout, folder, names, lambda block: _row_batches(block, weighted=weighted))


def write_grid(session: SparkSession, layout: Layout, columns: Side, folder: Folder, *, weighted: bool) -> None:
    """Write the training ratings of a layout by user as cells, one file per user block; runs one job.

    The columns are `CELL_COLUMNS`, and `CELL_WEIGHTS` if weighted.
    """
    sent = session.sparkContext.broadcast(columns.partition.block)
    n_blocks = columns.partition.n_blocks
    try:
        names = f"{CELL_COLUMNS}, {CELL_WEIGHTS}" if weighted else CELL_COLUMNS
        _write(session, layout, folder, names, lambda block: _cell_batches(block, sent.value, n_blocks))
    finally:
        sent.destroy()


def grid_content(layout: Layout, columns: Side) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Return the number of ratings of each cell, by row block, and the CRC-32 of each row block; runs one job."""
    context = layout.blocks.context
    sent = context.broadcast(columns.partition.block)
    n_blocks = columns.partition.n_blocks

    def describe(packed: PackedBlock) -> tuple[int, tuple[int, ...], int]:
        cells = cells_of(unpack(packed.training), sent.value, n_blocks)
        return packed.number, tuple(np.diff(cells[0]).tolist()), cells_checksum(cells)

    try:
        with job_description(context, "count the ratings of the grid's cells"):
            described_blocks = sorted(layout.blocks.map(describe).collect())
    finally:
        sent.destroy()
    return tuple(cells for _, cells, _ in described_blocks), tuple(checksum for *_, checksum in described_blocks)


def cells_checksum(cells: tuple[NDArray[Any] | None, ...]) -> int:
    """Return the CRC-32 of the cells of a row block."""
    arrays = (array for array in cells if array is not None)
    return reduce(lambda checksum, array: zlib.crc32(array.tobytes(), checksum), arrays, 0)


def checksums(layout: Layout) -> tuple[int, ...]:
    """Return the CRC-32 of the content of each block; runs one job."""
    with job_description(layout.blocks.context, f"checksums of the blocks by {layout.side.name}"):
        found = layout.blocks.map(lambda packed: (packed.number, packed.checksum())).collect()
    return tuple(checksum for _, checksum in sorted(found))


def side_rows(session: SparkSession, side: Side, counts: NDArray[np.int64]) -> DataFrame:
    """Return the ids of a side as (index int, id, ratings bigint, block int), in any order. Lazy.

    Parameters
    ----------
    session : SparkSession
    side : Side
    counts : int64[n]
        Number of ratings of each id.
    """
    table = pa.table(
        {
            "index": pa.array(np.arange(len(side), dtype=np.int32)),
            "id": pa.array(side.index.ids).cast(id_type(side.index.ids)),
            "ratings": pa.array(counts),
            "block": pa.array(side.partition.block),
        }
    )
    return arrow_frame(session, table)


def side_checksum(rows: DataFrame) -> int:
    """Return a checksum of the rows of `side_rows`, independent of order, from 0 to 2**64 - 1; runs one job."""
    found = rows.agg(F.bit_xor(F.xxhash64("index", "id", "ratings", "block"))).collect()[0][0]
    return int(found or 0) % 2**64


def _write(
    session: SparkSession,
    layout: Layout,
    folder: Folder,
    columns: str,
    batches: Callable[[LaidOutBlock], Iterator[pa.RecordBatch]],
) -> None:
    with job_description(session.sparkContext, f"write ratings laid out by {layout.side.name}"):
        if folder.local is not None:
            _write_local(layout, folder.local, batches)
        else:
            _write_anywhere(session, layout, folder.path, columns, batches)


def _write_local(layout: Layout, folder: Path, batches: Callable[[LaidOutBlock], Iterator[pa.RecordBatch]]) -> None:
    def write(packed: PackedBlock) -> None:
        freeze_gc()
        folder.mkdir(parents=True, exist_ok=True)
        final = folder / f"part-{packed.number:05d}.parquet"
        # Each attempt has its own file, so that an abandoned attempt cannot write into the file of another.
        passing = folder / f".{final.name}.{uuid4().hex}"
        writer = None
        for batch in batches(unpack_block(packed)):
            writer = writer or pq.ParquetWriter(passing, batch.schema, compression="zstd")
            writer.write_batch(batch)
        if writer is not None:
            writer.close()
            passing.replace(final)

    layout.blocks.foreach(write)


def _write_anywhere(
    session: SparkSession,
    layout: Layout,
    folder: str,
    columns: str,
    batches: Callable[[LaidOutBlock], Iterator[pa.RecordBatch]],
) -> None:
    # There are few, large rows, so pickling them costs little.
    packed = layout.blocks.map(lambda block: (block.number, block.training, block.validation))
    frame = session.createDataFrame(packed, "block int, training binary, validation binary", verifySchema=False)

    def rows(inputs: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in inputs:
            for number, training, validation in zip(*batch.columns, strict=True):
                yield from batches(
                    LaidOutBlock(number.as_py(), unpack(training.as_buffer()), unpack(validation.as_buffer()))
                )

    frame.mapInArrow(rows, columns).write.parquet(folder)


def _row_batches(block: LaidOutBlock, *, weighted: bool) -> Iterator[pa.RecordBatch]:
    training, validation = block.training, block.validation
    schema = WEIGHTED_ROW_SCHEMA if weighted else ROW_SCHEMA
    no_weights = np.empty(0, np.float32)
    for first, last in _cuts(training.indptr + validation.indptr):
        columns = [
            pa.array(np.full(last - first, block.number, np.int32)),
            pa.array(training.rows[first:last]),
            *_lists(training.indptr, (training.indices, training.values), first, last),
            *_lists(validation.indptr, (validation.indices, validation.values), first, last),
        ]
        if weighted:
            for part in (training, validation):
                # A block without any ratings has no weights.
                columns += _lists(part.indptr, (no_weights if part.weights is None else part.weights,), first, last)
        yield pa.record_batch(columns, schema=schema)


def cells_of(
    block: RatingBlock, block_of_column: NDArray[np.int32], n_blocks: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32] | None]:
    """Return the ratings of a row block sorted by the block of their column, and by row inside it.

    Returns
    -------
    starts : int64[n_blocks + 1]
        Start of the ratings of each cell.
    rows : int32[n]
        Dense index of the row of each rating.
    indices : int32[n]
        Dense index of the column of each rating.
    values : float32[n]
    weights : float32[n] or None
    """
    places = np.arange(block.n_ratings, dtype=np.int32)
    starts, order, values = csr_from_triples(block_of_column[block.indices], places, block.values, n_blocks)
    rows = np.repeat(block.rows, np.diff(block.indptr))
    weights = None if block.weights is None else block.weights[order]
    return starts, rows[order], block.indices[order], values, weights


def _cell_batches(block: LaidOutBlock, block_of_column: NDArray[np.int32], n_blocks: int) -> Iterator[pa.RecordBatch]:
    starts, rows, indices, values, weights = cells_of(block.training, block_of_column, n_blocks)
    arrays = (indices, values) if weights is None else (indices, values, weights)
    names = ["block", "column_block", "row", "columns", "ratings", "weights"][: 3 + len(arrays)]
    for cell, (start, end) in enumerate(pairwise(starts.tolist())):
        firsts = start + np.flatnonzero(np.diff(rows[start:end], prepend=-1))
        indptr = np.append(firsts, end)
        for first, last in _cuts(indptr):
            columns = [
                pa.array(np.full(last - first, block.number, np.int32)),
                pa.array(np.full(last - first, cell, np.int32)),
                pa.array(rows[firsts[first:last]]),
                *_lists(indptr, arrays, first, last),
            ]
            yield pa.record_batch(columns, names)


def _cuts(indptr: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield consecutive ranges of rows, each of one row or of at most `_BATCH_RATINGS` ratings."""
    first, n_rows = 0, indptr.size - 1
    while first < n_rows:
        last = max(int(np.searchsorted(indptr, indptr[first] + _BATCH_RATINGS, side="right")) - 1, first + 1)
        yield first, last
        first = last


def _lists(indptr: NDArray[np.int64], arrays: tuple[NDArray[Any], ...], first: int, last: int) -> list[pa.ListArray]:
    """Return each array, which has one element per rating, as one list for each row."""
    ratings = slice(indptr[first], indptr[last])
    offsets = pa.array((indptr[first : last + 1] - indptr[first]).astype(np.int32))
    return [pa.ListArray.from_arrays(offsets, pa.array(array[ratings])) for array in arrays]
