"""Tests of models with biases and a global mean: predictions, clipping, recommendations and `asPlain`."""

import math

import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_mf.model import ALSModel, FactorModel, SGDModel
from spark_mf.models.factors import collect_factors, factors_frame

MEAN = 3.5
USER_FACTORS, USER_BIASES = [[1, 1], [2, 0], [3, 1]], [0.5, -1, 0]
ITEM_FACTORS, ITEM_BIASES = [[3, 0], [1, 3], [0, 5], [4, 0]], [-0.25, -5, 2, 0.75]
# The dot products are [3 4 5 4], [6 2 0 8] and [9 6 5 12], so the biases change the order of every row.
#             item 10     11    12     13
PREDICTIONS = [[6.75, 3.00, 11.0, 8.75], [8.25, -0.5, 4.50, 11.25], [12.25, 4.50, 10.5, 16.25]]
BEST_ITEMS = {
    0: [(12, 11), (13, 8.75), (10, 6.75), (11, 3)],
    1: [(13, 11.25), (10, 8.25), (12, 4.5), (11, -0.5)],
    2: [(13, 16.25), (10, 12.25), (12, 10.5), (11, 4.5)],
}
BEST_USERS = {
    10: [(2, 12.25), (1, 8.25), (0, 6.75)],
    11: [(2, 4.5), (0, 3), (1, -0.5)],
    12: [(0, 11), (2, 10.5), (1, 4.5)],
    13: [(2, 16.25), (1, 11.25), (0, 8.75)],
}
PAIRS = [(user, item) for user in range(3) for item in range(10, 14)]


def frame(spark, ids, factors, biases=None):
    rows = np.array(factors, np.float32)
    return factors_frame(spark, np.array(ids), rows, None if biases is None else np.array(biases, np.float32))


@pytest.fixture(scope="module")
def model(spark):
    users = frame(spark, [0, 1, 2], USER_FACTORS, USER_BIASES)
    items = frame(spark, [10, 11, 12, 13], ITEM_FACTORS, ITEM_BIASES)
    return SGDModel(users, items, 2, globalMean=MEAN, ratingRange=(1, 10))


@pytest.fixture(scope="module")
def clipping(model):
    return model.copy().setClipPredictions(True)


def predictions(model, rows, schema="user int, item int"):
    dataset = model.userFactors.sparkSession.createDataFrame(rows, schema).coalesce(1)
    return {(row.user, row.item): row.prediction for row in model.transform(dataset).collect()}


def recommended(frame):
    return {row[0]: [tuple(pair) for pair in row[1]] for row in frame.collect()}


def test_what_the_model_says_of_itself(model):
    assert (model.rank, model.hasBias, model.globalMean, model.ratingRange) == (2, True, 3.5, (1, 10))
    assert isinstance(model, FactorModel)
    assert not model.hasSummary
    assert not model.getClipPredictions()


# Predictions


def test_predictions_are_mean_and_biases_and_dot_product(model):
    assert predictions(model, PAIRS) == {(user, item): PREDICTIONS[user][item - 10] for user, item in PAIRS}
    assert [model.predict(user, 11) for user in range(3)] == [3, -0.5, 4.5]
    assert dict(model.transform(model.userFactors.selectExpr("id user", "id item")).dtypes)["prediction"] == "float"


def test_mean_without_biases(spark):
    model = SGDModel(frame(spark, [0, 1], [[2], [-1]]), frame(spark, [5], [[3]]), 1, globalMean=0.25)
    assert not model.hasBias
    assert predictions(model, [(0, 5), (1, 5)]) == {(0, 5): 6.25, (1, 5): -2.75}
    assert recommended(model.recommendForAllItems(2)) == {5: [(0, 6.25), (1, -2.75)]}


def test_unknown_users_and_items_are_cold_although_a_mean_is_known(model, clipping):
    for each in (model, clipping):
        found = predictions(each, [(1, 12), (1, 99), (99, 12), (99, 99)])
        assert found.pop((1, 12)) == 4.5
        assert all(map(math.isnan, found.values()))
        assert math.isnan(each.predict(1, 99))
        dropping = each.copy().setColdStartStrategy("drop")
        assert predictions(dropping, [(1, 12), (1, 99), (99, 12)]) == {(1, 12): 4.5}


