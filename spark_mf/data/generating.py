"""Generated ratings of any size, made on the executors and the same for every number of partitions."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from spark_mf.kernels.generating import sample_items
from spark_mf.kernels.random import Purpose, seed_key, standard_normal, uniform

Skew = Literal["long-tailed", "uniform"]

# What MovieLens looks like.  Activity: mean over median is 2.1, which a lognormal of this deviation has.
ACTIVITY_DEVIATION = 1.2
# Popularity falls with the square of the rank (Zipf–Mandelbrot), flattened so far at its head that the
# favourite item reaches at most about this part of the users, as in every size of MovieLens; and at least by
# this part of the items, or a few would have nearly all ratings of a sparse set.
FAVOURITE_SHARE = 0.45
LEAST_FLATTENED_SHARE = 0.005
POPULARITY_EXPONENT = 2.0
# No user rates more than this part of the items, hence no data set can be denser.
LARGEST_SHARE = 0.6

# The mean rating, and standard deviations of the true rating's terms, as parts of the scale's range.
MEAN_POSITION = 0.7
USER_BIAS = 0.09
ITEM_BIAS = 0.10
INTERACTION = 0.13

# Ratings made at a time, so that a worker's memory does not grow with its partition.
CHUNK_RATINGS = 200_000


@dataclass(frozen=True)
class RatingsSpec:
    """What is to be generated; the fields are the arguments of `generate_ratings`."""

    users: int
    items: int
    ratings: int
    rank: int = 8
    noise: float = 0.5
    scale: tuple[float, float] = (0.5, 5.0)
    step: float | None = 0.5
    seed: int = 0
    skew: Skew = "long-tailed"

    def __post_init__(self) -> None:
        for name, largest in (("users", 2**31), ("items", 2**31 - 1), ("ratings", 2**62), ("rank", 10_000)):
            _require_integer(name, getattr(self, name), largest)
        densest = int(self.users * self.items * LARGEST_SHARE)
        if self.ratings > densest:
            raise ValueError(
                f"ratings is {self.ratings}, but {self.users} users and {self.items} items can hold "
                f"{densest} ({LARGEST_SHARE:.0%} of all pairs): ask for fewer, or for more users or items."
            )
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise is {self.noise}; give a finite standard deviation of 0 or more.")
        low, high = self.scale
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"scale is {self.scale}; give the lowest and the highest rating, such as (0.5, 5.0).")
        if self.step is not None and not 0 < self.step <= high - low:
            raise ValueError(
                f"step is {self.step}; give a number above 0 and at most {high - low}, the width of the "
                "scale, or None for ratings that are not rounded."
            )
        if self.skew not in get_args(Skew):
            raise ValueError(f"skew is {self.skew!r}; give one of {', '.join(map(repr, get_args(Skew)))}.")
        seed_key(self.seed)


def generate_ratings(
    spark: SparkSession,
    *,
    users: int,
    items: int,
    ratings: int,
    rank: int = 8,
    noise: float = 0.5,
    scale: tuple[float, float] = (0.5, 5.0),
    step: float | None = 0.5,
    seed: int = 0,
    partitions: int | None = None,
    skew: Skew = "long-tailed",
) -> DataFrame:
    """Ratings by users and of items whose true factors are known (`true_ratings`), made on the executors.

    The driver holds one number a user and one an item; nothing on it grows with the ratings.

    Parameters
    ----------
    users, items : int
        Ids run from 0 to ``users - 1`` and to ``items - 1``.  With at least as many ratings as users every
        user has one; an unpopular item may have none.
    ratings : int
        Exact number of rows, each another (user, item) pair; at most 60 % of ``users · items``.
    rank : int
        Length of the true factors, besides the two biases.
    noise : float
        Standard deviation of what no model can explain, in units of the ratings, before rounding.
    scale, step : (lowest, highest) rating, and the distance between neighbours or None for no rounding
    seed : int
        Any signed 64-bit integer.  The same seed gives the same rows for any number of partitions.
    partitions : int or None
        None leaves the number to Spark.
    skew : "long-tailed" (few users and items have most of the ratings, as in MovieLens) or "uniform"

    Returns
    -------
    DataFrame of user int, item int, rating float

    Raises
    ------
    TypeError, ValueError
        If an argument is outside its range or the ratings do not fit into the pairs.
    """
    spec = RatingsSpec(users, items, ratings, rank, noise, scale, step, seed, skew)
    if partitions is not None:
        _require_integer("partitions", partitions, 2**31 - 1)
    counts = user_counts(spec)
    popularity = item_popularity(spec, counts)
    # Spark itself broadcasts a function whose arrays are large, and drops the broadcast with the DataFrame.
    make = partial(_rate_batches, spec, counts, _cumulative(popularity))
    ids = spark.range(0, users, 1, partitions)
    return ids.mapInArrow(make, "user int, item int, rating float")


def user_counts(spec: RatingsSpec) -> NDArray[np.int64]:
    """How many items each user rates: int64[users] that sums to exactly ``spec.ratings``."""
    if spec.skew == "uniform":
        weights = np.ones(spec.users)
    else:
        ids = np.arange(spec.users, dtype=np.int64)
        normals = standard_normal(spec.seed, Purpose.GENERATE_USER_ACTIVITY, ids, 1)[:, 0]
        weights = np.exp(ACTIVITY_DEVIATION * normals.astype(np.float64))
    least = 1 if spec.ratings >= spec.users else 0
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


def item_popularity(spec: RatingsSpec, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each item's probability in one draw: float64[items], sums to 1, in an order that the seed decides.

    Parameters
    ----------
    counts : int64[users], how many items each user rates
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
    ids = np.arange(spec.items, dtype=np.int64)
    order = np.argsort(uniform(spec.seed, Purpose.GENERATE_ITEM_ORDER, ids, 1)[:, 0], kind="stable")
    popularity[order] = _by_rank(spec.items, steep)
    return popularity


def true_ratings(spec: RatingsSpec, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """What the pairs' ratings would be without noise, rounding and the ends of the scale: float32[n].

    mean + user bias + item bias + user's factors · item's factors.

    Parameters
    ----------
    users, items : int64[n], ids
    """
    return _combine(spec, _user_terms(spec, users), _item_terms(spec, items))


def _by_rank(items: int, offset: float) -> NDArray[np.float64]:
    weights = (np.arange(items) + offset) ** -POPULARITY_EXPONENT
    return weights / weights.sum()


def _cumulative(popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    cumulative = np.cumsum(popularity)
    # Rounding must not leave a gap below 1 in which a draw finds no item.
    cumulative[-1] = 1.0
    return cumulative


def _user_terms(spec: RatingsSpec, users: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32[n, rank + 2]: factors, the user's bias, 1; paired with `_item_terms` column by column."""
    terms = standard_normal(spec.seed, Purpose.GENERATE_USER_FACTORS, users, spec.rank + 2)
    terms[:, -2] *= USER_BIAS * (spec.scale[1] - spec.scale[0])
    terms[:, -1] = 1
    return terms


