"""Tests of ALS with biases on Spark: fits against the textbook, models, warm starts and ids."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_mf import ALS, SGD, ALSModel, textbook
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.random import Purpose
from spark_mf.models.factors import collect_factors
from tests.low_rank import low_rank
from tests.same_model import assert_same_factors

USERS, ITEMS, RANK = 30, 20, 3
REG_PARAMS = {"weighted": 0.05, "plain": 0.5, "mean": 0.002}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    table, rng = low_rank(USERS, ITEMS, RANK, seed=1), np.random.default_rng(2)
    noise = rng.normal(0, 0.3, len(table)) + 0.5 * (table.user % 3) - 0.4 * (table.item % 4)
    # Every user and item has training ratings.
    held_out = (rng.random(len(table)) < 0.2) & (table.user != table.item) & (table.user != table.item + ITEMS)
    return table.assign(rating=(table.rating + noise).astype(np.float32), held_out=held_out)


@pytest.fixture(scope="module")
def ratings(spark, table):
    return spark.createDataFrame(table).cache()


def settings(**params: Any) -> dict[str, Any]:
    """What the textbook's estimator takes, too."""
    given: dict[str, Any] = {"rank": RANK, "maxIter": 3, "regParam": 0.05, "biasRegParam": 0.1, "fitBias": True}
    return given | {"validationIndicatorCol": "held_out"} | params


def on_spark(engine: str = "broadcast", blocks: int = 2, **params: Any) -> ALS:
    given: dict[str, Any] = {"seed": 7, "numUserBlocks": blocks, "numItemBlocks": blocks}
    return ALS(engine=engine, **given | settings(**params))


def by_textbook(table: pd.DataFrame, **params: Any) -> textbook.Model:
    users = unit_rows(7, Purpose.USER_FACTORS, USERS, RANK)
    items = unit_rows(7, Purpose.ITEM_FACTORS, ITEMS, RANK)
    return textbook.ALS(**settings(**params)).fit(table, initial=(users, items))


def predictions(model: Any, frame: Any) -> np.ndarray:
    return model.transform(frame).orderBy("user", "item").toPandas()["prediction"].to_numpy()


@pytest.fixture(scope="module")
def model(ratings) -> ALSModel:
    return on_spark().fit(ratings)


@pytest.mark.parametrize(
    ("engine", "regularization", "solving"),
    [
        ("ring", "weighted", {"solver": "cholesky"}),
        ("broadcast", "plain", {"solver": "cholesky"}),
        ("broadcast", "mean", {"solver": "gd", "innerSteps": 4}),
        ("ring", "weighted", {"solver": "gd", "innerSteps": 4}),
    ],
)
def test_a_fit_is_that_of_the_textbook(ratings, table, engine, regularization, solving):
    regParam = REG_PARAMS[regularization]
    params = {"regParam": regParam, "biasRegParam": 2 * regParam, "regularization": regularization, "tol": 1e-9}
    model = on_spark(engine, **params, **solving).fit(ratings)
    expected = by_textbook(table, **params, **solving)
    assert model.globalMean == pytest.approx(expected.globalMean, rel=1e-6)
    for side, factors, biases in (
        (model.userFactors, expected.U, expected.userBias),
        (model.itemFactors, expected.V, expected.itemBias),
    ):
        found = collect_factors(side)
        order = np.argsort(found.ids.to_numpy())
        assert found.biases is not None
        np.testing.assert_allclose(found.factors[order], factors, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.biases[order], biases, rtol=1e-3, atol=1e-3)
    for step, other in zip(model.summary.history, expected.summary.history, strict=True):
        for metric in ("objective", "train_rmse", "validation_rmse", "product_change"):
            assert getattr(step, metric) == pytest.approx(getattr(other, metric), rel=1e-3)


def test_many_steps_of_conjugate_gradients_are_an_exact_fit(ratings, model):
    steps = on_spark("ring", solver="cg", innerSteps=20).fit(ratings)
    np.testing.assert_allclose(predictions(steps, ratings), predictions(model, ratings), rtol=1e-3, atol=1e-3)


def test_the_model_has_mean_and_biases(ratings, table, model):
    assert isinstance(model, ALSModel)
    assert model.hasBias
    assert model.rank == RANK
    assert model.globalMean == pytest.approx(table.rating[~table.held_out].mean(), rel=1e-6)
    assert model.userFactors.dtypes == [("id", "int"), ("features", "array<float>"), ("bias", "float")]
    assert model.summary.biasRegParam == 0.1
    held_out = ratings.where("held_out")
    errors = predictions(model, held_out) - held_out.orderBy("user", "item").toPandas()["rating"].to_numpy()
    assert model.summary.history[-1].validation_rmse == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-4)


