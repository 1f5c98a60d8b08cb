"""Layout of ratings: ids to codes, ratings to blocks, blocks to CSR.

Every function is a counting sort or a table lookup, and therefore linear in the ratings. The functions assume that
codes are in range and that corresponding arrays have the same length; `spark_mf.blocks` checks it.

Arrays as long as the ratings are allocated outside the kernels: NumPy requests huge pages and numba does not, and
the page faults then cost more than the sorting. Indices are passed as unsigned integers, which avoids the test for
negative indices, nearly half of the time.
"""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel

#: Ids are looked up by address, without hashing, while the table stays this small, ...
_SMALL_SPAN = 1 << 20
#: ... or while it has at most this many entries an id.
_SPAN_PER_ID = 4

#: Entries of the first hash table, a power of two; half full, it doubles.
_FIRST_CAPACITY = 1 << 12
#: Ids whose places in the hash table are touched together before they are probed one by one.
_BATCH = 64

# splitmix64's output function: Steele, Lea and Flood, "Fast splittable pseudorandom number generators"
# (OOPSLA 2014), figure 15, with the constants of variant 13 of Stafford.
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_1 = np.uint64(30)
_SHIFT_2 = np.uint64(27)
_SHIFT_3 = np.uint64(31)

# A uint64 plus a Python integer would be a float64.
_ONE = np.uint64(1)


