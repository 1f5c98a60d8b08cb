"""Fits of weighted ratings: the same as fits of repeated ratings, from every kind of input and on every engine."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from spark_mf import ALS, GD, SGD, lay_out_ratings, partition_ratings
from spark_mf.models.factors import collect_factors
from spark_mf.ratings.folder import PartitionedRatings
from tests.low_rank import low_rank
from tests.same_model import assert_same_model

PAGE = Path(__file__).parents[1] / "docs" / "ratings.md"
USERS, ITEMS = 50, 30
BLOCKS: dict[str, Any] = {"numUserBlocks": 2, "numItemBlocks": 2}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Ratings with weights 0 to 3 as numbers of copies, and with fractions as weights; user 999 has weight 0 only."""
    rng = np.random.default_rng(5)
    table = low_rank(USERS, ITEMS, 3, observed=0.5)
    table["rating"] = (table.rating + 2).astype(np.float32)
    table["copies"] = rng.integers(0, 4, len(table))
    table["w"] = rng.uniform(0.1, 2.5, len(table)).astype(np.float32)
    table["held"] = rng.random(len(table)) < 0.2
    unknown = pd.DataFrame({"user": [999], "item": [0], "rating": [5.0], "copies": [0], "w": [0.0], "held": [False]})
    types = {"user": np.int32, "item": np.int32, "rating": np.float32, "w": np.float32}
    return pd.concat([table, unknown], ignore_index=True).astype(types)


@pytest.fixture(scope="module")
def weighted(spark, table):
    return spark.createDataFrame(table).cache()


@pytest.fixture(scope="module")
def copies(weighted):
    return weighted.withColumn("copy", F.explode(F.expr("array_repeat(1, int(copies))"))).drop("copy").cache()


def estimator(kind: type, **params: Any) -> Any:
    return kind(**{"rank": 3, "maxIter": 3, "seed": 3, "validationIndicatorCol": "held", **BLOCKS} | params)


def assert_close(one: Any, other: Any, rtol: float = 2e-3) -> None:
    """Fail unless ids, factors, biases and metrics of two models are the same up to rounding."""
    for side in ("userFactors", "itemFactors"):
        mine, theirs = collect_factors(getattr(one, side)), collect_factors(getattr(other, side))
        assert mine.ids == theirs.ids
        np.testing.assert_allclose(mine.factors, theirs.factors, rtol=rtol, atol=rtol * abs(theirs.factors).max())
        if mine.biases is not None and theirs.biases is not None:
            np.testing.assert_allclose(mine.biases, theirs.biases, rtol=rtol, atol=rtol)
    assert one.globalMean == pytest.approx(other.globalMean, rel=1e-6)
    for mine, theirs in zip(one.summary.history, other.summary.history, strict=True):
        assert mine.metrics == pytest.approx(theirs.metrics, rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (ALS, {"engine": "broadcast"}),
        (ALS, {"engine": "ring", "regularization": "mean", "regParam": 0.01}),
        (ALS, {"engine": "ring", "fitBias": True, "regularization": "frequency", "regExponent": 0.5}),
        (ALS, {"engine": "broadcast", "implicitPrefs": True, "alpha": 2.0}),
        (ALS, {"engine": "broadcast", "nonnegative": True}),
        (GD, {"engine": "broadcast", "regularization": "plain", "stepSize": 1.0}),
    ],
)
def test_whole_weights_are_copies(weighted, copies, kind, params):
    assert_close(estimator(kind, weightCol="copies", **params).fit(weighted), estimator(kind, **params).fit(copies))


@pytest.mark.parametrize("engine", ["ring", "stages"])
@pytest.mark.parametrize("regularization", ["weighted", "plain"])
def test_sgd_takes_weighted_steps(weighted, regularization, engine):
    """With the same weight w for all ratings, a step of length s is one of length w·s with "weighted", where a rating
    carries λ, and with "plain" one with λ/w, where the ratings of a row together carry λ."""
    training = weighted.where("w > 0").withColumn("two", F.lit(2.0))
    own = {"regularization": regularization, "engine": engine, "initStd": 0.1}
    one = estimator(SGD, weightCol="two", stepSize=0.01, regParam=0.1, **own).fit(training)
    other = estimator(SGD, stepSize=0.02, regParam=0.1 if regularization == "weighted" else 0.05, **own).fit(training)
    assert_factors_close(one, other)
    assert one.summary.metricHistory("train_rmse") == pytest.approx(other.summary.metricHistory("train_rmse"), rel=1e-5)


