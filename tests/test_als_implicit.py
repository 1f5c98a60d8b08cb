"""Tests of ALS for implicit feedback and of ALS with nonnegative factors, against pyspark's ALS and dense NumPy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.recommendation import ALS as SparkALS

from spark_mf import ALS, GD, ALSModel
from spark_mf.blocks.csr import RatingBlock
from spark_mf.exchange.half_step import HalfStepTask, solve_block
from spark_mf.exchange.stopping import StoppingRules
from spark_mf.kernels.linalg.gram import gram_matrix
from spark_mf.models.factors import factors_arrays
from spark_mf.objectives.base import Objective
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.implicit import GramSums, ImplicitObjective, recall
from spark_mf.objectives.regularization import Regularization
from spark_mf.ratings.layout import LaidOutBlock
from spark_mf.solvers.base import RowSolver
from spark_mf.solvers.cholesky import CholeskySolver
from spark_mf.solvers.nnls import NNLSSolver
from tests.low_rank import low_rank
from tests.same_model import assert_same_model

USERS, ITEMS = 60, 40


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Counts, with some zeros and negative values."""
    table = low_rank(USERS, ITEMS, 3, observed=0.4)
    rng = np.random.default_rng(3)
    values = rng.poisson(2, len(table)) - (rng.random(len(table)) < 0.15)
    return table.assign(rating=values.astype(np.float32), held_out=rng.random(len(table)) < 0.2)


@pytest.fixture(scope="module")
def counts(spark, table):
    return spark.createDataFrame(table).cache()


def small(**params: Any) -> ALS:
    given: dict[str, Any] = {"rank": 3, "maxIter": 4, "regParam": 0.1, "seed": 7, "engine": "broadcast"}
    return ALS(**given | {"numUserBlocks": 2, "numItemBlocks": 2} | params)


def user_half_step(table: pd.DataFrame, items: np.ndarray, objective: Objective, solver: RowSolver) -> np.ndarray:
    order = np.argsort(table.user.to_numpy(), kind="stable")
    rows = np.arange(USERS, dtype=np.int32)
    block = RatingBlock.from_triples(
        rows, table.user.to_numpy()[order], table.item.to_numpy()[order], table.rating.to_numpy()[order]
    )
    empty = np.empty(0, np.int32)
    nothing = RatingBlock.from_triples(rows, empty, empty, np.empty(0, np.float32))
    task = HalfStepTask("ALS", items.shape[1], objective, solver, StoppingRules(max_iterations=1))
    sums = GramSums(gram_matrix(items))
    return solve_block(LaidOutBlock(0, block, nothing), "user", items, sums, None, task, None).factors


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
@pytest.mark.parametrize("nonnegative", [False, True], ids=["any sign", "nonnegative"])
def test_user_half_step_from_pysparks_items_gives_pysparks_users(counts, table, implicit, nonnegative):
    """pyspark solves users last. Negative and zero ratings count as they do there."""
    theirs = SparkALS(
        rank=5, maxIter=3, regParam=0.05, alpha=1.5, seed=1, implicitPrefs=implicit, nonnegative=nonnegative
    ).fit(counts)
    items, expected = (factors_arrays(side)[1] for side in (theirs.itemFactors, theirs.userFactors))
    regularization = Regularization.equal(0.05, "weighted", len(table))
    objective: Objective = (
        ImplicitObjective(regularization, alpha=1.5, nonnegative=nonnegative)
        if implicit
        else ExplicitObjective(regularization, nonnegative=nonnegative)
    )
    found = user_half_step(table, items, objective, NNLSSolver() if nonnegative else CholeskySolver())
    largest = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1e-6)
    assert (np.abs(found - expected) / largest).max() < (1e-4 if nonnegative else 1e-5)
    assert np.abs(expected).max() > 0.1
    if nonnegative:
        assert (expected == 0).any()


def full_objective(table: pd.DataFrame, model: ALSModel, alpha: float, weight: float | None) -> float:
    """The objective over all pairs by its definition, without the penalty."""
    (_, users), (_, items) = factors_arrays(model.userFactors), factors_arrays(model.itemFactors)
    scores = users.astype(np.float64) @ items.T.astype(np.float64)
    ratings = np.zeros((USERS, ITEMS))
    ratings[table.user, table.item] = table.rating
    if weight is not None:
        return float((((1 - scores) ** 2)[ratings > 0]).sum() + weight * (scores**2).sum())
    return float(((1 + alpha * np.abs(ratings)) * ((ratings > 0) - scores) ** 2).sum())


