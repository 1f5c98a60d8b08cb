"""Tests of the table of methods, and of the Params of their estimators in rows."""

import pytest

from spark_mf.benchmarks.methods import METHOD_NAMES, comparison_methods, new_estimator, param_values

ALS = {"rank": 3, "maxIter": 4, "regParam": 0.5, "seed": 7}
SGD = {
    "rank": 3, "maxIter": 20, "regParam": 0.05, "seed": 7, "stepSize": 0.1, "biasStepSize": 0.2, "biasRegParam": 0.3,
    "optimizer": "adagrad", "schedule": "inverse", "decay": 0.4, "updateOrder": "sequential", "initStd": 0.5,
    "engine": "stages",
}  # fmt: skip


def methods_of(names, cores=2):
    return comparison_methods(names, cores, ALS, SGD, als_engine="ring")


def test_every_name_has_its_method():
    assert tuple(method.name for method in methods_of(METHOD_NAMES)) == METHOD_NAMES


def test_methods_come_in_the_order_of_the_table():
    named = methods_of(("pyspark-cores", "cg"), cores=4)
    assert [(method.name, method.blocks) for method in named] == [("cg", None), ("pyspark-cores", 4)]


def test_equal_settings_are_run_once():
    labels = [method.label for method in methods_of(METHOD_NAMES, cores=10)]
    assert len(labels) == len(set(labels)) == 5


def test_all_estimators_of_als_get_the_same_params(spark):
    for method in methods_of(("cholesky", "cg", "pyspark-10", "pyspark-cores")):
        params = param_values(method.estimator())
        expected = {**ALS, "userCol": "user", "itemCol": "item", "ratingCol": "rating", "coldStartStrategy": "nan"}
        assert params.items() >= expected.items()
        if method.blocks is not None:
            assert params["numUserBlocks"] == params["numItemBlocks"] == method.blocks
        assert params.get("regularization", "weighted") == "weighted"
        assert params.get("solver", method.solver) == method.solver
        assert params.get("engine", "ring") == "ring"


def test_sgd_gets_its_own_params_and_never_stops_early():
    biased, plain = methods_of(("sgd", "sgd-plain"))
    for method, fit_bias in ((biased, True), (plain, False)):
        expected = {**SGD, "earlyStoppingPatience": 0, "regularization": "weighted", "fitBias": fit_bias}
        assert param_values(method.estimator()).items() >= expected.items()
        assert method.solver == "adagrad"


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("name", METHOD_NAMES)
def test_an_estimator_made_of_its_params_has_the_same_again(name):
    (method,) = methods_of((name,))
    params = param_values(method.estimator().setPredictionCol("predicted"))
    assert params["predictionCol"] == "predicted"
    assert param_values(new_estimator(method.model, params)) == params


def test_a_model_that_is_no_estimator_is_refused():
    with pytest.raises(ValueError, match=r"model must be one of spark_mf\.ALS, .*, got 'kernels of spark_mf\.SGD'"):
        new_estimator("kernels of spark_mf.SGD", SGD)
