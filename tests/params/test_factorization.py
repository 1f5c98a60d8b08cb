"""Tests of the shared Params and those of ALS: names, defaults and validation."""

import math

import pytest
from pyspark import StorageLevel
from pyspark.ml.recommendation import _ALSParams as SparkALSParams

from spark_mf.params.als import _ALSParams
from spark_mf.params.als import validate_als_params as validate_params
from spark_mf.params.checks import require_positive
from spark_mf.params.storage_levels import storage_level


def params(**values):
    return _ALSParams()._set(**values)


#: Params whose meaning, and therefore whose doc, differs from pyspark's.
OTHER_MEANING = {"userCol", "itemCol", "blockSize", "numUserBlocks", "numItemBlocks", "checkpointInterval"}


def test_everything_of_pyspark_is_there_with_its_default():
    ours, theirs = params(), SparkALSParams()
    for param in theirs.params:
        assert ours.hasParam(param.name)
        assert (ours.getParam(param.name).doc == param.doc) == (param.name not in OTHER_MEANING), param.name
        # The default seed is drawn from the class's name, and a fit chooses its numbers of blocks.
        if param.name not in ("seed", "numUserBlocks", "numItemBlocks"):
            assert ours.hasDefault(param.name) == theirs.hasDefault(param.name)
            assert not theirs.hasDefault(param.name) or ours.getOrDefault(param.name) == theirs.getOrDefault(param.name)


def test_own_params():
    ours = params()
    assert (ours.getRegularization(), ours.getSolver(), ours.getInnerSteps()) == ("weighted", "cholesky", 3)
    assert (ours.getInnerTol(), ours.getTol()) == (0.0, 0.0)
    assert not ours.isDefined("validationIndicatorCol")
    assert "ALS-WR" in ours.explainParam("regularization")


def test_shared_setters_return_the_instance():
    ours = params()
    chained = ours.setUserCol("u").setItemCol("i").setPredictionCol("p").setColdStartStrategy("drop").setBlockSize(64)
    assert chained is ours
    assert (ours.getUserCol(), ours.getItemCol(), ours.getPredictionCol()) == ("u", "i", "p")
    assert (ours.getColdStartStrategy(), ours.getBlockSize()) == ("drop", 64)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"maxIter": 0, "regParam": 0.0, "checkpointInterval": -1, "rank": 1},
        {"regularization": "mean", "solver": "cg", "innerSteps": 1},
        {"solver": "gd", "innerTol": 0.5, "tol": 0.1},
        {
            "coldStartStrategy": "Drop",
            "intermediateStorageLevel": "MEMORY_ONLY_SER",
            "finalStorageLevel": "NONE",
        },
    ],
)
def test_usable_values_pass(values):
    instance = params(**values)
    validate_params(instance)
    assert {name: instance.getOrDefault(name) for name in values} == values


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rank": 0}, r"^rank must be an integer >= 1, got 0\.$"),
        ({"rank": -3}, r"^rank must be .*, got -3\.$"),
        ({"numUserBlocks": 0}, r"^numUserBlocks must be .*, got 0\.$"),
        ({"numItemBlocks": -1}, r"^numItemBlocks must be .*, got -1\.$"),
        ({"blockSize": 0}, r"^blockSize must be .*, got 0\.$"),
        ({"innerSteps": 0}, r"^innerSteps must be .*, got 0\.$"),
        ({"seed": 2**63}, r"seed must be in \[-2.*\], got 9223372036854775808"),
        ({"innerTol": 1.0}, r"^innerTol must be in \[0, 1\), got 1\.0\.$"),
        ({"innerTol": -0.1}, r"^innerTol must be .*, got -0\.1\.$"),
        ({"tol": -1.0}, r"^tol must be finite and >= 0, got -1\.0\.$"),
        ({"tol": math.inf}, r"^tol must be .*, got inf\.$"),
        ({"maxIter": -1}, r"^maxIter must be >= 0, got -1\.$"),
        ({"regParam": -0.1}, r"^regParam must be finite and >= 0, got -0\.1\.$"),
        ({"regParam": math.nan}, r"^regParam must be .*, got nan\.$"),
        ({"regParam": math.inf}, r"^regParam must be .*, got inf\.$"),
        ({"checkpointInterval": 0}, r"^checkpointInterval must be >= 1, or -1 for a single interval, got 0\.$"),
        ({"checkpointInterval": -2}, "^checkpointInterval must be .*, got -2"),
        ({"regularization": "l1"}, r"^regularization must be one of weighted, plain, mean, frequency, got 'l1'\.$"),
        ({"solver": "qr"}, r"^solver must be one of cholesky, cg, gd, nnls, subspace, got 'qr'\.$"),
        ({"coldStartStrategy": "zero"}, r"^coldStartStrategy must be one of nan, drop, got 'zero'\.$"),
        ({"intermediateStorageLevel": "NONE"}, "^intermediateStorageLevel must be one of DISK_ONLY, .*, got 'NONE'"),
        ({"finalStorageLevel": "RAM"}, "^finalStorageLevel must be one of NONE, .*, got 'RAM'"),
        ({"userCol": "id", "itemCol": "id"}, "^userCol and itemCol must be two different columns, got 'id' for both"),
    ],
)
def test_unusable_values_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        validate_params(params(**values))


