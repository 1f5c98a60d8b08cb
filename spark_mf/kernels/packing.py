"""Fewer bytes for the same ratings: narrow column indices and values as codes into a table.

The kernels trust their callers; `spark_mf.blocks.csr` does the checking.
"""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel

#: The most distinct values that one byte can number.
MAX_TABLE = 256

#: Places of the hash table of values: at most a quarter full, and 6 KiB stay in the first-level cache.
_HASH_BITS = 10
# Multiplicative hashing with 2^32 divided by the golden ratio (Knuth 3, section 6.4).
_GOLDEN = np.uint32(0x9E3779B9)
_HASH_SHIFT = np.uint32(32 - _HASH_BITS)
_HASH_MASK = np.uint32((1 << _HASH_BITS) - 1)


def encode_values(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Replace values by codes into a table of the distinct ones, told apart by their bits.

    Parameters
    ----------
    values : float32[n], contiguous; -0.0 differs from 0.0, and NaNs with different bits differ

    Returns
    -------
    table : float32[k], in order of appearance; empty when there are more than 256
    codes : uint8[n] with ``table[codes]`` equal to `values` in every bit; empty when `table` is
    """
    table = np.empty(MAX_TABLE, np.uint32)
    codes = np.empty(values.size, np.uint8)
    distinct = _encode_bits(values.view(np.uint32), table, codes)
    if distinct < 0:
        return np.empty(0, np.float32), np.empty(0, np.uint8)
    return table[:distinct].view(np.float32), codes


@kernel()
def _encode_bits(bits: NDArray[np.uint32], table: NDArray[np.uint32], codes: NDArray[np.uint8]) -> int:
    """Fill `table` and `codes`; return how many values are distinct, or -1 once they exceed the table."""
    keys = np.empty(1 << _HASH_BITS, np.uint32)
    code_at = np.full(1 << _HASH_BITS, -1, np.int16)
    distinct = 0
    for i in range(bits.size):
        key = bits[i]
        place = np.uint32(key * _GOLDEN) >> _HASH_SHIFT
        while code_at[place] >= 0 and keys[place] != key:
            place = np.uint32(place + np.uint32(1)) & _HASH_MASK
        if code_at[place] < 0:
            if distinct == MAX_TABLE:
                return -1
            keys[place] = key
            code_at[place] = distinct
            table[distinct] = key
            distinct += 1
        codes[i] = np.uint8(code_at[place])
    return distinct


def decode_values(table: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Look up ``table[codes]``.

    Parameters
    ----------
    table : float32[k]
    codes : uint8[n], from 0 to ``k - 1``

    Returns
    -------
    float32[n]
    """
    values = np.empty(codes.size, np.float32)
    _look_up(table, codes, values)
    return values


@kernel()
def _look_up(table: NDArray[np.float32], codes: NDArray[np.uint8], values: NDArray[np.float32]) -> None:
    for i in range(codes.size):
        values[i] = table[codes[i]]


def split_indices(indices: NDArray[np.int32]) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Cut indices from 0 to 2**24 - 1 into their lower two bytes and their third.

    Parameters
    ----------
    indices : int32[n]

    Returns
    -------
    low : uint16[n]
    high : uint8[n]
    """
    low = np.empty(indices.size, np.uint16)
    high = np.empty(indices.size, np.uint8)
    _split(indices, low, high)
    return low, high


@kernel()
def _split(indices: NDArray[np.int32], low: NDArray[np.uint16], high: NDArray[np.uint8]) -> None:
    for i in range(indices.size):
        low[i] = np.uint16(indices[i] & 0xFFFF)
        high[i] = np.uint8(indices[i] >> 16)


def join_indices(low: NDArray[np.uint16], high: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the inverse of `split_indices`: int32[n] from uint16[n] and uint8[n]."""
    indices = np.empty(low.size, np.int32)
    _join(low, high, indices)
    return indices


@kernel()
def _join(low: NDArray[np.uint16], high: NDArray[np.uint8], indices: NDArray[np.int32]) -> None:
    for i in range(indices.size):
        indices[i] = (np.int32(high[i]) << np.int32(16)) | np.int32(low[i])
