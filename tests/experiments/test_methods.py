"""The table of methods."""

from spark_mf.experiments.methods import METHOD_NAMES, Hyperparameters, comparison_methods


def test_every_name_has_its_method():
    assert tuple(method.name for method in comparison_methods(METHOD_NAMES, 2)) == METHOD_NAMES


def test_methods_come_in_the_order_of_the_table():
    named = comparison_methods(("pyspark-cores", "cg"), 4)
    assert [(method.name, method.blocks) for method in named] == [("cg", 4), ("pyspark-cores", 4)]


def test_equal_settings_are_run_once():
    labels = [method.label for method in comparison_methods(METHOD_NAMES, 10)]
    assert len(labels) == len(set(labels)) == 3


def test_all_estimators_get_the_same_hyperparameters(spark):
    given = Hyperparameters(rank=3, iterations=4, regParam=0.5, seed=7)
    for method in comparison_methods(METHOD_NAMES, 2):
        estimator = method.build(given)
        params = {param.name: value for param, value in estimator.extractParamMap().items()}
        expected = {
            "rank": 3, "maxIter": 4, "regParam": 0.5, "seed": 7, "userCol": "user", "itemCol": "item",
            "ratingCol": "rating", "numUserBlocks": method.blocks, "numItemBlocks": method.blocks,
            "coldStartStrategy": "nan",
        }  # fmt: skip
        assert params.items() >= expected.items()
        assert params.get("regularization", "weighted") == "weighted"
        assert params.get("solver", method.solver) == method.solver
