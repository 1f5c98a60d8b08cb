"""Ids that are text: 64-bit keys in their place, computed by Spark, and the way back.

Everything behind the columns works on integers. A string id's key is its hash; the map from keys to ids is a
DataFrame, made by Spark and never collected. That no two ids share a key is checked, not assumed.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from spark_mf.runtime.same_rows import missing_rows

#: Two of a hundred million ids share a hash of 64 bits once in 3,700 times; that this many hashes fail is out of reach.
_ATTEMPTS = 8


@dataclass(frozen=True)
class IdMap:
    """The string ids of one side, users or items.

    Attributes
    ----------
    frame : DataFrame (key bigint, id string)
        Each id that occurs, once; no two with the same key. Persisted.
    """

    frame: DataFrame

    def release(self) -> None:
        """Free what Spark keeps of the map."""
        self.frame.unpersist()


def has_string_ids(ratings: DataFrame, side: str) -> bool:
    """Whether the column `side`, "user" or "item", holds text."""
    return isinstance(ratings.schema[side].dataType, StringType)


def key_strings(ratings: DataFrame, side: str, level: StorageLevel) -> tuple[DataFrame, IdMap]:
    """Put keys in the place of the string ids of one side; runs a job over that column.

    Parameters
    ----------
    ratings : DataFrame
        With a string column of the name `side`; null stays null.
    side : str
        "user" or "item".
    level : StorageLevel
        Where Spark keeps the map.

    Returns
    -------
    (ratings, ids) : the same rows with a bigint column `side`, and the map back

    Raises
    ------
    RuntimeError
        When ids share a key under every one of several hash functions, which only a fault can bring about.
    """
    for salt in range(_ATTEMPTS):
        key = F.when(F.col(side).isNotNull(), _hash(side, salt))
        distinct = ratings.where(F.col(side).isNotNull()).select(key.alias("key"), F.col(side).alias("id")).distinct()
        with ExitStack() as on_failure:
            ids = distinct.persist(level)
            on_failure.callback(ids.unpersist)
            found = ids.agg(F.count("*").alias("ids"), F.count_distinct("key").alias("keys")).collect()[0]
            if found["ids"] == found["keys"]:
                on_failure.pop_all()
                return ratings.withColumn(side, key), IdMap(ids)
    raise RuntimeError(
        f"The {side} ids must have different keys, got equal ones with each of {_ATTEMPTS} hash functions. Report this "
        "as a bug."
    )


def computed_once(ratings: DataFrame, level: StorageLevel) -> DataFrame:
    """Return the same rows, persisted, for the jobs that need the same ids: the caller unpersists them.

    Spark keeps rows by what they are computed from. The mark makes that unlike any other's, so that no other fit of
    the same dataset, as in a cross-validation, frees these rows or the id map that is made from them.
    """
    return ratings.where(F.lit(uuid4().hex).isNotNull()).persist(level)


def with_original_ids(factors: DataFrame, ids: IdMap | None, level: StorageLevel) -> DataFrame:
    """Return a factor frame, persisted, with the ids of the dataset in the place of their keys.

    Parameters
    ----------
    factors : DataFrame (id, features) or (id, features, bias)
    ids : the map back, or None where the frame has the ids themselves
    level : StorageLevel
        With a map, the frame is computed at once unless the level is NONE, so that the map can be released.
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
    """Return rows with a column `id` in the place of `key`. Lazy; no row is lost, whenever they are computed.

    Where the map lacks a key, because Spark computed it again and the dataset had other ids then, computing the rows
    fails with the sentence of `spark_mf.runtime.same_rows`.
    """
    lost = F.raise_error(F.lit(missing_rows("ids")))
    found = F.when(F.col("id").isNull(), lost).otherwise(F.col("id")).alias("id")
    columns = [found if name == "key" else F.col(name) for name in rows.columns]
    return rows.join(ids.frame, "key", "left").select(*columns)


def _hash(side: str, salt: int) -> Column:
    return F.xxhash64(F.lit(salt), F.col(side))
