"""Tests of the parts of a split and of the number of cold rows."""

import pytest

from spark_mf.data.held_out import ColdRows, SplitCounts, cold_rows, split_counts, split_marked

SCHEMA = "user int, item int"


@pytest.fixture(scope="module")
def marked(spark):
    rows = [(1, 10, "train"), (1, 11, "test"), (1, 12, "test"), (2, 10, "train"), (2, 11, "validation")]
    return spark.createDataFrame(rows, f"{SCHEMA}, split string")


def test_parts_hold_every_row_once_and_no_mark(marked):
    parts = split_marked(marked)
    for part, rows in (
        (parts.train, {(1, 10), (2, 10)}),
        (parts.validation, {(2, 11)}),
        (parts.test, {(1, 11), (1, 12)}),
    ):
        assert part.columns == ["user", "item"]
        assert set(map(tuple, part.collect())) == rows
    renamed = split_marked(marked.withColumnRenamed("split", "fold.1"), "fold.1")
    assert renamed.test.collect() == parts.test.collect()


def test_counts_of_sides_and_of_users_without_a_test_row(marked):
    assert split_counts(marked) == SplitCounts(train=2, validation=1, test=2, users=2, users_without_test=1)
    assert split_counts(marked.limit(0)) == SplitCounts(0, 0, 0, 0, 0)
    assert split_counts(marked.withColumnRenamed("user", "a.b"), user_col="a.b").users == 2


def test_cold_rows_are_counted_once_each_by_what_is_cold(spark):
    train = spark.createDataFrame([(1, 10), (1, 11), (2, 10)], SCHEMA)
    test = spark.createDataFrame([(1, 10), (2, 11), (3, 10), (3, 10), (1, 12), (4, 13)], SCHEMA)
    cold = cold_rows(train, test)
    assert cold == ColdRows(user=2, item=1, both=1)  # (3, 10) twice; (1, 12); (4, 13)
    assert str(cold) == "4 cold rows: 2 by user, 1 by item, 1 by both"
    assert cold_rows(train.limit(0), test) == ColdRows(0, 0, 6)
    assert cold_rows(train, test.limit(0)) == ColdRows(0, 0, 0)
    assert cold_rows(train, test.selectExpr("bigint(user) AS user", "bigint(item) AS item")) == cold


def test_cold_rows_of_other_names_and_of_strings(spark):
    schema = "`a.user` string, film string"
    train = spark.createDataFrame([("ann", "up")], schema)
    test = spark.createDataFrame([("ann", "up"), ("ann", "it"), ("bob", "up")], schema)
    assert cold_rows(train, test, user_col="a.user", item_col="film") == ColdRows(user=1, item=1, both=0)


def test_missing_columns_are_named(spark, marked):
    with pytest.raises(ValueError, match="marked must have the column fold, got the columns user, item, split"):
        split_marked(marked, "fold")
    with pytest.raises(ValueError, match="marked must have the column split, got the columns user, item"):
        split_counts(marked.drop("split"))
    with pytest.raises(ValueError, match="train must have the column item, got the columns user, split"):
        cold_rows(marked.drop("item"), marked)
    with pytest.raises(ValueError, match="held_out must have the column item"):
        cold_rows(marked, marked.drop("item"))
