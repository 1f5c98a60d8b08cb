"""Tests of the objective of implicit feedback against the sum over all pairs, and against pyspark's ALS."""

import numpy as np
import pytest
from pyspark.ml.recommendation import ALS as SparkALS

from spark_mf.benchmarks import implicit_objective as module
from spark_mf.benchmarks.implicit_objective import IndexedRatings, implicit_objective, model_factors

N_USERS, N_ITEMS, RANK = 12, 9, 3


@pytest.fixture(scope="module")
def ratings():
    rng = np.random.default_rng(1)
    users, items = np.nonzero(rng.random((N_USERS, N_ITEMS)) < 0.4)
    values = rng.integers(-2, 9, users.size) / 2
    assert (values < 0).any()
    assert (values == 0).any()
    return IndexedRatings.of((5 * users + 2).astype(np.int32), items.astype(np.int32), values.astype(np.float32))


def over_all_pairs(ratings, U, V, alpha, regParam, is_weighted):
    R = np.zeros((len(U), len(V)))
    R[ratings.users, ratings.items] = ratings.ratings
    errors = ((1 + alpha * np.abs(R)) * ((R > 0) - U.astype(float) @ V.T) ** 2).sum()
    n_u, n_i = ((R > 0).sum(1), (R > 0).sum(0)) if is_weighted else (1, 1)
    return errors + regParam * ((n_u * (U**2).sum(1)).sum() + (n_i * (V**2).sum(1)).sum())


@pytest.mark.parametrize("kind", ["weighted", "plain"])
def test_it_is_the_sum_over_all_pairs(ratings, kind, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 7)
    rng = np.random.default_rng(2)
    shapes = (ratings.user_ids.size, RANK), (ratings.item_ids.size, RANK)
    U, V = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    found = implicit_objective(ratings, U, V, {"alpha": 2.5, "regParam": 0.7, "regularization": kind})
    assert found == pytest.approx(over_all_pairs(ratings, U, V, 2.5, 0.7, kind == "weighted"), rel=1e-6)


def test_other_objectives_are_refused(ratings):
    params = {"alpha": 1.0, "regParam": 0.1, "regularization": "mean"}
    with pytest.raises(ValueError, match=r"regularization must be 'weighted' or 'plain', got 'mean'\."):
        implicit_objective(ratings, np.zeros((N_USERS, 1), np.float32), np.zeros((N_ITEMS, 1), np.float32), params)


def test_users_of_pyspark_minimise_it(spark, ratings):
    ids = zip(
        ratings.user_ids[ratings.users].tolist(), ratings.item_ids[ratings.items].tolist(), ratings.ratings.tolist(),
        strict=True,
    )  # fmt: skip
    frame = spark.createDataFrame(list(ids), ["user", "item", "rating"])
    als = SparkALS(rank=RANK, maxIter=2, seed=0, implicitPrefs=True, alpha=2.0, regParam=0.3)
    params, model = {"alpha": 2.0, "regParam": 0.3}, als.fit(frame)
    U, V = model_factors(model.userFactors, ratings.user_ids), model_factors(model.itemFactors, ratings.item_ids)
    step = 0.01 * np.random.default_rng(4).normal(size=U.shape).astype(np.float32)
    lower, least, higher = (implicit_objective(ratings, U + sign * step, V, params) for sign in (-1, 0, 1))
    # pyspark solves for the users last, so there the gradient in their factors is 0.
    assert least < min(lower, higher)
    assert abs(higher - lower) < 1e-2 * (lower + higher - 2 * least)
    with pytest.raises(ValueError, match="must have factors of all 1 ids"):
        model_factors(model.userFactors, ratings.user_ids[:1])
