"""Ids that are text: 64-bit keys in their place, computed by Spark, and the way back.

Everything behind the columns works on integers. A string id's key is its hash; the map from keys to ids is a
DataFrame, made by Spark and never collected. That no two ids share a key is checked, not assumed.
"""

from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

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
        ids = distinct.persist(level)
        found = ids.agg(F.count("*").alias("ids"), F.count_distinct("key").alias("keys")).collect()[0]
        if found["ids"] == found["keys"]:
            return ratings.withColumn(side, key), IdMap(ids)
        ids.unpersist()
    raise RuntimeError(f"the ids of {side} share keys under {_ATTEMPTS} hash functions: report this as a fault")


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
    keyed = factors.withColumnRenamed("id", "key")
    restored = keyed.join(ids.frame, "key").select(*factors.columns).persist(level)
    if level != StorageLevel.NONE:
        restored.count()
    return restored


def _hash(side: str, salt: int) -> Column:
    return F.xxhash64(F.lit(salt), F.col(side))
