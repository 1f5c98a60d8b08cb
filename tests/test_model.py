"""Tests of predictions and recommendations, by hand and against pyspark's on the same factors."""

import copy
import math
import pickle

import numpy as np
import pytest
from chispa.schema_comparer import assert_schema_equality
from pyspark.ml import recommendation
from pyspark.serializers import CloudPickleSerializer
from pyspark.sql import functions as F

from spark_mf import ALS, GD, SGD
from spark_mf.kernels import topk
from spark_mf.model import ALSModel
from spark_mf.models.factors import factors_frame


@pytest.fixture(scope="module")
def fitted(spark):
    """A pyspark model of 12 users and 9 items whose ids have gaps."""
    rng = np.random.default_rng(7)
    rows = [(3 * u, 2 * i + 1, float(rng.integers(1, 6))) for u in range(12) for i in range(9) if (u + i) % 3]
    ratings = spark.createDataFrame(rows, "user int, item int, rating float").coalesce(1)
    als = recommendation.ALS(rank=3, maxIter=2, seed=1, numUserBlocks=2, numItemBlocks=2)
    model = als.fit(ratings)
    yield model
    model.userFactors.unpersist()


@pytest.fixture(scope="module")
def ours(spark, fitted):
    model = ALSModel.fromPySpark(fitted)
    # Cached, since every use would run pyspark's lineage again.
    model._userFactors, model._itemFactors = fitted.userFactors.cache(), fitted.itemFactors.cache()
    return model


@pytest.fixture(scope="module")
def hand_made(spark):
    """A model of 3 users × 4 items whose ratings are `RATINGS`."""
    users = np.array([[1, 1], [2, 0], [3, 1]], np.float32)
    items = np.array([[3, 0], [1, 3], [0, 5], [4, 0]], np.float32)
    return ALSModel(
        factors_frame(spark, np.array([0, 1, 2]), users),
        factors_frame(spark, np.array([10, 11, 12, 13]), items),
        2,
    )


#       item 10 11 12 13
RATINGS = [[3, 4, 5, 4], [6, 2, 0, 8], [9, 6, 5, 12]]
BEST_ITEMS = {
    0: [(12, 5), (11, 4), (13, 4), (10, 3)],
    1: [(13, 8), (10, 6), (11, 2), (12, 0)],
    2: [(13, 12), (10, 9), (11, 6), (12, 5)],
}
BEST_USERS = {
    10: [(2, 9), (1, 6), (0, 3)],
    11: [(2, 6), (0, 4), (1, 2)],
    12: [(0, 5), (2, 5), (1, 0)],
    13: [(2, 12), (1, 8), (0, 4)],
}


def pairs(spark, rows, schema="user int, item int"):
    return spark.createDataFrame(rows, schema).coalesce(1)


def recommended(frame):
    return {row[0]: [tuple(pair) for pair in row[1]] for row in frame.collect()}


# Predictions


def test_hand_made_predictions(spark, hand_made):
    rows = [(user, item) for user in range(3) for item in range(10, 14)]
    found = {(r.user, r.item): r.prediction for r in hand_made.transform(pairs(spark, rows)).collect()}
    assert found == {(user, item): RATINGS[user][item - 10] for user, item in rows}


def test_transform_equals_pysparks(spark, fitted, ours):
    rows = [(3 * u, 2 * i + 1, f"{u}-{i}") for u in range(13) for i in range(10)]
    dataset = pairs(spark, rows, "user int, item int, note string")
    theirs, mine = fitted.transform(dataset), ours.transform(dataset)
    assert_schema_equality(mine.schema, theirs.schema)
    expected, found = ({r.note: r for r in frame.collect()} for frame in (theirs, mine))
    assert found.keys() == expected.keys()
    for note, row in expected.items():
        assert (found[note].user, found[note].item) == (row.user, row.item)
        assert found[note].prediction == pytest.approx(row.prediction, rel=1e-5, nan_ok=True)
    assert sum(math.isnan(row.prediction) for row in found.values()) == 12 + 10


