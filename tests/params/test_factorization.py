"""Params: names and defaults are pyspark's, values are checked without a session."""

import math

import pytest
from pyspark import StorageLevel
from pyspark.ml.recommendation import _ALSParams as SparkALSParams

from spark_mf.params.als import _ALSParams
from spark_mf.params.als import validate_als_params as validate_params
from spark_mf.params.factorization import require_positive
from spark_mf.params.storage_levels import storage_level


def params(**values):
    return _ALSParams()._set(**values)


#: What means something else than pyspark's docs say, and so has docs of its own.
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
    validate_params(params(**values))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rank": 0}, "rank=0 .*1 or more"),
        ({"rank": -3}, "rank=-3"),
        ({"numUserBlocks": 0}, "numUserBlocks=0"),
        ({"numItemBlocks": -1}, "numItemBlocks=-1"),
        ({"blockSize": 0}, "blockSize=0"),
        ({"innerSteps": 0}, "innerSteps=0"),
        ({"seed": 2**63}, "seed must be an integer of 64 bits, got 9223372036854775808"),
        ({"innerTol": 1.0}, "innerTol=1.0 is not possible: use a number from 0 to below 1"),
        ({"innerTol": -0.1}, "innerTol=-0.1"),
        ({"tol": -1.0}, "tol=-1.0 is no change of the factors' product: use a finite number of 0 or more"),
        ({"tol": math.inf}, "tol=inf"),
        ({"maxIter": -1}, "maxIter=-1 is negative"),
        ({"regParam": -0.1}, "regParam=-0.1 .*finite number of 0 or more"),
        ({"regParam": math.nan}, "regParam=nan"),
        ({"regParam": math.inf}, "regParam=inf"),
        ({"checkpointInterval": 0}, "checkpointInterval=0 .*-1 for never"),
        ({"checkpointInterval": -2}, "checkpointInterval=-2"),
        ({"regularization": "l1"}, "regularization='l1' is unknown: use one of weighted, plain, mean"),
        ({"solver": "qr"}, "solver='qr' is unknown: use one of cholesky, cg, gd"),
        ({"coldStartStrategy": "zero"}, "coldStartStrategy='zero' is unknown: use one of nan, drop"),
        (
            {"intermediateStorageLevel": "NONE"},
            "intermediateStorageLevel='NONE' is unknown: use one of DISK_ONLY",
        ),
        ({"finalStorageLevel": "RAM"}, "finalStorageLevel='RAM' is unknown: use one of NONE"),
        ({"userCol": "id", "itemCol": "id"}, "userCol and itemCol are both 'id'"),
    ],
)
def test_unusable_values_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        validate_params(params(**values))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"implicitPrefs": True}, "implicitPrefs=True"),
        ({"nonnegative": True}, "nonnegative=True"),
        ({"alpha": 40.0}, "alpha=40.0"),
    ],
)
def test_what_is_not_built_yet_is_refused(values, name):
    with pytest.raises(NotImplementedError, match=f"{name} .*use pyspark.ml.recommendation.ALS"):
        validate_params(params(**values))


def test_storage_levels_by_their_jvm_names():
    assert storage_level("MEMORY_AND_DISK_SER") == StorageLevel.MEMORY_AND_DISK
    with pytest.raises(ValueError, match=r"storage level='memory' is unknown"):
        storage_level("memory")


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True, None])
def test_counts_must_be_positive_whole_numbers(value):
    with pytest.raises(ValueError, match=r"numItems=.*1 or more"):
        require_positive("numItems", value)