IMPLICIT = {"implicitPrefs": True}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (IMPLICIT | {"alpha": 0.0}, r"^alpha must be finite and > 0, got 0\.0\.$"),
        (IMPLICIT | {"alpha": -1.0}, r"^alpha must be finite and > 0, got -1\.0\.$"),
        (IMPLICIT | {"unobservedWeight": 0.0}, r"^unobservedWeight must be finite and > 0, got 0\.0\.$"),
        (IMPLICIT | {"unobservedWeight": 0.1, "alpha": 2.0}, r"^alpha must not be set together with unobservedWeight"),
        (IMPLICIT | {"clipPredictions": True}, r"^clipPredictions must be False with implicitPrefs=True, got True\. "),
        ({"unobservedWeight": 0.1}, r"^unobservedWeight must be set with implicitPrefs=True only, got 0\.1\. "),
        ({"nonnegative": True, "solver": "cg"}, r"^solver must be 'cholesky' or 'nnls' with .*, got 'cg'\. "),
        ({"solver": "nnls"}, r"^nonnegative must be True with solver='nnls', got False\. "),
        ({"userRegParam": -1.0}, r"^userRegParam must be finite and >= 0, got -1\.0\.$"),
        ({"itemRegParam": math.nan}, r"^itemRegParam must be finite and >= 0, got nan\.$"),
        ({"regExponent": 0.5}, r"^regExponent must be set with regularization='frequency' only, got 0\.5 with 'weigh"),
        ({"regularization": "frequency", "regExponent": -1.0}, r"^regExponent must be finite and >= 0, got -1\.0\.$"),
        ({"earlyStoppingPatience": -1}, r"^earlyStoppingPatience must be >= 0, got -1\. "),
        (
            {"earlyStoppingPatience": 1},
            r"^validationIndicatorCol must be set with early.*=1, got none\. ",
        ),
    ],
)
def test_combinations_that_have_no_meaning_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        validate_params(params(**values))


@pytest.mark.parametrize(
    "values",
    [
        IMPLICIT | {"alpha": 40.0, "nonnegative": True},
        IMPLICIT | {"unobservedWeight": 0.1, "regularization": "frequency", "regExponent": 0.0},
        {"nonnegative": True, "solver": "nnls"},
        {"alpha": 40.0},
    ],
)
def test_combinations_of_pyspark_and_ials_pass(values):
    instance = params(**values)
    validate_params(instance)
    assert {name: instance.getOrDefault(name) for name in values} == values


def test_both_sides_have_the_same_reg_param_unless_it_is_set():
    one = params(regParam=0.3, itemRegParam=0.7)
    assert (one.getUserRegParam(), one.getItemRegParam()) == (0.3, 0.7)
    assert one.getRegExponent() == 1.0


def test_storage_levels_by_their_jvm_names():
    assert storage_level("MEMORY_AND_DISK_SER") == StorageLevel.MEMORY_AND_DISK
    with pytest.raises(ValueError, match=r"^storage level must be one of NONE, .*, got 'memory'\.$"):
        storage_level("memory")


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True, None])
def test_counts_must_be_positive_whole_numbers(value):
    with pytest.raises(ValueError, match=r"^numItems must be an integer >= 1, got .*\.$"):
        require_positive("numItems", value)