def test_cold_rows_are_dropped_on_demand(spark, fitted, ours):
    dataset = pairs(spark, [(0, 1), (0, 999), (999, 1), (3, 3)])
    dropping = ours.copy().setColdStartStrategy("drop")
    assert sorted((r.user, r.item) for r in dropping.transform(dataset).collect()) == [(0, 1), (3, 3)]
    assert_schema_equality(dropping.transform(dataset).schema, fitted.transform(dataset).schema)
    assert ours.getColdStartStrategy() == "nan"


def test_ids_that_are_no_known_whole_number_are_cold(spark, hand_made):
    dataset = pairs(
        spark,
        [(1.0, 13), (1.5, 13), (None, 13), (1e300, 13), (1.0, 2**40), (1.0, None)],
        "user double, item long",
    )
    predictions = [(r.user, r.item, r.prediction) for r in hand_made.transform(dataset).collect()]
    assert len(predictions) == 6
    assert [row for row in predictions if not math.isnan(row[2])] == [(1.0, 13, 8.0)]


def test_64_bit_ids(spark):
    users = factors_frame(spark, np.array([2**40, 7]), np.array([[2], [3]], np.float32))
    items = factors_frame(spark, np.array([1, 2]), np.array([[5], [1]], np.float32))
    model = ALSModel(users, items, rank=1)
    dataset = pairs(spark, [(2**40, 1), (7, 1), (8, 1)], "user long, item int")
    assert {r.user: r.prediction for r in model.transform(dataset).collect() if r.user != 8} == {
        2**40: 10,
        7: 15,
    }
    assert dict(model.recommendForAllUsers(1).dtypes)["user"] == "bigint"
    assert recommended(model.recommendForAllItems(1)) == {1: [(7, 15)], 2: [(7, 3)]}


def test_columns_of_any_name_are_kept(spark, hand_made):
    dataset = pairs(
        spark,
        [(1, 13, "i", "f", 0.5)],
        "`a.user` int, `an item` long, id string, features string, rank double",
    )
    dataset = dataset.select("*", F.lit(1).alias("twice"), F.lit(2).alias("twice"))
    model = hand_made.copy().setUserCol("a.user").setItemCol("an item").setPredictionCol("pre.diction")
    for strategy in ("nan", "drop"):
        result = model.setColdStartStrategy(strategy).transform(dataset)
        assert result.columns == [*dataset.columns, "pre.diction"]
        assert [tuple(row) for row in result.collect()] == [(1, 13, "i", "f", 0.5, 1, 2, 8.0)]


def test_predict_one_pair(hand_made):
    assert hand_made.predict(2, 13) == 12
    assert math.isnan(hand_made.predict(2, 99))


@pytest.mark.parametrize(
    ("schema", "changes", "sentence"),
    [
        ("user int, film int", {}, "itemCol must be a column .* one of 'user', 'film'"),
        ("user string, item int", {}, "userCol must be a column of type int, .*, got 'user' of type string"),
        ("user int, item boolean", {}, "itemCol must be .*, got 'item' of type boolean"),
        ("user int, item int, prediction int", {}, "predictionCol must be a new column, got 'prediction', which .* al"),
        ("user int, item int", {"coldStartStrategy": "zero"}, "coldStartStrategy must be one of .*, got 'zero'"),
        ("user int, item int", {"itemCol": "user"}, "userCol and itemCol must be two .*, got 'user' for both"),
    ],
)
def test_unusable_datasets_are_refused(spark, hand_made, schema, changes, sentence):
    model = hand_made.copy()._set(**changes)
    with pytest.raises(ValueError, match=sentence):
        model.transform(spark.createDataFrame([], schema))


def test_model_without_factors_is_refused(spark):
    with pytest.raises(ValueError, match=r"^this ALSModel must have factors, got none\. Fit a model with ALS, or"):
        ALSModel().transform(pairs(spark, [(1, 1)]))


