"""Layout of ratings in blocks by user or by item, with one shuffle of arrays each."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyspark import RDD, Broadcast, SparkContext, StorageLevel
from pyspark.serializers import BatchedSerializer, CPickleSerializer

from spark_mf.blocks.csr import RatingBlock, pack, unpack
from spark_mf.blocks.ids import UNKNOWN
from spark_mf.blocks.partition import Partition
from spark_mf.blocks.piece import Piece, block_of_pieces
from spark_mf.kernels.fingerprint import fingerprint
from spark_mf.kernels.layout import count_duplicates, scatter_by_block
from spark_mf.ratings.chunks import Chunk
from spark_mf.ratings.side import Side
from spark_mf.runtime.freeze_gc import freeze_gc
from spark_mf.runtime.jobs import job_description
from spark_mf.runtime.same_rows import changed_rows

# Odd and not 1, so that moving a rating from training to validation changes the sum of the fingerprints.
_VALIDATION = 3


@dataclass(frozen=True, slots=True)
class LaidOutBlock:
    """One block of a side: its training ratings, and the validation ratings of the same rows."""

    number: int
    training: RatingBlock
    validation: RatingBlock


class BlockCounts(NamedTuple):
    """Counts of the ratings of one block, or of all blocks.

    Attributes
    ----------
    ratings : int
        Number of training ratings.
    duplicates : int
        Training ratings that repeat the (user, item) pair of an earlier one.
    validation_ratings : int
        Validation ratings of known users and items.
    total, lowest, highest : float
        Sum of rating times weight, minimum and maximum of the training ratings; 0, inf and -inf without any.
    training, validation : int
        Fingerprints of the triples (user, item, rating), and weights if there are any, independent of their order, from
        0 to 2**64 - 1.
    row_counts : int
        Sum over blocks of the CRC-32 of the numbers of training ratings of their rows.
    weight, validation_weight : float
        Sums of the weights of training and of validation ratings; their numbers if the weight of all is 1.
    """

    ratings: int = 0
    duplicates: int = 0
    validation_ratings: int = 0
    total: float = 0.0
    lowest: float = np.inf
    highest: float = -np.inf
    training: int = 0
    validation: int = 0
    row_counts: int = 0
    weight: float = 0.0
    validation_weight: float = 0.0

    @property
    def mean(self) -> float:
        """Weighted mean of the training ratings."""
        return self.total / self.weight

    @property
    def fingerprint(self) -> int:
        """Fingerprint of training and validation ratings, independent of their order, from 0 to 2**64 - 1."""
        return (self.training + _VALIDATION * self.validation) % 2**64

    def merge(self, other: "BlockCounts") -> "BlockCounts":
        """Return the counts of both parts together."""
        return BlockCounts(
            self.ratings + other.ratings,
            self.duplicates + other.duplicates,
            self.validation_ratings + other.validation_ratings,
            self.total + other.total,
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            (self.training + other.training) % 2**64,
            (self.validation + other.validation) % 2**64,
            self.row_counts + other.row_counts,
            self.weight + other.weight,
            self.validation_weight + other.validation_weight,
        )


class PackedBlock(NamedTuple):
    """One block of a side in the form in which Spark keeps it: packed ratings and their counts."""

    number: int
    training: bytes
    validation: bytes
    counts: BlockCounts

    def checksum(self) -> int:
        """Return the CRC-32 of the ratings."""
        return zlib.crc32(self.validation, zlib.crc32(self.training))


@dataclass(frozen=True)
class Layout:
    """The ratings of one side, cut into blocks and spread over partitions.

    Attributes
    ----------
    side : Side
    members : RDD
        RDD with one record per partition, a tuple of `PackedBlock`: the consecutive blocks that one worker (one member
        of a barrier stage, or one task) processes.
    sides : Broadcast
        Both sides, from which a lost block is laid out again.
    block_counts : tuple[BlockCounts, ...]
        Counts of each block.
    """

    side: Side
    members: RDD
    sides: Broadcast
    block_counts: tuple[BlockCounts, ...]

    @cached_property
    def counts(self) -> BlockCounts:
        """Counts of all blocks."""
        return reduce(BlockCounts.merge, self.block_counts, BlockCounts())

    @property
    def blocks(self) -> RDD:
        """RDD of `PackedBlock`, each checked to be unchanged since it was counted."""
        return self.members.flatMap(self.unchanged)

    @property
    def unchanged(self) -> "Unchanged":
        """Check through which every task passes its record of `members`."""
        return Unchanged(self.side.name, tuple(_content(counts) for counts in self.block_counts))

    def weights(self, n_columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sum of the weights of the training ratings of each row and column; runs one job.

        Parameters
        ----------
        n_columns : int

        Returns
        -------
        rows : float64[n_rows]
        columns : float64[n_columns]
        """
        n_rows = len(self.side)

        def add_up(blocks: tuple[PackedBlock, ...]) -> NDArray[np.float64]:
            sums = np.zeros(n_rows + n_columns)
            for packed in blocks:
                block = unpack(packed.training)
                sums[block.rows] = block.row_weights()
                sums[n_rows:] += np.bincount(block.indices, block.weights, n_columns)
            return sums

        with job_description(self.members.context, "add up the weights of ratings"):
            sums = self.members.map(add_up).treeReduce(np.add)
        return sums[:n_rows], sums[n_rows:]

    def require_row_counts(self, counts: NDArray[np.int64]) -> None:
        """Raise a ValueError unless each row of the side has the number of training ratings counted before."""
        partition, before = self.side.partition, int(counts.sum())
        expected = sum(_row_counts(counts[partition.members(block)]) for block in range(partition.n_blocks))
        if (self.counts.ratings, self.counts.row_counts) != (before, expected):
            raise changed_rows("training ratings", before, self.counts.ratings)

    def unpersist(self) -> None:
        """Release the blocks on the executors; they cannot be used afterwards."""
        self.members.unpersist()
        self.sides.destroy()


