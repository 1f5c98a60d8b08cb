"""Tests of the conversion of DataFrames to arrays, by both methods."""

from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from spark_mf.data.columns import select_ratings
from spark_mf.ratings.chunks import _build_chunks, arrow_batches
from tests.runtime.refusing import FAILURES, REFUSALS, Refusing


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> Any:
    rows = [(1, 7, 3.5, True), (2, None, 1.0, False), (2, 7, 2.0, None), (3, 9, 1.5, False)]
    frame = spark.createDataFrame(rows, "user long, item int, rating float, held boolean").coalesce(1)
    return select_ratings(frame, "user", "item", "rating", "held")


def refused(ratings: Any, error: Exception) -> Any:
    """The ratings on a platform whose JVM raises an error where the short way asks it."""
    return SimpleNamespace(
        _jdf=Refusing(error), mapInArrow=ratings.mapInArrow, sparkSession=ratings.sparkSession, schema=ratings.schema
    )


@pytest.mark.parametrize("error", REFUSALS)
def test_where_the_short_way_is_refused_the_public_one_brings_the_same(ratings: Any, error: Exception):
    schema = to_arrow_schema(ratings.schema)
    [expected] = _build_chunks(schema, arrow_batches(ratings).collect())
    assert expected.faults["a null or non-integer item id"] == 1
    [found] = _build_chunks(schema, arrow_batches(refused(ratings, error)).collect())
    assert str(found) == str(expected)


@pytest.mark.parametrize("error", FAILURES)
def test_a_failure_on_the_short_way_is_no_refusal(ratings: Any, error: Exception):
    with pytest.raises(type(error)):
        arrow_batches(refused(ratings, error))
