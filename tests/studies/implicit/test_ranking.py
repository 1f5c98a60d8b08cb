"""Tests of ranking metrics and of the measurement of models of both packages."""

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.evaluation import RankingEvaluator

from spark_mf import ALS
from spark_mf.benchmarks.environment import provenance
from spark_mf.studies.data import load_data
from spark_mf.studies.fits import Fits
from spark_mf.studies.implicit import ranking, study
from spark_mf.studies.implicit.ranking import PlainFactors, RankingTest, recall_and_ndcg
from spark_mf.studies.implicit.selected import SELECTED_RATINGS
from spark_mf.studies.settings import ExperimentSettings
from spark_mf.textbook import ALS as TextbookALS
from spark_mf.textbook import Ratings


def test_metrics_of_a_list_by_hand():
    # Without items 0 and 5, the order is 1, 2, 3, 4; of the relevant items 2, 4 and 6, the second place has a hit.
    scores = np.array([9.0, 4.0, 3.0, 2.0, 1.0, 9.0, 0.5])
    recall, ndcg = recall_and_ndcg(scores, np.array([0, 5]), np.array([2, 4, 6]), k=3)
    assert recall == pytest.approx(1 / 3)
    assert ndcg == pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3) + 1 / 2))
    assert recall_and_ndcg(scores, np.array([0, 5]), np.array([1]), k=3) == (1, 1)
    assert scores[0] == 9.0


def test_ndcg_is_that_of_pyspark(spark):
    rng = np.random.default_rng(0)
    rows, ours = [], []
    for _ in range(20):
        scores, items = rng.random(30), rng.permutation(30)
        seen, relevant = items[:8], items[8 : 8 + rng.integers(1, 15)]
        ours.append(recall_and_ndcg(scores, seen, relevant)[1])
        unseen = np.where(np.isin(np.arange(30), seen), -1, scores)
        rows.append((np.argsort(-unseen)[:22].astype(float).tolist(), relevant.astype(float).tolist()))
    frame = spark.createDataFrame(rows, "prediction array<double>, label array<double>")
    assert RankingEvaluator(metricName="ndcgAtK", k=10).evaluate(frame) == pytest.approx(np.mean(ours), abs=1e-12)


@pytest.fixture
def two_users():
    """User 0 rated items 0 and 1, and user 1 item 2; held out are items 2 and 3 of user 0 and item 0 of user 1."""
    R = np.array([[4.0, 2.0, 3.0, 1.0], [5.0, 0.0, 3.0, 0.0]])
    return Ratings.from_matrix(
        R, np.array([[1, 1, 0, 0], [0, 0, 1, 0]]) > 0, np.array([[0, 0, 1, 1], [1, 0, 0, 0]]) > 0
    )


def model_with(U, V):
    """A model of the textbook with given factors, of no iterations."""
    ratings = Ratings.from_matrix(np.ones((len(U), len(V))), np.ones((len(U), len(V)), bool))
    return TextbookALS(rank=U.shape[1], maxIter=0).fit(ratings, initial=(U, V))


def measured(ratings, model):
    table = pd.DataFrame(ratings.to_columns())
    held_out = table.pop("held_out")
    return RankingTest(table[~held_out], table[held_out], 3.0), model


def test_liked_held_out_items_are_relevant(two_users):
    # For both users, the order of the scores is 3, 1, 2, 0. Item 3 of user 0 is not liked, and item 1 was seen, so
    # item 2 has the second place; for user 1, item 0 is third after 3 and 1.
    test, model = measured(two_users, model_with(np.ones((2, 1)), np.array([[1.0], [3.0], [2.0], [4.0]])))
    found = test.measure(model)
    assert found["ranked_users"] == 2
    assert found["recall"] == 1
    assert found["ndcg"] == pytest.approx((1 / np.log2(3) + 1 / 2) / 2)
    # Items 0, 1 and 2 have one training rating each, and item 3 none: item 2 is first and item 0 is first.
    assert found["popular_ndcg"] == 1


def test_scores_on_another_scale_are_calibrated_with_the_training_ratings(two_users):
    # Training scores of 1, 0 and 0.5 for ratings of 4, 2 and 3: a = 2 and b = 2 fit without error.
    test, model = measured(two_users, model_with(np.ones((2, 1)), np.array([[1.0], [0.0], [0.5], [0.0]])))
    # Predictions of 3, 2 and 4 for the held-out 3, 1 and 5.
    assert test.calibrated_rmse(model) == pytest.approx(np.sqrt(2 / 3))


@pytest.fixture
def on_spark(spark):
    """The study on Spark, with small settings."""
    settings = ExperimentSettings(
        name="implicit", on="spark", rank=2, iterations=2, epochs=2, lambdas=(0.001,), alphas=(2.0,),
        unobserved_weights=(0.1,),
    )  # fmt: skip
    return Fits(settings=settings, data=load_data(settings, spark, SELECTED_RATINGS), where=provenance(spark))


def test_models_on_spark_are_measured_with_the_same_ratings(on_spark, monkeypatch):
    """A model with biases on Spark has the metrics of a model of the textbook with the same parameters."""
    test, in_memory = (
        RankingTest.of(on_spark.data),
        RankingTest.of(load_data(ExperimentSettings(), None, SELECTED_RATINGS)),
    )
    for found, expected in ((test.train, in_memory.train), (test.test, in_memory.test)):
        order = found.sort_values(["user", "item"]).reset_index(drop=True).astype(float)
        pd.testing.assert_frame_equal(order, expected.reset_index(drop=True).astype(float))
    model = ALS(rank=2, maxIter=2, seed=0, fitBias=True, validationIndicatorCol="held_out").fit(on_spark.data.ratings)
    factors = PlainFactors.of(model)
    same = model_with(factors.U, factors.V)
    assert test.measure(model) == pytest.approx(in_memory.measure(same))
    assert test.calibrated_rmse(model) == pytest.approx(in_memory.calibrated_rmse(same))
    predicted = model.transform(on_spark.data.split.test).toPandas()
    scores = np.einsum("nk,nk->n", factors.U[predicted.user], factors.V[predicted.item])
    np.testing.assert_allclose(scores, predicted.prediction, rtol=1e-5)
    # A sample consists of every n-th user with held-out ratings.
    monkeypatch.setattr(ranking, "MOST_USERS", 100)
    sampled = RankingTest.of(on_spark.data).test.user.unique()
    assert sorted(sampled) == sorted(in_memory.test.user.unique())[::3]


def test_every_family_is_fitted_on_spark(on_spark):
    rows = list(study.run(on_spark))
    assert [row.family for row in rows] == ["SGD with biases", "ALS", "ALS with biases", "implicit ALS", "iALS"]
    assert [row.error for row in rows] == [None] * 5
    assert study.rank_correlation(rows) < 1
    assert "iALS: spark_mf.ALS, rank 2" in study.given(rows)
