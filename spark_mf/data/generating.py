"""Generated ratings of any size, made on the executors and the same for every number of partitions."""

import math
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from spark_mf.data.generation.plan import RatingsPlan, plan_ratings
from spark_mf.data.generation.spec import RatingsSpec, Skew, require_integer
from spark_mf.kernels.generating import sample_items
from spark_mf.kernels.random import Purpose, standard_normal

# The mean rating, and standard deviations of the true rating's terms, as parts of the scale's range.
MEAN_POSITION = 0.7
USER_BIAS = 0.09
ITEM_BIAS = 0.10
INTERACTION = 0.13

# Ratings made at a time, so that a worker's memory does not grow with its partition.
CHUNK_RATINGS = 200_000


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
    min_user_ratings: int = 0,
    min_item_ratings: int = 0,
) -> DataFrame:
    """Ratings by users and of items whose true factors are known (`true_ratings`), made on the executors.

    The driver holds two numbers a user and two an item; nothing on it grows with the ratings.

    Parameters
    ----------
    users, items : int
        Ids run from 0 to ``users - 1`` and to ``items - 1``.
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
    min_user_ratings, min_item_ratings : int
        Ratings that every user and every item has at least.  With at least as many ratings as users every user has
        one in any case; an unpopular item may have none without a minimum.

    Returns
    -------
    DataFrame of user int, item int, rating float

    Raises
    ------
    TypeError, ValueError
        If an argument is outside its range or the ratings do not fit into the pairs or do not reach the minimums.
    """
    spec = RatingsSpec(users, items, ratings, rank, noise, scale, step, seed, skew, min_user_ratings, min_item_ratings)
    return _generate(spark, spec, partitions, with_truth=False)


def generate_with_truth(spark: SparkSession, spec: RatingsSpec, partitions: int | None = None) -> DataFrame:
    """The rows of `generate_ratings` and, as a further column, what perfect factors would predict for each.

    Returns
    -------
    DataFrame of user int, item int, rating float, truth float: `true_ratings` kept within the scale
    """
    return _generate(spark, spec, partitions, with_truth=True)


def true_ratings(spec: RatingsSpec, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """What the pairs' ratings would be without noise, rounding and the ends of the scale: float32[n].

    mean + user bias + item bias + user's factors · item's factors.

    Parameters
    ----------
    users, items : int64[n], ids
    """
    return _combine(spec, _user_terms(spec, users), _item_terms(spec, items))


def _generate(spark: SparkSession, spec: RatingsSpec, partitions: int | None, *, with_truth: bool) -> DataFrame:
    if partitions is not None:
        require_integer("partitions", partitions, 1, 2**31 - 1)
    # Spark itself broadcasts a function whose arrays are large, and drops the broadcast with the DataFrame.
    make = partial(_rate_batches, plan_ratings(spec), with_truth)
    schema = "user int, item int, rating float" + (", truth float" if with_truth else "")
    return spark.range(0, spec.users, 1, partitions).mapInArrow(make, schema)


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


def _rate_batches(plan: RatingsPlan, with_truth: bool, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Arrow batches of user ids to Arrow batches of their ratings, in an executor."""
    spec, counts = plan.spec, plan.counts
    item_terms = _item_terms(spec, np.arange(spec.items, dtype=np.int64))
    for batch in batches:
        users = batch.column(0).to_numpy()
        ends = np.cumsum(counts[users])
        for some in np.split(users, np.flatnonzero(np.diff(ends // CHUNK_RATINGS)) + 1):
            user_of = np.repeat(some, counts[some])
            item_of = sample_items(spec.seed, some, counts[some], plan.cumulative, *_given_items(plan, some))
            user_terms = np.repeat(_user_terms(spec, some), counts[some], axis=0)
            truth = _combine(spec, user_terms, item_terms[item_of])
            columns = {
                "user": pa.array(user_of.astype(np.int32)),
                "item": pa.array(item_of),
                "rating": pa.array(_observe(spec, user_of, item_of, truth)),
            }
            if with_truth:
                columns["truth"] = pa.array(np.clip(truth, np.float32(spec.scale[0]), np.float32(spec.scale[1])))
            yield pa.RecordBatch.from_pydict(columns)


def _given_items(plan: RatingsPlan, users: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The items that the users are given, one user after the other, and how many they are: int64[n]."""
    starts = plan.given_ends[users]
    sizes = plan.given_ends[users + 1] - starts
    places = np.arange(sizes.sum()) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
    return plan.given_order[places % plan.spec.items], sizes


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
