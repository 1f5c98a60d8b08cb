"""Tests of the conversion of factor matrices to DataFrames and back."""

import numpy as np
import pytest
from chispa.schema_comparer import assert_schema_equality
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import ArrayType, FloatType, IntegerType, LongType, StructField, StructType

from spark_mf.models import factors as factors_module
from spark_mf.models.factors import collect_factors, factors_arrays, factors_frame


@pytest.mark.parametrize(
    ("highest", "id_type"), [(2**31 - 1, IntegerType()), (2**31, LongType())], ids=["32 bits", "64 bits"]
)
def test_there_and_back(spark, monkeypatch, highest, id_type):
    monkeypatch.setattr(factors_module, "_BATCH_VALUES", 7)  # three rows a batch
    ids = np.array([5, -3, highest, 0, 2, 1, 9])
    factors = np.arange(14, dtype=np.float32).reshape(7, 2)
    frame = factors_frame(spark, ids, factors)
    expected = [StructField("id", id_type, False), StructField("features", ArrayType(FloatType(), False))]
    assert_schema_equality(frame.schema, StructType(expected))
    back_ids, back_factors = factors_arrays(frame)
    assert (back_ids.type, back_factors.dtype) == (to_arrow_type(id_type), np.float32)
    order = np.argsort(ids)
    assert back_ids.to_pylist() == ids[order].tolist()
    np.testing.assert_array_equal(back_factors, factors[order])


def test_biases_go_there_and_back(spark, monkeypatch):
    monkeypatch.setattr(factors_module, "_BATCH_VALUES", 4)  # two rows a batch
    ids, factors = np.array([5, -3, 7]), np.arange(6, dtype=np.float32).reshape(3, 2)
    frame = factors_frame(spark, ids, factors, np.array([0.5, -1.25, 0], np.float32))
    assert frame.schema["bias"] == StructField("bias", FloatType(), False)
    found = collect_factors(frame)
    assert found.biases is not None
    assert (found.ids.to_pylist(), found.factors.tolist()) == ([-3, 5, 7], [[2, 3], [0, 1], [4, 5]])
    assert (found.biases.tolist(), found.biases.dtype) == ([-1.25, 0.5, 0], np.float32)
    assert collect_factors(frame.drop("bias")).biases is None
    ids, factors = factors_arrays(frame)
    assert (ids, factors.tolist()) == (found.ids, found.factors.tolist())


def test_no_rows(spark):
    ids, factors = factors_arrays(factors_frame(spark, np.empty(0, np.int64), np.empty((0, 3), np.float32)))
    assert (len(ids), factors.shape) == (0, (0, 0))
    none = np.empty(0, np.float32)
    biased = collect_factors(factors_frame(spark, np.empty(0, np.int64), np.empty((0, 3), np.float32), none))
    assert (len(biased.ids), biased.factors.shape, biased.biases) == (0, (0, 0), pytest.approx([]))


def test_shapes_that_differ_are_refused(spark):
    with pytest.raises(ValueError, match=r"^ids and factors must have the shapes .*, got \(3,\) and \(2, 4\)\.$"):
        factors_frame(spark, np.arange(3), np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match=r"^biases must have the shape of ids, \(3,\), got \(2,\)\.$"):
        factors_frame(spark, np.arange(3), np.zeros((3, 4), np.float32), np.zeros(2, np.float32))


def test_missing_bias_is_refused(spark):
    frame = spark.createDataFrame([(1, [1.0], 0.5), (2, [2.0], None)], "id int, features array<float>, bias float")
    with pytest.raises(ValueError, match=r"^bias must not be null, got 1 null rows\. Fit the model again\.$"):
        collect_factors(frame)


@pytest.mark.parametrize("second", [None, [1.0]], ids=["null", "shorter"])
def test_broken_rows_are_refused(spark, second):
    frame = spark.createDataFrame([(1, [1.0, 2.0]), (2, second)], "id int, features array<float>").coalesce(1)
    with pytest.raises(ValueError, match=r"^features must have 2 factors in every row, got null or another number\."):
        factors_arrays(frame)


def test_string_ids_come_back_in_the_order_of_their_bytes(spark):
    rows = [("b", [2.0]), ("ä", [4.0]), ("B", [1.0]), ("😀", [5.0]), ("", [0.0]), ("bb", [3.0])]
    ids, factors = factors_arrays(spark.createDataFrame(rows, "id string, features array<float>").repartition(3))
    assert ids.to_pylist() == ["", "B", "b", "bb", "ä", "😀"]
    assert factors[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
