"""Splitting ratings into training and test rows, the same rows however the data is partitioned."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType

from spark_mf.kernels.random import Purpose, seed_key


SPLIT = "split"
TRAIN, VALIDATION, TEST = "train", "validation", "test"


def mark_random(
    ratings: DataFrame,
    *,
    test_fraction: float,
    validation_fraction: float = 0.0,
    seed: int,
    user_col: str = "user",
    item_col: str = "item",
) -> DataFrame:
    """Mark a random part of the (user, item) pairs as test, another as validation, the others as train.  Lazy.

    A pair's side is decided by a hash of (seed, user, item) alone: not by the order, the partitions or
    the width of the id columns.  Rows that repeat a pair stay together, so no test pair was trained on.

    Parameters
    ----------
    ratings : DataFrame
        With the two id columns, of integers or strings, and any others.
    test_fraction, validation_fraction : float
        Expected fractions of the pairs; the first above 0, the second from 0, together below 1.  The test rows
        do not depend on `validation_fraction`.
    seed : int
        Any signed 64-bit integer.

    Returns
    -------
    `ratings` with the column `split`: "train", "validation" or "test"; one of that name is replaced

    Raises
    ------
    TypeError, ValueError
        If an argument is outside its range or an id column is missing.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; give a number above 0 and below 1, such as 0.1.")
    if not 0 <= validation_fraction < 1 - test_fraction:
        raise ValueError(
            f"validation_fraction is {validation_fraction}; give a number from 0 to below {1 - test_fraction:g}, so "
            f"that with test_fraction {test_fraction:g} some rows are left for training."
        )
    hashed = _pair_hash(ratings, seed, user_col, item_col)
    # The hash is uniform over the signed 64-bit integers, of which these are the wanted fractions from below.
    test_end, validation_end = (
        F.lit(int(fraction * 2.0**64) - 2**63) for fraction in (test_fraction, test_fraction + validation_fraction)
    )
    side = F.when(hashed < test_end, TEST).when(hashed < validation_end, VALIDATION).otherwise(TRAIN)
    return ratings.withColumn(SPLIT, side)


def random_split(
    ratings: DataFrame, test_fraction: float, seed: int, user_col: str = "user", item_col: str = "item"
) -> tuple[DataFrame, DataFrame]:
    """The training and the test rows of `mark_random`, in two DataFrames with the schema of `ratings`."""
    marked = mark_random(ratings, test_fraction=test_fraction, seed=seed, user_col=user_col, item_col=item_col)
    train, test = (marked.where(F.col(SPLIT) == side).select(ratings.columns) for side in (TRAIN, TEST))
    return train, test


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


def _pair_hash(ratings: DataFrame, seed: int, user_col: str, item_col: str) -> Column:
    """A hash of (seed, user, item), uniform over the signed 64-bit integers."""
    seed_key(seed)
    _require_columns(ratings, "ratings", user_col, item_col)
    return F.xxhash64(
        F.lit(seed).cast("long"),
        F.lit(int(Purpose.SPLIT)),
        _width_free(ratings, user_col),
        _width_free(ratings, item_col),
    )


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
