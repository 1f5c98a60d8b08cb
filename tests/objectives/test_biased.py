"""Tests of the objective with biases, without Spark. Its half-steps are in the conformance table, too."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spark_mf.blocks.csr import RatingBlock
from spark_mf.exchange.half_step import HalfStepTask, IterationSums, SolvedBlock, solve_block
from spark_mf.exchange.stopping import FitProgress, StoppingRules
from spark_mf.objectives.biased import BiasedObjective
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.regularization import Regularization, SideName
from spark_mf.ratings.layout import LaidOutBlock
from spark_mf.solvers.base import RowSolver
from spark_mf.solvers.cholesky import CholeskySolver
from spark_mf.solvers.descent import LineSearchSolver
from spark_mf.textbook import ALS, Pairs, Ratings
from spark_mf.textbook.half_steps.biases import joint_rows
from spark_mf.textbook.model import Model
from tests.textbook.small import small_ratings

USERS, ITEMS, RANK = 14, 11, 3
REGULARIZATIONS = {"weighted": 0.2, "plain": 0.6, "mean": 0.004, "frequency": 0.3}
SOLVERS: dict[str, RowSolver] = {
    "cholesky": CholeskySolver(),
    # So many steps that they are exact.
    "cg": LineSearchSolver(True, 30, 0.0),
    "gd": LineSearchSolver(False, 2000, 0.0),
}


def data(seed: int) -> Ratings:
    return small_ratings(seed, n=USERS, m=ITEMS, validation=True)


def objective_of(ratings: Ratings, als: ALS) -> BiasedObjective:
    assert ratings.validation is not None
    assert als.biasRegParam is not None
    user, item = als._lambdas
    regularization = Regularization(als.regularization, user, item, len(ratings), als.regExponent or 1.0)
    return BiasedObjective(regularization, als.biasRegParam, float(ratings.values.mean()), len(ratings.validation))


def block(pairs: Pairs, side: SideName) -> RatingBlock:
    rows, columns = (pairs.users, pairs.items) if side == "user" else (pairs.items, pairs.users)
    all_rows = np.arange(USERS if side == "user" else ITEMS, dtype=np.int32)
    return RatingBlock.from_triples(
        all_rows, rows.astype(np.int32), columns.astype(np.int32), pairs.values.astype(np.float32)
    )


def half_step(
    ratings: Ratings,
    objective: Any,
    solver: RowSolver,
    side: SideName,
    fixed: np.ndarray,
    previous: np.ndarray,
    tol: float = 0.0,
) -> SolvedBlock:
    """All rows of a side in one block, which starts from its `previous` rows, with errors."""
    assert ratings.validation is not None
    fixed, previous = fixed.astype(np.float32), previous.astype(np.float32)
    task = HalfStepTask("ALS", fixed.shape[1], objective, solver, StoppingRules(max_iterations=1, change_tol=tol))
    begun, rows, measured = task.begin(fixed, fixed)
    both = LaidOutBlock(0, block(ratings, side), block(ratings.validation, side))
    return solve_block(both, side, rows, None, previous, begun, measured)


def textbook(**params: Any) -> ALS:
    given: dict[str, Any] = {
        "rank": RANK,
        "maxIter": 1,
        "fitBias": True,
        "biasRegParam": 0.5,
        "regularization": "plain",
    }
    return ALS(**given | params)


def initial(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((USERS, RANK)), np.zeros((ITEMS, RANK))


def iteration(
    ratings: Ratings, objective: BiasedObjective, solver: RowSolver, start: tuple[np.ndarray, np.ndarray]
) -> tuple[SolvedBlock, SolvedBlock]:
    """Both half-steps of the first iteration."""
    users, items = (np.column_stack([factors, np.zeros(len(factors))]) for factors in start)
    new_items = half_step(ratings, objective, solver, "item", users, items)
    return half_step(ratings, objective, solver, "user", new_items.factors, users), new_items


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("regularization", REGULARIZATIONS)
def test_half_steps_are_those_of_the_textbook(regularization, solver):
    ratings, start = data(1), initial(1)
    params: dict[str, Any] = {"regParam": REGULARIZATIONS[regularization], "regularization": regularization}
    params |= {"biasRegParam": 3 * params["regParam"], "itemRegParam": 2 * params["regParam"]}
    als = textbook(**params, regExponent=0.5 if regularization == "frequency" else None)
    objective = objective_of(ratings, als)
    users, items = iteration(ratings, objective, SOLVERS[solver], start)
    model = als.fit(ratings, initial=start)
    for solved, expected in zip((users, items), joint_rows(model), strict=True):
        assert np.abs(solved.factors - expected).max() < 1e-4 * np.abs(expected).max()
    assert_same_metrics(objective.metrics(users.loss + without_errors(items)), model)


def without_errors(solved: SolvedBlock) -> Any:
    return replace(solved.loss, squared_error=0.0, validation_squared_error=0.0)


def assert_same_metrics(metrics: dict[str, float | None], model: Model) -> None:
    expected = model.summary.history[-1]
    for name in ("objective", "train_rmse", "validation_rmse"):
        assert metrics[name] == pytest.approx(getattr(expected, name), rel=1e-4)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize(("regParam", "biasRegParam"), [(0.0, 0.4), (0.4, 0.0), (1e-30, 0.4), (0.4, 0.4), (0.1, 1e4)])
def test_extreme_penalties_of_factors_and_biases(regParam, biasRegParam, solver):
    """Neither may be 0 or much larger than the other without effect on the rest."""
    ratings, start = data(2), initial(2)
    als = textbook(regParam=regParam, biasRegParam=biasRegParam)
    users, items = iteration(ratings, objective_of(ratings, als), SOLVERS[solver], start)
    expected = joint_rows(als.fit(ratings, initial=start))
    for solved, rows in zip((users, items), expected, strict=True):
        assert np.abs(solved.factors - rows).max() < 1e-3 * np.abs(rows).max()


def test_without_a_penalty_undetermined_rows_get_the_minimum_norm_solution():
    """One rating and λ = λ_b = 0: [u, b_u] is r − μ − b_i times the pseudoinverse of [v, 1]."""
    pairs = Pairs(np.array([0, 1]), np.array([0, 1]), np.array([4.0, 2.0]))
    objective = BiasedObjective(Regularization.equal(0.0, "plain", 2), 0.0, 3.0)
    items = np.array([[1, 2, 0.5], [2, 0, -0.25]], np.float32)
    task = HalfStepTask("ALS", 3, objective, CholeskySolver(), StoppingRules(max_iterations=1))
    begun, rows, _ = task.begin(items, None)
    solved = solve_block(
        LaidOutBlock(0, block(pairs, "user"), block(pairs, "user")), "user", rows, None, None, begun, None
    )
    np.testing.assert_allclose(solved.factors[:2], [[0.5 / 6, 1 / 6, 0.5 / 6], [-0.3, 0, -0.15]], atol=1e-6)


@pytest.mark.parametrize("regularization", REGULARIZATIONS)
def test_the_gradient_is_that_of_central_differences(regularization):
    """At a solved row all differences of the objective vanish; elsewhere they are 2(A x − b) of the row's problem."""
    ratings, regParam = data(3), REGULARIZATIONS[regularization]
    objective = objective_of(
        ratings, textbook(regParam=regParam, biasRegParam=3 * regParam, regularization=regularization)
    )
    rng = np.random.default_rng(3)
    rows, fixed = (rng.standard_normal((n, RANK + 1)).astype(np.float32) for n in (USERS, ITEMS))
    begun, regressors, measured = objective.begin(fixed, fixed)
    assert measured is not None
    training = block(ratings, "user")
    problem = begun.problem(training, regressors, None, "user")
    x = regressors.astype(np.float64)
    for row in range(USERS):
        own = slice(training.indptr[row], training.indptr[row + 1])
        design, scale = x[training.indices[own]], np.ones(RANK + 1) if problem.scale is None else problem.scale
        matrix = design.T @ design + problem.penalty[row] * np.diag(scale)
        analytic = 2 * (matrix @ rows[row] - design.T @ problem.targets[own])
        numeric = np.empty(RANK + 1)
        for coordinate in range(RANK + 1):
            values = []
            for step in (0.05, -0.05):
                moved = rows.copy()
                moved[row, coordinate] += step
                loss = begun.loss(problem, training, training, moved, measured, 1)
                values.append(loss.squared_error + loss.penalty)
            numeric[coordinate] = (values[0] - values[1]) / 0.1
        np.testing.assert_allclose(numeric, analytic, rtol=2e-3, atol=2e-3)


