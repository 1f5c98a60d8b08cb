"""Tests of the GD estimator on Spark: against the textbook, independence of the layout, and divergence."""

import logging
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import Pipeline, PipelineModel

from spark_mf import GD, GDModel, textbook
from spark_mf.exchange import broadcast
from spark_mf.kernels.initial import normal_rows
from spark_mf.kernels.random import Purpose
from spark_mf.models.factors import collect_factors, factors_arrays
from tests.low_rank import low_rank
from tests.same_model import assert_same_model

USERS, ITEMS, RANK = 30, 20, 3


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Noisy ratings of low rank, some of them held out; each user and item keeps others."""
    rng = np.random.default_rng(1)
    table = low_rank(USERS, ITEMS, RANK, seed=1, observed=0.4)
    table["rating"] += rng.normal(0, 0.3, len(table)).astype(np.float32)
    table["held_out"] = (rng.random(len(table)) < 0.15) & ((table.user - table.item) % ITEMS != 0)
    return table


@pytest.fixture(scope="module")
def ratings(spark, table):
    return spark.createDataFrame(table).cache()


def settings(**params: Any) -> dict[str, Any]:
    """What the textbook's estimator takes, too."""
    given = {"rank": RANK, "maxIter": 12, "regParam": 0.02, "stepSize": 2.5, "initStd": 0.6, "seed": 5}
    return given | {"validationIndicatorCol": "held_out"} | params


def on_spark(engine: str = "broadcast", blocks: int = 1, **params: Any) -> GD:
    return GD(engine=engine, numUserBlocks=blocks, numItemBlocks=blocks, **settings(**params))


def first_factors() -> tuple[np.ndarray, np.ndarray]:
    sides = ((Purpose.USER_FACTORS, USERS), (Purpose.ITEM_FACTORS, ITEMS))
    users, items = (normal_rows(5, purpose, n, RANK, 0.6) for purpose, n in sides)
    return users, items


def by_textbook(table: pd.DataFrame, **params: Any) -> textbook.Model:
    return textbook.GD(**settings(**params)).fit(table, initial=first_factors())


@pytest.mark.parametrize(
    ("engine", "blocks", "regularization"),
    [("broadcast", 1, "weighted"), ("broadcast", 3, "mean"), ("ring", 1, "plain"), ("ring", 2, "weighted")],
)
def test_steps_errors_and_the_last_one_are_the_textbooks(ratings, table, engine, blocks, regularization):
    """In the middle of the fit the change of the product goes below tol: after the same step everywhere."""
    regularized = {"regularization": regularization, "regParam": 0.001 if regularization == "mean" else 0.02}
    changes = [record.product_change for record in by_textbook(table, **regularized).summary.history]
    assert changes[7] < min(changes[:7])
    stopping = {"tol": (min(changes[:7]) + changes[7]) / 2} | regularized
    expected = by_textbook(table, **stopping)
    model = on_spark(engine, blocks, **stopping).fit(ratings)
    assert isinstance(model, GDModel)
    assert model.summary.stoppedEarly
    assert model.summary.totalIterations == len(expected.summary.history) == 8
    for side, factors in ((model.userFactors, expected.U), (model.itemFactors, expected.V)):
        np.testing.assert_allclose(factors_arrays(side)[1], factors, rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(model.summary.history, expected.summary.history, strict=True):
        for name in ("objective", "train_rmse", "validation_rmse", "product_change"):
            assert getattr(mine, name) == pytest.approx(getattr(theirs, name), rel=1e-5), name


def test_a_step_goes_down_the_numeric_gradient_of_the_objective(ratings, table):
    """After one step both sides have moved by −stepSize/|Ω| times the central differences at the first factors."""
    model = on_spark("ring", maxIter=1).fit(ratings)
    train = table[~table.held_out]
    user, item, rating = (train[name].to_numpy() for name in ("user", "item", "rating"))
    counts = np.concatenate([np.bincount(user), np.bincount(item)])

    def objective(rows: np.ndarray) -> float:
        errors = rating - np.einsum("ij,ij->i", rows[user], rows[USERS + item])
        return (errors**2).sum() + 0.02 * (counts * (rows**2).sum(axis=1)).sum()

    start = np.concatenate(first_factors()).astype(np.float64)
    gradient = np.empty_like(start)
    for place in np.ndindex(start.shape):
        h = np.zeros_like(start)
        h[place] = 1e-4
        gradient[place] = (objective(start + h) - objective(start - h)) / 2e-4
    moved = np.concatenate([factors_arrays(side)[1] for side in (model.userFactors, model.itemFactors)]) - start
    np.testing.assert_allclose(moved, -2.5 / len(train) * gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("engine", ["ring", "broadcast"])
def test_too_long_a_step_is_told_with_a_shorter_one(ratings, engine):
    sentence = r"^factors must be finite, .* in step \d+ with stepSize=1000\. Use a smaller stepSize, such as 250, or"
    with pytest.raises(ArithmeticError, match=sentence):
        on_spark(engine, stepSize=1000.0).fit(ratings)


def test_without_tol_all_iterations_are_run_and_no_change_is_computed(ratings):
    summary = on_spark("ring", maxIter=3).fit(ratings).summary
    assert (summary.totalIterations, summary.stoppedEarly, summary.solver) == (3, False, "gd")
    assert summary.metricHistory("product_change") == [None] * 3


def test_a_tol_that_ends_the_fit_where_it_starts_is_told(ratings, caplog):
    with caplog.at_level(logging.WARNING, logger="spark_mf"):
        model = on_spark("ring", tol=50.0, initStd=0.01).fit(ratings)
    assert model.summary.totalIterations == 1
    assert "tol=50 stopped the fit after its first step" in caplog.text
    assert "use a smaller tol or a larger initStd." in caplog.text


def test_sparks_ui_names_estimator_step_and_side(ratings, monkeypatch):
    told = []

    @contextmanager
    def spy(context: Any, description: str) -> Any:
        told.append(description)
        yield

    monkeypatch.setattr(broadcast, "job_description", spy)
    on_spark(maxIter=2).fit(ratings)
    assert told == ["GD 1/2 items", "GD 1/2 users", "GD 2/2 items", "GD 2/2 users"]


@pytest.mark.slow  # ALS shares all of this
def test_in_a_pipeline_with_string_ids_and_back_from_disk(spark, table, tmp_path):
    frame = spark.createDataFrame(table.assign(user="u" + table.user.astype(str)))
    model = Pipeline(stages=[on_spark("ring", maxIter=2)]).fit(frame)
    model.save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    before, after = model.stages[0], loaded.stages[0]
    assert isinstance(before, GDModel)
    assert isinstance(after, GDModel)
    assert after.summary == before.summary
    assert set(collect_factors(after.userFactors).ids.to_pylist()) == {f"u{user}" for user in range(USERS)}
    assert_same_model(after, before)


def test_an_estimator_comes_back_from_disk(tmp_path):
    GD(stepSize=30.0, initStd=0.3, tol=0.5, rank=7).save(str(tmp_path / "gd"))
    gd = GD.load(str(tmp_path / "gd"))
    assert (gd.getStepSize(), gd.getInitStd(), gd.getTol(), gd.getRank()) == (30.0, 0.3, 0.5, 7)
