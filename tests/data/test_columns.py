"""Selecting ratings: every accepted type, every refusal."""

import math
from decimal import Decimal
from functools import reduce
from itertools import product

import pytest
from chispa.schema_comparer import assert_schema_equality
from pyspark.sql import DataFrame, Row
from pyspark.sql.types import BooleanType, FloatType, IntegerType, LongType, StructField, StructType

from spark_mf.data.columns import require_classic, select_ratings


def rows(frame):
    return [tuple(row) for row in frame.collect()]


@pytest.fixture(scope="module")
def ratings(spark):
    return spark.createDataFrame(
        [(1, 2, 3.5, "x", True)], "user int, item long, rating double, name string, flag boolean"
    )


def test_ids_and_ratings_come_in_the_types_of_the_blocks(ratings):
    selected = select_ratings(ratings, "user", "item", "rating", "flag")
    assert_schema_equality(
        selected.schema,
        StructType(
            [
                StructField("user", IntegerType()),
                StructField("item", LongType()),
                StructField("rating", FloatType()),
                StructField("validation", BooleanType(), nullable=False),
            ]
        ),
    )
    assert rows(selected) == [(1, 2, 3.5, True)]


def test_numeric_types_are_accepted(ratings):
    id_types = ["tinyint", "smallint", "int", "bigint", "float", "double", "decimal(20,3)"]
    rating_types = ["int", "float", "double", "decimal(4,1)"]
    typed = [
        ratings.selectExpr(f"cast(7 as {i}) u", f"cast(9 as {i}) i", f"cast(4 as {r}) r")
        for i, r in product(id_types, rating_types)
    ]
    selected = reduce(DataFrame.unionAll, [select_ratings(frame, "u", "i", "r") for frame in typed])
    assert rows(selected) == [(7, 9, 4.0)] * len(typed)


def test_ids_that_are_no_whole_64_bit_numbers_become_null(spark):
    doubles = [1.0, 1.5, math.nan, math.inf, 1e300, None, -3.0]
    frame = spark.createDataFrame([(value, 1) for value in doubles], "user double, item int").coalesce(1)
    assert [row[0] for row in rows(select_ratings(frame, "user", "item", ""))] == [1, *[None] * 5, -3]
    decimals = [(Decimal("2.00"), 1), (Decimal("2.25"), 1), (Decimal(10) ** 30, 1)]
    frame = spark.createDataFrame(decimals, "user decimal(38,2), item int").coalesce(1)
    assert [row[0] for row in rows(select_ratings(frame, "user", "item", ""))] == [2, None, None]


def test_ids_of_64_bits_are_kept(spark):
    frame = spark.createDataFrame([(2**63 - 1, -(2**63))], "user long, item long")
    assert rows(select_ratings(frame, "user", "item", "")) == [(2**63 - 1, -(2**63), 1.0)]


def test_strings_are_kept_as_they_are(spark):
    frame = spark.createDataFrame([("Ann Lee 😀", " 007"), (None, "7")], "user string, item string")
    selected = select_ratings(frame, "user", "item", "")
    assert rows(selected) == [("Ann Lee 😀", " 007", 1.0), (None, "7", 1.0)]


def test_bad_ratings_are_left_to_the_caller(spark):
    frame = spark.createDataFrame(
        [(1, 1, None), (1, 2, math.inf), (1, 3, math.nan)], "user int, item int, rating double"
    )
    ratings = [row.rating for row in select_ratings(frame, "user", "item", "rating").orderBy("item").collect()]
    assert ratings[:2] == [None, math.inf]
    assert math.isnan(ratings[2])


def test_null_indicator_counts_as_training(spark):
    frame = spark.createDataFrame([(1, 1, None), (1, 2, True)], "user int, item int, flag boolean")
    selected = select_ratings(frame, "user", "item", "", "flag").orderBy("item").collect()
    assert [row.validation for row in selected] == [False, True]


def test_names_may_hold_dots_blanks_and_backticks(spark):
    frame = spark.createDataFrame([Row(**{"user.id": 1, "the item": 2, "r`s": 3.0})])
    assert rows(select_ratings(frame, "user.id", "the item", "r`s")) == [(1, 2, 3.0)]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            ("usr", "item", "rating"),
            r"userCol='usr' is no column .* one of 'user', 'item', 'rating', 'name', 'flag'",
        ),
        (("user", "film", "rating"), "itemCol='film' is no column"),
        (("user", "item", "stars"), "ratingCol='stars' is no column"),
        (("user", "item", "rating", "held"), "validationIndicatorCol='held' is no column"),
        (("user", "flag", "rating"), "itemCol='flag' has the type boolean.*cast it to bigint or string"),
        (("user", "item", "name"), "ratingCol='name' has the type string.*cast it to a number"),
        (("user", "item", "flag"), "ratingCol='flag' has the type boolean"),
        (
            ("user", "item", "rating", "rating"),
            "validationIndicatorCol='rating' has the type double.*boolean",
        ),
    ],
)
def test_unusable_columns_are_refused(ratings, columns, sentence):
    with pytest.raises(ValueError, match=sentence):
        select_ratings(ratings, *columns)


def test_name_that_is_there_twice_is_refused(ratings):
    with pytest.raises(ValueError, match=r"userCol='user' names 2 columns.*rename"):
        select_ratings(ratings.select("user", "user", "item"), "user", "item", "")


def test_connect_dataset_is_refused():
    connect_class = type("DataFrame", (), {"__module__": "pyspark.sql.connect.dataframe"})
    with pytest.raises(ValueError, match=r"Spark Connect session.*classic session"):
        require_classic(connect_class())


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match=r"the dataset is a list: pass a Spark DataFrame"):
        select_ratings([(1, 2, 3.0)], "user", "item", "rating")  # type: ignore[arg-type]
