"""Lay chunks of ratings out as blocks, once by user and once by item: one shuffle of arrays each."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark import RDD, Broadcast, SparkContext, StorageLevel

from spark_mf.blocks.compact import compact_indices, compact_values, restore_indices, restore_values
from spark_mf.blocks.csr import RatingBlock, pack, unpack
from spark_mf.blocks.ids import UNKNOWN, IdIndex
from spark_mf.blocks.partition import Partition
from spark_mf.engine.chunks import Chunk
from spark_mf.engine.jobs import described
from spark_mf.engine.worker import settle
from spark_mf.kernels.layout import count_duplicates, scatter_by_block


@dataclass(frozen=True)
class Side:
    """One side of the ratings, users or items: its ids, and how its rows are cut into blocks."""

    name: str
    index: IdIndex
    partition: Partition

    @classmethod
    def balanced(cls, name: str, ids: tuple[NDArray, NDArray], n_blocks: int, seed: int) -> "Side":
        """Cut the rows of a census's ids into blocks of about equally many ratings."""
        return cls(name, IdIndex(ids[0]), Partition.balanced(ids[1], n_blocks, seed))

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True)
class LaidOutBlock:
    """One block of a side: its training ratings, and the validation ratings of the same rows."""

    number: int
    training: RatingBlock
    validation: RatingBlock


class Piece(NamedTuple):
    """A chunk's ratings of one block; compact while it is pickled.

    Attributes
    ----------
    is_training : whether they are for training or for validation
    order : partition and number of the chunk
    rows : int32[n], position in the block
    columns : int32[n], dense index
    values : float32[n]
    """

    is_training: bool
    order: tuple[int, int]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]

    def __reduce__(self) -> tuple[Any, ...]:
        arrays = compact_indices(self.rows), compact_indices(self.columns), compact_values(self.values)
        return _restore_piece, (self.is_training, self.order, *arrays)


def _restore_piece(is_training: bool, order: tuple[int, int], rows: Any, columns: Any, values: Any) -> Piece:
    return Piece(is_training, order, restore_indices(rows), restore_indices(columns), restore_values(values))


class PackedBlock(NamedTuple):
    """One block of a side as Spark keeps it: packed ratings, and what was counted in them."""

    number: int
    training: bytes
    validation: bytes
    duplicates: int
    validation_ratings: int

    def checksum(self) -> int:
        """CRC-32 of the ratings."""
        return zlib.crc32(self.validation, zlib.crc32(self.training))


@dataclass(frozen=True)
class Layout:
    """The ratings of one side as an RDD with one `PackedBlock` a partition, and what was counted on the way."""

    side: Side
    blocks: RDD
    sides: Broadcast
    """What a lost block is laid out anew with."""
    duplicates: int
    validation_ratings: int

    def unpersist(self) -> None:
        """Release the executors' memory; the blocks are gone then."""
        self.blocks.unpersist()
        self.sides.destroy()


def lay_out(context: SparkContext, chunks: RDD, rows: Side, columns: Side, level: StorageLevel) -> Layout:
    """Sort the chunks' ratings into the blocks of `rows`; runs one job and leaves the blocks persisted."""
    sides = context.broadcast((rows, columns))
    n_blocks = rows.partition.n_blocks

    def scatter(index: int, part: Iterable[Chunk]) -> Iterator[tuple[int, Piece]]:
        settle()
        for number, chunk in enumerate(part):
            yield from _scatter_chunk((index, number), chunk, *sides.value)

    def assemble(number: int, pieces: Iterable[tuple[int, Piece]]) -> Iterator[PackedBlock]:
        yield _assemble_block(number, [piece for _, piece in pieces], *sides.value)

    shuffled = chunks.mapPartitionsWithIndex(scatter).partitionBy(n_blocks, _identity)
    blocks = shuffled.mapPartitionsWithIndex(assemble, preservesPartitioning=True).persist(level)
    with described(context, f"ALS: lay ratings out by {rows.name}"):
        counts = blocks.map(lambda block: (block.duplicates, block.validation_ratings)).collect()
    return Layout(rows, blocks, sides, sum(count[0] for count in counts), sum(count[1] for count in counts))


