"""Random numbers that are looked up rather than drawn in turn: a function of (seed, purpose, row, column).

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011) turns
a 128-bit counter and a 64-bit key into four 32-bit words.  Here the key is the seed, the counter (row, low
word; row, high word; block of columns; purpose), so that a value never depends on the number of blocks,
partitions or machines, nor on which values were asked for before.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel


class Purpose(IntEnum):
    """Purposes of random numbers; different purposes of one seed have independent numbers.

    The values are part of every result that was made with a seed; never renumber them.
    """

    USER_FACTORS = 1
    ITEM_FACTORS = 2
    SPLIT = 3
    ROW_ORDER = 4
    SGD_RATING_ORDER = 5
    SGD_TILE_ORDER = 6
    SGD_BLOCK_ORDER = 7
    GENERATE_USER_ACTIVITY = 16
    GENERATE_ITEM_ORDER = 17
    GENERATE_ITEM_CHOICE = 18
    GENERATE_USER_FACTORS = 19
    GENERATE_ITEM_FACTORS = 20
    GENERATE_NOISE = 21
    GENERATE_ITEM_MINIMUM = 22


# numba turns uint64 mixed with a Python integer into float64, hence every constant is a uint64.
_WORD = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_DOUBLE_SHIFT = np.uint64(11)

_TWO_TO_MINUS_32 = 2.0**-32
_TWO_TO_MINUS_53 = 2.0**-53
_RADIANS_PER_WORD = 2.0 * np.pi * _TWO_TO_MINUS_32


@kernel(inline="always")
def philox4x32(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Ten rounds of Philox4x32 (Salmon et al. 2011, section 3.3).

    Parameters
    ----------
    c0, c1, c2, c3 : uint64 scalars below 2**32, the counter
    k0, k1 : uint64 scalars below 2**32, the key

    Returns
    -------
    four uint64 scalars below 2**32
    """
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0 = (product_1 >> _SHIFT) ^ c1 ^ k0
        c2 = (product_0 >> _SHIFT) ^ c3 ^ k1
        c1 = product_1 & _WORD
        c3 = product_0 & _WORD
        k0 = (k0 + _WEYL_0) & _WORD
        k1 = (k1 + _WEYL_1) & _WORD
    return c0, c1, c2, c3


@kernel()
def fill_standard_normal(key, purpose, rows, out):  # type: ignore[no-untyped-def]
    """Write standard normals to ``out: float32[n, columns]``; the arguments are those of `fill_uniform`.

    Box and Muller (1958): √(-2 ln u)·(cos 2πv, sin 2πv), in float64.  The words are moved to the middle of
    their interval, so the logarithm's argument is never zero and no value exceeds √(66 ln 2) = 6.77.
    """
    columns = out.shape[1]
    draws = np.empty(4)
    for i in range(rows.shape[0]):
        row = np.uint64(rows[i])
        for block in range((columns + 3) // 4):
            w0, w1, w2, w3 = philox4x32(
                row & _WORD, row >> _SHIFT, np.uint64(block), purpose, key & _WORD, key >> _SHIFT
            )
            radius = np.sqrt(-2.0 * np.log((np.float64(w0) + 0.5) * _TWO_TO_MINUS_32))
            angle = np.float64(w1) * _RADIANS_PER_WORD
            draws[0] = radius * np.cos(angle)
            draws[1] = radius * np.sin(angle)
            radius = np.sqrt(-2.0 * np.log((np.float64(w2) + 0.5) * _TWO_TO_MINUS_32))
            angle = np.float64(w3) * _RADIANS_PER_WORD
            draws[2] = radius * np.cos(angle)
            draws[3] = radius * np.sin(angle)
            first = 4 * block
            for j in range(min(4, columns - first)):
                out[i, first + j] = draws[j]


@kernel(inline="always")
def word_pair_to_uniform(high, low):  # type: ignore[no-untyped-def]
    """The upper 53 bits of two 32-bit words (uint64 scalars) as a float64 in [0, 1)."""
    return np.float64(((high << _SHIFT) | low) >> _DOUBLE_SHIFT) * _TWO_TO_MINUS_53


@kernel()
def fill_uniform(key, purpose, rows, out):  # type: ignore[no-untyped-def]
    """Write uniforms in [0, 1) to ``out``.

    Parameters
    ----------
    key : uint64, the seed's bits
    purpose : uint64 below 2**32
    rows : int64[n]
    out : float64[n, columns], written
    """
    columns = out.shape[1]
    for i in range(rows.shape[0]):
        row = np.uint64(rows[i])
        for block in range((columns + 1) // 2):
            w0, w1, w2, w3 = philox4x32(
                row & _WORD, row >> _SHIFT, np.uint64(block), purpose, key & _WORD, key >> _SHIFT
            )
            out[i, 2 * block] = word_pair_to_uniform(w0, w1)
            if 2 * block + 1 < columns:
                out[i, 2 * block + 1] = word_pair_to_uniform(w2, w3)


def seed_key(seed: int) -> np.uint64:
    """Return the 64 bits of a seed as the generator's key.

    Raises
    ------
    TypeError
        If the seed is not an integer.
    ValueError
        If it does not fit in a signed 64-bit integer, the type of every seed in Spark.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed must be an integer, got {seed!r} ({type(seed).__name__}).")
    if not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed must be in [-2**63, 2**63 - 1], got {seed}.")
    return np.uint64(int(seed) % 2**64)


def standard_normal(seed: int, purpose: int, rows: NDArray[np.int64], columns: int) -> NDArray[np.float32]:
    """Return standard normal numbers, each a function of (seed, purpose, its row, its column) alone.

    Parameters
    ----------
    seed : any signed 64-bit integer; all 64 bits count
    purpose : a `Purpose`, or any integer from 0 to 2**32 - 1
    rows : int64[n], any order, repeats allowed
    columns : number of columns, 0 or more

    Returns
    -------
    float32[n, columns], C order

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of its range.
    """
    out = np.empty(_shape(rows, columns), dtype=np.float32)
    fill_standard_normal(seed_key(seed), _purpose_word(purpose), rows, out)
    return out


def uniform(seed: int, purpose: int, rows: NDArray[np.int64], columns: int) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1) with 53 random bits; arguments and errors are those of `standard_normal`.

    Returns
    -------
    float64[n, columns], C order
    """
    out = np.empty(_shape(rows, columns), dtype=np.float64)
    fill_uniform(seed_key(seed), _purpose_word(purpose), rows, out)
    return out


def _purpose_word(purpose: int) -> np.uint64:
    if not 0 <= purpose < 2**32:
        raise ValueError(f"purpose must be a Purpose or an integer in [0, 2**32 - 1], got {purpose}.")
    return np.uint64(int(purpose))


def _shape(rows: NDArray[np.int64], columns: int) -> tuple[int, int]:
    if rows.dtype != np.int64 or rows.ndim != 1:
        raise TypeError(f"rows must be a one-dimensional int64 array, got {rows.dtype} of {rows.ndim} dimensions.")
    if columns < 0:
        raise ValueError(f"columns must be >= 0, got {columns}.")
    return rows.shape[0], columns