def test_summary_of_a_model_that_was_not_fitted_here(hand_made):
    assert not hand_made.hasSummary
    with pytest.raises(
        RuntimeError, match=r"^summary must be that of a fit by spark_mf, got an instance of ALSModel without one\."
    ):
        _ = hand_made.summary


# Recommendations


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_hand_made_items_for_users(hand_made, n):
    assert recommended(hand_made.recommendForAllUsers(n)) == {user: best[:n] for user, best in BEST_ITEMS.items()}


@pytest.mark.parametrize("n", [2, 3, 100])
def test_hand_made_users_for_items(hand_made, n):
    assert recommended(hand_made.recommendForAllItems(n)) == {item: best[:n] for item, best in BEST_USERS.items()}


def test_recommendations_carry_the_names_of_the_columns(hand_made):
    renamed = hand_made.copy().setUserCol("a user").setItemCol("i.d")
    types = dict(renamed.recommendForAllItems(1).dtypes)
    assert types == {"i.d": "int", "recommendations": "array<struct<a user:int,rating:float>>"}


def test_subsets_are_distinct_and_known(spark, hand_made):
    subset = pairs(spark, [(2, 13), (0, 13), (2, 10), (99, 99), (None, None)])
    assert recommended(hand_made.recommendForUserSubset(subset, 2)) == {u: BEST_ITEMS[u][:2] for u in (0, 2)}
    assert recommended(hand_made.recommendForItemSubset(subset, 2)) == {i: BEST_USERS[i][:2] for i in (10, 13)}


def test_recommendations_equal_pysparks(fitted, ours):
    for mine, theirs in (
        (ours.recommendForAllUsers(4), fitted.recommendForAllUsers(4)),
        (ours.recommendForAllItems(4), fitted.recommendForAllItems(4)),
    ):
        assert_schema_equality(mine.schema, theirs.schema)
        found, expected = recommended(mine), recommended(theirs)
        assert found.keys() == expected.keys()
        for source, best in expected.items():
            np.testing.assert_allclose([r for _, r in found[source]], [r for _, r in best], rtol=1e-5)
            assert [target for target, _ in found[source]] == [target for target, _ in best]


@pytest.mark.parametrize("block_size", [1, 2, 5, 4096])
def test_recommendations_do_not_depend_on_tiles(monkeypatch, block_size):
    monkeypatch.setattr(topk, "_TILE_ROWS", 1)  # one source row a tile
    sources, targets = np.array([[1, 1], [2, 0], [3, 1]]), np.array([[3, 0], [1, 3], [0, 5], [4, 0]])
    values, indices = topk.topk_products(sources.astype(np.float32), targets.astype(np.float32), 4, block_size)
    assert indices.tolist() == [[item - 10 for item, _ in BEST_ITEMS[user]] for user in range(3)]
    assert values.tolist() == [[rating for _, rating in BEST_ITEMS[user]] for user in range(3)]


def test_scores_that_are_no_number_are_never_recommended(spark):
    users = factors_frame(spark, np.array([1, 2]), np.array([[1, 0], [np.nan, 0]], np.float32))
    items = factors_frame(spark, np.array([5, 6, 7]), np.array([[1, 1], [np.nan, 1], [2, 1]], np.float32))
    assert recommended(ALSModel(users, items, 2).recommendForAllUsers(3)) == {1: [(7, 2), (5, 1)], 2: []}


def test_no_items_at_all(spark, hand_made):
    no_items = factors_frame(spark, np.empty(0, np.int64), np.empty((0, 2), np.float32))
    model = ALSModel(hand_made.userFactors, no_items, 2)
    assert recommended(model.recommendForAllUsers(3)) == {0: [], 1: [], 2: []}


