"""Reading of laid-out ratings that `spark_mf.ratings.stored_writing` wrote.

Tasks do not raise errors for files that do not fit their side, because an error from a task would be a page long. They
return a wrong checksum, and the driver raises an error with the name of the folder.
"""

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark import RDD, Broadcast, SparkContext, StorageLevel

from spark_mf.blocks.csr import RatingBlock, unpack
from spark_mf.ratings.layout import BlockCounts, Layout, PackedBlock, gather_members, pack_block
from spark_mf.ratings.side import Side
from spark_mf.ratings.stored_writing import ROW_SCHEMA, WEIGHTED_ROW_SCHEMA, Folder, cells_checksum, cells_of
from spark_mf.runtime.freeze_gc import freeze_gc
from spark_mf.runtime.jobs import job_description

# Many more partitions than files.
_ONE_FILE_EACH = 1 << 20
_NO_INDEX = np.empty(0, np.int32)


def read_layout(
    context: SparkContext, folder: Folder, side: Side, n_columns: int, level: StorageLevel, n_members: int | None = None
) -> tuple[Layout, tuple[int, ...]]:
    """Read a stored layout; runs one job and leaves the blocks persisted.

    Parameters
    ----------
    context : SparkContext
    folder : Folder
        Folder that `write_layout` wrote.
    side : Side
    n_columns : int
        Number of ids of the other side.
    level : StorageLevel
    n_members : int, optional
        Number of partitions of the layout; by default one per block.

    Returns
    -------
    layout : Layout
    checksums : tuple[int, ...]
        CRC-32 of each block that was read; blocks that do not fit the side are read as empty.
    """
    sides = context.broadcast(side)

    def decode(content: bytes) -> PackedBlock:
        return _decode(content, sides.value, n_columns, _read_rows)

    return _read(context, folder, side, sides, decode, PackedBlock.checksum, level, n_members)


def read_grid(
    context: SparkContext, folder: Folder, side: Side, columns: Side, level: StorageLevel, n_members: int | None = None
) -> tuple[Layout, tuple[int, ...]]:
    """Read a stored grid as a layout without validation ratings; otherwise the same as `read_layout`."""
    sides = context.broadcast((side, columns))

    def decode(content: bytes) -> PackedBlock:
        side, columns = sides.value
        return _decode(content, side, len(columns), _read_cells)

    def checksum(packed: PackedBlock) -> int:
        partition = sides.value[1].partition
        return cells_checksum(cells_of(unpack(packed.training), partition.block, partition.n_blocks))

    return _read(context, folder, side, sides, decode, checksum, level, n_members)


def _read(
    context: SparkContext,
    folder: Folder,
    side: Side,
    sides: Broadcast[Any],
    decode: Callable[[bytes], PackedBlock],
    checksum: Callable[[PackedBlock], int],
    level: StorageLevel,
    n_members: int | None,
) -> tuple[Layout, tuple[int, ...]]:
    """Decode the files of a folder, one per block, and group the blocks by members."""

    def decode_file(content: bytes) -> PackedBlock:
        freeze_gc()
        return decode(content)

    contents = _any_contents(context, folder.path) if folder.local is None else _local_contents(context, folder.local)
    blocks = contents.map(decode_file)
    with ExitStack() as on_failure:
        on_failure.callback(sides.destroy)
        members = gather_members(blocks, side.partition.n_blocks, n_members).persist(level)
        on_failure.callback(members.unpersist)
        with job_description(context, f"read ratings laid out by {side.name}"):
            read = members.flatMap(lambda blocks: [(b.number, b.counts, checksum(b)) for b in blocks]).collect()
        on_failure.pop_all()
    found = {number: (counts, checksum) for number, counts, checksum in read}
    of_blocks = [found.get(block, (BlockCounts(), -1)) for block in range(side.partition.n_blocks)]
    return Layout(side, members, sides, tuple(block[0] for block in of_blocks)), tuple(block[1] for block in of_blocks)