@dataclass(frozen=True)
class Unchanged:
    """Check that blocks of a layout, which Spark may lay out again, have the ratings that were counted.

    Attributes
    ----------
    side : str
    contents : tuple[tuple[int, ...], ...]
        Output of `_content` for each block.
    """

    side: str
    contents: tuple[tuple[int, ...], ...]

    def __call__(self, blocks: tuple[PackedBlock, ...]) -> tuple[PackedBlock, ...]:
        """Return the blocks unchanged.

        Raises
        ------
        ValueError
            If one of them has other ratings than were counted.
        """
        for block in blocks:
            before, now = self.contents[block.number], _content(block.counts)
            if now != before:
                raise changed_rows(f"ratings of block {block.number} of the {self.side}", before[0], now[0])
        return blocks


def _content(counts: BlockCounts) -> tuple[int, ...]:
    """Return the number of ratings of a block, and their fingerprints."""
    return counts.ratings + counts.validation_ratings, counts.training, counts.validation


def lay_out(
    context: SparkContext, chunks: RDD, rows: Side, columns: Side, level: StorageLevel, n_members: int | None = None
) -> Layout:
    """Sort the ratings of the chunks into the blocks of `rows`; runs one job and persists the blocks.

    The blocks are in `n_members` partitions, at most one per block, which is the default. Ratings of users and items
    that the sides do not contain are left out; see `Layout.require_row_counts`.
    """
    n_blocks = rows.partition.n_blocks
    n_members = n_members or n_blocks
    sides = context.broadcast((rows, columns))

    def scatter(index: int, part: Iterable[Chunk]) -> Iterator[tuple[int, Piece]]:
        freeze_gc()
        for number, chunk in enumerate(part):
            yield from _scatter_chunk((index, number), chunk, *sides.value)

    def assemble(member: int, pieces: Iterable[tuple[int, Piece]]) -> Iterator[tuple[PackedBlock, ...]]:
        of_block: dict[int, list[Piece]] = {block: [] for block in blocks_of_member(member, n_blocks, n_members)}
        for block, piece in pieces:
            of_block[block].append(piece)
        yield tuple(_assemble_block(block, of_block[block], *sides.value) for block in of_block)

    with ExitStack() as on_failure:
        on_failure.callback(sides.destroy)
        shuffled = chunks.mapPartitionsWithIndex(scatter).partitionBy(
            n_members, lambda block: block * n_members // n_blocks
        )
        members = one_record_each(shuffled.mapPartitionsWithIndex(assemble, preservesPartitioning=True)).persist(level)
        on_failure.callback(members.unpersist)
        with job_description(context, f"lay ratings out by {rows.name}"):
            # The partitions, and therefore the counts, are in the order of the blocks.
            counts = members.flatMap(lambda blocks: [block.counts for block in blocks]).collect()
        on_failure.pop_all()
    return Layout(rows, members, sides, tuple(counts))


