"""Tests of the table of methods."""

from dataclasses import replace

import pytest

from spark_mf.benchmarks.methods import METHOD_NAMES, Hyperparameters, comparison_methods, spark_mf_sgd
from spark_mf.benchmarks.rows import StepParams

STEP = StepParams(
    stepSize=0.1, biasStepSize=0.2, biasRegParam=0.3, optimizer="adagrad", schedule="inverse", decay=0.4,
    updateOrder="sequential", initStd=0.5,
)  # fmt: skip
DESCENT = Hyperparameters(rank=3, iterations=20, regParam=0.05, seed=7, step=STEP)


def params_of(method, given):
    return {param.name: value for param, value in method.build(method.own or given).extractParamMap().items()}


def test_every_name_has_its_method():
    assert tuple(method.name for method in comparison_methods(METHOD_NAMES, 2, DESCENT)) == METHOD_NAMES


def test_methods_come_in_the_order_of_the_table():
    named = comparison_methods(("pyspark-cores", "cg"), 4, DESCENT)
    assert [(method.name, method.blocks) for method in named] == [("cg", None), ("pyspark-cores", 4)]


def test_equal_settings_are_run_once():
    labels = [method.label for method in comparison_methods(METHOD_NAMES, 10, DESCENT)]
    assert len(labels) == len(set(labels)) == 5


def test_all_estimators_of_als_get_the_same_hyperparameters(spark):
    given = Hyperparameters(rank=3, iterations=4, regParam=0.5, seed=7)
    for method in comparison_methods(("cholesky", "cg", "pyspark-10", "pyspark-cores"), 2, DESCENT, als_engine="ring"):
        params = params_of(method, given)
        expected = {
            "rank": 3, "maxIter": 4, "regParam": 0.5, "seed": 7, "userCol": "user", "itemCol": "item",
            "ratingCol": "rating", "coldStartStrategy": "nan",
        }  # fmt: skip
        assert params.items() >= expected.items()
        if method.blocks is not None:
            assert params["numUserBlocks"] == params["numItemBlocks"] == method.blocks
        assert params.get("regularization", "weighted") == "weighted"
        assert params.get("solver", method.solver) == method.solver
        assert params.get("engine", "ring") == "ring"


def test_sgd_gets_its_own_hyperparameters_and_never_stops_early():
    biased, plain = comparison_methods(("sgd", "sgd-plain"), 2, DESCENT, sgd_engine="stages")
    shared = Hyperparameters(rank=30, iterations=4, regParam=0.5, seed=70)
    expected = {
        "rank": 3, "maxIter": 20, "regParam": 0.05, "seed": 7, "stepSize": 0.1, "optimizer": "adagrad",
        "schedule": "inverse", "decay": 0.4, "updateOrder": "sequential", "initStd": 0.5, "engine": "stages",
        "earlyStoppingPatience": 0, "regularization": "weighted",
    }  # fmt: skip
    biases = {"fitBias": True, "biasStepSize": 0.2, "biasRegParam": 0.3}
    assert params_of(biased, shared).items() >= (expected | biases).items()
    assert params_of(plain, shared).items() >= (expected | {"fitBias": False}).items()
    assert plain.own == replace(DESCENT, step=STEP.without_biases())


def test_sgd_without_a_step_is_refused():
    with pytest.raises(ValueError, match=r"own\.step must be StepParams, got None"):
        spark_mf_sgd("sgd", replace(DESCENT, step=None), fit_bias=True)
