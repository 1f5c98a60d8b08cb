"""Splits of ratings into training, validation and test rows, independent of the partitions and the order of the rows.

Every function returns the ratings with a string column `split`; `spark_mf.data.held_out` separates the parts and counts
cold rows.
"""

import logging
import math
from datetime import date
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegralType, StringType

from spark_mf.data.columns import quoted
from spark_mf.data.times import as_tick, latest_tick, require_times
from spark_mf.kernels.random import Purpose, seed_key

logger = logging.getLogger(__name__)

SPLIT = "split"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SIDES = (TRAIN, VALIDATION, TEST)

_RANK = "rank within the user"
_TICK = "time of the pair"


def mark_random(
    ratings: DataFrame,
    *,
    test_fraction: float,
    validation_fraction: float = 0.0,
    seed: int,
    user_col: str = "user",
    item_col: str = "item",
) -> DataFrame:
    """Mark random (user, item) pairs as test and others as validation rows. Lazy.

    The mark of a pair depends only on a hash of (seed, user, item), and not on the order, the partitions or the width
    of the id columns. Rows that repeat a pair get the same mark, so no test pair occurs in training.

    Parameters
    ----------
    ratings : DataFrame
        With the two id columns, of integers or strings, and any others.
    test_fraction, validation_fraction : float
        Expected fractions of the pairs; the first must be > 0, the second >= 0, and their sum < 1. The test rows
        do not depend on `validation_fraction`.
    seed : int
        Any signed 64-bit integer.

    Returns
    -------
    DataFrame
        `ratings` with the column `split`, which holds "train", "validation" or "test" and replaces one of that name.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or an id column is missing.
    """
    _require_fractions(test_fraction, validation_fraction)
    hashed = _pair_hash(ratings, seed, user_col, item_col)
    # The hash is uniform over the signed 64-bit integers, so these bounds give the requested fractions.
    test_end, validation_end = (
        F.lit(int(fraction * 2.0**64) - 2**63) for fraction in (test_fraction, test_fraction + validation_fraction)
    )
    return _with_sides(ratings, test=hashed < test_end, validation=hashed < validation_end)


def mark_leave_out(
    ratings: DataFrame,
    *,
    k: int,
    validation_k: int = 0,
    seed: int,
    timestamp_col: str | None = None,
    time_format: str | None = None,
    user_col: str = "user",
    item_col: str = "item",
) -> DataFrame:
    """Mark k pairs of every user as test rows, random ones or the latest. One shuffle; lazy without a time column.

    A user with n distinct items gets `k` test and `validation_k` validation pairs if n exceeds their sum, and none
    otherwise, so every user keeps a training row (`spark_mf.data.held_out.split_counts` counts the users without test
    rows). Rows that repeat a pair get the same mark, by the latest of their times. The hash of `mark_random` chooses
    the random pairs, and decides between pairs of equal time.

    Parameters
    ----------
    ratings : DataFrame
        With the two id columns, of integers or strings, and any others.
    k, validation_k : int
        Pairs of each user, at least 1 and at least 0. With times, the validation pairs precede the test pairs.
    seed : int
        Any signed 64-bit integer.
    timestamp_col : str, optional
        A column of times (`spark_mf.data.times.require_times`), by which the latest pairs are held out; checking it
        runs one Spark job. Without it the pairs are random.
    time_format : str, optional
        The format of the times, as for `require_times`, if it cannot be detected.

    Returns
    -------
    DataFrame
        `ratings` with the column `split`, which holds "train", "validation" or "test" and replaces one of that name.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, a column is missing, or rows have no usable time.
    """
    for name, count, least in (("k", k, 1), ("validation_k", validation_k, 0)):
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {count!r}.")
    user, item = F.col(quoted(user_col)), F.col(quoted(item_col))
    hashed = _pair_hash(ratings, seed, user_col, item_col)
    order = [hashed.asc(), item.asc()]  # by the item too, as two pairs may share a hash
    # One shuffle serves both windows, as all rows of a pair are where all rows of its user are.
    ranked = ratings.repartition(user)
    if timestamp_col is not None:
        times = require_times(ratings, timestamp_col, time_format)
        ranked = ranked.withColumn(_TICK, F.max(times.tick).over(Window.partitionBy(user, item)))
        order.insert(0, F.col(_TICK).desc())
    ranked = ranked.withColumn(_RANK, F.dense_rank().over(Window.partitionBy(user).orderBy(*order)))
    enough = F.max(_RANK).over(Window.partitionBy(user)) > k + validation_k
    rank = F.col(_RANK)
    marked = _with_sides(ranked, test=enough & (rank <= k), validation=enough & (rank <= k + validation_k))
    return marked.drop(_RANK, _TICK)