def test_an_iteration_by_hand():
    """As in tests/textbook/half_steps/test_biases.py."""
    pairs = Pairs(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([4.0, 2.0, 3.0, 1.0]))
    ratings = Ratings(pairs.users, pairs.items, pairs.values, (USERS, ITEMS), validation=pairs)
    objective = BiasedObjective(Regularization.equal(1.0, "plain", 4), 2.0, 2.5, 4)
    users = np.zeros((USERS, 2))
    users[:2, 0] = 1
    items = half_step(ratings, objective, CholeskySolver(), "item", users, np.zeros((ITEMS, 2)))
    np.testing.assert_allclose(items.factors[:2], [[0.5, 0.25], [-0.5, -0.25]], atol=1e-6)
    solved = half_step(ratings, objective, CholeskySolver(), "user", items.factors, users)
    np.testing.assert_allclose(solved.factors[:2], [[0.5, 0.25], [0.5, -0.25]], atol=1e-6)
    metrics = objective.metrics(solved.loss + without_errors(items))
    assert metrics == pytest.approx(
        {"objective": 2.75, "train_rmse": np.sqrt(1.25 / 4), "validation_rmse": np.sqrt(1.25 / 4)}
    )


def test_the_change_is_that_of_the_predictions():
    ratings, start = data(4), initial(4)
    objective = objective_of(ratings, textbook())
    users, items = (np.column_stack([x, np.ones(len(x))]).astype(np.float32) for x in start)
    of_items = half_step(ratings, objective, CholeskySolver(), "item", users, items, tol=1.0)
    of_users = half_step(ratings, objective, CholeskySolver(), "user", of_items.factors, users, tol=1.0)
    sums = IterationSums.of_blocks([of_users], [of_items])
    task = HalfStepTask("ALS", RANK + 1, objective, CholeskySolver(), StoppingRules(max_iterations=2, change_tol=1.0))
    result, _ = sums.finish(0.0, FitProgress(), task)

    def predictions(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return users[:, :-1] @ items[:, :-1].T + users[:, -1:] + items[:, -1]

    change = predictions(of_users.factors, of_items.factors) - predictions(users, items)
    assert result.metrics["product_change"] == pytest.approx(np.linalg.norm(change), rel=1e-5)


def test_other_rows_for_errors_than_for_the_problem():
    ratings, (users, _) = data(5), initial(5)
    rng = np.random.default_rng(5)
    fixed, other = (rng.standard_normal((ITEMS, RANK + 1)).astype(np.float32) for _ in range(2))
    begun, regressors, measured = objective_of(ratings, textbook()).begin(fixed, other)
    assert measured is not None
    training = block(ratings, "user")
    problem = begun.problem(training, regressors, None, "user")
    rows = np.column_stack([users, np.ones(USERS)]).astype(np.float32)
    loss = begun.loss(problem, training, training, rows, measured, 1)
    expected = ratings.values.mean() + 1 + other[ratings.items, -1]
    expected = expected + (users[ratings.users] * other[ratings.items, :-1]).sum(axis=1)
    assert loss.squared_error == pytest.approx(((ratings.values - expected) ** 2).sum(), rel=1e-4)
    np.testing.assert_array_equal(fixed[:, -1] == 1, False)


def test_equal_penalties_need_no_scale():
    """The kernels that other objectives compile serve this one."""
    objective = BiasedObjective(Regularization.equal(0.3, "weighted", 10), 0.3, 2.0)
    begun, regressors, _ = objective.begin(np.ones((ITEMS, 3), np.float32), None)
    assert begun.problem(block(data(6), "user"), regressors, None, "user").scale is None


def test_objectives_without_biases_begin_with_the_rows_as_they_are():
    rows, other = np.ones((4, 2), np.float32), np.zeros((4, 2), np.float32)
    objective = ExplicitObjective(Regularization.equal(0.1, "plain", 10))
    begun, fixed, measured = objective.begin(rows, other)
    assert begun is objective
    assert fixed is rows
    assert measured is other
    assert objective.product_rows(rows, "user") is rows
