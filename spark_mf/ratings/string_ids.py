"""String ids: replacement by 64-bit keys, and the map back to the ids.

Fits work on integers. The key of a string id is its hash, and the map from keys to ids is a DataFrame, which is never
collected. A job checks that no two ids have the same key.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from spark_mf.runtime.same_rows import missing_rows

#: Two of a hundred million ids have the same 64-bit hash with a probability of 1 in 3,700, so this many failures in a
#: row are practically impossible.
_ATTEMPTS = 8


@dataclass(frozen=True)
class IdMap:
    """Map from keys to the string ids of one side, users or items.

    Attributes
    ----------
    frame : DataFrame
        Columns `key` (bigint) and `id` (string), with one row for each id and unique keys. Persisted.
    content : tuple of int, or None
        Number of the keys and their bitwise exclusive or, or None if unknown.
    """

    frame: DataFrame
    content: tuple[int, int] | None = None

    def has_exactly(self, keys: NDArray[np.int64]) -> bool:
        """Return whether the map has these unique keys and no others."""
        return self.content == (keys.size, int(np.bitwise_xor.reduce(keys)))

    def release(self) -> None:
        """Release the map."""
        self.frame.unpersist()


def has_string_ids(ratings: DataFrame, side: str) -> bool:
    """Return whether the column `side`, "user" or "item", holds strings."""
    return isinstance(ratings.schema[side].dataType, StringType)


def key_strings(ratings: DataFrame, side: str, level: StorageLevel) -> tuple[DataFrame, IdMap]:
    """Replace the string ids of one side by keys; runs a job over that column.

    Parameters
    ----------
    ratings : DataFrame
        Ratings with a string column of the name `side`; null stays null. If there is a column `validation`, the map
        contains the ids of training rows only.
    side : str
        "user" or "item".
    level : StorageLevel
        Storage level of the map.

    Returns
    -------
    ratings : DataFrame
        The same rows with a bigint column `side`.
    ids : IdMap
        Map to the string ids.

    Raises
    ------
    RuntimeError
        If ids have equal keys with each of several hash functions, which can only be caused by a bug.
    """
    has_id = F.col(side).isNotNull()
    training = ratings.where(has_id & ~F.col("validation") if "validation" in ratings.columns else has_id)
    for salt in range(_ATTEMPTS):
        key = F.when(has_id, _hash(side, salt))
        distinct = training.select(key.alias("key"), F.col(side).alias("id")).distinct()
        with ExitStack() as on_failure:
            ids = distinct.persist(level)
            on_failure.callback(ids.unpersist)
            number, keys, combined = ids.agg(F.count("*"), F.count_distinct("key"), F.bit_xor("key")).collect()[0]
            if number == keys:
                on_failure.pop_all()
                return ratings.withColumn(side, key), IdMap(ids, (number, combined or 0))
    raise RuntimeError(
        f"The {side} ids must have different keys, got equal ones with each of {_ATTEMPTS} hash functions. Report this "
        "as a bug."
    )


def with_own_plan(ratings: DataFrame) -> DataFrame:
    """Return the same rows with a plan that no other DataFrame has.

    Spark identifies cached rows by their plan. The random condition makes the plan unique, so that no other fit of the
    same dataset, as in a cross-validation, releases these rows or the id map that is computed from them.
    """
    return ratings.where(F.lit(uuid4().hex).isNotNull())


def with_original_ids(factors: DataFrame, ids: IdMap | None, level: StorageLevel) -> DataFrame:
    """Return a DataFrame of factors, persisted, with the ids of the dataset instead of their keys.

    Parameters
    ----------
    factors : DataFrame
        Columns `id`, `features` and optionally `bias`.
    ids : IdMap or None
        Map to the ids, or None if the factors have the ids already.
    level : StorageLevel
        With a map, the result is computed immediately unless the level is NONE, so that the map can be released.
    """
    if ids is None:
        return factors.persist(level)
    restored = replace_keys(factors.withColumnRenamed("id", "key"), ids)
    with ExitStack() as on_failure:
        on_failure.callback(restored.persist(level).unpersist)
        if level != StorageLevel.NONE:
            restored.count()
        on_failure.pop_all()
    return restored


def replace_keys(rows: DataFrame, ids: IdMap) -> DataFrame:
    """Return rows with a column `id` instead of `key`. Lazy; no row is lost.

    If the map lacks a key, because Spark computed it again and the dataset had other ids then, computing the rows fails
    with the message of `spark_mf.runtime.same_rows`.
    """
    lost = F.raise_error(F.lit(missing_rows("ids")))
    found = F.when(F.col("id").isNull(), lost).otherwise(F.col("id")).alias("id")
    columns = [found if name == "key" else F.col(name) for name in rows.columns]
    return rows.join(ids.frame, "key", "left").select(*columns)


def _hash(side: str, salt: int) -> Column:
    return F.xxhash64(F.lit(salt), F.col(side))
