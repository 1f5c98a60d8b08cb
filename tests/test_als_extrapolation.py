"""Tests of the extrapolation of ALS on Spark, against the same iterations in NumPy with half-steps of the textbook."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_mf import ALS, GD
from spark_mf.kernels.initial import rows_for_nonnegative, unit_rows
from spark_mf.kernels.random import Purpose
from spark_mf.models.factors import collect_factors
from spark_mf.textbook import ALS as TextbookALS
from spark_mf.textbook import Ratings
from spark_mf.textbook.half_steps.biases import biased_half_step, prediction_change
from spark_mf.textbook.model import Parameters
from tests.low_rank import low_rank
from tests.same_model import assert_same_factors, assert_same_model

USERS, ITEMS, RANK = 40, 30, 4
MODELS: dict[str, dict[str, Any]] = {
    "explicit": {},
    "biases": {"fitBias": True, "biasRegParam": 0.2},
    "implicit": {"implicitPrefs": True, "alpha": 2.0},
    "iALS": {"implicitPrefs": True, "unobservedWeight": 0.1, "regularization": "frequency", "regExponent": 0.5},
    "nonnegative": {"nonnegative": True},
}
#: A coefficient that raises the objective every few iterations.
LARGE = 0.7


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    table, rng = low_rank(USERS, ITEMS, RANK, seed=1, observed=0.5), np.random.default_rng(2)
    noisy = (table.rating + rng.normal(0, 0.3, len(table))).astype(np.float32)
    return table.assign(rating=noisy, held_out=rng.random(len(table)) < 0.2)


@pytest.fixture(scope="module")
def ratings(spark, table):
    return spark.createDataFrame(table).cache()


def on_spark(engine: str = "ring", blocks: tuple[int, int] = (1, 1), **params: Any) -> ALS:
    # One member is no ring that has to be joined.
    given: dict[str, Any] = {"rank": RANK, "maxIter": 8, "regParam": 0.05, "seed": 7, "extrapolation": LARGE}
    return ALS(engine=engine, numUserBlocks=blocks[0], numItemBlocks=blocks[1], **given | params)


@dataclass(frozen=True)
class Twin:
    """The parameters and the objective after each iteration."""

    parameters: list[Parameters]
    objectives: list[float]

    @property
    def rises(self) -> np.ndarray:
        return np.flatnonzero(np.diff(self.objectives) > 0)


def initial_rows(params: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    rows = [unit_rows(7, Purpose.USER_FACTORS, USERS, RANK), unit_rows(7, Purpose.ITEM_FACTORS, ITEMS, RANK)]
    if params.get("nonnegative"):
        # The half-step for items replaces the others.
        rows[0] = rows_for_nonnegative(7, Purpose.USER_FACTORS, USERS, RANK)
    if params.get("fitBias"):
        rows = [np.column_stack([x, np.zeros(len(x))]) for x in rows]
    return rows[0].astype(np.float64), rows[1].astype(np.float64)


def in_numpy(table: pd.DataFrame, beta: float, n_iterations: int, U: np.ndarray, **params: Any) -> Twin:
    """Exact half-steps in float64 that extrapolate unless the iteration before raised the objective."""
    als = TextbookALS(rank=RANK, regParam=0.05, **params)
    R, observed = np.zeros((USERS, ITEMS)), np.zeros((USERS, ITEMS), bool)
    R[table.user, table.item], observed[table.user, table.item] = table.rating, True
    data = Ratings.from_matrix(R, observed)
    T, C, w_U, w_V = als.problem(data)
    half_step = partial(biased_half_step, als.half_step) if als.fitBias else als.half_step
    old_U: np.ndarray = np.zeros_like(U)
    old_V: np.ndarray = np.zeros((ITEMS, U.shape[1]))
    descended, found = False, Twin([], [])
    for _ in range(n_iterations):
        fixed = extrapolated(U, old_U, als.nonnegative, beta) if descended else U
        solved = half_step(T.T, C.T, fixed, w_V, np.empty(0))
        V = extrapolated(solved, old_V, als.nonnegative, beta) if descended else solved
        old_U, old_V = U, solved
        U = half_step(T, C, V, w_U, np.empty(0))
        found.parameters.append(as_parameters(U, V, data.values.mean() if als.fitBias else None))
        found.objectives.append(als.objective(data, found.parameters[-1]))
        descended = len(found.objectives) > 1 and found.objectives[-1] <= found.objectives[-2]
    return found


def extrapolated(x: np.ndarray, previous: np.ndarray, nonnegative: bool, beta: float) -> np.ndarray:
    y = x + beta * (x - previous)
    return np.maximum(y, 0) if nonnegative else y


def as_parameters(U: np.ndarray, V: np.ndarray, mean: float | None) -> Parameters:
    if mean is None:
        return Parameters.without_biases(U, V)
    return Parameters(U[:, :-1], V[:, :-1], U[:, -1], V[:, -1], mean)


def assert_same_factors_as(model: Any, expected: Parameters) -> None:
    for frame, factors, biases in (
        (model.userFactors, expected.U, expected.userBias),
        (model.itemFactors, expected.V, expected.itemBias),
    ):
        found = collect_factors(frame)
        assert found.ids.to_pylist() == list(range(len(factors)))
        np.testing.assert_allclose(found.factors, factors, rtol=2e-3, atol=2e-3)
        if found.biases is not None:
            np.testing.assert_allclose(found.biases, biases, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("model", "engine", "blocks", "solving"),
    [
        ("explicit", "ring", (1, 1), {"tol": 1e-9}),
        ("explicit", "broadcast", (3, 2), {}),
        ("biases", "ring", (1, 1), {}),
        ("biases", "broadcast", (2, 2), {"tol": 1e-9}),
        ("implicit", "ring", (2, 3), {}),
        ("implicit", "broadcast", (2, 2), {}),
        ("iALS", "ring", (1, 1), {}),
        ("nonnegative", "ring", (1, 1), {}),
        ("nonnegative", "broadcast", (2, 2), {}),
        ("explicit", "ring", (1, 1), {"solver": "cg", "innerSteps": 4 * RANK}),
        ("explicit", "ring", (1, 1), {"solver": "gd", "innerSteps": 1000}),
        ("implicit", "ring", (1, 1), {"solver": "subspace", "subspaceSize": RANK}),
    ],
)
def test_a_fit_with_restarts_is_that_of_numpy(ratings, table, model, engine, blocks, solving):
    """Its items are those that its users were solved from, and the history has the objective of its factors."""
    params = MODELS[model]
    twin = in_numpy(table, LARGE, 8, initial_rows(params)[0], **params)
    # Without a restart, the iteration after the first rise is another one.
    assert twin.rises.size >= 1
    assert twin.rises[0] < 6
    fitted = on_spark(engine, blocks, **params, **solving).fit(ratings)
    np.testing.assert_allclose(fitted.summary.metricHistory("objective"), twin.objectives, rtol=1e-3)
    assert_same_factors_as(fitted, twin.parameters[-1])
    if "tol" in solving:
        changes = [prediction_change(new, old) for old, new in pairwise(twin.parameters)]
        np.testing.assert_allclose(fitted.summary.metricHistory("product_change")[1:], changes, rtol=1e-3)


@pytest.mark.parametrize("engine", ["ring", "broadcast"])
def test_a_resumed_fit_is_the_uninterrupted_one(ratings, tmp_path, engine):
    """It resumes after an iteration that lowered the objective and after one that raised it."""
    blocks, params = ((1, 1) if engine == "ring" else (2, 2)), {"checkpointInterval": 2, **MODELS["iALS"]}
    straight = on_spark(engine, blocks, maxIter=6, **params).fit(ratings)
    rose = np.flatnonzero(np.diff(np.array(straight.summary.metricHistory("objective"), float)) > 0) + 2
    assert 4 in rose
    for iterations in (2, 4, 6):
        resumed = on_spark(engine, blocks, maxIter=iterations, checkpointDir=str(tmp_path), **params).fit(ratings)
    assert_same_model(resumed, straight)


@pytest.mark.parametrize("engine", ["ring", "broadcast"])
def test_early_stopping_keeps_the_extrapolated_items_of_the_best_iteration(ratings, engine):
    params: dict[str, Any] = {"validationIndicatorCol": "held_out", "checkpointInterval": 3, **MODELS["iALS"]}
    stopped = on_spark(engine, maxIter=30, earlyStoppingPatience=2, **params).fit(ratings)
    best = stopped.summary.bestIteration
    assert 2 < best < stopped.summary.totalIterations < 30
    assert_same_factors(stopped, on_spark(engine, maxIter=best, **params).fit(ratings))


def test_a_warm_start_extrapolates_from_its_third_iteration(ratings, table, tmp_path):
    initial = on_spark(maxIter=2, extrapolation=0.0).fit(ratings)
    initial.save(str(tmp_path / "model"))
    warm = on_spark(seed=8, maxIter=4, initialModel=str(tmp_path / "model")).fit(ratings)
    users = collect_factors(initial.userFactors).factors.astype(np.float64)
    assert_same_factors_as(warm, in_numpy(table, LARGE, 4, users).parameters[-1])
    plain = in_numpy(table, 0.0, 4, users).parameters
    assert np.abs(collect_factors(warm.userFactors).factors - plain[-1].U).max() > 0.05


def test_fewer_iterations_reach_a_known_minimum(spark):
    """Without unobserved pairs, the minimum follows from the singular values s of the matrix.

    It is Σ (2λs − λ²) over the first k, plus Σ s² over the others (Srebro and Jaakkola 2003). The closer s_k and s_k+1
    are, the slower is ALS, whose iterations are power iterations.
    """
    s, lam, rng = np.array([20, 10, 9.5]), 1.0, np.random.default_rng(5)
    left, right = (np.linalg.qr(rng.standard_normal((n, 3)))[0] for n in (USERS, ITEMS))
    users, items = np.divmod(np.arange(USERS * ITEMS), ITEMS)
    frame = pd.DataFrame({"user": users, "item": items, "rating": ((left * s) @ right.T).reshape(-1)})
    minimum = (2 * lam * s[:2] - lam**2).sum() + (s[2:] ** 2).sum()
    iterations = []
    for beta in (0.0, 0.3):
        als = on_spark(rank=2, maxIter=60, regParam=lam, regularization="plain", extrapolation=beta)
        history = als.fit(spark.createDataFrame(frame)).summary.metricHistory("objective")
        excess = np.array(history, float) / minimum - 1
        assert abs(excess[-1]) < 1e-4
        iterations.append(int(np.argmax(excess < 1e-3)) + 1)
    assert iterations[1] <= iterations[0] / 2


def test_a_coefficient_of_zero_is_no_extrapolation(ratings):
    unset = on_spark(maxIter=3, extrapolation=None).fit(ratings)
    assert_same_model(on_spark(maxIter=3, extrapolation=0.0).fit(ratings), unset)
    assert ALS().getExtrapolation() == 0.0


def test_the_coefficient_comes_back_from_disk(tmp_path):
    ALS().setExtrapolation(0.3).save(str(tmp_path / "als"))
    assert ALS.load(str(tmp_path / "als")).getExtrapolation() == 0.3


def test_gradient_descent_has_no_extrapolation():
    assert not GD().hasParam("extrapolation")
    with pytest.raises(TypeError, match="extrapolation"):
        GD(extrapolation=0.3)  # type: ignore[call-arg]