@pytest.mark.parametrize("engine", ["ring", "broadcast"])
@pytest.mark.parametrize(
    "params",
    [
        {"alpha": 2.0},
        {"alpha": 2.0, "solver": "cg", "innerSteps": 2, "regularization": "plain"},
        {"alpha": 0.5, "nonnegative": True, "regularization": "mean", "regParam": 0.001},
        {"unobservedWeight": 0.3, "regularization": "frequency", "regExponent": 0.5, "itemRegParam": 0.2},
    ],
    ids=["pyspark", "cg", "nonnegative", "ials"],
)
def test_the_history_has_the_full_objective(counts, table, engine, params):
    als = small(implicitPrefs=True, engine=engine, **params)
    model = als.fit(counts)
    weight = als.getUnobservedWeight()
    total = full_objective(table, model, als.getAlpha(), weight)
    positive = table[table.rating > 0]
    for name, side, n_rows, n_other, lam in (
        ("user", model.userFactors, USERS, ITEMS, als.getUserRegParam()),
        ("item", model.itemFactors, ITEMS, USERS, als.getItemRegParam()),
    ):
        n = np.bincount(positive[name], minlength=n_rows)
        more = (1.0 if weight is None else weight) * n_other
        weights = {
            "weighted": n,
            "plain": np.ones(n_rows),
            "mean": np.full(n_rows, len(table)),
            "frequency": (n + more) ** als.getRegExponent(),
        }[als.getRegularization()]
        total += lam * float(weights @ (factors_arrays(side)[1].astype(np.float64) ** 2).sum(axis=1))
    if als.getRegularization() == "mean":
        total /= len(table)
    history = model.summary.metricHistory("objective")
    assert history[-1] == pytest.approx(total, rel=1e-4)
    if als.getSolver() == "cholesky":
        assert np.all(np.diff(np.array(history, float)) <= 1e-6 * total)
    assert model.summary.metricHistory("train_rmse") == [None] * 4


def test_nonnegative_factors_are_nonnegative(counts):
    model = small(implicitPrefs=True, nonnegative=True).fit(counts)
    for side in (model.userFactors, model.itemFactors):
        factors = factors_arrays(side)[1]
        assert (factors >= 0).all()
        assert (factors == 0).any()
        assert (factors > 0).any()
    assert model.summary.solver == "nnls"


def test_nonnegative_factors_of_no_iteration_are_nonnegative(counts):
    model = small(nonnegative=True, maxIter=0).fit(counts)
    assert all((factors_arrays(side)[1] >= 0).all() for side in (model.userFactors, model.itemFactors))


def test_nonnegative_fits_reach_the_objective_of_pyspark(spark):
    """From nonnegative initial users, it would be more than 20 % higher after 5 iterations."""
    rng = np.random.default_rng(0)
    users, items = rng.standard_normal((80, 4)), rng.standard_normal((50, 4))
    full = np.clip(3.5 + 0.3 * users @ items.T + rng.normal(0, 0.2, (80, 50)), 0.5, 5)
    rows = np.argwhere(rng.random(full.shape) < 0.4)
    table = pd.DataFrame({"user": rows[:, 0], "item": rows[:, 1], "rating": full[tuple(rows.T)]}).astype(
        {"user": np.int32, "item": np.int32, "rating": np.float32}
    )
    ratings = spark.createDataFrame(table).cache()
    params: dict[str, Any] = {"rank": 8, "maxIter": 5, "regParam": 0.05, "seed": 1}

    def objective(model):
        (_, u), (_, v) = (factors_arrays(side) for side in (model.userFactors, model.itemFactors))
        errors = table.rating - (u[table.user] * v[table.item]).sum(axis=1)
        norms = (u[table.user] ** 2).sum() + (v[table.item] ** 2).sum()
        return (errors**2).sum() + 0.05 * norms

    ours = objective(small(nonnegative=True, **params).fit(ratings))
    theirs = objective(SparkALS(nonnegative=True, **params).fit(ratings))
    assert ours < 1.1 * theirs


def test_a_nonnegative_matrix_is_recovered(spark):
    rng = np.random.default_rng(0)
    users, items = (rng.random((n, 2)) * (rng.random((n, 2)) < 0.7) for n in (40, 30))
    observed = np.argwhere(rng.random((40, 30)) < 0.6)
    full = users @ items.T
    rows = [(int(u), int(i), float(full[u, i])) for u, i in observed]
    model = small(rank=2, maxIter=60, regParam=1e-6, nonnegative=True).fit(
        spark.createDataFrame(rows, "user int, item int, rating float")
    )
    assert model.summary.metricHistory("train_rmse")[-1] < 0.01