def mark_by_time(
    ratings: DataFrame,
    *,
    timestamp_col: str = "timestamp",
    time_format: str | None = None,
    test_fraction: float | None = None,
    validation_fraction: float = 0.0,
    test_from: int | float | str | date | None = None,
) -> DataFrame:
    """Mark the latest ratings as test rows, and the ratings before them as validation rows.

    With `test_fraction` f of n rows, the test rows begin at the exact time of the ⌈f·n⌉-th latest row. Rows of equal
    time get the same mark, so there may be more test rows than requested. All training rows are earlier than the
    validation rows, and these earlier than the test rows. A pair that was rated twice may have both marks, because the
    later rating was not known at the time of the first. One Spark job checks the times, and a few more find each
    boundary; the driver receives at most 65,536 counts at a time.

    Parameters
    ----------
    ratings : DataFrame
    timestamp_col : str
        A column of times; see `spark_mf.data.times.require_times`.
    time_format : str, optional
        The format of the times, as for `require_times`, if it cannot be detected.
    test_fraction, validation_fraction : float
        Fractions of the rows; the first must be > 0, the second >= 0, and their sum < 1.
    test_from : int, float, str, date or datetime, optional
        Earliest time of the test rows, instead of `test_fraction`: an int for a column of integers, a number for other
        numbers, else an ISO 8601 string, a date or a datetime.

    Returns
    -------
    DataFrame
        `ratings` with the column `split`, which holds "train", "validation" or "test" and replaces one of that name.

    Raises
    ------
    ValueError
        If not exactly one of `test_fraction` and `test_from` is given, an argument is out of range, rows have no usable
        time, or so many rows have the same time that a part would be empty.
    """
    _require_one_boundary(test_fraction, validation_fraction, test_from)
    found = require_times(ratings, timestamp_col, time_format)
    tick = found.tick
    if test_fraction is None:
        test_start = validation_start = as_tick(ratings, found, test_from)
    else:
        wanted = [math.ceil(each * found.rows) for each in _ends(test_fraction, validation_fraction)]
        test_start, validation_start = (latest_tick(ratings, tick, found, rank) for rank in wanted)
        if validation_fraction and validation_start == test_start:
            raise ValueError(
                f"Too many ratings share the {timestamp_col} {found.spell(test_start)}, so that no validation row lies "
                "before the test rows. Give a larger validation_fraction."
            )
        if validation_start == found.first:
            raise ValueError(
                f"Too many ratings share the {timestamp_col} {found.spell(found.first)}, the earliest, so that no row "
                "is left for training. Give smaller fractions, or split at random."
            )
    logger.info("test rows: those with %s at or after %s", timestamp_col, found.spell(test_start))
    return _with_sides(ratings, test=tick >= test_start, validation=tick >= validation_start)


def _require_one_boundary(
    test_fraction: float | None, validation_fraction: float, test_from: int | float | str | date | None
) -> None:
    """Raise a ValueError unless the arguments of `mark_by_time` define where the test rows begin."""
    if (test_fraction is None) == (test_from is None):
        raise ValueError(
            "Exactly one of test_fraction and test_from must be given, got test_fraction "
            f"{test_fraction} and test_from {test_from}."
        )
    if test_fraction is not None:
        _require_fractions(test_fraction, validation_fraction)
    elif validation_fraction:
        raise ValueError(
            f"validation_fraction must be 0 with test_from, got {validation_fraction}. Give test_fraction instead."
        )


