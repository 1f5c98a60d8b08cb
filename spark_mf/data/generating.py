"""Generation of synthetic ratings on the executors, independent of the number of partitions."""

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

# Mean rating, and standard deviations of the terms of a true rating, as fractions of the range of the scale.
MEAN_POSITION = 0.7
USER_BIAS = 0.09
ITEM_BIAS = 0.10
INTERACTION = 0.13

# Ratings generated at a time, so that the memory of a worker does not grow with its partition.
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
    """Generate ratings of users and items with known true factors (see `true_ratings`).

    The ratings are generated on the executors. The driver holds two numbers per user and two per item.

    Parameters
    ----------
    users, items : int
        Ids run from 0 to ``users - 1`` and to ``items - 1``.
    ratings : int
        Exact number of rows, with a different (user, item) pair each; at most 60 % of ``users · items``.
    rank : int
        Length of the true factors, not counting the two biases.
    noise : float
        Standard deviation of the noise, in units of the ratings, before rounding.
    scale : tuple[float, float]
        Lowest and highest rating.
    step : float or None
        Distance between neighbouring ratings; None for ratings that are not rounded.
    seed : int
        Any signed 64-bit integer. The same seed gives the same rows for any number of partitions.
    partitions : int or None
        None for the default parallelism of Spark.
    skew : {"long-tailed", "uniform"}
        With "long-tailed", few users and items have most of the ratings, as in MovieLens.
    min_user_ratings, min_item_ratings : int
        Minimum numbers of ratings per user and per item. If there are at least as many ratings as users, every user
        has at least one; without a minimum, an unpopular item may have none.

    Returns
    -------
    DataFrame
        Columns `user` (int), `item` (int) and `rating` (float).

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, there are more ratings than pairs, or too few for the minimums.
    """
    spec = RatingsSpec(users, items, ratings, rank, noise, scale, step, seed, skew, min_user_ratings, min_item_ratings)
    return _generate(spark, spec, partitions, with_truth=False)


def generate_with_truth(spark: SparkSession, spec: RatingsSpec, partitions: int | None = None) -> DataFrame:
    """Generate the rows of `generate_ratings` with an additional column, the prediction of the true factors.

    Returns
    -------
    DataFrame
        Columns `user` (int), `item` (int), `rating` (float) and `truth` (float), which is `true_ratings` clipped to the
        scale.
    """
    return _generate(spark, spec, partitions, with_truth=True)


def true_ratings(spec: RatingsSpec, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the ratings of pairs without noise, rounding and clipping.

    A true rating is mean + user bias + item bias + user factors · item factors.

    Parameters
    ----------
    spec : RatingsSpec
    users, items : int64[n]
        Ids of each pair.

    Returns
    -------
    float32[n]
    """
    return _combine(spec, _user_terms(spec, users), _item_terms(spec, items))


def _generate(spark: SparkSession, spec: RatingsSpec, partitions: int | None, *, with_truth: bool) -> DataFrame:
    if partitions is not None:
        require_integer("partitions", partitions, 1, 2**31 - 1)
    # Spark broadcasts functions with large arrays itself, and removes the broadcast with the DataFrame.
    make = partial(_rate_batches, plan_ratings(spec), with_truth)
    schema = "user int, item int, rating float" + (", truth float" if with_truth else "")
    return spark.range(0, spec.users, 1, partitions).mapInArrow(make, schema)


def _user_terms(spec: RatingsSpec, users: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return factors, bias and 1 of each user as float32[n, rank + 2]; the columns match those of `_item_terms`."""
    terms = standard_normal(spec.seed, Purpose.GENERATE_USER_FACTORS, users, spec.rank + 2)
    terms[:, -2] *= USER_BIAS * (spec.scale[1] - spec.scale[0])
    terms[:, -1] = 1
    return terms


def _item_terms(spec: RatingsSpec, items: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return factors, 1 and bias of each item as float32[n, rank + 2]."""
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
    """Yield Arrow batches of ratings for Arrow batches of user ids; runs in an executor."""
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
    """Return the items assigned to the users, concatenated, and their number for each user as int64[n]."""
    starts = plan.given_ends[users]
    sizes = plan.given_ends[users + 1] - starts
    places = np.arange(sizes.sum()) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
    return plan.given_order[places % plan.spec.items], sizes


def _observe(
    spec: RatingsSpec, users: NDArray[np.int64], items: NDArray[np.int32], truth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the true ratings with noise, rounded and clipped to the scale, as float32[n]."""
    pairs = users * spec.items + items
    noisy = truth + np.float32(spec.noise) * standard_normal(spec.seed, Purpose.GENERATE_NOISE, pairs, 1)[:, 0]
    low, high = spec.scale
    if spec.step is None:
        return np.clip(noisy, low, high).astype(np.float32)
    # The highest rating occurs only if it is a whole number of steps away; 1e-9 absorbs rounding of the division.
    last = math.floor((high - low) / spec.step + 1e-9)
    steps = np.clip(np.rint((noisy - low) / spec.step), 0, last)
    return (low + spec.step * steps).astype(np.float32)