def test_clipped_predictions(clipping):
    expected = {(user, item): min(max(PREDICTIONS[user][item - 10], 1), 10) for user, item in PAIRS}
    assert set(expected.values()) >= {1, 10, 4.5}
    assert predictions(clipping, PAIRS) == expected
    assert [clipping.predict(1, 11), clipping.predict(2, 13), clipping.predict(0, 10)] == [1, 10, 6.75]


def test_a_prediction_that_is_no_number_is_not_clipped_to_one(spark):
    users = frame(spark, [0, 1], [[math.nan], [1]], [0, math.nan])
    items = frame(spark, [5], [[3]], [0])
    model = SGDModel(users, items, 1, ratingRange=(1, 5)).setClipPredictions(True)
    assert all(map(math.isnan, predictions(model, [(0, 5), (1, 5)]).values()))
    assert recommended(model.recommendForAllItems(2)) == {5: []}


def test_clipping_without_a_range_is_refused(spark, model):
    unbounded = SGDModel(model.userFactors, model.itemFactors, 2).setClipPredictions(True)
    dataset = spark.createDataFrame([(1, 10)], "user int, item int")
    for ask in (
        lambda: unbounded.transform(dataset),
        lambda: unbounded.predict(1, 10),
        lambda: unbounded.recommendForAllUsers(1),
        lambda: unbounded.recommendForItemSubset(dataset, 1),
    ):
        with pytest.raises(ValueError, match=r"^clipPredictions must be False for a SGDModel without ratingRange, got"):
            ask()


# Recommendations


@pytest.mark.parametrize("n", [1, 3, 9])
def test_recommendations_follow_the_biases(model, n):
    assert recommended(model.recommendForAllUsers(n)) == {user: best[:n] for user, best in BEST_ITEMS.items()}
    assert recommended(model.recommendForAllItems(n)) == {item: best[:n] for item, best in BEST_USERS.items()}


def test_recommendations_for_some(spark, model):
    subset = spark.createDataFrame([(2, 13), (0, 11), (2, 99)], "user int, item int")
    assert recommended(model.recommendForUserSubset(subset, 2)) == {u: BEST_ITEMS[u][:2] for u in (0, 2)}
    assert recommended(model.recommendForItemSubset(subset, 2)) == {i: BEST_USERS[i][:2] for i in (11, 13)}


def test_clipping_changes_what_is_shown_but_not_the_order(clipping):
    def clipped(best):
        return {source: [(target, min(max(r, 1), 10)) for target, r in row] for source, row in best.items()}

    assert recommended(clipping.recommendForAllUsers(4)) == clipped(BEST_ITEMS)
    assert recommended(clipping.recommendForAllItems(3)) == clipped(BEST_USERS)


@pytest.mark.parametrize("block_size", [1, 7, 4096])
def test_recommendations_equal_brute_force(spark, block_size):
    rng = np.random.default_rng(11)
    U, V = rng.normal(size=(30, 5)).astype(np.float32), rng.normal(size=(23, 5)).astype(np.float32)
    b_u, b_i = (3 * rng.normal(size=n).astype(np.float32) for n in (30, 23))
    users, items = frame(spark, range(30), U, b_u), frame(spark, range(23), V, b_i)
    model = SGDModel(users, items, 5, globalMean=-2.0).setBlockSize(block_size)
    scores = U.astype(np.float64) @ V.T - 2 + b_u[:, None] + b_i
    for found, table in ((model.recommendForAllUsers(6), scores), (model.recommendForAllItems(6), scores.T)):
        rows = recommended(found)
        assert len(rows) == len(table)
        for source, best in rows.items():
            assert [target for target, _ in best] == np.argsort(-table[source])[:6].tolist()
            np.testing.assert_allclose([r for _, r in best], np.sort(table[source])[::-1][:6], rtol=1e-5, atol=1e-5)


