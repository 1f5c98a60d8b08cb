"""The check of ratings that are already a DataFrame, whatever its columns' types."""

import pytest

from spark_mf.data.checking import RatingsCheck, check_ratings


def test_usable_ratings_of_several_types(spark):
    rows = [(1.0, "7", 3), (2.0**31, " -7 ", 4)]
    frame = spark.createDataFrame(rows, "user double, item string, rating int")
    assert check_ratings(frame) == RatingsCheck(rows=2, user_type="bigint", item_type="int")


def test_bounds_of_int(spark):
    frame = spark.createDataFrame([(2**31 - 1, -(2**31), 1.0)], "user bigint, item bigint, rating double")
    assert check_ratings(frame) == RatingsCheck(rows=1, user_type="int", item_type="int")
    frame = spark.createDataFrame([(0, -(2**31) - 1, 1.0)], "user bigint, item bigint, rating double")
    assert check_ratings(frame).item_type == "bigint"


def test_every_fault_is_counted_and_the_first_row_shown(spark):
    good = (1.0, 1, 1.0)
    bad_ids = [(1.5, 1, 1.0), (None, 1, 1.0), (1.0, None, 1.0), (float("nan"), 1, 1.0), (1e19, 1, 1.0)]
    bad_ratings = [(1.0, 1, rating) for rating in (None, float("nan"), float("inf"), -float("inf"), 1e39)]
    rows = [good, *bad_ids, *bad_ratings, good]
    frame = spark.createDataFrame(rows, "`a.b` double, i bigint, r double").coalesce(1)
    with pytest.raises(ValueError, match="cannot be used") as refusal:
        check_ratings(frame, "a.b", "i", "r", source="my table")
    assert str(refusal.value) == (
        "10 of 12 rows of my table cannot be used, the first is a.b='1.5', i='1', r='1.0' "
        "(a.b is no integer of at most 64 bits): correct or remove them."
    )


def test_missing_column_wrong_type_and_no_rows(spark):
    frame = spark.range(1).selectExpr("id user", "id item", "current_date() rating")
    with pytest.raises(ValueError, match="the ratings has no column score; its columns are user, item, rating"):
        check_ratings(frame, rating_col="score")
    with pytest.raises(ValueError, match="Column rating of the ratings is of type date, but must hold numbers"):
        check_ratings(frame)
    with pytest.raises(ValueError, match="the ratings has no ratings; give data with at least one row"):
        check_ratings(spark.range(0).selectExpr("id user", "id item", "id rating"))