def _item_terms(spec: RatingsSpec, items: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32[n, rank + 2]: factors, 1, the item's bias."""
    width = spec.scale[1] - spec.scale[0]
    terms = standard_normal(spec.seed, Purpose.GENERATE_ITEM_FACTORS, items, spec.rank + 2)
    terms[:, :-2] *= INTERACTION * width / math.sqrt(spec.rank)
    terms[:, -2] = 1
    terms[:, -1] *= ITEM_BIAS * width
    return terms


def _combine(
    spec: RatingsSpec, user_terms: NDArray[np.float32], item_terms: NDArray[np.float32]
) -> NDArray[np.float32]:
    low, high = spec.scale
    mean = np.float32(low + MEAN_POSITION * (high - low))
    return mean + np.einsum("nk,nk->n", user_terms, item_terms)


def _rate_batches(
    spec: RatingsSpec,
    counts: NDArray[np.int64],
    cumulative: NDArray[np.float64],
    batches: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Arrow batches of user ids to Arrow batches of their ratings, in an executor."""
    item_terms = _item_terms(spec, np.arange(spec.items, dtype=np.int64))
    for batch in batches:
        users = batch.column(0).to_numpy()
        ends = np.cumsum(counts[users])
        for some in np.split(users, np.flatnonzero(np.diff(ends // CHUNK_RATINGS)) + 1):
            user_of = np.repeat(some, counts[some])
            item_of = sample_items(spec.seed, some, counts[some], cumulative)
            user_terms = np.repeat(_user_terms(spec, some), counts[some], axis=0)
            truth = _combine(spec, user_terms, item_terms[item_of])
            columns = [user_of.astype(np.int32), item_of, _observe(spec, user_of, item_of, truth)]
            yield pa.RecordBatch.from_arrays([pa.array(c) for c in columns], ["user", "item", "rating"])


def _observe(
    spec: RatingsSpec, users: NDArray[np.int64], items: NDArray[np.int32], truth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The true ratings with noise, on the scale: float32[n]."""
    pairs = users * spec.items + items
    noisy = truth + np.float32(spec.noise) * standard_normal(spec.seed, Purpose.GENERATE_NOISE, pairs, 1)[:, 0]
    low, high = spec.scale
    if spec.step is None:
        return np.clip(noisy, low, high).astype(np.float32)
    # The highest rating counts only if whole steps lead to it; 1e-9 absorbs the division's rounding.
    last = math.floor((high - low) / spec.step + 1e-9)
    steps = np.clip(np.rint((noisy - low) / spec.step), 0, last)
    return (low + spec.step * steps).astype(np.float32)


def _require_integer(name: str, value: int, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}, a {type(value).__name__}; give an integer.")
    if not 1 <= value <= largest:
        raise ValueError(f"{name} is {value}; give an integer from 1 to {largest}.")
