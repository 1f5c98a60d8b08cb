"""Tests that the session's settings of Arrow and Python UDFs affect no fit, recommendation or prediction."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf import ALS, SGD
from spark_mf.blocks.ids import IdIndex
from spark_mf.blocks.partition import Partition
from spark_mf.models.factors import collect_factors, factors_frame
from spark_mf.ratings.side import Side
from spark_mf.ratings.stored_writing import side_rows

PREFIXES = tuple(f"spark.sql.execution.{part}." for part in ("arrow", "pyspark", "pythonUDF", "pythonUDTF"))
#: What further workers would be started with, which no conversion sees, and what Spark does not take beside
#: maxRecordsPerOutputBatch.
APART = (
    "spark.sql.execution.pyspark.python",
    "spark.sql.execution.pyspark.udf.",
    "spark.sql.execution.arrow.maxBytesPerOutputBatch",
)
ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
#: What is tried for every setting, the first that Spark takes for it: numbers, booleans, codecs.
EXTREMES = {
    "lowest": ("-2147483648", "-1", "1", "false", "lz4"),
    "zero": ("0", "1", "true", "none"),
    "highest": ("2147483647", "true", "zstd"),
}


def settings(spark: SparkSession) -> list[str]:
    """All there are, also those that Spark's documentation does not show."""
    module: Any = getattr(spark._jvm, "org.apache.spark.sql.internal.SQLConf$")
    entries = getattr(module, "MODULE$").getConfigEntries().toArray()
    names = {entry.key() for entry in entries}
    return sorted(name for name in names if name.startswith(PREFIXES) and not name.startswith(APART))


@pytest.fixture
def extremes(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Sets every setting to the first value of these that Spark takes."""
    taken: dict[str, str] = {}
    names = settings(spark)
    before = {row.key: row.value for row in spark.sql("SET").collect()}
    try:
        for name in names:
            for value in EXTREMES[request.param]:
                try:
                    spark.conf.set(name, value)
                except PySparkException:
                    continue
                taken[name] = value
                break
        yield taken
    finally:
        for name in names:
            spark.conf.unset(name)
            if name in before:
                spark.conf.set(name, before[name])


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> DataFrame:
    """Seventy ratings."""
    rows = [(u, i, float((u * 3 + i * 5) % 5 + 1)) for u in range(12) for i in range(9) if (u + i) % 3]
    return spark.createDataFrame(rows[:70], "user int, item int, rating float").coalesce(1).localCheckpoint()


def results(ratings: DataFrame) -> list[Any]:
    named = ratings.select(
        F.format_string("u%d", "user").alias("user"), F.format_string("i%d", "item").alias("item"), "rating"
    )
    found: list[Any] = []
    given: dict[str, Any] = {"rank": 2, "maxIter": 2, "seed": 1, "numUserBlocks": 1, "numItemBlocks": 1}
    for estimator, dataset in ((ALS(engine="broadcast", **given), named), (SGD(engine="stages", **given), ratings)):
        model = estimator.fit(dataset)
        best = model.recommendForAllUsers(2).collect()
        found.append(sorted((row[0], [(pair[0], round(pair[1], 3)) for pair in row[1]]) for row in best))
        predicted = model.transform(dataset).collect()
        found.append(sorted((row.user, row.item, round(row.prediction, 3)) for row in predicted))
    return found


@pytest.fixture(scope="module")
def expected(ratings: DataFrame) -> list[Any]:
    return results(ratings)


@pytest.mark.parametrize("extremes", EXTREMES, indirect=True)
def test_no_setting_changes_a_result(extremes: dict[str, str], ratings: DataFrame, expected: list[Any]):
    assert {ROWS, "spark.sql.execution.arrow.useLargeVarTypes", "spark.sql.execution.pythonUDF.arrow.enabled"} <= (
        extremes.keys()
    )
    assert results(ratings) == expected


@pytest.mark.parametrize("rows", ["0", "-1", "1"])
def test_frames_are_made_of_any_number_of_rows_a_batch_and_the_setting_stays(spark: SparkSession, rows: str):
    before = spark.conf.get(ROWS)
    spark.conf.set(ROWS, rows)
    try:
        ids, factors = np.array([5, 3, 9]), np.arange(6, dtype=np.float32).reshape(3, 2)
        found = collect_factors(factors_frame(spark, ids, factors))
        side = Side("users", IdIndex(np.array([3, 5, 9])), Partition.of_blocks(np.zeros(3, np.int32), 1))
        stored = side_rows(spark, side, np.ones(3, np.int64))
        assert spark.conf.get(ROWS) == rows
    finally:
        spark.conf.set(ROWS, before or "")
    assert (found.ids.to_pylist(), found.factors.tolist()) == ([3, 5, 9], [[2, 3], [0, 1], [4, 5]])
    assert sorted(row.id for row in stored.collect()) == [3, 5, 9]