def _local_contents(context: SparkContext, folder: Path) -> RDD:
    """Return the contents of the files of a local folder; tasks read them without the JVM, under any name."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and not _is_hidden(file.name))
    return context.parallelize(files, max(len(files), 1)).map(Path.read_bytes)


def _any_contents(context: SparkContext, folder: str) -> RDD:
    """Return the contents of the files of a folder on any file system of Hadoop."""
    # With this number of partitions, only small files share a partition.
    files = context.binaryFiles(_pattern_of(folder), _ONE_FILE_EACH)
    return files.filter(lambda file: not _is_hidden(file[0].rpartition("/")[2])).values()


def _pattern_of(folder: str) -> str:
    """Return the pattern that matches only this path. Inside braces, a comma does not separate paths."""
    return re.sub(r"[*?{}\[\]\\,]", lambda found: f"\\{found[0]}" if found[0] != "," else r"{\,}", folder)


def _is_hidden(name: str) -> bool:
    return name.startswith(("_", "."))


def _decode(content: bytes, side: Side, n_columns: int, read: Callable[[pa.Table, NDArray], Any]) -> PackedBlock:
    """Return the block of a file, or an empty block if the file does not fit the side."""
    number, members, by_item = -1, _NO_INDEX, side.name == "items"
    try:
        table = pq.read_table(pa.BufferReader(content), use_threads=False)
        number = table["block"][0].as_py()
        members = side.partition.members(number)
        if not np.all(table["block"].to_numpy() == number):
            raise ValueError("the file has rows of several blocks")
        training, validation = read(table, members)
        for block in (training, validation):
            if block.indices.size and not 0 <= block.indices.min() <= block.indices.max() < n_columns:
                raise ValueError("the block has a column out of range")
        return pack_block(number, training, validation, n_columns, by_item=by_item)
    except (ValueError, TypeError, IndexError, KeyError, OSError):
        return pack_block(number, _empty(members), _empty(members), n_columns, by_item=by_item)


def _read_rows(table: pa.Table, members: NDArray[np.int32]) -> tuple[RatingBlock, RatingBlock]:
    """Return the training and validation ratings of a file of `ROW_COLUMNS`."""
    weighted = "weights" in table.column_names
    schema = WEIGHTED_ROW_SCHEMA if weighted else ROW_SCHEMA
    table = table.select(schema.names).cast(schema)
    if not np.array_equal(table["row"], members):
        raise ValueError("the block has other rows")
    weights = (table["weights"], table["validation_weights"]) if weighted else (None, None)
    training = _block_of(members, table["columns"], table["ratings"], weights[0])
    return training, _block_of(members, table["validation_columns"], table["validation_ratings"], weights[1])


def _read_cells(table: pa.Table, members: NDArray[np.int32]) -> tuple[RatingBlock, RatingBlock]:
    """Return the training ratings of a file of `CELL_COLUMNS`, and no validation ratings."""
    columns, ratings = table["columns"].combine_chunks(), table["ratings"].combine_chunks()
    rows = np.searchsorted(members, table["row"].to_numpy()).astype(np.int32)
    if not np.array_equal(members[rows], table["row"].to_numpy()):
        raise ValueError("the block has other rows")
    local_rows = np.repeat(rows, columns.value_lengths().to_numpy())
    indices, values = columns.flatten().to_numpy(), ratings.flatten().to_numpy()
    weights = _flat(table["weights"]) if "weights" in table.column_names else None
    return RatingBlock.from_triples(members, local_rows, indices, values, weights), _empty(members)


def _empty(members: NDArray[np.int32]) -> RatingBlock:
    return RatingBlock.from_triples(members, _NO_INDEX, _NO_INDEX, np.empty(0, np.float32))


def _block_of(
    rows: NDArray[np.int32], columns: pa.ChunkedArray, ratings: pa.ChunkedArray, weights: pa.ChunkedArray | None
) -> RatingBlock:
    columns = columns.combine_chunks()
    indptr = np.zeros(rows.size + 1, np.int64)
    np.cumsum(columns.value_lengths().to_numpy(), out=indptr[1:])
    # A block without ratings has no weights, as when it was laid out.
    of_ratings = _flat(weights) if weights is not None and indptr[-1] else None
    return RatingBlock(rows, indptr, columns.flatten().to_numpy(), _flat(ratings), of_ratings)


def _flat(lists: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return the elements of all lists."""
    flat: NDArray[np.float32] = lists.combine_chunks().flatten().to_numpy()
    return flat
