"""Tests of the selection of rating columns: accepted types and errors."""

import math
from decimal import Decimal
from functools import reduce
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from chispa.schema_comparer import assert_schema_equality
from pyspark.sql import DataFrame, Row
from pyspark.sql.types import BooleanType, FloatType, IntegerType, LongType, StructField, StructType

from spark_mf import ALS, GD, SGD, ALSModel, SGDModel
from spark_mf.data.columns import require_classic, select_ratings
from spark_mf.ratings.folder import PartitionedRatings
from spark_mf.ratings.folder_writing import partition_ratings


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
            r"^userCol must be a column .*, got 'usr'\. Set it to one of 'user', 'item', 'rating', 'name', 'flag'\.$",
        ),
        (("user", "film", "rating"), "itemCol must be a column of the dataset, got 'film'"),
        (("user", "item", "stars"), "ratingCol must be a column of the dataset, got 'stars'"),
        (("user", "item", "rating", "held"), "validationIndicatorCol must be a column of the dataset, got 'held'"),
        (("user", "flag", "rating"), "itemCol must be .*, got 'flag' of type boolean. Cast it to bigint or string"),
        (("user", "item", "name"), "ratingCol must be .*, got 'name' of type string. Cast it to a number"),
        (("user", "item", "flag"), "ratingCol must be a numeric column, got 'flag' of type boolean"),
        (
            ("user", "item", "rating", "rating"),
            "validationIndicatorCol must be a boolean column, .* got 'rating' of type double",
        ),
    ],
)
def test_unusable_columns_are_refused(ratings, columns, sentence):
    with pytest.raises(ValueError, match=sentence):
        select_ratings(ratings, *columns)


def test_name_that_is_there_twice_is_refused(ratings):
    with pytest.raises(ValueError, match=r"^userCol must be .*, got 'user', which 2 columns have\. Rename"):
        select_ratings(ratings.select("user", "user", "item"), "user", "item", "")


CREATE = r'spark\.createDataFrame\(rows, \["user", "item", "rating"\]\)'


def test_connect_dataset_is_refused():
    connect_class = type("DataFrame", (), {"__module__": "pyspark.sql.connect.dataframe"})
    with pytest.raises(TypeError, match=r"^dataset must be a DataFrame of a classic .* got one of a Spark Connect"):
        require_classic(connect_class())


class OwnList(list):
    """A list by inheritance."""


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        (pd.DataFrame({"user": [1]}), r"a pandas DataFrame\. Use spark\.createDataFrame\(\.\.\.\)"),
        (pa.table({"user": [1]}), r"an Arrow table\. Use spark\.createDataFrame\(\.\.\.\)"),
        (np.zeros((2, 3)), rf"a NumPy array\. Use {CREATE}"),
        ([(1, 2, 3.0)], rf"a list\. Use {CREATE}"),
        (OwnList(), "a list"),
        (((1, 2, 3.0),), rf"a tuple\. Use {CREATE}"),
        ("ratings.csv", r"a string\. Use spark\.read to read files, as in spark\.read\.parquet\(path\)"),
        (Path("ratings.csv"), r"a path\. Use spark\.read"),
        (None, rf"None\. Use spark\.read or {CREATE}"),
        (3, "an object of type int"),
        (type("DataFrame", (), {"__module__": "pyspark.pandas.frame"})(), r"a pandas-on-Spark .* Use its to_spark\(\)"),
        (type("DataFrame", (), {"__module__": "polars.dataframe.frame"})(), r"a Polars .*\(frame\.to_arrow\(\)\)"),
        (PartitionedRatings.__new__(PartitionedRatings), r"PartitionedRatings\. Only fit accepts it"),
    ],
)
def test_other_objects_are_refused_with_the_way_to_a_dataframe(dataset, sentence):
    for model in (ALSModel(), SGDModel()):
        with pytest.raises(TypeError, match=rf"^dataset must be a Spark DataFrame, got {sentence}.*\.$"):
            model.transform(dataset)
    fitting = (ALS().fit, GD().fit, SGD().fit, lambda data: ALS().fit(data, [{}, {}]))
    taking = (lambda data: select_ratings(data, "u", "i", "r"), lambda data: partition_ratings(data, "folder"))
    for take in (*fitting, *taking):
        if take not in fitting or not isinstance(dataset, PartitionedRatings):
            with pytest.raises(TypeError, match=rf"^dataset must be a Spark DataFrame, got {sentence}"):
                take(dataset)


def test_rdds_and_subsets_of_no_dataframe_are_refused(spark):
    factors = spark.createDataFrame([(1, [1.0])], "id int, features array<float>")
    model = ALSModel(factors, factors, 1)
    rows = spark.sparkContext.emptyRDD()
    for take in (ALS().fit, SGD().fit, model.transform):
        with pytest.raises(TypeError, match=r"got an RDD\. Use its toDF\(\["):
            take(rows)
    for subset in (model.recommendForUserSubset, model.recommendForItemSubset):
        with pytest.raises(TypeError, match=r"^dataset must be a Spark DataFrame, got a list"):
            subset([1], 2)  # type: ignore[arg-type]
