"""Tests of the half-step of one block without Spark: threads, warm starts and sums."""

from types import SimpleNamespace

import numpy as np
import pytest

from spark_mf.blocks.csr import RatingBlock
from spark_mf.exchange import half_step
from spark_mf.exchange.extrapolation import Extrapolation
from spark_mf.exchange.half_step import HalfStepTask, SolvedBlock, solve_block
from spark_mf.exchange.stopping import StoppingRules
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.regularization import Regularization
from spark_mf.ratings.layout import LaidOutBlock
from spark_mf.solvers.base import RowSolver
from spark_mf.solvers.cholesky import CholeskySolver
from spark_mf.solvers.descent import GradientStepSolver, LineSearchSolver

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


def solved_with(
    block: LaidOutBlock,
    fixed: np.ndarray,
    previous: np.ndarray | None,
    solver: RowSolver | None = None,
    *,
    measured: np.ndarray | None = None,
    tol: float = 0.0,
) -> SolvedBlock:
    objective = ExplicitObjective(Regularization.equal(0.1, "weighted", 600))
    rules = StoppingRules(max_iterations=1, change_tol=tol)
    task = HalfStepTask("ALS", RANK, objective, solver or CholeskySolver(), rules)
    return solve_block(block, "user", fixed, None, previous, task, measured)


def sum_of_squares(ratings: RatingBlock, factors: np.ndarray, fixed: np.ndarray) -> float:
    rows = np.repeat(np.arange(N_ROWS), np.diff(ratings.indptr))
    return float(((ratings.values - np.einsum("ij,ij->i", factors[rows], fixed[ratings.indices])) ** 2).sum())


def test_reports_squared_errors_and_penalties_of_its_own_solution(block, fixed):
    solved = solved_with(block, fixed, None, measured=fixed)
    assert solved.number == 3
    assert solved.loss.squared_error == pytest.approx(sum_of_squares(block.training, solved.factors, fixed), rel=1e-4)
    assert solved.loss.validation_squared_error == pytest.approx(
        sum_of_squares(block.validation, solved.factors, fixed), rel=1e-4
    )
    weights = 0.1 * np.diff(block.training.indptr)
    assert solved.loss.penalty == pytest.approx(float(weights @ (solved.factors**2).sum(axis=1)), rel=1e-4)


@pytest.mark.parametrize(
    "solver", [CholeskySolver(), LineSearchSolver(True, 3, 0.0), GradientStepSolver(0.01)], ids=repr
)
@pytest.mark.parametrize("cpus", [2, 3, 100])
def test_threads_of_a_task_give_the_same_result(block, fixed, solver, cpus, monkeypatch):
    previous = np.ones((N_ROWS + 100, RANK), np.float32) if solver.needs_previous else None
    one = solved_with(block, fixed, previous, solver, measured=fixed)
    task = SimpleNamespace(cpus=lambda: cpus)
    monkeypatch.setattr(half_step, "TaskContext", SimpleNamespace(get=lambda: task))
    many = solved_with(block, fixed, previous, solver, measured=fixed)
    np.testing.assert_array_equal(many.factors, one.factors)
    assert many.loss.squared_error == pytest.approx(one.loss.squared_error, rel=1e-9)


@pytest.mark.parametrize("conjugate", [True, False])
def test_inner_steps_start_from_the_rows_of_this_block(block, fixed, conjugate):
    """From the exact solution, no step moves; from zeros, one step stays away from it."""
    exact = solved_with(block, fixed, None).factors
    previous = np.full((N_ROWS + 100, RANK), 1e9, np.float32)
    previous[block.training.rows] = exact
    stays = solved_with(block, fixed, previous, LineSearchSolver(conjugate, 3, 0.0)).factors
    np.testing.assert_allclose(stays, exact, rtol=1e-3, atol=1e-4)
    away = solved_with(block, fixed, np.zeros_like(previous), LineSearchSolver(conjugate, 1, 0.0)).factors
    assert np.abs(away - exact).max() > 0.01
    assert (previous[:100] == 1e9).all()


def test_tolerance_leaves_the_remaining_steps_out(block, fixed):
    start = np.zeros((N_ROWS + 100, RANK), np.float32)
    one, many, loose = (
        solved_with(block, fixed, start, LineSearchSolver(False, *steps)).factors
        for steps in ((1, 0.0), (50, 0.0), (50, 0.999))
    )
    np.testing.assert_array_equal(loose, one)
    assert np.abs(many - one).max() > 0.01


def test_errors_are_those_with_the_factors_that_they_are_asked_with(block, fixed):
    other = fixed[::-1].copy()
    previous = np.ones((N_ROWS + 100, RANK), np.float32)
    solved = solved_with(block, fixed, previous, GradientStepSolver(0.01), measured=other)
    assert solved.loss.squared_error == pytest.approx(sum_of_squares(block.training, solved.factors, other), rel=1e-4)
    assert solved.loss.validation_squared_error == pytest.approx(
        sum_of_squares(block.validation, solved.factors, other), rel=1e-4
    )


def test_the_change_is_told_of_exactly_solved_rows_too(block, fixed):
    previous = np.random.default_rng(4).standard_normal((N_ROWS + 100, RANK)).astype(np.float32)
    solved = solved_with(block, fixed, previous, tol=1.0)
    old = previous[100:].astype(np.float64)
    both = np.hstack([solved.factors - old, old])
    assert solved.change is not None
    np.testing.assert_allclose(solved.change, both.T @ both, rtol=1e-10)
    assert solved_with(block, fixed, None).change is None


def test_extrapolated_rows_have_the_loss_and_the_change(block, fixed):
    """Only rows that replace the solved ones count, and both come back."""
    rng = np.random.default_rng(5)
    previous, last = rng.standard_normal((2, N_ROWS + 100, RANK)).astype(np.float32)
    solved = solved_with(block, fixed, None).factors
    objective = ExplicitObjective(Regularization.equal(0.1, "weighted", 600))
    rules, extrapolation = StoppingRules(max_iterations=1, change_tol=1.0), Extrapolation(0.5)
    task = HalfStepTask("ALS", RANK, objective, CholeskySolver(), rules, extrapolation)
    found = solve_block(block, "user", fixed, None, previous, task, fixed, last)
    np.testing.assert_array_equal(found.solved, solved)
    np.testing.assert_allclose(found.factors, 1.5 * solved - 0.5 * last[100:], rtol=1e-5, atol=1e-5)
    weights = 0.1 * np.diff(block.training.indptr)
    assert found.loss.penalty == pytest.approx(float(weights @ (found.factors**2).sum(axis=1)), rel=1e-4)
    assert found.loss.squared_error == pytest.approx(sum_of_squares(block.training, found.factors, fixed), rel=1e-4)
    both = np.hstack([found.factors.astype(np.float64) - previous[100:], previous[100:]])
    assert found.change is not None
    np.testing.assert_allclose(found.change, both.T @ both, rtol=1e-5)
    plain = solve_block(block, "user", fixed, None, previous, task, fixed)
    assert plain.factors is plain.solved
    np.testing.assert_array_equal(plain.factors, solved)
