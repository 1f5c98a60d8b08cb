"""One block's half-step, without Spark: threads, warm starts and the sums that it reports."""

from types import SimpleNamespace

import numpy as np
import pytest

from spark_mf.blocks.csr import RatingBlock
from spark_mf.engine import half_step
from spark_mf.engine.half_step import ExactSolver, GradientStep, InnerSolver, RowMethod, Subproblem, solve_block
from spark_mf.ratings.layout import LaidOutBlock

N_ROWS, N_COLUMNS, RANK = 40, 30, 5


def random_block(seed: int, n_ratings: int) -> RatingBlock:
    rng = np.random.default_rng(seed)
    return RatingBlock.from_triples(
        np.arange(N_ROWS, dtype=np.int32) + 100,
        rng.integers(0, N_ROWS, n_ratings).astype(np.int32),
        rng.integers(0, N_COLUMNS, n_ratings).astype(np.int32),
        rng.uniform(1, 5, n_ratings).astype(np.float32),
    )


@pytest.fixture
def block():
    return LaidOutBlock(3, random_block(0, 600), random_block(1, 50))


@pytest.fixture
def fixed():
    return np.random.default_rng(2).standard_normal((N_COLUMNS, RANK)).astype(np.float32)


def problem(method: RowMethod | None = None, tol: float = 0.0) -> Subproblem:
    return Subproblem("ALS", RANK, 0.1, "weighted", 600, method or ExactSolver(), tol)


def sum_of_squares(ratings: RatingBlock, factors: np.ndarray, fixed: np.ndarray) -> float:
    rows = np.repeat(np.arange(N_ROWS), np.diff(ratings.indptr))
    return float(((ratings.values - np.einsum("ij,ij->i", factors[rows], fixed[ratings.indices])) ** 2).sum())


def test_reports_squared_errors_and_penalties_of_its_own_solution(block, fixed):
    solved = solve_block(block, fixed, None, problem(), measured=fixed)
    assert solved.number == 3
    assert solved.squared_error == pytest.approx(sum_of_squares(block.training, solved.factors, fixed), rel=1e-4)
    assert solved.validation_squared_error == pytest.approx(
        sum_of_squares(block.validation, solved.factors, fixed), rel=1e-4
    )
    weights = 0.1 * np.diff(block.training.indptr)
    assert solved.penalties == pytest.approx(float(weights @ (solved.factors**2).sum(axis=1)), rel=1e-4)


@pytest.mark.parametrize("method", [ExactSolver(), InnerSolver("cg", 3, 0.0), GradientStep(0.01)], ids=repr)
@pytest.mark.parametrize("cpus", [2, 3, 100])
def test_threads_of_a_task_give_the_same_result(block, fixed, method, cpus, monkeypatch):
    previous = np.ones((N_ROWS + 100, RANK), np.float32) if method.needs_previous else None
    one = solve_block(block, fixed, previous, problem(method), measured=fixed)
    task = SimpleNamespace(cpus=lambda: cpus)
    monkeypatch.setattr(half_step, "TaskContext", SimpleNamespace(get=lambda: task))
    many = solve_block(block, fixed, previous, problem(method), measured=fixed)
    np.testing.assert_array_equal(many.factors, one.factors)
    assert many.squared_error == pytest.approx(one.squared_error, rel=1e-9)


@pytest.mark.parametrize("name", ["cg", "gd"])
def test_inner_steps_start_from_the_rows_of_this_block(block, fixed, name):
    """From the exact solution, no step moves; from zeros, one step stays away from it."""
    exact = solve_block(block, fixed, None, problem(), None).factors
    previous = np.full((N_ROWS + 100, RANK), 1e9, np.float32)
    previous[block.training.rows] = exact
    stays = solve_block(block, fixed, previous, problem(InnerSolver(name, 3, 0.0)), None).factors
    np.testing.assert_allclose(stays, exact, rtol=1e-3, atol=1e-4)
    away = solve_block(block, fixed, np.zeros_like(previous), problem(InnerSolver(name, 1, 0.0)), None).factors
    assert np.abs(away - exact).max() > 0.01
    assert (previous[:100] == 1e9).all()


def test_tolerance_leaves_the_remaining_steps_out(block, fixed):
    start = np.zeros((N_ROWS + 100, RANK), np.float32)
    one, many, loose = (
        solve_block(block, fixed, start, problem(InnerSolver("gd", *steps)), None).factors
        for steps in ((1, 0.0), (50, 0.0), (50, 0.999))
    )
    np.testing.assert_array_equal(loose, one)
    assert np.abs(many - one).max() > 0.01


def test_errors_are_those_with_the_factors_that_they_are_asked_with(block, fixed):
    other = fixed[::-1].copy()
    previous = np.ones((N_ROWS + 100, RANK), np.float32)
    solved = solve_block(block, fixed, previous, problem(GradientStep(0.01)), measured=other)
    assert solved.squared_error == pytest.approx(sum_of_squares(block.training, solved.factors, other), rel=1e-4)
    assert solved.validation_squared_error == pytest.approx(
        sum_of_squares(block.validation, solved.factors, other), rel=1e-4
    )


def test_the_change_is_told_of_exactly_solved_rows_too(block, fixed):
    previous = np.random.default_rng(4).standard_normal((N_ROWS + 100, RANK)).astype(np.float32)
    solved = solve_block(block, fixed, previous, problem(tol=1.0), None)
    old = previous[100:].astype(np.float64)
    both = np.hstack([solved.factors - old, old])
    assert solved.change is not None
    np.testing.assert_allclose(solved.change, both.T @ both, rtol=1e-10)
    assert solve_block(block, fixed, None, problem(), None).change is None