def unpack_block(packed: PackedBlock) -> LaidOutBlock:
    """Return the block of one record of `Layout.blocks`."""
    return LaidOutBlock(packed.number, unpack(packed.training), unpack(packed.validation))


def pack_block(number: int, training: RatingBlock, validation: RatingBlock, n_columns: int) -> PackedBlock:
    """Pack a block of a side whose other side has `n_columns` ids.

    Raises
    ------
    ValueError
        When the arrays of the block do not fit together.
    """
    packed = pack(training), pack(validation)
    duplicates = count_duplicates(training.indptr, training.indices, n_columns)
    return PackedBlock(number, *packed, duplicates, validation.n_ratings)


def _identity(block: int) -> int:
    return block


def _scatter_chunk(order: tuple[int, int], chunk: Chunk, rows: Side, columns: Side) -> Iterator[tuple[int, Piece]]:
    """Yield (block, piece) for every block that the chunk has ratings for. A piece names its place in the input."""
    by_user = rows.name == "users"
    row_ids, column_ids = (chunk.users[0], chunk.items[0]) if by_user else (chunk.items[0], chunk.users[0])
    row_codes, column_codes = (chunk.user_codes, chunk.item_codes)
    if not by_user:
        row_codes, column_codes = column_codes, row_codes
    row_of_code = rows.index.lookup(row_ids)
    training = _pieces(
        rows.partition, row_of_code, row_codes, columns.index.lookup(column_ids), column_codes, chunk.values
    )
    yield from _numbered(training, order, is_training=True)
    if by_user:
        users, items, values = chunk.validation
        row, column = rows.index.lookup(users), columns.index.lookup(items)
        known = (row != UNKNOWN) & (column != UNKNOWN)
        codes = np.arange(known.sum(), dtype=np.int32)
        held_out = _pieces(rows.partition, row[known], codes, column[known], codes, values[known])
        yield from _numbered(held_out, order, is_training=False)


def _pieces(
    partition: Partition,
    row_of_code: NDArray[np.int32],
    row_codes: NDArray[np.int32],
    column_of_code: NDArray[np.int32],
    column_codes: NDArray[np.int32],
    values: NDArray[np.float32],
) -> Iterator[tuple[int, NDArray, NDArray, NDArray]]:
    """Yield (block, rows in the block, dense columns, values) for every block with ratings."""
    offsets, rows, columns, sorted_values = scatter_by_block(
        partition.block[row_of_code],
        partition.row[row_of_code],
        row_codes,
        column_of_code,
        column_codes,
        values,
        partition.n_blocks,
    )
    for block in np.flatnonzero(np.diff(offsets)):
        piece = slice(offsets[block], offsets[block + 1])
        yield int(block), rows[piece], columns[piece], sorted_values[piece]


def _numbered(
    pieces: Iterable[tuple[int, NDArray, NDArray, NDArray]], order: tuple[int, int], is_training: bool
) -> Iterator[tuple[int, Piece]]:
    for block, rows, columns, values in pieces:
        yield block, Piece(is_training, order, rows, columns, values)


def _assemble_block(number: int, pieces: list[Piece], rows: Side, columns: Side) -> PackedBlock:
    members = rows.partition.members(number)
    # A shuffle delivers in any order; the input's order makes every run add up in the same one.
    pieces.sort(key=lambda piece: piece.order)
    training = _block_of(members, [piece for piece in pieces if piece.is_training])
    validation = _block_of(members, [piece for piece in pieces if not piece.is_training])
    return pack_block(number, training, validation, len(columns))


def _block_of(members: NDArray[np.int32], pieces: list[Piece]) -> RatingBlock:
    rows = np.concatenate([np.empty(0, np.int32), *(piece.rows for piece in pieces)])
    columns = np.concatenate([np.empty(0, np.int32), *(piece.columns for piece in pieces)])
    values = np.concatenate([np.empty(0, np.float32), *(piece.values for piece in pieces)])
    return RatingBlock.from_triples(members, rows, columns, values)
