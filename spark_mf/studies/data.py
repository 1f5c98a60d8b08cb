"""Ratings of a study, from the published set of the textbook or from a file."""

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

PUBLISHED_SET = "published set"
_PUBLISHED_SPLIT = "a fifth, drawn by the recipe of the set"


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


def load_data(settings: ExperimentSettings, spark: SparkSession | None) -> StudyData:
    """Load the ratings of a study; the published set needs no session.

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
    published = published_ratings(np.random.default_rng(SEED))
    if spark is None:
        return StudyData(counts=_counts(published), ratings=published, split=None)
    split = _on_spark(spark, published)
    return StudyData(counts=split, ratings=split.marked() if settings.runner == SPARK else published, split=split)


def _in_memory(split: SplitRatings) -> Ratings:
    try:
        return Ratings.from_columns(split.marked(), "user", "item", "rating", HELD_OUT)
    except ValueError as fault:  # too many ratings
        raise ValueError(f"{split.dataset}: {fault} Pass --on {SPARK} to do so.") from None


def _counts(ratings: Ratings) -> RatingCounts:
    assert ratings.validation is not None
    users, items = ratings.shape
    n_test = len(ratings.validation)
    return RatingCounts(
        dataset=PUBLISHED_SET,
        users=users,
        items=items,
        ratings=len(ratings) + n_test,
        test_ratings=n_test,
        cold_test_ratings=0,
        duplicates=0,
        split=_PUBLISHED_SPLIT,
    )


def _on_spark(spark: SparkSession, ratings: Ratings) -> SplitRatings:
    columns = ratings.to_columns()
    sides = np.where(columns.pop(HELD_OUT), TEST, TRAIN)
    frame = spark.createDataFrame(pd.DataFrame(columns | {SPLIT: sides}))
    # pyspark's ALS requires 32-bit ids.
    marked = frame.withColumns({side: F.col(side).cast("int") for side in ("user", "item")})
    return split_and_count(PUBLISHED_SET, marked, _PUBLISHED_SPLIT)