def mark_from_column(ratings: DataFrame, column: str) -> DataFrame:
    """Mark ratings by an existing column; one Spark job checks it.

    Parameters
    ----------
    ratings : DataFrame
    column : str
        A column of strings, "train", "validation" or "test" in any case, or of booleans or the strings "true" and
        "false", with true for test rows.

    Returns
    -------
    DataFrame
        `ratings` with the column `split`, which holds "train", "validation" or "test" and replaces one of that name.

    Raises
    ------
    ValueError
        If the column is missing or has another type or other values; the message has the number of such rows and the
        first value in alphabetical order.
    """
    _require_columns(ratings, column)
    kind, value = ratings.schema[column].dataType, F.col(quoted(column))
    if isinstance(kind, BooleanType):
        side = F.when(value, TEST).when(~value, TRAIN)
    elif isinstance(kind, StringType):
        side = F.when(F.lower(value).isin(*SIDES), F.lower(value))
        # Text files contain booleans as text.
        side = side.when(F.lower(value) == "true", TEST).when(F.lower(value) == "false", TRAIN)
    else:
        raise ValueError(
            f"Column {column} must hold strings ({', '.join(SIDES)}) or booleans (true for test), got type "
            f"{kind.simpleString()}. Cast it or choose another column."
        )
    wrong = side.isNull()
    bad, rows, example = ratings.agg(
        F.count_if(wrong), F.count("*"), F.min(F.when(wrong, F.coalesce(value.cast("string"), F.lit("null"))))
    ).collect()[0]
    if bad:
        raise ValueError(
            f"Column {column} must hold one of {', '.join(SIDES)} or a boolean in every row, got other values in "
            f"{bad:,} of {rows:,} rows, such as {example!r}. Correct or remove them."
        )
    return ratings.withColumn(SPLIT, side)


def _with_sides(ratings: DataFrame, *, test: Column, validation: Column) -> DataFrame:
    """Return the ratings with their mark; `validation` may also be true for test rows."""
    return ratings.withColumn(SPLIT, F.when(test, TEST).when(validation, VALIDATION).otherwise(TRAIN))


def _ends(test_fraction: float, validation_fraction: float) -> tuple[Decimal, Decimal]:
    """Return the ends of the test and the validation rows as fractions, without the rounding error of 0.1 + 0.2."""
    test = Decimal(str(test_fraction))
    return test, test + Decimal(str(validation_fraction))


def _require_fractions(test_fraction: float, validation_fraction: float) -> None:
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be above 0 and below 1, got {test_fraction}.")
    if not 0 <= validation_fraction < 1 - test_fraction:
        raise ValueError(
            f"validation_fraction must be >= 0 and below {1 - test_fraction:g}, so that some rows are left for "
            f"training with test_fraction {test_fraction:g}, got {validation_fraction}."
        )


def _pair_hash(ratings: DataFrame, seed: int, user_col: str, item_col: str) -> Column:
    """Return a hash of (seed, user, item), uniform over the signed 64-bit integers."""
    seed_key(seed)
    _require_columns(ratings, user_col, item_col)
    return F.xxhash64(
        F.lit(seed).cast("long"),
        F.lit(int(Purpose.SPLIT)),
        _width_free(ratings, user_col),
        _width_free(ratings, item_col),
    )


def _width_free(ratings: DataFrame, column: str) -> Column:
    """Return an id column for hashing, as bigint if it holds integers: Spark hashes int and bigint differently."""
    if isinstance(ratings.schema[column].dataType, IntegralType):
        return F.col(quoted(column)).cast("long")
    return F.col(quoted(column))


def _require_columns(ratings: DataFrame, *columns: str) -> None:
    missing = [column for column in columns if column not in ratings.columns]
    if missing:
        raise ValueError(
            f"ratings must have the columns {', '.join(columns)}, got the columns {', '.join(ratings.columns)}."
        )