@pytest.mark.parametrize("engine", ["ring", "broadcast"])
def test_early_stopping_keeps_the_best_iteration(counts, engine):
    """The model is that of a fit that ends with the best iteration."""
    params: dict[str, Any] = {"rank": 6, "regParam": 1e-4, "engine": engine, "validationIndicatorCol": "held_out"}
    stopped = small(maxIter=30, earlyStoppingPatience=2, checkpointInterval=4, **params).fit(counts)
    best = stopped.summary.bestIteration
    assert best is not None
    assert stopped.summary.stoppedEarly
    assert stopped.summary.totalIterations == best + 2
    validation = stopped.summary.metricHistory("validation_rmse")
    assert validation[best - 1] == min(float(value) for value in validation if value is not None)
    expected = small(maxIter=best, checkpointInterval=4, **params).fit(counts)
    for side in ("userFactors", "itemFactors"):
        found, wanted = (factors_arrays(getattr(model, side))[1] for model in (stopped, expected))
        np.testing.assert_array_equal(found, wanted)


def test_implicit_validation_is_the_recall_of_the_model(counts, table):
    model = small(implicitPrefs=True, validationIndicatorCol="held_out").fit(counts)
    (_, users), (_, items) = factors_arrays(model.userFactors), factors_arrays(model.itemFactors)
    training, held = table[~table.held_out], table[table.held_out & (table.rating > 0)]
    recalls = []
    for user, rows in held.groupby("user"):
        seen = set(training.item[training.user == user])
        ranked = [item for item in np.argsort(-(items @ users[user])) if item not in seen][:10]
        recalls.append(len(set(ranked) & set(rows.item)) / min(10, len(set(rows.item))))
    assert len(training.user.unique()) == USERS
    assert len(training.item.unique()) == ITEMS
    assert model.summary.metricHistory("validation_recall")[-1] == pytest.approx(np.mean(recalls))
    assert 0 < np.mean(recalls) < 1


def test_recall_by_hand():
    """Scores rank the items 3, 1, 0, 2; item 3 is seen, so the two best are 1 and 0."""
    scores = np.array([2, 3, 1, 9], np.float32)
    seen = np.array([3], np.int32)
    assert recall(scores.copy(), seen, np.array([1, 2], np.int32), k=2) == 0.5
    assert recall(scores.copy(), seen, np.array([1], np.int32), k=2) == 1.0
    assert recall(scores.copy(), seen, np.array([2, 2], np.int32), k=2) == 0.0


def test_gd_stops_early_too(counts):
    gd = GD(rank=3, maxIter=40, stepSize=0.5, seed=1, validationIndicatorCol="held_out", earlyStoppingPatience=1)
    model = gd.setParams(stepSize=8.0, initStd=1.0, engine="broadcast").fit(counts)
    validation = [float(value) for value in model.summary.metricHistory("validation_rmse") if value is not None]
    assert model.summary.bestIteration == 1 + int(np.argmin(validation))


def test_a_checkpoint_resumes_to_the_same_model(counts, tmp_path):
    params: dict[str, Any] = {"implicitPrefs": True, "checkpointInterval": 2, "checkpointDir": str(tmp_path)}
    small(maxIter=2, **params).fit(counts)
    resumed = small(maxIter=4, **params).fit(counts)
    assert_same_model(resumed, small(implicitPrefs=True, checkpointInterval=2).fit(counts))


def test_models_are_saved_and_start_other_fits(counts, tmp_path):
    model = small(implicitPrefs=True, alpha=3.0, nonnegative=True).fit(counts)
    path = str(tmp_path / "model")
    model.save(path)
    loaded = ALSModel.load(path)
    assert loaded.summary == model.summary
    warm = small(implicitPrefs=True, alpha=3.0, nonnegative=True, maxIter=1, initialModel=path).fit(counts)
    first, last = warm.summary.history[0].objective, model.summary.history[-1].objective
    assert first is not None
    assert last is not None
    assert first < last
    signed = str(tmp_path / "signed")
    small(implicitPrefs=True).fit(counts).save(signed)
    with pytest.raises(ValueError, match=r"^initialModel must have factors >= 0 with nonnegative=True, got -"):
        small(nonnegative=True, initialModel=signed).fit(counts)


def test_no_positive_rating_is_refused(spark):
    nothing = spark.createDataFrame([(0, 0, 0.0), (1, 1, -2.0)], "user int, item int, rating float")
    with pytest.raises(ValueError, match=r"^ratings must contain at least one value > 0 .*, got 0 as the highest\. "):
        small(implicitPrefs=True, numUserBlocks=1, numItemBlocks=1).fit(nothing)


def test_patience_needs_validation_rows(counts):
    with pytest.raises(ValueError, match=r"^validationIndicatorCol must be set with earlyStoppingPatience=3, got none"):
        small(earlyStoppingPatience=3).fit(counts)
    unmarked = counts.selectExpr("user", "item", "rating", "false AS held_out")
    with pytest.raises(ValueError, match=r"^validation rows must exist with earlyStoppingPatience=3, got none of "):
        small(earlyStoppingPatience=3, validationIndicatorCol="held_out").fit(unmarked)
