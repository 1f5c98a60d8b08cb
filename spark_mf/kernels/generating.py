"""Choosing the items that each user of a generated data set rates."""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.random import Purpose, philox4x32, seed_key, word_pair_to_uniform

# A user who rates more than this part of the items meets too many that were already chosen: from about here
# on, one exponential time for every item costs less than drawing until enough new ones were found.
RACE_FROM_SHARE = 1 / 8

_PURPOSE = np.uint64(Purpose.GENERATE_ITEM_CHOICE)
_WORD = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@kernel(inline="always")
def _two_uniforms(key, user, block):  # type: ignore[no-untyped-def]
    """Columns 2·block and 2·block + 1 of `random.uniform` in the user's row."""
    row = np.uint64(user)
    w0, w1, w2, w3 = philox4x32(row & _WORD, row >> _SHIFT, np.uint64(block), _PURPOSE, key & _WORD, key >> _SHIFT)
    return word_pair_to_uniform(w0, w1), word_pair_to_uniform(w2, w3)


@kernel()
def _first_above(cumulative, u):  # type: ignore[no-untyped-def]
    """`np.searchsorted(cumulative, u, side="right")`, which numba compiles to several times slower code."""
    low = 0
    high = cumulative.shape[0]
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low


@kernel()
def _choose_by_rejection(key, user, cumulative, given, mark, marks, out):  # type: ignore[no-untyped-def]
    """Fill `out` with `given` and items drawn by popularity, but for those with `mark` in `marks`: chosen before."""
    found = 0
    for item in given:
        marks[item] = mark
        out[found] = item
        found += 1
    block = 0
    while found < out.shape[0]:
        for u in _two_uniforms(key, user, block):
            item = _first_above(cumulative, u)
            if marks[item] != mark and found < out.shape[0]:
                marks[item] = mark
                out[found] = item
                found += 1
        block += 1
    out.sort()


@kernel()
def _choose_by_race(key, user, cumulative, given, times, out):  # type: ignore[no-untyped-def]
    """Fill `out` with `given` and the items of the shortest exponential times, their rates being the popularities."""
    items = cumulative.shape[0]
    for block in range((items + 1) // 2):
        u, v = _two_uniforms(key, user, block)
        item = 2 * block
        below = cumulative[item - 1] if item else 0.0
        times[item] = -np.log(1.0 - u) / (cumulative[item] - below)
        if item + 1 < items:
            times[item + 1] = -np.log(1.0 - v) / (cumulative[item + 1] - cumulative[item])
    for item in given:
        times[item] = -1.0
    last = np.partition(times, out.shape[0] - 1)[out.shape[0] - 1]
    found = 0
    for item in range(items):
        if times[item] <= last and found < out.shape[0]:
            out[found] = item
            found += 1


@kernel()
def fill_items(key, users, counts, cumulative, given, given_counts, out):  # type: ignore[no-untyped-def]
    """Write every user's items to `out: int32[counts.sum()]`; the arguments are those of `sample_items`."""
    items = cumulative.shape[0]
    marks = np.zeros(items, dtype=np.int64)
    times = np.empty(items)
    start = 0
    given_start = 0
    for i in range(users.shape[0]):
        chosen = out[start : start + counts[i]]
        certain = given[given_start : given_start + given_counts[i]]
        if counts[i] > RACE_FROM_SHARE * items:
            _choose_by_race(key, users[i], cumulative, certain, times, chosen)
        else:
            _choose_by_rejection(key, users[i], cumulative, certain, i + 1, marks, chosen)
        start += counts[i]
        given_start += given_counts[i]


def sample_items(
    seed: int,
    users: NDArray[np.int64],
    counts: NDArray[np.int64],
    cumulative: NDArray[np.float64],
    given: NDArray[np.int32],
    given_counts: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Draw distinct items for each user, one after the other with probabilities in proportion to popularity.

    Drawing until enough different items were found, and taking the first finishers of a race of exponential
    times (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006), are the same
    distribution; each user gets the cheaper way.  A user's items depend on the seed, the user, its count, its
    given items and the popularities alone.

    Parameters
    ----------
    seed : any signed 64-bit integer
    users : int64[n], ids
    counts : int64[n], items to choose, each from 0 to the number of items
    cumulative : float64[items], cumulative popularity, strictly increasing to exactly 1
    given : int32[given_counts.sum()], what is among the first user's items in any case, then the second's, …;
        different items for each user
    given_counts : int64[n], each from 0 to the user's count

    Returns
    -------
    int32[counts.sum()], the first user's items in ascending order, then the second's, …
    """
    out = np.empty(counts.sum(), dtype=np.int32)
    fill_items(seed_key(seed), users, counts, cumulative, given, given_counts, out)
    return out