def test_a_saved_and_a_plain_model_predict_the_same(ratings, model, tmp_path):
    model.save(str(tmp_path / "model"))
    loaded = ALSModel.load(str(tmp_path / "model"))
    assert_same_factors(loaded, model)
    assert loaded.globalMean == model.globalMean
    plain = model.asPlain()
    assert (plain.rank, plain.hasBias, plain.globalMean) == (RANK + 2, False, 0.0)
    expected = predictions(model, ratings)
    np.testing.assert_array_equal(predictions(loaded, ratings), expected)
    np.testing.assert_allclose(predictions(plain, ratings), expected, rtol=1e-5)
    best = {row.user: row.recommendations for row in loaded.recommendForAllUsers(2).collect()}
    assert best[3][0].rating == pytest.approx(model.predict(3, best[3][0].item), rel=1e-5)


def test_the_estimator_is_saved_with_its_params(tmp_path):
    on_spark().save(str(tmp_path / "als"))
    loaded = ALS.load(str(tmp_path / "als"))
    assert (loaded.getFitBias(), loaded.getBiasRegParam()) == (True, 0.1)


def test_ratings_of_biases_alone_are_recovered(spark):
    """A third of the ratings is not observed; with a large λ and a small λ_b, biases explain all of them."""
    full = low_rank(40, 25, 1, seed=3, observed=1.1)
    users, items = np.random.default_rng(3).uniform(-1, 1, 40), np.random.default_rng(4).uniform(-1, 1, 25)
    full["rating"] = (3 + users[full.user] + items[full.item]).astype(np.float32)
    seen = full[(full.user + full.item) % 3 > 0]
    params: dict[str, Any] = {"regParam": 100.0, "biasRegParam": 1e-6, "maxIter": 15, "validationIndicatorCol": None}
    model = on_spark(**params).fit(spark.createDataFrame(seen))
    expected = full.sort_values(["user", "item"])["rating"].to_numpy()
    np.testing.assert_allclose(predictions(model, spark.createDataFrame(full)), expected, atol=1e-3)


def test_the_objective_never_rises(ratings):
    objectives = on_spark(maxIter=8, biasRegParam=0.0).fit(ratings).summary.metricHistory("objective")
    assert (np.diff(np.array(objectives, float)) <= 1e-4).all()


def test_biases_start_from_a_saved_model(ratings, model, tmp_path):
    model.save(str(tmp_path / "als"))
    same = on_spark(initialModel=str(tmp_path / "als"), maxIter=0).fit(ratings)
    assert_same_factors(same, model)
    more = on_spark(initialModel=str(tmp_path / "als"), maxIter=1).fit(ratings)
    assert more.summary.history[0].objective <= model.summary.history[-1].objective
    other = SGD(rank=RANK, maxIter=2, validationIndicatorCol="held_out", numUserBlocks=1).fit(ratings)
    other.save(str(tmp_path / "sgd"))
    from_sgd = on_spark(initialModel=str(tmp_path / "sgd"), maxIter=0).fit(ratings)
    assert_same_factors(from_sgd, other)
    assert from_sgd.globalMean == other.globalMean


def test_a_plain_model_starts_biases_at_zero_with_the_mean_of_the_ratings(ratings, model, tmp_path):
    plain = ALS(rank=RANK, maxIter=2, engine="broadcast").fit(ratings)
    plain.save(str(tmp_path / "plain"))
    start = on_spark(initialModel=str(tmp_path / "plain"), maxIter=0).fit(ratings)
    assert start.globalMean == model.globalMean
    found = collect_factors(start.userFactors)
    np.testing.assert_array_equal(found.factors, collect_factors(plain.userFactors).factors)
    np.testing.assert_array_equal(found.biases, 0)


def test_string_ids_give_the_same_model(ratings, model):
    named = ratings.selectExpr("concat('u', user) user", "concat('i', item) item", "rating", "held_out")
    found = on_spark().fit(named)
    assert found.hasBias
    assert found.globalMean == pytest.approx(model.globalMean)
    assert found.userFactors.dtypes[0] == ("id", "string")
    assert np.isfinite(predictions(found, named)).all()


def test_combinations_without_meaning_are_refused_before_any_work(ratings):
    for name in ("nonnegative", "implicitPrefs"):
        params: dict[str, Any] = {name: True}
        with pytest.raises(ValueError, match=rf"^fitBias must be False with {name}=True, got True\. "):
            on_spark().setParams(**params).fit(ratings)
