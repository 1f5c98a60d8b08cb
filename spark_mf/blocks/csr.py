"""Ratings of one block of rows in CSR, and their packed form for transfers between the JVM and Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.layout import csr_from_triples
from spark_mf.kernels.packing import decode_values, encode_values, join_indices, split_indices

_FORMAT = 0x314B4C42464D5053  # "SPMFBLK1" as little-endian bytes
_WEIGHTED_FORMAT = 0x324B4C42464D5053  # "SPMFBLK2"
#: Length of the header by format, in int64. That of blocks without weights must not change: folders of partitioned
#: ratings store checksums of packed blocks.
_HEADER_WORDS = {_FORMAT: 5, _WEIGHTED_FORMAT: 6}
_WORD_BYTES = 8
_ALIGNMENT = 8
_LARGEST_LENGTH = 2**32 - 1
_NO_WEIGHTS = np.empty(0, np.float32)


@dataclass(slots=True, eq=False)
class RatingBlock:
    """Ratings of one block of rows in CSR; a column may occur more than once in a row.

    Attributes
    ----------
    rows : int32[n_rows]
        Dense index of each row, ascending.
    indptr : int64[n_rows + 1]
        Start of the ratings of each row.
    indices : int32[n_ratings]
        Dense index of the column of each rating.
    values : float32[n_ratings]
    weights : float32[n_ratings] or None
        Weight of each rating, above 0; None if the weight of all ratings is 1.
    """

    rows: NDArray[np.int32]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None

    @classmethod
    def from_triples(
        cls,
        rows: NDArray[np.int32],
        local_rows: NDArray[np.int32],
        columns: NDArray[np.int32],
        values: NDArray[np.float32],
        weights: NDArray[np.float32] | None = None,
    ) -> "RatingBlock":
        """Build a block from ratings in any order; the ratings of a row keep their order.

        Parameters
        ----------
        rows : int32[n_rows]
            Dense index of each row, ascending, as in `Partition.members`.
        local_rows : int32[n]
            Position in `rows` of the row of each rating.
        columns : int32[n]
            Dense index of the column of each rating.
        values : float32[n]
        weights : float32[n], optional

        Raises
        ------
        TypeError, ValueError
            If an array has another type, lengths differ, or a row or column is out of range.
        """
        _require_array("rows", rows, np.int32)
        _require_array("local_rows", local_rows, np.int32)
        _require_array("columns", columns, np.int32)
        _require_array("values", values, np.float32)
        if weights is not None:
            _require_array("weights", weights, np.float32)
            if weights.size != values.size:
                raise ValueError(f"weights must have the length of values, {values.size}, got {weights.size}.")
        if not local_rows.size == columns.size == values.size:
            raise ValueError(
                "local_rows, columns and values must have the same length, "
                f"got {local_rows.size}, {columns.size} and {values.size}."
            )
        if values.size:
            lowest, highest = int(local_rows.min()), int(local_rows.max())
            if lowest < 0 or highest >= rows.size:
                bad = lowest if lowest < 0 else highest
                raise ValueError(f"local_rows must be in [0, {rows.size}), got {bad}.")
            if columns.min() < 0:
                raise ValueError(f"columns must be >= 0, got {columns.min()}. Leave out ratings of unknown ids.")
        indptr, indices, sorted_values = csr_from_triples(local_rows, columns, values, rows.size)
        # The sort is stable, so weights take the places of their values.
        sorted_weights = None if weights is None else csr_from_triples(local_rows, columns, weights, rows.size)[2]
        return cls(rows, indptr, indices, sorted_values, sorted_weights)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.rows.size

    @property
    def n_ratings(self) -> int:
        """Number of stored ratings."""
        return self.values.size

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        weights = 0 if self.weights is None else self.weights.nbytes
        return self.rows.nbytes + self.indptr.nbytes + self.indices.nbytes + self.values.nbytes + weights

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all ratings, which is their number if the weight of all is 1."""
        return float(self.n_ratings if self.weights is None else self.weights.sum(dtype=np.float64))

    def row_weights(self) -> NDArray[np.int64] | NDArray[np.float64]:
        """Return the sum of the weights of each row's ratings: int64[n_rows] numbers if the weight of all is 1."""
        return np.diff(self.indptr) if self.weights is None else row_sums(self.indptr, self.weights)