def encode(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Number the distinct ids of a chunk in ascending order.

    Parameters
    ----------
    ids : int64[n], any values, n below 2**31

    Returns
    -------
    unique : int64[m], ascending
    counts : int64[m], how often each occurs
    codes : int32[n], with ``unique[codes] == ids``
    """
    if ids.size == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)
    lowest, highest = ids.min(), ids.max()
    span = int(highest) - int(lowest) + 1
    if span <= max(_SPAN_PER_ID * ids.size, _SMALL_SPAN):
        return _encode_by_address(ids, lowest, span)
    seen, codes = _encode_by_hash(ids)
    order = np.argsort(seen)
    counts = np.zeros(order.size, np.int64)
    _rank_codes(order, codes, counts)
    return seen[order], counts, codes


def _encode_by_address(
    ids: NDArray[np.int64], lowest: np.int64, span: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    table = np.zeros(span, np.int32)
    distinct = _count_ids(ids, lowest, table)
    unique = np.empty(distinct, np.int64)
    counts = np.empty(distinct, np.int64)
    codes = np.empty(ids.size, np.int32)
    _number_ids(ids, lowest, table, unique, counts, codes)
    return unique, counts, codes


@kernel()
def _count_ids(ids: NDArray[np.int64], lowest: np.int64, table: NDArray[np.int32]) -> int:
    """Add each id to the count at its place in `table` and return how many places have any."""
    for i in range(ids.size):
        table[ids[i] - lowest] += 1
    distinct = 0
    for place in range(table.size):
        distinct += table[place] > 0
    return distinct


@kernel()
def _number_ids(
    ids: NDArray[np.int64],
    lowest: np.int64,
    table: NDArray[np.int32],
    unique: NDArray[np.int64],
    counts: NDArray[np.int64],
    codes: NDArray[np.int32],
) -> None:
    """Turn the counts of `table` into codes, and the ids with it."""
    code = 0
    for place in range(table.size):
        if table[place] > 0:
            unique[code] = lowest + place
            counts[code] = table[place]
            table[place] = code
            code += 1
    for i in range(ids.size):
        codes[i] = table[ids[i] - lowest]


def _encode_by_hash(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the distinct ids in order of appearance, and each id's place among them.

    Open addressing with linear probing (Knuth, The Art of Computer Programming 3, algorithm 6.4L).  The
    table, int64[capacity, 2], has id and code side by side, so that a look-up costs one cache miss.  A free
    place has code -1.
    """
    codes = np.empty(ids.size, np.int32)
    capacity = _FIRST_CAPACITY
    seen = np.empty(capacity // 2, np.int64)
    coded, distinct = _fill_table(ids, 0, codes, np.full((capacity, 2), -1, np.int64), seen, 0)
    while coded < ids.size:
        capacity *= 2
        seen = np.concatenate([seen[:distinct], np.empty(capacity // 2 - distinct, np.int64)])
        table = np.full((capacity, 2), -1, np.int64)
        _enter_ids(seen[:distinct], table)
        coded, distinct = _fill_table(ids, coded, codes, table, seen, distinct)
    return seen[:distinct], codes


@kernel(inline="always")
def _place(key: np.int64, mask: np.uint64) -> np.uint64:
    """Return the home of an id in a hash table of ``mask + 1`` entries."""
    word = np.uint64(key)
    word = (word ^ (word >> _SHIFT_1)) * _MIX_1
    word = (word ^ (word >> _SHIFT_2)) * _MIX_2
    return (word ^ (word >> _SHIFT_3)) & mask


@kernel()
def _enter_ids(seen: NDArray[np.int64], table: NDArray[np.int64]) -> None:
    """Enter distinct ids and their positions into an empty table."""
    mask = np.uint64(table.shape[0] - 1)
    for code in range(seen.size):
        place = _place(seen[code], mask)
        while table[place, 1] >= 0:
            place = (place + _ONE) & mask
        table[place, 0] = seen[code]
        table[place, 1] = code


@kernel()
def _fill_table(
    ids: NDArray[np.int64],
    start: int,
    codes: NDArray[np.int32],
    table: NDArray[np.int64],
    seen: NDArray[np.int64],
    distinct: int,
) -> tuple[int, int]:
    """Code ids from `start` on until the table is half full; return how many are coded and are distinct."""
    capacity = table.shape[0]
    mask = np.uint64(capacity - 1)
    places = np.empty(_BATCH, np.uint64)
    while start < ids.size and 2 * (distinct + _BATCH) <= capacity:
        batch = min(_BATCH, ids.size - start)
        # A large table is mostly out of cache. Touching a batch's homes first lets their misses overlap.
        touched = 0
        for i in range(batch):
            places[i] = _place(ids[start + i], mask)
            touched |= table[places[i], 1]
        # Never true: it only keeps the compiler from dropping the loop above.
        if touched == -2:
            break
        for i in range(batch):
            key = ids[start + i]
            place = places[i]
            code = table[place, 1]
            while code >= 0 and table[place, 0] != key:
                place = (place + _ONE) & mask
                code = table[place, 1]
            if code < 0:
                code = distinct
                table[place, 0] = key
                table[place, 1] = code
                seen[code] = key
                distinct += 1
            codes[start + i] = code
        start += batch
    return start, distinct


@kernel()
def _rank_codes(order: NDArray[np.int64], codes: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
    """Replace each code by its position in `order`, and add up how often each new code occurs."""
    rank = np.empty(order.size, np.int32)
    for position in range(order.size):
        rank[order[position]] = position
    for i in range(codes.size):
        codes[i] = rank[codes[i]]
        counts[codes[i]] += 1


@kernel()
def sum_by_code(codes: NDArray[np.int32], amounts: NDArray[np.int64], n_codes: int) -> NDArray[np.int64]:
    """Add up the amounts of each code.

    Parameters
    ----------
    codes : int32[n], from 0 to ``n_codes - 1``
    amounts : int64[n]
    n_codes : int

    Returns
    -------
    int64[n_codes]
    """
    sums = np.zeros(n_codes, np.int64)
    for i in range(codes.size):
        sums[codes[i]] += amounts[i]
    return sums


def scatter_by_block(
    block_of_code: NDArray[np.int32],
    local_row_of_code: NDArray[np.int32],
    row_codes: NDArray[np.int32],
    column_of_code: NDArray[np.int32],
    column_codes: NDArray[np.int32],
    values: NDArray[np.float32],
    n_blocks: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Sort a chunk's ratings by the block of their row, keeping their order inside a block.

    Parameters
    ----------
    block_of_code, local_row_of_code : int32[row codes], the block of each row and its position in that block
    row_codes : int32[n]
    column_of_code : int32[column codes], the dense index of each column
    column_codes : int32[n]
    values : float32[n]
    n_blocks : int

    Returns
    -------
    offsets : int64[n_blocks + 1], where each block's ratings start
    rows : int32[n], position of the row in its block
    columns : int32[n], dense index of the column
    values : float32[n]
    """
    offsets = _block_offsets(block_of_code, row_codes, n_blocks)
    free = offsets[:-1].astype(np.uint64)
    rows = np.empty(values.size, np.int32)
    columns = np.empty(values.size, np.int32)
    sorted_values = np.empty(values.size, np.float32)
    _scatter(
        block_of_code.view(np.uint32),
        local_row_of_code,
        row_codes.view(np.uint32),
        column_of_code,
        column_codes.view(np.uint32),
        values,
        free,
        rows,
        columns,
        sorted_values,
    )
    return offsets, rows, columns, sorted_values


@kernel()
def _block_offsets(block_of_code: NDArray[np.int32], row_codes: NDArray[np.int32], n_blocks: int) -> NDArray[np.int64]:
    """Return where the ratings of each block start, int64[n_blocks + 1]."""
    ratings_of_code = np.zeros(block_of_code.size, np.int32)
    for i in range(row_codes.size):
        ratings_of_code[row_codes[i]] += 1
    offsets = np.zeros(n_blocks + 1, np.int64)
    for code in range(block_of_code.size):
        offsets[block_of_code[code] + 1] += ratings_of_code[code]
    for block in range(n_blocks):
        offsets[block + 1] += offsets[block]
    return offsets


@kernel()
def _scatter(
    block_of_code: NDArray[np.uint32],
    local_row_of_code: NDArray[np.int32],
    row_codes: NDArray[np.uint32],
    column_of_code: NDArray[np.int32],
    column_codes: NDArray[np.uint32],
    values: NDArray[np.float32],
    free: NDArray[np.uint64],
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    sorted_values: NDArray[np.float32],
) -> None:
    for i in range(values.size):
        code = row_codes[i]
        block = block_of_code[code]
        place = free[block]
        free[block] = place + _ONE
        rows[place] = local_row_of_code[code]
        columns[place] = column_of_code[column_codes[i]]
        sorted_values[place] = values[i]


def csr_from_triples(
    rows: NDArray[np.int32], columns: NDArray[np.int32], values: NDArray[np.float32], n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Sort ratings by row, keeping their order inside a row.

    Parameters
    ----------
    rows : int32[n], from 0 to ``n_rows - 1``
    columns : int32[n]
    values : float32[n]
    n_rows : int

    Returns
    -------
    indptr : int64[n_rows + 1]
    indices : int32[n]
    values : float32[n]
    """
    indptr = np.zeros(n_rows + 1, np.int64)
    _row_starts(rows, indptr)
    free = indptr[:-1].astype(np.uint64)
    indices = np.empty(values.size, np.int32)
    sorted_values = np.empty(values.size, np.float32)
    _sort_by_row(rows.view(np.uint32), columns, values, free, indices, sorted_values)
    return indptr, indices, sorted_values


@kernel()
def _row_starts(rows: NDArray[np.int32], indptr: NDArray[np.int64]) -> None:
    for i in range(rows.size):
        indptr[rows[i] + 1] += 1
    for row in range(indptr.size - 1):
        indptr[row + 1] += indptr[row]


@kernel()
def _sort_by_row(
    rows: NDArray[np.uint32],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    free: NDArray[np.uint64],
    indices: NDArray[np.int32],
    sorted_values: NDArray[np.float32],
) -> None:
    for i in range(rows.size):
        row = rows[i]
        place = free[row]
        free[row] = place + _ONE
        indices[place] = columns[i]
        sorted_values[place] = values[i]


@kernel()
def count_duplicates(indptr: NDArray[np.int64], indices: NDArray[np.int32], n_columns: int) -> int:
    """Count the ratings that repeat an earlier (row, column) pair.

    Parameters
    ----------
    indptr : int64[rows + 1]
    indices : int32[n], from 0 to ``n_columns - 1``, in any order inside a row
    n_columns : int
    """
    last_row = np.full(n_columns, -1, np.int32)
    duplicates = 0
    for row in range(indptr.size - 1):
        for i in range(indptr[row], indptr[row + 1]):
            duplicates += last_row[indices[i]] == row
            last_row[indices[i]] = row
    return duplicates
