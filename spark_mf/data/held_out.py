"""Splits of ratings marked by `spark_mf.data.splitting`, their sizes, and their cold rows."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_mf.data.columns import quoted
from spark_mf.data.splitting import SIDES, SPLIT, TEST


@dataclass(frozen=True)
class Split:
    """The three parts of marked ratings: lazy DataFrames with the columns of the ratings, without the mark.

    `validation` is empty if no row is marked for validation.
    """

    train: DataFrame
    validation: DataFrame
    test: DataFrame


@dataclass(frozen=True)
class SplitCounts:
    """Numbers of rows in each part, of users, and of users without a test row."""

    train: int
    validation: int
    test: int
    users: int
    users_without_test: int


@dataclass(frozen=True)
class ColdRows:
    """Numbers of held-out rows whose user, item or both have no training row; no factor model can predict them."""

    user: int  # the user alone
    item: int  # the item alone
    both: int

    @property
    def total(self) -> int:
        """Number of all cold rows."""
        return self.user + self.item + self.both

    def __str__(self) -> str:
        return f"{self.total:,} cold rows: {self.user:,} by user, {self.item:,} by item, {self.both:,} by both"


def split_marked(marked: DataFrame, split_col: str = SPLIT) -> Split:
    """Split ratings by their mark, the column that the functions of `spark_mf.data.splitting` add. Lazy.

    Raises
    ------
    ValueError
        If the column is missing.
    """
    _require_column(marked, "marked", split_col)
    mark = F.col(quoted(split_col))
    train, validation, test = (marked.where(mark == side).drop(split_col) for side in SIDES)
    return Split(train, validation, test)


def split_counts(marked: DataFrame, user_col: str = "user") -> SplitCounts:
    """Count the rows of each mark, and the users without a test row; runs one Spark job.

    Raises
    ------
    ValueError
        If the mark or the column of users is missing.
    """
    for column in (SPLIT, user_col):
        _require_column(marked, "marked", column)
    sides = [F.count_if(F.col(SPLIT) == side).alias(side) for side in SIDES]
    users = marked.groupBy(F.col(quoted(user_col))).agg(*sides)
    row = users.agg(
        *(F.coalesce(F.sum(side), F.lit(0)) for side in SIDES),
        F.count("*"),
        F.count_if(F.col(TEST) == 0),
    ).collect()[0]
    return SplitCounts(*row)


def cold_rows(train: DataFrame, held_out: DataFrame, user_col: str = "user", item_col: str = "item") -> ColdRows:
    """Count the held-out rows whose user or item has no training row; runs one Spark job with joins on distinct ids.

    Raises
    ------
    ValueError
        If either DataFrame lacks an id column.
    """
    ids = {"user": user_col, "item": item_col}
    for column in ids.values():
        _require_column(train, "train", column)
        _require_column(held_out, "held_out", column)
    rows = held_out.select(*(F.col(quoted(column)).alias(role) for role, column in ids.items()))
    for role, column in ids.items():
        known = train.select(F.col(quoted(column)).alias(role)).distinct().withColumn(f"{role}_known", F.lit(True))
        rows = rows.join(known, role, "left")
    no_user, no_item = F.col("user_known").isNull(), F.col("item_known").isNull()
    found = rows.agg(
        F.count_if(no_user & ~no_item),
        F.count_if(no_item & ~no_user),
        F.count_if(no_user & no_item),
    ).collect()[0]
    return ColdRows(*found)


def _require_column(frame: DataFrame, name: str, column: str) -> None:
    if column not in frame.columns:
        raise ValueError(f"{name} must have the column {column}, got the columns {', '.join(frame.columns)}.")
