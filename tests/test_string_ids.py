"""Tests of string ids from fit to recommendations: the model is that of integer ids."""

import math

import pytest
from pyspark.sql import functions as F

from spark_mf import ALS, ALSModel
from spark_mf.data.generating import generate_ratings

NAMES = {"user": "Ann {} 😀", "item": "№ {}"}


@pytest.fixture(scope="module")
def numbered(spark):
    return generate_ratings(spark, users=40, items=30, ratings=500, seed=2).withColumn("held", F.expr("user % 9 = 1"))


@pytest.fixture(scope="module")
def named(numbered):
    columns = [F.format_string(NAMES[side].replace("{}", "%d"), F.col(side)).alias(side) for side in NAMES]
    return numbered.select(*columns, "rating", "held").cache()


def als(**params) -> ALS:
    given = {"rank": 2, "maxIter": 2, "regParam": 0.1, "seed": 3, "validationIndicatorCol": "held"}
    return ALS(**{**given, "engine": "broadcast", **params})  # joining a ring takes a second


@pytest.fixture(scope="module")
def model(named):
    return als().fit(named)


def test_the_model_is_that_of_integers(named, model):
    """Integers in the same order, which decides the initial factors, give the same factors to the last bit."""
    of_integers = named.withColumns({side: F.xxhash64(F.lit(0), side) for side in NAMES})
    other = als().fit(of_integers)
    for name in ("users", "items", "ratings", "validationRatings", "coldValidationRatings"):
        assert getattr(model.summary, name) == getattr(other.summary, name)
    assert model.summary.metricHistory("objective") == other.summary.metricHistory("objective")
    ids = named.select("user", F.xxhash64(F.lit(0), "user").alias("key")).distinct()
    both = model.userFactors.join(ids, F.col("id") == F.col("user")).alias("mine")
    same = both.join(other.userFactors.alias("theirs"), F.col("key") == F.col("theirs.id"))
    assert same.where("mine.features = theirs.features").count() == model.summary.users


def test_factors_have_the_ids_of_the_data(named, model):
    trained = named.where("NOT held")
    for factors, side in ((model.userFactors, "user"), (model.itemFactors, "item")):
        assert factors.dtypes == [("id", "string"), ("features", "array<float>")]
        assert {r.id for r in factors.collect()} == {r[0] for r in trained.select(side).distinct().collect()}


def test_predictions_and_recommendations_have_them_too(spark, model):
    user, item = model.userFactors.first().id, model.itemFactors.first().id
    dataset = spark.createDataFrame([(user, item), (user, "unknown"), (None, item)], "user string, item string")
    known, *unknown = (row.prediction for row in model.transform(dataset).coalesce(1).collect())
    assert known == pytest.approx(model.predict(user, item))
    assert all(map(math.isnan, unknown))
    best = model.recommendForUserSubset(dataset, 3).collect()
    assert [row.user for row in best] == [user]
    for pair in best[0].recommendations:
        assert pair.rating == pytest.approx(model.predict(user, pair.item), rel=1e-5)
    everything = model.recommendForAllItems(2)
    assert everything.dtypes[1] == ("recommendations", "array<struct<user:string,rating:float>>")
    assert everything.count() == model.summary.items


def test_equal_scores_are_ordered_by_id(spark):
    users = spark.createDataFrame([("u", [1.0])], "id string, features array<float>")
    items = spark.createDataFrame([(name, [2.0]) for name in ("b", "ä", "B", "a")], "id string, features array<float>")
    (row,) = ALSModel(users, items, 1).recommendForAllUsers(4).collect()
    assert [pair.item for pair in row.recommendations] == ["B", "a", "b", "ä"]


def test_a_saved_model_keeps_them(model, tmp_path):
    model.save(str(tmp_path / "model"))
    loaded = ALSModel.load(str(tmp_path / "model"))
    user, item = model.userFactors.first().id, model.itemFactors.first().id
    assert loaded.predict(user, item) == pytest.approx(model.predict(user, item))
    assert loaded.userFactors.dtypes == model.userFactors.dtypes


def test_one_side_may_be_strings_and_the_other_integers(named):
    mixed = named.withColumn("item", F.crc32("item"))
    model = als(maxIter=1).fit(mixed)
    assert [dict(f.dtypes)["id"] for f in (model.userFactors, model.itemFactors)] == ["string", "bigint"]


def test_a_null_id_is_counted_and_refused(named):
    broken = named.withColumn("user", F.when(F.col("item") != named.first().item, F.col("user")))
    missing = broken.where("user IS NULL").count()
    with pytest.raises(ValueError, match=f"got {missing} with a null or non-integer user id among 500 rows"):
        als().fit(broken)


def test_ids_of_the_other_kind_are_refused(spark, model, numbered):
    with pytest.raises(
        ValueError, match=r"^userCol must be a column of type string, .*, got 'user' of type int\. Cast the column"
    ):
        model.transform(numbered)
    with pytest.raises(ValueError, match=r"^itemCol must be a column of type string, .*, got 'item' of type int"):
        model.recommendForItemSubset(numbered, 1)
    with pytest.raises(TypeError, match=r"^user must be an id of type string, .*, got 3 of type int\.$"):
        model.predict(3, "x")
    of_integers = als(maxIter=0).fit(numbered)
    with pytest.raises(TypeError, match=r"^item must be an id of type int, .*, got '7' of type str\.$"):
        of_integers.predict(3, "7")