def test_string_ids(spark, model):
    users = model.userFactors.withColumn("id", F.format_string("u%d", "id"))
    items = model.itemFactors.withColumn("id", F.format_string("i%d", "id"))
    named = SGDModel(users, items, 2, globalMean=MEAN)
    assert named.predict("u1", "i13") == 11.25
    dataset = spark.createDataFrame([("u1", "i11"), ("x", "i11")], "user string, item string")
    assert predictions(named, [("u1", "i11")], dataset.schema) == {("u1", "i11"): -0.5}
    assert recommended(named.recommendForUserSubset(dataset, 2)) == {"u1": [("i13", 11.25), ("i10", 8.25)]}
    assert recommended(named.recommendForItemSubset(dataset, 2)) == {"i11": [("u2", 4.5), ("u0", 3)]}
    assert recommended(named.recommendForAllItems(1))["i12"] == [("u0", 11)]
    assert recommended(named.recommendForAllUsers(1))["u0"] == [("i12", 11)]


# The plain model


def test_dot_products_of_the_plain_model_are_the_predictions(model, clipping):
    plain = model.asPlain()
    assert type(plain) is ALSModel
    assert (plain.rank, plain.hasBias, plain.globalMean) == (4, False, 0)
    users, items = collect_factors(plain.userFactors), collect_factors(plain.itemFactors)
    assert users.factors.tolist() == [[1, 1, 4, 1], [2, 0, 2.5, 1], [3, 1, 3.5, 1]]
    assert items.factors.tolist() == [[3, 0, 1, -0.25], [1, 3, 1, -5], [0, 5, 1, 2], [4, 0, 1, 0.75]]
    assert (users.factors @ items.factors.T).tolist() == PREDICTIONS
    assert plain.userFactors.dtypes == [("id", "int"), ("features", "array<float>")]
    for biased in (model, clipping):
        assert predictions(biased.asPlain(), [*PAIRS]) == predictions(biased, PAIRS)
        best = biased.asPlain().recommendForAllUsers(4)
        assert recommended(best) == recommended(biased.recommendForAllUsers(4))


def test_plain_model_keeps_the_params(clipping):
    plain = clipping.copy().setPredictionCol("guess").setUserCol("person").asPlain()
    assert (plain.getPredictionCol(), plain.getUserCol(), plain.getClipPredictions()) == ("guess", "person", True)
    assert plain.ratingRange == (1, 10)


def test_mean_alone_becomes_a_factor_too(spark):
    model = SGDModel(frame(spark, [0, 1], [[2], [-1]]), frame(spark, [5], [[3]]), 1, globalMean=0.25)
    assert predictions(model.asPlain(), [(0, 5), (1, 5)]) == {(0, 5): 6.25, (1, 5): -2.75}


@pytest.mark.parametrize("cls", [ALSModel, SGDModel])
def test_a_model_without_biases_is_plain_already(spark, cls):
    users, items = frame(spark, [0], [[2, 1]]), frame(spark, [5], [[3, 4]])
    plain = cls(users, items, 2).asPlain()
    assert type(plain) is ALSModel
    assert (plain.rank, plain.userFactors, plain.itemFactors) == (2, users, items)


# What is no model


def test_biases_on_one_side_are_refused(spark, model):
    with pytest.raises(ValueError, match=r"both have none, got the columns id, features, bias and id, features\.$"):
        SGDModel(model.userFactors, model.itemFactors.drop("bias"), 2)


@pytest.mark.parametrize("mean", [math.nan, math.inf])
def test_a_mean_that_is_no_number_is_refused(mean):
    with pytest.raises(ValueError, match=rf"^globalMean must be finite, got {mean}\.$"):
        SGDModel(globalMean=mean)


@pytest.mark.parametrize("bounds", [(5, 1), (1, math.inf), (math.nan, 5), (1,), (1, 2, 3)])
def test_a_range_that_is_none_is_refused(bounds):
    with pytest.raises(ValueError, match=r"^ratingRange must be \(low, high\), two finite .*, got \(.*\)\.$"):
        SGDModel(ratingRange=bounds)


def test_model_without_factors_names_its_estimator():
    with pytest.raises(ValueError, match=r"^this SGDModel must have factors, got none\. Fit a model with SGD, or lo"):
        SGDModel().recommendForAllUsers(1)
