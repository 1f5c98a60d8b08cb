"""Tests of what ALS and GD share: inner steps against the textbook, and convergence by `tol`."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_mf import ALS, textbook
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.random import Purpose
from spark_mf.models.factors import factors_arrays
from tests.low_rank import low_rank
from tests.same_model import assert_same_factors, assert_same_model

USERS, ITEMS, RANK = 30, 20, 3


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    table = low_rank(USERS, ITEMS, RANK, seed=1, observed=0.5)
    return table.assign(rating=table.rating + np.random.default_rng(2).normal(0, 0.3, len(table)).astype(np.float32))


@pytest.fixture(scope="module")
def ratings(spark, table):
    return spark.createDataFrame(table).cache()


def settings(**params: Any) -> dict[str, Any]:
    """What the textbook's estimator takes, too."""
    return {"rank": RANK, "maxIter": 6, "regParam": 0.05, "seed": 7} | params


def on_spark(engine: str = "ring", blocks: int = 1, **params: Any) -> ALS:
    # One member is no ring that has to be joined.
    return ALS(engine=engine, numUserBlocks=blocks, numItemBlocks=blocks, **settings(**params))


def by_textbook(table: pd.DataFrame, **params: Any) -> textbook.Model:
    users = unit_rows(7, Purpose.USER_FACTORS, USERS, RANK)
    items = unit_rows(7, Purpose.ITEM_FACTORS, ITEMS, RANK)
    return textbook.ALS(**settings(**params)).fit(table, initial=(users, items))


@pytest.mark.parametrize(
    ("engine", "blocks", "solving"),
    [
        ("broadcast", 2, {"solver": "gd", "innerSteps": 2}),
        ("ring", 2, {"solver": "gd", "innerSteps": 20, "innerTol": 0.2}),
        ("broadcast", 1, {"solver": "cholesky"}),
        ("ring", 1, {"solver": "cholesky"}),
    ],
    ids=["inner steps", "inner tolerance", "exact by broadcasts", "exact on the ring"],
)
def test_a_fit_with_tol_is_the_textbooks_and_ends_with_it(ratings, table, engine, blocks, solving):
    changes = [record.product_change for record in by_textbook(table, **solving).summary.history]
    assert changes[3] < min(changes[:3])
    tol = (min(changes[:3]) + changes[3]) / 2
    expected = by_textbook(table, tol=tol, **solving)
    model = on_spark(engine, blocks, tol=tol, **solving).fit(ratings)
    assert model.summary.totalIterations == len(expected.summary.history) == 4
    assert model.summary.stoppedEarly
    for side, factors in ((model.userFactors, expected.U), (model.itemFactors, expected.V)):
        np.testing.assert_allclose(factors_arrays(side)[1], factors, rtol=1e-3, atol=1e-4)
    theirs = [record.product_change for record in expected.summary.history]
    np.testing.assert_allclose(np.array(model.summary.metricHistory("product_change"), float), theirs, rtol=1e-3)


def test_enough_inner_steps_are_exact_and_few_are_behind(ratings):
    """Each step only lowers the objective, so few of them do not lower it as far."""
    exact, many, few = (
        on_spark(**solving).fit(ratings)
        for solving in (
            {"solver": "cholesky"},
            {"solver": "gd", "innerSteps": 500, "innerTol": 1e-5},
            {"solver": "gd", "innerSteps": 1},
        )
    )
    for side in ("userFactors", "itemFactors"):
        (_, factors), (_, expected) = (factors_arrays(getattr(model, side)) for model in (many, exact))
        np.testing.assert_allclose(factors, expected, rtol=1e-3, atol=1e-3)
    objectives = np.array([exact.summary.metricHistory("objective"), few.summary.metricHistory("objective")], float)
    assert (objectives[1] > objectives[0]).all()
    assert (np.diff(objectives[1]) < 0).all()


def test_tol_alone_changes_no_factor(ratings):
    """A tol that is never reached makes the workers load the previous factors, and nothing else."""
    without, never = (on_spark("broadcast", 2, maxIter=2, tol=tol).fit(ratings) for tol in (0.0, 1e-12))
    assert_same_factors(without, never)
    for name in ("objective", "train_rmse"):
        assert without.summary.metricHistory(name) == never.summary.metricHistory(name)
    assert without.summary.metricHistory("product_change") == [None, None]
    assert not never.summary.stoppedEarly


def test_a_fit_that_tol_ended_stays_ended(ratings, tmp_path):
    """It resumes without further iterations, even with a larger maxIter; another tol is an error."""
    params: dict[str, Any] = {"tol": 3.0, "checkpointInterval": 2, "checkpointDir": str(tmp_path)}
    ended = on_spark(maxIter=20, **params).fit(ratings)
    assert ended.summary.stoppedEarly
    assert ended.summary.totalIterations < 20
    longer = on_spark(maxIter=40, **params).fit(ratings)
    assert longer.summary.stoppedEarly
    assert longer.summary.history == ended.summary.history
    assert_same_model(longer, ended)
    with pytest.raises(ValueError, match=r"^tol must be 3\.0, as in the checkpoint .*, got 0\.5\. Use the same"):
        on_spark(maxIter=20, **params | {"tol": 0.5}).fit(ratings)


def test_a_gram_matrix_larger_than_the_factors_goes_round_the_ring(spark):
    """At rank 60 the sums of an iteration have 230 kB, and the factors of 4 users 960 bytes."""
    rows = [(user, item, 1.0 + (user + item) % 5) for user in range(4) for item in range(4)]
    frame = spark.createDataFrame(rows, ["user", "item", "rating"])
    model = on_spark("ring", 2, rank=60, maxIter=1, tol=1e-9).fit(frame)
    assert model.summary.history[0].product_change is not None
    assert model.summary.history[0].product_change > 0