def test_factors_in_few_files_keep_all_cores_busy(hand_made):
    users = hand_made.userFactors.coalesce(1)
    frame = ALSModel(users, hand_made.itemFactors, 2).recommendForAllUsers(4)
    assert frame.rdd.getNumPartitions() == users.sparkSession.sparkContext.defaultParallelism == 2
    assert recommended(frame) == BEST_ITEMS


def test_executors_can_be_freed_between_calls(hand_made):
    frame = hand_made.recommendForAllUsers(1)
    hand_made.unpersist()
    assert recommended(frame) == {user: best[:1] for user, best in BEST_ITEMS.items()}


def test_integers_of_numpy_are_integers(hand_made):
    assert recommended(hand_made.recommendForAllUsers(np.int64(2))) == {u: best[:2] for u, best in BEST_ITEMS.items()}
    assert hand_made.predict(np.int64(2), np.uint8(13)) == 12


@pytest.mark.parametrize("user", [True, None, np.bool_(True), "2", b"2"])
def test_what_is_no_id_is_refused(hand_made, user):
    with pytest.raises(TypeError, match=r"^user must be an id of type int, like the ids that the model was .*, got "):
        hand_made.predict(user, 13)


def test_a_model_is_copied_with_the_factors_shared(hand_made):
    for copied in (copy.deepcopy(hand_made), copy.copy(hand_made), copy.deepcopy([hand_made])[0]):
        assert copied is not hand_made
        assert (copied.uid, copied.userFactors) == (hand_made.uid, hand_made.userFactors)
    copied = copy.deepcopy(hand_made).setPredictionCol("other")
    assert (copied.getPredictionCol(), hand_made.getPredictionCol()) == ("other", "prediction")


@pytest.mark.parametrize("kind", [ALS, GD, SGD])
def test_estimators_are_copied_and_pickled_with_their_params(kind):
    estimator = kind(rank=3, userCol="person")
    for copied in (copy.deepcopy(estimator), pickle.loads(pickle.dumps(estimator))):
        assert type(copied) is kind
        assert copied.extractParamMap() == estimator.extractParamMap()
        assert copied.setRank(4).getRank() == 4
    assert estimator.getRank() == 3


@pytest.mark.parametrize("dumps", [pickle.dumps, CloudPickleSerializer().dumps], ids=["pickle", "cloudpickle"])
def test_a_model_is_not_pickled(hand_made, dumps):
    with pytest.raises((TypeError, pickle.PicklingError)) as raised:
        dumps(hand_made)
    assert str(raised.value).endswith(
        "ALSModel objects cannot be pickled, because their factors belong to a Spark session. Save the model with "
        "save(path) and read it with ALSModel.load(path)."
    )


@pytest.mark.parametrize("n", [0, -1, 2.5, True, np.bool_(True), np.float64(2), "2", None])
def test_unusable_numbers_are_refused(hand_made, n):
    with pytest.raises(ValueError, match=r"^numItems must be an integer >= 1, got .*\.$"):
        hand_made.recommendForAllUsers(n)
    with pytest.raises(ValueError, match=r"^numUsers must be an integer >= 1, got .*\.$"):
        hand_made.recommendForAllItems(n)


def test_unusable_subsets_are_refused(spark, hand_made):
    with pytest.raises(ValueError, match=r"userCol must be a column of the dataset, got 'user'"):
        hand_made.recommendForUserSubset(spark.createDataFrame([], "person int"), 1)
    with pytest.raises(ValueError, match=r"^itemCol must be a column of type int, .*, got 'item' of type string\."):
        hand_made.recommendForItemSubset(spark.createDataFrame([], "item string"), 1)


def test_factors_beyond_the_drivers_limit_are_refused(hand_made):
    # Refused by the numbers, before anything is collected: the factors themselves are only 4 × 2.
    model = ALSModel(hand_made.userFactors, hand_made.itemFactors, rank=2**28)
    with pytest.raises(MemoryError, match=r"must be >= 4,096 MiB for .* of 4 rows at rank 268435456, got .*\. Set it"):
        model.recommendForAllUsers(1)
