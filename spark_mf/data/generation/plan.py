"""Plan of generated ratings: number of ratings of each user, and popularity of each item."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.data.generation.spec import LARGEST_SHARE, RatingsSpec
from spark_mf.kernels.random import Purpose, standard_normal, uniform

# These values imitate MovieLens. In its activity, mean over median is 2.1, as for a lognormal with this deviation.
ACTIVITY_DEVIATION = 1.2
# Popularity falls with the square of the rank (Zipf–Mandelbrot). Its head is flattened until the most popular item
# reaches at most about this fraction of the users, as in all sizes of MovieLens, and at least by this fraction of
# the items, because otherwise a few items would have nearly all ratings of a sparse set.
FAVOURITE_SHARE = 0.45
LEAST_FLATTENED_SHARE = 0.005
POPULARITY_EXPONENT = 2.0


@dataclass(frozen=True)
class RatingsPlan:
    """Data that the ratings of a user depend on, equal in every executor.

    Attributes
    ----------
    spec : RatingsSpec
    counts : int64[users]
        Number of items that each user rates.
    cumulative : float64[items]
        Cumulative popularity of the items, strictly increasing to exactly 1.
    given_ends : int64[users + 1]
        See `given_ends`.
    given_order : int32[items]
        Items in the order in which they are assigned.
    """

    spec: RatingsSpec
    counts: NDArray[np.int64]
    cumulative: NDArray[np.float64]
    given_ends: NDArray[np.int64]
    given_order: NDArray[np.int32]


def plan_ratings(spec: RatingsSpec) -> RatingsPlan:
    """Make the plan, of 16 bytes per user and 12 per item; takes a few times that temporarily."""
    counts = user_counts(spec)
    ends = given_ends(spec, counts)
    cumulative = _cumulative(item_popularity(spec, counts - np.diff(ends)))
    order = _random_order(spec, Purpose.GENERATE_ITEM_MINIMUM).astype(np.int32)
    return RatingsPlan(spec, counts, cumulative, ends, order)


def user_counts(spec: RatingsSpec) -> NDArray[np.int64]:
    """Return the number of items that each user rates, as int64[users] with the sum ``spec.ratings``."""
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
    """Return the ends of the ranges of items assigned to each user, so that every item gets its minimum.

    The list of all items, repeated `spec.min_item_ratings` times, is divided among the users in proportion to their
    numbers of ratings. No user gets an item twice, because each range is shorter than the list of items; and no range
    is longer than the number of ratings of its user, because there are at most as many places as ratings in all.
    Hence every minimum that requires at most all ratings can be reached.

    Parameters
    ----------
    spec : RatingsSpec
    counts : int64[users]
        Number of items that each user rates.

    Returns
    -------
    int64[users + 1]
        Starts with 0.
    """
    places, ratings = int(spec.items) * int(spec.min_item_ratings), int(spec.ratings)
    ends = np.concatenate([[0], np.cumsum(counts)])
    if places * ratings >= 2**63:
        ends = ends.astype(object)  # Python integers, because the products below would overflow
    return (ends * places // ratings).astype(np.int64)


def item_popularity(spec: RatingsSpec, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of each item in one draw, in an order that depends on the seed.

    Parameters
    ----------
    spec : RatingsSpec
    counts : int64[users]
        Number of items that each user draws.

    Returns
    -------
    float64[items]
        Sums to 1.
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
