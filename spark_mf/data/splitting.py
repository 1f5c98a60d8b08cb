"""Splitting ratings into training and test rows, the same rows however the data is partitioned."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType

from spark_mf.kernels.random import Purpose, seed_key


def random_split(
    ratings: DataFrame, test_fraction: float, seed: int, user_col: str = "user", item_col: str = "item"
) -> tuple[DataFrame, DataFrame]:
    """Hold out a random part of the (user, item) pairs.

    A pair's side is decided by a hash of (seed, user, item) alone: not by the order, the partitions or
    the width of the id columns.  Rows that repeat a pair stay together, so no test pair was trained on.

    Parameters
    ----------
    ratings : DataFrame
        With the two id columns, of integers or strings, and any others.
    test_fraction : float
        Expected fraction of the pairs that becomes test rows, above 0 and below 1.
    seed : int
        Any signed 64-bit integer.

    Returns
    -------
    (train, test) : the rows of `ratings` in two DataFrames with its schema

    Raises
    ------
    TypeError, ValueError
        If an argument is outside its range or an id column is missing.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; give a number above 0 and below 1, such as 0.1.")
    seed_key(seed)
    _require_columns(ratings, "ratings", user_col, item_col)
    hashed = F.xxhash64(
        F.lit(seed).cast("long"),
        F.lit(int(Purpose.SPLIT)),
        _width_free(ratings, user_col),
        _width_free(ratings, item_col),
    )
    # The hash is uniform over the signed 64-bit integers, of which this is the wanted fraction's upper end.
    threshold = int(test_fraction * 2.0**64) - 2**63
    is_test = hashed < F.lit(threshold)
    return ratings.where(~is_test), ratings.where(is_test)


def cold_counts(train: DataFrame, test: DataFrame, user_col: str = "user", item_col: str = "item") -> int:
    """The number of test rows whose user or item has no training row, which a factor model cannot predict.

    Raises
    ------
    ValueError
        If either DataFrame lacks an id column.
    """
    cold = test
    for column in (user_col, item_col):
        _require_columns(train, "train", column)
        _require_columns(test, "test", column)
        known = train.select(F.col(column)).distinct().withColumn(f"{column} is known", F.lit(True))
        cold = cold.join(known, column, "left")
    return cold.where(F.col(f"{user_col} is known").isNull() | F.col(f"{item_col} is known").isNull()).count()


def _width_free(ratings: DataFrame, column: str) -> Column:
    """An id column as the hash sees it: Spark hashes an int and a bigint of equal value differently."""
    if isinstance(ratings.schema[column].dataType, IntegralType):
        return F.col(column).cast("long")
    return F.col(column)


def _require_columns(ratings: DataFrame, name: str, *columns: str) -> None:
    missing = [column for column in columns if column not in ratings.columns]
    if missing:
        raise ValueError(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(ratings.columns)}: "
            "name the id columns with user_col and item_col."
        )
