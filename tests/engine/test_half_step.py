"""One block's half-step, without Spark: threads, warm starts and the sums that it reports."""

from types import SimpleNamespace

import numpy as np
import pytest

from spark_mf.blocks.csr import RatingBlock
from spark_mf.engine import half_step
from spark_mf.engine.half_step import Subproblem, solve_block
from spark_mf.engine.layout import LaidOutBlock

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


def problem(solver: str = "cholesky", steps: int = 3) -> Subproblem:
    return Subproblem(RANK, 0.1, "weighted", 600, solver, steps)


def sum_of_squares(ratings: RatingBlock, factors: np.ndarray, fixed: np.ndarray) -> float:
    rows = np.repeat(np.arange(N_ROWS), np.diff(ratings.indptr))
    return float(((ratings.values - np.einsum("ij,ij->i", factors[rows], fixed[ratings.indices])) ** 2).sum())


def test_reports_squared_errors_and_penalties_of_its_own_solution(block, fixed):
    solved = solve_block(block, fixed, None, problem(), with_errors=True)
    assert solved.number == 3
    assert solved.squared_error == pytest.approx(sum_of_squares(block.training, solved.factors, fixed), rel=1e-4)
    assert solved.validation_squared_error == pytest.approx(
        sum_of_squares(block.validation, solved.factors, fixed), rel=1e-4
    )
    weights = 0.1 * np.diff(block.training.indptr)
    assert solved.penalties == pytest.approx(float(weights @ (solved.factors**2).sum(axis=1)), rel=1e-4)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("cpus", [2, 3, 100])
def test_threads_of_a_task_give_the_same_result(block, fixed, solver, cpus, monkeypatch):
    previous = np.zeros((N_ROWS + 100, RANK), np.float32) if solver == "cg" else None
    one = solve_block(block, fixed, previous, problem(solver), with_errors=True)
    task = SimpleNamespace(cpus=lambda: cpus)
    monkeypatch.setattr(half_step, "TaskContext", SimpleNamespace(get=lambda: task))
    many = solve_block(block, fixed, previous, problem(solver), with_errors=True)
    np.testing.assert_array_equal(many.factors, one.factors)
    assert many.squared_error == pytest.approx(one.squared_error, rel=1e-9)


def test_conjugate_gradients_start_from_the_rows_of_this_block(block, fixed):
    """From the exact solution, no step moves; from zeros, one step stays away from it."""
    exact = solve_block(block, fixed, None, problem(), with_errors=False).factors
    previous = np.full((N_ROWS + 100, RANK), 1e9, np.float32)
    previous[block.training.rows] = exact
    stays = solve_block(block, fixed, previous, problem("cg"), with_errors=False).factors
    np.testing.assert_allclose(stays, exact, rtol=1e-3, atol=1e-4)
    away = solve_block(block, fixed, np.zeros_like(previous), problem("cg", 1), with_errors=False).factors
    assert np.abs(away - exact).max() > 0.01
    assert (previous[:100] == 1e9).all()