def row_sums(indptr: NDArray[np.int64], amounts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sum of the amounts of each row's ratings, float64[n_rows].

    Parameters
    ----------
    indptr : int64[n_rows + 1]
    amounts : float32[n_ratings]
    """
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    return np.bincount(rows, amounts, indptr.size - 1).astype(np.float64, copy=False)


def join_blocks(rows: NDArray[np.int32], position: NDArray[np.int32], blocks: Sequence[RatingBlock]) -> RatingBlock:
    """Join the ratings of several blocks into one; the ratings of a row keep their order.

    Parameters
    ----------
    rows : int32[n_rows]
        Dense index of each row of the result, ascending.
    position : int32[n]
        Position in `rows` of each dense index in the blocks.
    blocks : Sequence[RatingBlock]
        One or more, all with weights or all without.
    """
    if len(blocks) == 1:
        return blocks[0]
    local_rows = [np.repeat(position[block.rows], np.diff(block.indptr)) for block in blocks]
    weights = [block.weights for block in blocks if block.weights is not None]
    return RatingBlock.from_triples(
        rows,
        np.concatenate(local_rows),
        np.concatenate([block.indices for block in blocks]),
        np.concatenate([block.values for block in blocks]),
        np.concatenate(weights) if weights else None,
    )


def pack(block: RatingBlock) -> bytes:
    """Return a block in packed form, from which `unpack` restores every bit.

    A column index takes two bytes if all are below 2**16, three if below 2**24, else four; a value takes one byte if
    at most 256 are distinct, as for star ratings; weights are stored like values. The format is a header of five int64
    (format, rows, ratings, bytes per index, distinct values or 0), with weights of six (distinct weights or 0),
    followed by `_Sections`, each aligned to eight bytes, in native byte order.

    Raises
    ------
    ValueError
        If the arrays of the block are inconsistent, or a row has 2**32 ratings or more.
    """
    lengths = np.diff(block.indptr)
    _require_consistent(block, lengths)
    index_bytes = _bytes_an_index(block.indices)
    table, codes = encode_values(np.ascontiguousarray(block.values))
    weights = _NO_WEIGHTS if block.weights is None else np.ascontiguousarray(block.weights)
    weight_table, weight_codes = encode_values(weights)
    sizes = [block.n_rows, block.n_ratings, index_bytes, table.size]
    words = [_FORMAT, *sizes] if block.weights is None else [_WEIGHTED_FORMAT, *sizes, weight_table.size]
    header = np.array(words, np.int64)
    buffer = np.zeros(_packed_size(header), np.uint8)
    buffer[: header.nbytes].view(np.int64)[:] = header
    sections = _sections(buffer, header)
    sections.rows[:] = block.rows
    sections.lengths[:] = lengths
    if index_bytes == 3:
        sections.low[:], sections.high[:] = split_indices(block.indices)
    else:
        sections.low[:] = block.indices
    sections.table[:] = table
    sections.values[:] = codes if table.size else block.values
    sections.weight_table[:] = weight_table
    sections.weights[:] = weight_codes if weight_table.size else weights
    return buffer.tobytes()


def unpack(data: bytes | bytearray | memoryview) -> RatingBlock:
    """Return the block in the output of `pack`, as copies, so that `data` can be freed.

    Raises
    ------
    ValueError
        If `data` is not the complete output of `pack`.
    """
    buffer = np.frombuffer(data, np.uint8)
    words = _HEADER_WORDS.get(int(buffer[:_WORD_BYTES].view(np.int64)[0])) if buffer.size >= _WORD_BYTES else None
    if words is None or buffer.size < words * _WORD_BYTES:
        raise ValueError(f"data must be the output of pack(), got {buffer.size} other bytes.")
    header = buffer[: words * _WORD_BYTES].view(np.int64)
    if buffer.size != _packed_size(header):
        raise ValueError(
            f"data must be the whole output of pack(), {_packed_size(header)} bytes, got {buffer.size} bytes."
        )
    sections = _sections(buffer, header)
    indptr = np.zeros(sections.lengths.size + 1, np.int64)
    np.cumsum(sections.lengths, out=indptr[1:])
    in_two_parts = sections.high.size > 0
    indices = join_indices(sections.low, sections.high) if in_two_parts else sections.low.astype(np.int32)
    values = _restored(sections.table, sections.values)
    is_weighted = header[0] == _WEIGHTED_FORMAT
    weights = _restored(sections.weight_table, sections.weights) if is_weighted else None
    return RatingBlock(sections.rows.copy(), indptr, indices, values, weights)


def _restored(table: NDArray[np.float32], values: NDArray[Any]) -> NDArray[np.float32]:
    """Return a copy of the values, which are positions in the table unless it is empty."""
    return decode_values(table, values) if table.size else values.copy()


class _Sections(NamedTuple):
    """Sections of a packed block, as views of its buffer."""

    rows: NDArray[np.int32]
    lengths: NDArray[np.uint32]
    """Number of ratings of each row."""
    low: NDArray[Any]
    """Column indices, or their lower two bytes."""
    high: NDArray[np.uint8]
    """Third byte of the column indices, or empty."""
    table: NDArray[np.float32]
    """Distinct values, or empty."""
    values: NDArray[Any]
    """Positions in `table`, or the values."""
    weight_table: NDArray[np.float32]
    """Distinct weights, or empty."""
    weights: NDArray[Any]
    """Positions in `weight_table`, or the weights; empty without weights."""


def _section_types(header: NDArray[np.int64]) -> list[tuple[type[np.generic], int]]:
    """Return the type and length of each of the `_Sections`."""
    _, n_rows, n_ratings, index_bytes, n_distinct, *weighted = header.tolist()
    distinct_weights = weighted[0] if weighted else 0
    return [
        (np.int32, n_rows),
        (np.uint32, n_rows),
        (np.int32 if index_bytes == 4 else np.uint16, n_ratings),
        (np.uint8, n_ratings if index_bytes == 3 else 0),
        (np.float32, n_distinct),
        (np.uint8 if n_distinct else np.float32, n_ratings),
        (np.float32, distinct_weights),
        (np.uint8 if distinct_weights else np.float32, n_ratings if weighted else 0),
    ]


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // _ALIGNMENT) * _ALIGNMENT


def _packed_size(header: NDArray[np.int64]) -> int:
    return header.nbytes + sum(_padded(np.dtype(kind).itemsize * n) for kind, n in _section_types(header))


def _sections(buffer: NDArray[np.uint8], header: NDArray[np.int64]) -> _Sections:
    views = []
    start = header.nbytes
    for kind, n in _section_types(header):
        n_bytes = np.dtype(kind).itemsize * n
        views.append(buffer[start : start + n_bytes].view(kind))
        start += _padded(n_bytes)
    return _Sections(*views)


def _bytes_an_index(indices: NDArray[np.int32]) -> int:
    # As unsigned numbers, negative indices are the largest, so they are stored in four bytes and restored unchanged.
    largest = int(indices.view(np.uint32).max()) if indices.size else 0
    if largest < 2**16:
        return 2
    return 3 if largest < 2**24 else 4


def _require_consistent(block: RatingBlock, lengths: NDArray[np.int64]) -> None:
    if block.indptr.size != block.n_rows + 1:
        raise ValueError(
            f"indptr must have length {block.n_rows + 1} for {block.n_rows} rows, got {block.indptr.size}."
        )
    if lengths.size and (lengths.min() < 0 or lengths.max() > _LARGEST_LENGTH):
        row = int(lengths.argmin() if lengths.min() < 0 else lengths.argmax())
        raise ValueError(f"the number of ratings of row {row} must be in [0, {_LARGEST_LENGTH}], got {lengths[row]}.")
    if block.indptr[0] != 0 or not block.indptr[-1] == block.indices.size == block.values.size:
        raise ValueError(
            "indptr must start at 0 and end at the number of indices and of values, "
            f"got {block.indptr[0]} to {block.indptr[-1]} with {block.indices.size} indices and "
            f"{block.values.size} values."
        )
    if block.weights is not None and block.weights.size != block.values.size:
        raise ValueError(f"weights must have the length of values, {block.values.size}, got {block.weights.size}.")


def _require_array(name: str, array: NDArray[Any], kind: type[np.generic]) -> None:
    if array.dtype != kind or array.ndim != 1:
        raise TypeError(
            f"{name} must be a one-dimensional {kind.__name__} array, got {array.dtype} of shape {array.shape}."
        )