def assert_factors_close(one: Any, other: Any) -> None:
    for side in ("userFactors", "itemFactors"):
        mine, theirs = collect_factors(getattr(one, side)), collect_factors(getattr(other, side))
        np.testing.assert_allclose(mine.factors, theirs.factors, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [ALS, SGD])
def test_metrics_and_objective_are_weighted(weighted, table, kind):
    own = {"regularization": "plain", "userRegParam": 0.3, "itemRegParam": 0.2, "biasRegParam": 0.1}
    model = estimator(kind, weightCol="w", fitBias=True, maxIter=4, earlyStoppingPatience=0, **own).fit(weighted)
    predicted = model.transform(weighted.where("w > 0")).toPandas()
    squared = predicted.w * (predicted.rating - predicted.prediction) ** 2
    held = predicted.held
    assert model.globalMean == pytest.approx(np.average(predicted.rating[~held], weights=predicted.w[~held]), rel=1e-6)
    best = model.summary.history[(model.summary.bestIteration or 4) - 1]
    rmse = np.sqrt(squared[held].sum() / predicted.w[held].sum())
    assert best.validation_rmse == pytest.approx(rmse, rel=1e-4)
    if kind is ALS:
        users, items = collect_factors(model.userFactors), collect_factors(model.itemFactors)
        assert users.biases is not None
        assert items.biases is not None
        penalty = 0.3 * (users.factors**2).sum() + 0.2 * (items.factors**2).sum()
        penalty += 0.1 * ((users.biases**2).sum() + (items.biases**2).sum())
        assert best.objective == pytest.approx(squared[~held].sum() + penalty, rel=1e-4)
        assert best.train_rmse == pytest.approx(np.sqrt(squared[~held].sum() / predicted.w[~held].sum()), rel=1e-4)


def test_sgd_comes_to_the_weighted_minimum(weighted):
    """ALS without biases and SGD have the same objective; SGD must come close to its minimum, and the weights count."""
    own = {"regParam": 0.05, "rank": 2, "validationIndicatorCol": None, "engine": "ring", "checkpointInterval": -1}
    als = estimator(ALS, weightCol="w", maxIter=60, **own).fit(weighted)
    unweighted = estimator(ALS, maxIter=60, **own).fit(weighted.where("w > 0"))
    sgd = estimator(SGD, weightCol="w", fitBias=False, maxIter=150, stepSize=0.03, decay=0.98, initStd=0.3, **own).fit(
        weighted
    )
    minimum = als.summary.history[-1].objective
    assert minimum * 0.999 < sgd.summary.history[-1].objective < minimum * 1.05
    assert abs(unweighted.summary.history[-1].objective / minimum - 1) > 0.1


@pytest.mark.parametrize("kind", [ALS, SGD])
def test_every_input_gives_the_same_model(spark, weighted, tmp_path, kind):
    fit = estimator(kind, weightCol="w", validationIndicatorCol=None, maxIter=2)
    expected = fit.fit(weighted)
    laid_out = lay_out_ratings(weighted, weightCol="w", seed=3, **BLOCKS)
    try:
        assert_same_model(fit.fit(laid_out), expected)
    finally:
        laid_out.unpersist()
    layout = "blocks" if kind is ALS else "grid"
    folder = str(tmp_path / "folder")
    arguments: dict[str, Any] = {"userBlocks": 2, "itemBlocks": 2, "layouts": (layout,), "seed": 3}
    written = partition_ratings(weighted, folder, weightCol="w", **arguments)
    assert written.manifest.weighted
    from_folder = fit.fit(PartitionedRatings(spark, folder))
    assert from_folder.summary.metricHistory("objective") == pytest.approx(
        expected.summary.metricHistory("objective"), rel=0.05 if kind is SGD else 1e-6
    )
    # The folder always has its weights.
    assert_same_model(estimator(kind, validationIndicatorCol=None, maxIter=2).fit(written), from_folder)


