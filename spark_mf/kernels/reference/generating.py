"""The choice of items of `spark_mf.kernels.generating` in plain NumPy, one user at a time."""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.generating import RACE_FROM_SHARE
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.reference.random import uniform


def sample_items(
    seed: int,
    users: NDArray[np.int64],
    counts: NDArray[np.int64],
    cumulative: NDArray[np.float64],
    given: NDArray[np.int32],
    given_counts: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Return int32[counts.sum()], each user's items in ascending order."""
    chosen = [np.empty(0, dtype=np.int64)]
    for i, certain in enumerate(np.split(given, np.cumsum(given_counts)[:-1])[: len(users)]):
        user, count = users[i : i + 1], counts[i]
        if count > RACE_FROM_SHARE * cumulative.shape[0]:
            times = _times(seed, user, cumulative)
            times[certain] = -1
            chosen.append(np.sort(np.argsort(times, kind="stable")[:count]))
        else:
            chosen.append(np.sort(_different_items(seed, user, count, cumulative, certain)))
    return np.concatenate(chosen).astype(np.int32)


def _times(seed: int, user: NDArray[np.int64], cumulative: NDArray[np.float64]) -> NDArray[np.float64]:
    u = uniform(seed, Purpose.GENERATE_ITEM_CHOICE, user, cumulative.shape[0])[0]
    return -np.log(1.0 - u) / np.diff(cumulative, prepend=0.0)


def _different_items(
    seed: int, user: NDArray[np.int64], count: int, cumulative: NDArray[np.float64], certain: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the first `count` distinct items of `certain` and a row of draws, which is extended as needed."""
    draws = count
    while True:
        u = uniform(seed, Purpose.GENERATE_ITEM_CHOICE, user, draws)[0]
        items = np.concatenate([certain, np.searchsorted(cumulative, u, side="right")])
        firsts = np.sort(np.unique(items, return_index=True)[1])
        if firsts.shape[0] >= count:
            return items[firsts[:count]]
        draws *= 2
