"""Ratings of a study, from a file or a set of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_mf.benchmarks.compare import load_ratings
from spark_mf.benchmarks.measuring import HELD_OUT, RatingCounts, SplitRatings, split_and_count
from spark_mf.data.splitting import SPLIT, TEST, TRAIN
from spark_mf.studies.settings import SPARK, ExperimentSettings
from spark_mf.textbook import Ratings
from spark_mf.textbook.published import SEED, published_ratings


@dataclass(frozen=True, kw_only=True)
class OwnRatings:
    """Ratings of a study that is not given any.

    Attributes
    ----------
    name : str
        Name of the data set.
    split : str
        How the test ratings were chosen, in words.
    make : Callable[[], Ratings]
        Returns the ratings, with the test ratings as validation ratings.
    """

    name: str
    split: str
    make: Callable[[], Ratings]


PUBLISHED_RATINGS = OwnRatings(
    name="published set",
    split="a fifth, drawn by the recipe of the set",
    make=lambda: published_ratings(np.random.default_rng(SEED)),
)


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """One data set, split once.

    Attributes
    ----------
    counts : RatingCounts
        Name and sizes.
    ratings : Any
        Input of the estimators: `spark_mf.textbook.Ratings`, or a DataFrame with the column `HELD_OUT`.
    split : SplitRatings | None
        The same split on Spark, for pyspark's ALS; None without a session.
    """

    counts: RatingCounts
    ratings: Any
    split: SplitRatings | None


def load_data(
    settings: ExperimentSettings, spark: SparkSession | None, own: OwnRatings = PUBLISHED_RATINGS
) -> StudyData:
    """Load the ratings that the settings name, or the study's own, which need no session.

    Raises
    ------
    ValueError, OSError
        If the ratings cannot be read, leave no training or no test rows, or are too many for the textbook.
    """
    if settings.ratings is not None:
        assert spark is not None
        split = load_ratings(spark, settings.comparison)
        ratings = split.marked() if settings.runner == SPARK else _in_memory(split)
        return StudyData(counts=split, ratings=ratings, split=split)
    made = own.make()
    if spark is None:
        return StudyData(counts=_counts(own, made), ratings=made, split=None)
    split = _on_spark(spark, own, made)
    return StudyData(counts=split, ratings=split.marked() if settings.runner == SPARK else made, split=split)


def _in_memory(split: SplitRatings) -> Ratings:
    try:
        return Ratings.from_columns(split.marked(), "user", "item", "rating", HELD_OUT)
    except ValueError as fault:  # too many ratings
        raise ValueError(f"{split.dataset}: {fault} Pass --on {SPARK} to do so.") from None


def _counts(own: OwnRatings, ratings: Ratings) -> RatingCounts:
    assert ratings.validation is not None
    users, items = ratings.shape
    n_test = len(ratings.validation)
    return RatingCounts(
        dataset=own.name,
        users=users,
        items=items,
        ratings=len(ratings) + n_test,
        test_ratings=n_test,
        cold_test_ratings=0,
        duplicates=0,
        split=own.split,
    )


def _on_spark(spark: SparkSession, own: OwnRatings, ratings: Ratings) -> SplitRatings:
    columns = ratings.to_columns()
    sides = np.where(columns.pop(HELD_OUT), TEST, TRAIN)
    frame = spark.createDataFrame(pd.DataFrame(columns | {SPLIT: sides}))
    # pyspark's ALS requires 32-bit ids.
    marked = frame.withColumns({side: F.col(side).cast("int") for side in ("user", "item")})
    return split_and_count(own.name, marked, own.split)