def test_string_ids_of_rows_without_weight_are_unknown(weighted):
    names = weighted.withColumn("user", F.concat(F.lit("u"), "user"))
    model = estimator(ALS, weightCol="w", engine="broadcast").fit(names)
    assert model.userFactors.where("id = 'u999'").count() == 0
    assert model.summary.users == USERS


def test_the_example_of_decay_with_time(spark):
    """A rating of 180 days before counts a quarter; without regularization, predictions are weighted means."""
    (block,) = re.findall(r"^```python\n(from pyspark.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    days = 86_400
    rows = [(0, 0, 1.0, 200 * days), (0, 0, 4.0, 20 * days), (1, 0, 1.0, 200 * days)]
    ratings = spark.createDataFrame(rows, "user int, item int, rating double, timestamp bigint")
    names: dict[str, Any] = {"ratings": ratings}
    exec(block.replace("rank=8", "rank=1, regParam=0.0, maxIter=1, engine='broadcast'"), names)
    assert [row.weight for row in names["weighted"].collect()] == pytest.approx([1, 0.25, 1])
    predicted = names["decayed"].transform(ratings).toPandas().prediction
    np.testing.assert_allclose(predicted, [1.6, 1.6, 1.0], rtol=1e-4)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ([1.0, -0.5, -1.0], "got 2 with a negative, NaN or infinite weight among 3 rows"),
        ([1.0, float("nan"), float("inf")], "got 2 with a negative, NaN or infinite weight among 3 rows"),
        ([1.0, None, 2.0], "got 1 with a null weight among 3 rows"),
        ([1e300, 1.0, 1.0], "got 1 with a negative, NaN or infinite weight among 3 rows"),
        ([0.0, 0.0, 1e-300], "dataset must have at least one row with a weight > 0, got none."),
    ],
)
def test_unusable_weights_are_refused(spark, weights, sentence):
    rows = [(i, i, 1.0, weight) for i, weight in enumerate(weights)]
    ratings = spark.createDataFrame(rows, "user int, item int, rating double, w double")
    with pytest.raises(ValueError, match=sentence):
        ALS(weightCol="w").fit(ratings)


def test_columns_and_folders_without_weights_are_refused(spark, weighted, tmp_path):
    with pytest.raises(ValueError, match=r"^weightCol must be a column of the dataset, got 'weight'\."):
        ALS(weightCol="weight").fit(weighted)
    with pytest.raises(ValueError, match=r"^weightCol must be a numeric column, got 'held' of type boolean\."):
        SGD(weightCol="held").fit(weighted)
    folder = str(tmp_path / "folder")
    written = partition_ratings(weighted, folder, userBlocks=1, itemBlocks=1)
    with pytest.raises(ValueError, match=r"^weightCol must not be set, as .* was partitioned without weights, got 'w'"):
        ALS(weightCol="w").fit(written)
    laid_out = lay_out_ratings(weighted)
    try:
        with pytest.raises(ValueError, match=r"^weightCol must not be set for ratings .* without weights, got 'w'\."):
            GD(weightCol="w").fit(laid_out)
    finally:
        laid_out.unpersist()


def test_a_checkpoint_of_other_weights_is_not_resumed(weighted, tmp_path):
    als = estimator(ALS, checkpointDir=str(tmp_path), checkpointInterval=1, maxIter=2, engine="broadcast")
    first = als.copy({als.weightCol: "w"}).fit(weighted)
    other = weighted.withColumn("w", F.col("w") * 1.5)
    longer = als.copy({als.weightCol: "w", als.maxIter: 3})
    with pytest.raises(ValueError, match="checkpointDir"):
        longer.fit(other)
    resumed = longer.fit(weighted)
    assert resumed.summary.history[:2] == first.summary.history
