"""Conformance of fits on both engines with the half-steps that `test_conformance` compares with the textbook."""

from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_mf import ALS
from spark_mf.kernels.random import Purpose
from spark_mf.models.factors import collect_factors
from tests.objectives.test_conformance import (
    ITEMS,
    REGULARIZATIONS,
    SUPPORTED,
    USERS,
    OnSpark,
    params,
    random_ratings,
    relative_difference,
)

#: Every pair of a model and a solver, each with one of the regularizations.
CASES = [(*pair, regularization) for pair, regularization in zip(SUPPORTED, cycle(REGULARIZATIONS))]


def one_half_step(on_spark: OnSpark, side: Any, fixed: np.ndarray, old: np.ndarray) -> np.ndarray:
    solved, problem = old.copy(), on_spark.problem(side, fixed)
    on_spark.als._solver(len(on_spark.ratings)).begin(problem.fixed).solve(problem, solved, 1)
    return solved


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["broadcast", "ring"])
@pytest.mark.parametrize(("model", "solver", "regularization"), CASES)
def test_an_iteration_is_a_half_step_for_items_and_one_for_users(spark, model, solver, regularization, engine):
    ratings = random_ratings(1)
    columns = {"user": ratings.users, "item": ratings.items, "rating": ratings.values}
    blocks: dict[str, Any] = {"numUserBlocks": 3, "numItemBlocks": 2}
    als = ALS(**params(model, regularization, solver), engine=engine, maxIter=1, seed=3, **blocks)
    fitted = als.fit(spark.createDataFrame(pd.DataFrame(columns)))
    on_spark, layout = OnSpark(als, ratings), als._row_layout()
    U = layout.user_rows(als._initial_factors(Purpose.USER_FACTORS, USERS), np.zeros(USERS, np.float32))
    V = layout.item_rows(als._initial_factors(Purpose.ITEM_FACTORS, ITEMS), np.zeros(ITEMS, np.float32))
    V = one_half_step(on_spark, "item", U, V)
    U = one_half_step(on_spark, "user", V, U)
    users, items = collect_factors(fitted.userFactors), collect_factors(fitted.itemFactors)
    for found, expected, biases in (
        (users, U, layout.user_biases(U) if layout.bias else None),
        (items, V, layout.item_biases(V) if layout.bias else None),
    ):
        assert relative_difference(found.factors, layout.factors(expected)) < 1e-4
        if biases is not None:
            assert found.biases is not None
            assert relative_difference(found.biases, biases) < 1e-4