def blocks_of_member(member: int, n_blocks: int, n_members: int) -> range:
    """Return the consecutive blocks of one of `n_members` members, which together have all blocks."""
    return range(-(-member * n_blocks // n_members), -(-(member + 1) * n_blocks // n_members))


def gather_members(blocks: RDD, n_blocks: int, n_members: int | None) -> RDD:
    """Group the blocks of an RDD into the records of `Layout.members`, with one shuffle."""
    n_members = n_members or n_blocks
    keyed = blocks.map(lambda block: (block.number * n_members // n_blocks, block))
    gathered = keyed.partitionBy(n_members, lambda member: member)
    return one_record_each(
        gathered.mapPartitions(
            lambda part: iter([tuple(sorted(block for _, block in part))]), preservesPartitioning=True
        )
    )


def one_record_each(members: RDD) -> RDD:
    """Serialize the records of an RDD, one per partition, one by one, so that two such RDDs can be zipped directly.

    By default Spark writes batches of varying size, and `zip` then sends the bytes of both RDDs through Python again.
    """
    return members._reserialize(BatchedSerializer(CPickleSerializer(), 1))


def unpack_block(packed: PackedBlock) -> LaidOutBlock:
    """Return the unpacked block of one record of `Layout.blocks`."""
    return LaidOutBlock(packed.number, unpack(packed.training), unpack(packed.validation))


def pack_block(
    number: int, training: RatingBlock, validation: RatingBlock, n_columns: int, *, by_item: bool
) -> PackedBlock:
    """Pack a block of a side whose other side has `n_columns` ids; `by_item` is true if its rows are items.

    Raises
    ------
    ValueError
        If the arrays of the block are inconsistent.
    """
    packed = pack(training), pack(validation)
    values = training.values
    total = values.sum(dtype=np.float64) if training.weights is None else np.dot(values.astype(float), training.weights)
    counts = BlockCounts(
        training.n_ratings,
        count_duplicates(training.indptr, training.indices, n_columns),
        validation.n_ratings,
        float(total),
        float(values.min(initial=np.inf)),
        float(values.max(initial=-np.inf)),
        _fingerprint(training, by_item),
        _fingerprint(validation, by_item),
        _row_counts(np.diff(training.indptr)),
        training.total_weight,
        validation.total_weight,
    )
    return PackedBlock(number, *packed, counts)


def _fingerprint(block: RatingBlock, by_item: bool) -> int:
    return fingerprint(block.rows, block.indptr, block.indices, block.values, block.weights, transposed=by_item)


def _row_counts(counts: NDArray[np.int64]) -> int:
    return zlib.crc32(counts.tobytes())


def _scatter_chunk(order: tuple[int, int], chunk: Chunk, rows: Side, columns: Side) -> Iterator[tuple[int, Piece]]:
    """Yield (block, piece) for every block with ratings in the chunk; each piece contains its place in the input."""
    by_user = rows.name == "users"
    row_ids, column_ids = (chunk.users[0], chunk.items[0]) if by_user else (chunk.items[0], chunk.users[0])
    row_codes, column_codes = (chunk.user_codes, chunk.item_codes)
    if not by_user:
        row_codes, column_codes = column_codes, row_codes
    row_of_code, column_of_code = rows.index.lookup(row_ids), columns.index.lookup(column_ids)
    values, weights = chunk.values, chunk.weights
    if UNKNOWN in row_of_code or UNKNOWN in column_of_code:
        # The chunk was computed again, and has other ids than those that were counted.
        known = (row_of_code[row_codes] != UNKNOWN) & (column_of_code[column_codes] != UNKNOWN)
        row_codes, column_codes, values = row_codes[known], column_codes[known], values[known]
        weights = None if weights is None else weights[known]
    training = _pieces(rows.partition, row_of_code, row_codes, column_of_code, column_codes, values, weights)
    yield from _numbered(training, order, is_training=True)
    if by_user:
        users, items, values, weights = chunk.validation
        row, column = rows.index.lookup(users), columns.index.lookup(items)
        known = (row != UNKNOWN) & (column != UNKNOWN)
        codes = np.arange(known.sum(), dtype=np.int32)
        weights = None if weights is None else weights[known]
        held_out = _pieces(rows.partition, row[known], codes, column[known], codes, values[known], weights)
        yield from _numbered(held_out, order, is_training=False)


def _pieces(
    partition: Partition,
    row_of_code: NDArray[np.int32],
    row_codes: NDArray[np.int32],
    column_of_code: NDArray[np.int32],
    column_codes: NDArray[np.int32],
    values: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
) -> Iterator[tuple[int, NDArray, NDArray, NDArray, NDArray | None]]:
    """Yield (block, rows in the block, dense columns, values, weights) for every block with ratings."""

    def scatter(amounts: NDArray[np.float32]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        block, row = partition.block[row_of_code], partition.row[row_of_code]
        return scatter_by_block(block, row, row_codes, column_of_code, column_codes, amounts, partition.n_blocks)

    offsets, rows, columns, sorted_values = scatter(values)
    # The order is the same in both calls, so weights take the places of their values.
    sorted_weights = None if weights is None else scatter(weights)[3]
    for block in np.flatnonzero(np.diff(offsets)):
        piece = slice(offsets[block], offsets[block + 1])
        of_block = None if sorted_weights is None else sorted_weights[piece]
        yield int(block), rows[piece], columns[piece], sorted_values[piece], of_block


def _numbered(
    pieces: Iterable[tuple[int, NDArray, NDArray, NDArray, NDArray | None]], order: tuple[int, int], is_training: bool
) -> Iterator[tuple[int, Piece]]:
    for block, rows, columns, values, weights in pieces:
        yield block, Piece(is_training, order, rows, columns, values, weights)


def _assemble_block(number: int, pieces: list[Piece], rows: Side, columns: Side) -> PackedBlock:
    members = rows.partition.members(number)
    # A shuffle delivers pieces in any order; in the order of the input, every run adds up in the same order.
    pieces.sort(key=lambda piece: piece.order)
    training = block_of_pieces(members, [piece for piece in pieces if piece.is_training])
    validation = block_of_pieces(members, [piece for piece in pieces if not piece.is_training])
    return pack_block(number, training, validation, len(columns), by_item=rows.name == "items")
