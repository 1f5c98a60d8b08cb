"""Tests of warm starts from a saved model."""

from typing import Any

import numpy as np
import pytest

from spark_mf import ALS, GD, SGD, ALSModel, GDModel, SGDModel
from spark_mf.data.generating import generate_ratings
from spark_mf.models.factors import collect_factors


@pytest.fixture(scope="module")
def ratings(spark):
    return generate_ratings(spark, users=60, items=40, ratings=900, seed=2).cache()


def sgd(**params) -> SGD:
    return SGD(**{"rank": 3, "maxIter": 4, "seed": 5, "stepSize": 0.02, "initStd": 0.1} | params)


def als(**params) -> ALS:
    return ALS(**{"rank": 3, "maxIter": 4, "seed": 5} | params)


def gd(**params: Any) -> GD:
    given: dict[str, Any] = {"rank": 3, "maxIter": 2, "seed": 5, "engine": "broadcast"}
    return GD(**given | params)


@pytest.fixture(scope="module")
def saved(ratings, tmp_path_factory):
    """Paths of saved models by name, and the models."""
    folder = tmp_path_factory.mktemp("models")
    models = {"sgd": sgd().fit(ratings), "plain": sgd(fitBias=False).fit(ratings), "als": als().fit(ratings)}
    models["gd"] = gd().fit(ratings)
    for name, model in models.items():
        model.save(str(folder / name))
    return {name: (str(folder / name), model) for name, model in models.items()}


def predictions(model, frame):
    return model.transform(frame).orderBy("user", "item").toPandas()["prediction"].to_numpy()


@pytest.mark.parametrize(
    ("name", "make", "kind"),
    [("sgd", sgd, SGDModel), ("plain", sgd, SGDModel), ("als", als, ALSModel), ("gd", gd, GDModel)],
)
def test_without_iterations_the_model_is_the_one_that_it_starts_from(ratings, saved, name, make, kind):
    path, model = saved[name]
    bias = {"fitBias": False} if name == "plain" else {}
    same = make(initialModel=path, maxIter=0, **bias).fit(ratings)
    assert isinstance(same, kind)
    np.testing.assert_array_equal(predictions(same, ratings), predictions(model, ratings))


def test_goes_on_where_the_model_stopped(ratings, saved):
    """The error of the first epoch continues from that of the saved model, while a new fit starts high."""
    path, model = saved["sgd"]
    more = sgd(initialModel=path, maxIter=1).fit(ratings).summary.metricHistory("train_rmse")[0]
    assert more < model.summary.metricHistory("train_rmse")[-1] < model.summary.metricHistory("train_rmse")[0]


def test_als_and_sgd_start_from_each_other(ratings, saved):
    from_als = sgd(initialModel=saved["als"][0], maxIter=0).fit(ratings)
    assert (from_als.globalMean, from_als.hasBias) == (0.0, True)
    np.testing.assert_allclose(predictions(from_als, ratings), predictions(saved["als"][1], ratings), rtol=1e-6)
    from_sgd = als(initialModel=saved["plain"][0], maxIter=0).fit(ratings)
    np.testing.assert_array_equal(predictions(from_sgd, ratings), predictions(saved["plain"][1], ratings))


def test_new_users_and_items_join_with_fresh_rows(spark, ratings, saved):
    path, model = saved["sgd"]
    more = ratings.union(spark.createDataFrame([(1000, 1, 3.0), (2, 2000, 4.0)], ratings.schema))
    joined, fresh = sgd(initialModel=path, maxIter=0).fit(more), sgd(maxIter=0).fit(more)
    for side, new in (("userFactors", 1000), ("itemFactors", 2000)):
        known = {row.id: row.features for row in getattr(model, side).collect()}
        rows = {row.id: (row.features, row.bias) for row in getattr(joined, side).collect()}
        assert rows.keys() == known.keys() | {new}
        assert all(rows[id][0] == features for id, features in known.items())
        expected = getattr(fresh, side).where(f"id = {new}").first()
        assert rows[new] == (expected.features, 0.0)
    trained = sgd(initialModel=path).fit(more)
    assert np.isfinite(predictions(trained, more)).all()


def test_string_ids_are_found_again(ratings, tmp_path):
    named = ratings.selectExpr("concat('u', user) AS user", "concat('i', item) AS item", "rating")
    model = sgd().fit(named)
    model.save(str(tmp_path / "named"))
    same = sgd(initialModel=str(tmp_path / "named"), maxIter=0).fit(named)
    assert collect_factors(same.userFactors).ids.equals(collect_factors(model.userFactors).ids)
    np.testing.assert_array_equal(predictions(same, named), predictions(model, named))
    with pytest.raises(
        ValueError, match=r"^ids of users must be strings, as in initialModel='.*', got integers\. Cast"
    ):
        sgd(initialModel=str(tmp_path / "named")).fit(ratings)


@pytest.mark.parametrize(
    ("estimator", "name", "sentence"),
    [
        (
            sgd(rank=4),
            "sgd",
            r"^rank must be 3, the rank of initialModel='.*', got 4\. Use that rank, or another model",
        ),
        (als(rank=4), "als", r"^rank must be 3, the rank of initialModel='.*', got 4\."),
        (
            sgd(fitBias=False),
            "sgd",
            r"^fitBias must be True for initialModel='.*', which has biases, got False\. Set fi",
        ),
    ],
)
def test_models_that_do_not_fit_are_refused(ratings, saved, estimator, name, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimator.setInitialModel(saved[name][0]).fit(ratings)


def test_a_path_without_model_is_refused(ratings, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^path must exist, got '.*nowhere'\. Use a path that save"):
        sgd(initialModel=str(tmp_path / "nowhere")).fit(ratings)
    sgd().save(str(tmp_path / "estimator"))
    with pytest.raises(
        ValueError, match=r"^path must hold a .*ALSModel, got '.*estimator' with a spark_mf\.sgd\.SGD\."
    ):
        sgd(initialModel=str(tmp_path / "estimator")).fit(ratings)
