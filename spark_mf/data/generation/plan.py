"""Who rates how many items, and which are how popular: what is worked out before any rating is made."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.data.generation.spec import LARGEST_SHARE, RatingsSpec
from spark_mf.kernels.random import Purpose, standard_normal, uniform

# What MovieLens looks like.  Activity: mean over median is 2.1, which a lognormal of this deviation has.
ACTIVITY_DEVIATION = 1.2
# Popularity falls with the square of the rank (Zipf–Mandelbrot), flattened so far at its head that the
# favourite item reaches at most about this part of the users, as in every size of MovieLens; and at least by
# this part of the items, or a few would have nearly all ratings of a sparse set.
FAVOURITE_SHARE = 0.45
LEAST_FLATTENED_SHARE = 0.005
POPULARITY_EXPONENT = 2.0


@dataclass(frozen=True)
class RatingsPlan:
    """All that the ratings of a user depend on; the same in every executor.

    Attributes
    ----------
    spec : RatingsSpec
    counts : int64[users], how many items each user rates
    cumulative : float64[items], the items' cumulative popularity, strictly increasing to exactly 1
    given_ends : int64[users + 1], see `given_ends`
    given_order : int32[items], the items in the order in which they are given
    """

    spec: RatingsSpec
    counts: NDArray[np.int64]
    cumulative: NDArray[np.float64]
    given_ends: NDArray[np.int64]
    given_order: NDArray[np.int32]


def plan_ratings(spec: RatingsSpec) -> RatingsPlan:
    """Work out the plan: 16 bytes a user and 12 an item, and a few times that in passing."""
    counts = user_counts(spec)
    ends = given_ends(spec, counts)
    cumulative = _cumulative(item_popularity(spec, counts - np.diff(ends)))
    order = _random_order(spec, Purpose.GENERATE_ITEM_MINIMUM).astype(np.int32)
    return RatingsPlan(spec, counts, cumulative, ends, order)


def user_counts(spec: RatingsSpec) -> NDArray[np.int64]:
    """How many items each user rates: int64[users] that sums to exactly ``spec.ratings``."""
    if spec.skew == "uniform":
        weights = np.ones(spec.users)
    else:
        ids = np.arange(spec.users, dtype=np.int64)
        normals = standard_normal(spec.seed, Purpose.GENERATE_USER_ACTIVITY, ids, 1)[:, 0]
        weights = np.exp(ACTIVITY_DEVIATION * normals.astype(np.float64))
    least = max(spec.min_user_ratings, 1 if spec.ratings >= spec.users else 0)
    most = math.ceil(LARGEST_SHARE * spec.items)
    too_small, too_large = 0.0, most / weights.min()
    for _ in range(60):
        middle = (too_small + too_large) / 2
        if np.clip(middle * weights, least, most).sum() > spec.ratings:
            too_large = middle
        else:
            too_small = middle
    shares = np.clip(too_small * weights, least, most)
    counts = shares.astype(np.int64)
    missing = spec.ratings - int(counts.sum())
    counts[np.argsort(counts - shares, kind="stable")[:missing]] += 1
    return counts


def given_ends(spec: RatingsSpec, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each user's given items end, by which every item gets its minimum: int64[users + 1], from 0.

    Going round and round the items, `spec.min_item_ratings` times, gives each of them to as many users; each user
    in turn takes the next few, in proportion to what the user rates.  Nobody meets an item twice, having fewer
    places than there are items, nor has more places than ratings, as there are no more places than ratings in all.
    Hence every minimum that takes no more than all ratings can be reached.

    Parameters
    ----------
    counts : int64[users], how many items each user rates
    """
    places, ratings = int(spec.items) * int(spec.min_item_ratings), int(spec.ratings)
    ends = np.concatenate([[0], np.cumsum(counts)])
    if places * ratings >= 2**63:
        ends = ends.astype(object)  # Python's integers, as the products below would overflow
    return (ends * places // ratings).astype(np.int64)


def item_popularity(spec: RatingsSpec, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each item's probability in one draw: float64[items], sums to 1, in an order that the seed decides.

    Parameters
    ----------
    counts : int64[users], how many items each user draws
    """
    if spec.skew == "uniform":
        return np.full(spec.items, 1 / spec.items)
    sizes, users_of_size = np.unique(counts, return_counts=True)
    steep, flat = max(1.0, LEAST_FLATTENED_SHARE * spec.items), 1000.0 * spec.items
    for _ in range(50):
        offset = math.sqrt(steep * flat)
        favourite = _by_rank(spec.items, offset)[0]
        reached = np.average(1 - np.exp(-sizes * favourite), weights=users_of_size)
        if reached > FAVOURITE_SHARE:
            steep = offset
        else:
            flat = offset
    popularity = np.empty(spec.items)
    popularity[_random_order(spec, Purpose.GENERATE_ITEM_ORDER)] = _by_rank(spec.items, steep)
    return popularity


def _random_order(spec: RatingsSpec, purpose: Purpose) -> NDArray[np.int64]:
    ids = np.arange(spec.items, dtype=np.int64)
    return np.argsort(uniform(spec.seed, purpose, ids, 1)[:, 0], kind="stable")


def _by_rank(items: int, offset: float) -> NDArray[np.float64]:
    weights = (np.arange(items) + offset) ** -POPULARITY_EXPONENT
    return weights / weights.sum()


def _cumulative(popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    cumulative = np.cumsum(popularity)
    # Rounding must not leave a gap below 1 in which a draw finds no item.
    cumulative[-1] = 1.0
    return cumulative
