"""Search for repeated pairs, and statistics of ratings per user and item, in one pass."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from spark_mf.kernels.layout import encode
from spark_mf.kernels.repeats import mark_repeats

# A worker holds all ratings of a partition, at about 60 bytes each.
MOST_RATINGS_A_PARTITION = 3_000_000
# A task with fewer ratings would not pay off.
_LEAST_RATINGS_A_PARTITION = 100_000

# Kinds of findings: position of a repeated rating; number of ratings of an item; number of users by their ratings.
_REPEAT, _ITEM, _USERS = 0, 1, 2
_FINDINGS = "kind tinyint, key bigint, number bigint"


@dataclass(frozen=True)
class Counts:
    """Number of users or items, and least, median and largest number of their ratings."""

    ids: int
    least: int
    median: float
    most: int


class Survey:
    """Findings on ratings, cached until `unpersist`.

    Attributes
    ----------
    ratings : int
    users, items : Counts
    suspects : int
        Number of ratings that have the same pair as another; a few too many if hashes of strings collide.
    """

    def __init__(self, findings: DataFrame) -> None:
        self._findings = findings.persist()
        kind = F.col("kind")
        # The values are selected before they are summed, because products with hashes would overflow.
        users = F.when(kind == _USERS, F.col("number")).otherwise(0)
        sizes = F.when(kind == _USERS, F.col("key"))
        row = (
            self._findings.where(kind != _ITEM)
            .agg(F.count_if(kind == _REPEAT), F.coalesce(F.sum(sizes * users), F.lit(0)), *_counts(sizes, users))
            .collect()[0]
        )
        self.suspects: int = row[0]
        self.ratings: int = row[1]
        self.users = Counts(*row[2:])
        items = self._findings.where(kind == _ITEM).groupBy("key").agg(F.sum("number").alias("ratings"))
        self.items = Counts(*items.agg(*_counts(F.col("ratings"), F.lit(1))).collect()[0])

    def positions(self) -> DataFrame:
        """Return the column `position` of every suspect."""
        return self._findings.where(F.col("kind") == _REPEAT).select(F.col("key").alias("position"))

    def unpersist(self) -> None:
        """Release the cache."""
        self._findings.unpersist()


def survey(ratings: DataFrame, rows: int) -> Survey:
    """Find repeated pairs and count the ratings of users and items, with one shuffle of two ids and a position.

    String ids are replaced by 64-bit hashes, so among 10 million ids two are counted as one with a probability of 3e-6.

    Parameters
    ----------
    ratings : DataFrame
        Columns `user` and `item` (int, bigint or string), and `position` (bigint, unique).
    rows : int
        Approximate number of rows, which determines the number of partitions.

    Returns
    -------
    Survey
    """
    cores = ratings.sparkSession.sparkContext.defaultParallelism
    partitions = max(
        min(cores, math.ceil(rows / _LEAST_RATINGS_A_PARTITION)), math.ceil(rows / MOST_RATINGS_A_PARTITION), 1
    )
    keys = [_key(ratings, side) for side in ("user", "item")]
    return Survey(ratings.select(*keys, "position").repartition(partitions, "user").mapInArrow(_find, _FINDINGS))


def _key(ratings: DataFrame, side: str) -> Column:
    column = F.col(side)
    return F.xxhash64(column).alias(side) if isinstance(ratings.schema[side].dataType, StringType) else column


def _counts(ratings: Column, number: Column) -> list[Column]:
    """Return the fields of `Counts` for rows with a number of ratings and the number of ids that have it."""
    found = F.sum(number), F.min(ratings), F.percentile(ratings, 0.5, number), F.max(ratings)
    return [F.coalesce(column, F.lit(0)) for column in found]


def _find(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the findings of one partition of (user, item, position)."""
    columns: list[tuple[NDArray[np.int64], ...]] = []
    for batch in batches:
        columns.append(tuple(column.to_numpy().astype(np.int64, copy=False) for column in batch.columns))
    if not columns:
        return
    users, items, positions = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    columns.clear()
    _, user_counts, user_codes = encode(users)
    unique_items, item_counts, item_codes = encode(items)
    repeats = positions[mark_repeats(user_codes, user_counts, item_codes, unique_items.size)]
    ratings_of_users, numbers = np.unique(user_counts, return_counts=True)
    for kind, key, number in (
        (_REPEAT, repeats, np.ones(repeats.size, np.int64)),
        (_ITEM, unique_items, item_counts),
        (_USERS, ratings_of_users, numbers.astype(np.int64)),
    ):
        kinds = np.full(key.size, kind, np.int8)
        yield pa.RecordBatch.from_arrays([pa.array(kinds), pa.array(key), pa.array(number)], ["kind", "key", "number"])
