"""Weights of ratings in every objective and solver, against dense NumPy and against repeated ratings, without Spark."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from spark_mf.blocks.csr import RatingBlock
from spark_mf.objectives.biased import BiasedObjective
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.implicit import ImplicitObjective
from spark_mf.objectives.regularization import Regularization, SideName
from spark_mf.solvers.cholesky import CholeskySolver
from spark_mf.solvers.descent import GradientStepSolver, LineSearchSolver
from spark_mf.solvers.nnls import NNLSSolver
from spark_mf.solvers.subspace import SubspaceSolver

USERS, ITEMS, RANK = 12, 9, 3
MEAN, ALPHA, UNOBSERVED, EXPONENT = 2.5, 2.0, 0.3, 0.6
MODELS = ("explicit", "biased", "pyspark", "iALS")
KINDS = ("weighted", "plain", "mean", "frequency")
SOLVERS: dict[str, Any] = {
    "cholesky": CholeskySolver(),
    "cg": LineSearchSolver(conjugate=True, steps=30, tolerance=0.0),
    "gd": LineSearchSolver(conjugate=False, steps=3000, tolerance=0.0),
    "subspace": SubspaceSolver(2),
    "nnls": NNLSSolver(),
}
SUPPORTED = [pair for pair in product(MODELS, SOLVERS) if pair != ("biased", "nnls")]


def random_block(rng: np.random.Generator, weighted: bool = True, n: int = 60) -> RatingBlock:
    """Ratings from −1 to 5 with weights from 0.05 to 3, some pairs repeated, at least one of each user."""
    rows = np.concatenate([np.arange(USERS), rng.integers(0, USERS, n)]).astype(np.int32)
    columns = rng.integers(0, ITEMS, rows.size).astype(np.int32)
    values = rng.integers(-1, 6, rows.size).astype(np.float32)
    weights = rng.uniform(0.05, 3, rows.size).astype(np.float32) if weighted else None
    return RatingBlock.from_triples(np.arange(USERS, dtype=np.int32), rows, columns, values, weights)


def objective_of(model: str, kind: str, block: RatingBlock) -> Any:
    scale = UNOBSERVED if model == "iALS" else 1.0
    regularization = Regularization(kind, 0.2, 0.3, block.total_weight, EXPONENT, (scale * ITEMS, scale * USERS))
    if model == "explicit":
        return ExplicitObjective(replace(regularization, unobserved=(0.0, 0.0)))
    if model == "biased":
        return BiasedObjective(replace(regularization, unobserved=(0.0, 0.0)), 0.4, MEAN)
    return ImplicitObjective(regularization, ALPHA, UNOBSERVED if model == "iALS" else None)


def fixed_rows(rng: np.random.Generator, model: str, solver: str = "") -> np.ndarray:
    rows = rng.standard_normal((ITEMS, RANK + (model == "biased"))).astype(np.float32)
    return np.abs(rows) if solver == "nnls" else rows


def lambdas(model: str, kind: str, n: float, total: float) -> np.ndarray:
    """The penalty of each coordinate of a user with ratings of weight n."""
    unobserved = {"pyspark": ITEMS, "iALS": UNOBSERVED * ITEMS}.get(model, 0)
    weight = {"weighted": n, "plain": 1, "mean": total, "frequency": (n + unobserved) ** EXPONENT}[kind]
    own = [0.2] * RANK + ([0.4] if model == "biased" else [])
    return weight * np.array(own)


def expected_rows(model: str, kind: str, block: RatingBlock, fixed: np.ndarray, nonnegative: bool) -> np.ndarray:
    """The new rows of all users, from the normal equations of each in float64."""
    assert block.weights is not None
    solved = []
    V = fixed.astype(np.float64)
    X = np.column_stack([V[:, :-1], np.ones(ITEMS)]) if model == "biased" else V
    for user in range(USERS):
        part = slice(block.indptr[user], block.indptr[user + 1])
        x, r, w = X[block.indices[part]], block.values[part].astype(float), block.weights[part].astype(float)
        n = w.sum() if model in ("explicit", "biased") else w[r > 0].sum()
        A = np.diag(lambdas(model, kind, n, block.total_weight))
        if model == "explicit":
            c, target = w, w * r
        elif model == "biased":
            c, target = w, w * (r - MEAN - V[block.indices[part], -1])
        elif model == "pyspark":
            c, target = w * ALPHA * abs(r), w * (1 + ALPHA * abs(r)) * (r > 0)
            A += V.T @ V
        else:
            c, target = w * (r > 0), w * (r > 0)
            A += UNOBSERVED * V.T @ V
        A, b = A + (x * c[:, None]).T @ x, x.T @ target
        if nonnegative:
            # ‖Lᵀu − L⁻¹b‖² with A = LLᵀ has the same minimum as uᵀAu − 2bᵀu.
            L = np.linalg.cholesky(A)
            solved.append(nnls(L.T, np.linalg.solve(L, b))[0])
        else:
            solved.append(np.linalg.solve(A, b))
    return np.array(solved)


@pytest.mark.parametrize(("model", "solver"), SUPPORTED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_half_step_has_the_weighted_normal_equations(model, solver, kind):
    rng = np.random.default_rng(1)
    block, fixed = random_block(rng), fixed_rows(rng, model, solver)
    objective, X, _ = objective_of(model, kind, block).begin(fixed, None)
    if solver == "nnls":
        objective = replace(objective, nonnegative=True)
    problem = objective.problem(block, X, objective.side_sums(fixed), "user")
    solved = np.zeros((USERS, fixed.shape[1]), np.float32)
    for _ in range(300 if solver == "subspace" else 1):
        SOLVERS[solver].solve(problem, solved, 1)
    expected = expected_rows(model, kind, block, fixed, solver == "nnls")
    np.testing.assert_allclose(solved, expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


def repeated(block: RatingBlock, times: np.ndarray) -> tuple[RatingBlock, RatingBlock]:
    """The ratings with whole numbers as weights, those of weight 0 left out, and the same ratings repeated."""
    rows = np.repeat(np.arange(USERS), np.diff(block.indptr)).astype(np.int32)
    kept = times > 0
    weighted = (rows[kept], block.indices[kept], block.values[kept], times[kept].astype(np.float32))
    again = (np.repeat(rows, times), np.repeat(block.indices, times), np.repeat(block.values, times))
    return RatingBlock.from_triples(block.rows, *weighted), RatingBlock.from_triples(block.rows, *again)


@given(st.integers(0, 1000), st.sampled_from(MODELS), st.sampled_from(KINDS))
@settings(deadline=None, max_examples=60)
def test_a_rating_of_weight_k_is_k_ratings(seed, model, kind):
    """Half-step, gradient step and loss are the same."""
    rng = np.random.default_rng(seed)
    block = random_block(rng, weighted=False)
    weighted, again = repeated(block, rng.integers(0, 4, block.n_ratings))
    fixed, old = fixed_rows(rng, model), rng.standard_normal((USERS, RANK + (model == "biased"))).astype(np.float32)
    found = []
    for ratings in (weighted, again):
        objective, X, measured = replace(objective_of(model, kind, ratings), n_validation=1).begin(fixed, fixed)
        problem = objective.problem(ratings, X, objective.side_sums(fixed), "user")
        results = []
        for solver in (CholeskySolver(), GradientStepSolver(1e-3)):
            solved = old.copy()
            solver.solve(problem, solved, 1)
            results.append(solved)
        loss = objective.loss(problem, ratings, ratings, old, measured, 1)
        found.append((*results, loss.to_array(), objective.metrics(loss)["objective"]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["user", "item"])
def test_the_shares_of_the_weights_add_up_to_the_penalty(kind, side: SideName):
    weights = np.array([0.25, 1.0, 7.5])
    regularization = Regularization(kind, 0.2, 0.3, 8.75, EXPONENT)
    shares = regularization.shares(side, weights)
    np.testing.assert_allclose(
        regularization.reg_param(side) * shares * weights, regularization.penalties(side, weights), rtol=1e-6
    )
