"""Detection of ratings that repeat a pair of user and item."""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel


def mark_repeats(
    user_codes: NDArray[np.int32], user_counts: NDArray[np.int64], item_codes: NDArray[np.int32], n_items: int
) -> NDArray[np.bool_]:
    """Mark every rating whose user and item another rating has too, the first of them included.

    Linear in the ratings: they are visited user by user (a counting sort), and each item remembers its last rating.

    Parameters
    ----------
    user_codes : int32[n], from 0 to ``users - 1``
    user_counts : int64[users], how often each code occurs, as `spark_mf.kernels.layout.encode` returns it
    item_codes : int32[n], from 0 to ``n_items - 1``
    n_items : int

    Returns
    -------
    bool[n]
    """
    marks = np.zeros(user_codes.size, np.bool_)
    order = np.empty(user_codes.size, np.int32)
    # Unsigned indices spare the test for negative ones.
    _order_by_user(user_codes.view(np.uint32), (np.cumsum(user_counts) - user_counts).astype(np.uint64), order)
    _mark(user_codes, item_codes.view(np.uint32), order.view(np.uint32), np.full(n_items, -1, np.int32), marks)
    return marks


@kernel()
def _order_by_user(user_codes: NDArray[np.uint32], free: NDArray[np.uint64], order: NDArray[np.int32]) -> None:
    """Write the numbers of the ratings, sorted by user; `free` holds each user's first place and is used up."""
    for rating in range(user_codes.size):
        user = user_codes[rating]
        order[free[user]] = rating
        free[user] += np.uint64(1)


@kernel()
def _mark(
    user_codes: NDArray[np.int32],
    item_codes: NDArray[np.uint32],
    order: NDArray[np.uint32],
    last_rating: NDArray[np.int32],
    marks: NDArray[np.bool_],
) -> None:
    for rating in order:
        item = item_codes[rating]
        earlier = last_rating[item]
        if earlier >= 0 and user_codes[earlier] == user_codes[rating]:
            marks[earlier] = True
            marks[rating] = True
        last_rating[item] = rating
