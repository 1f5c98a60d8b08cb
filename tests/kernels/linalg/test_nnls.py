"""Tests of nonnegative least squares against SciPy, and of its optimality conditions."""

import numpy as np
import pytest
from hypothesis import example, given

from spark_mf.kernels.linalg import nnls as fast
from spark_mf.kernels.linalg.minimum_norm import solve_minimum_norm
from spark_mf.kernels.reference import nnls as plain
from spark_mf.kernels.reference.least_squares import normal_equations
from tests.kernels.linalg.test_least_squares import COMBINATIONS, SHAPES, Problem, loss_terms


def solved_by(module, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The rows, and their losses."""
    solved, failed = np.full_like(problem.start, 7), np.zeros(problem.n_rows, np.uint8)
    losses = np.full(problem.n_rows, np.nan)
    module.solve_nnls(*problem.terms, solved, failed, 0, problem.n_rows, losses)
    assert not failed.any()
    return solved, losses


@pytest.mark.parametrize("terms", COMBINATIONS, ids=lambda terms: "+".join(terms) or "none")
@given(SHAPES)
@example((0, 1, [1], 1))
@example((1, 200, [300, 0, 1, 64, 65], 40))
@example((2, 64, [63, 64, 128], 30))
def test_equals_scipy(terms, shape):
    problem = Problem(shape, terms)
    (solved, losses), (expected, expected_losses) = (solved_by(module, problem) for module in (fast, plain))
    np.testing.assert_allclose(solved, expected, rtol=1e-3, atol=1e-4)
    sizes = np.array([loss_terms(problem, row, expected[row]) for row in range(problem.n_rows)])
    assert (np.abs(losses - expected_losses) <= 1e-4 * sizes + 1e-4).all()


@given(SHAPES)
def test_solutions_meet_the_optimality_conditions(shape):
    """u >= 0, and the gradient A u - b is 0 where u > 0 and >= 0 elsewhere (Karush-Kuhn-Tucker)."""
    problem = Problem(shape)
    solved, _ = solved_by(fast, problem)
    assert (solved >= 0).all()
    for row, u in enumerate(solved.astype(np.float64)):
        matrix, right = normal_equations(*problem.terms, row)
        gradient, size = matrix @ u - right, 1e-3 * (1 + np.abs(right).max())
        assert (np.abs(gradient[u > 0]) < size).all()
        assert (gradient > -size).all()


def test_a_case_by_hand():
    """A = [[2, 1], [1, 2]], b = (3, -1): unconstrained (7/3, -5/3); with u2 = 0, u1 = 3/2 and gradient (0, 5/2)."""
    fixed, penalty = np.array([[1, 0], [0, 1], [1, 1]], np.float32), np.ones(1, np.float32)
    csr = np.array([0, 3]), np.arange(3, dtype=np.int32), np.array([3, -1, 0], np.float32)
    for module in (fast, plain):
        solved, failed = np.full((1, 2), 7, np.float32), np.zeros(1, np.uint8)
        shared = np.zeros((2, 2), np.float32)
        shared[:] = [[-1, 0], [0, -1]]
        module.solve_nnls(*csr, None, fixed, shared, penalty, None, None, solved, failed, 0, 1)
        np.testing.assert_allclose(solved[0], [1.5, 0], rtol=1e-6)


def test_rows_that_float32_cannot_solve_are_solved_by_scipy():
    """Twice the same column and no penalty: the matrix is singular, and the objective still is the lowest possible."""
    fixed = np.array([[1, 1], [2, 2]], np.float32)
    arguments = (
        np.array([0, 2]), np.arange(2, dtype=np.int32), np.array([1, 2], np.float32), None, fixed, None,
        np.zeros(1, np.float32), None, None,
    )  # fmt: skip
    solved, failed = np.full((1, 2), 7, np.float32), np.zeros(1, np.uint8)
    fast.solve_nnls(*arguments, solved, failed, 0, 1)
    assert failed.tolist() == [1]
    solve_minimum_norm(*arguments, solved, np.flatnonzero(failed), nonnegative=True)
    assert (solved >= 0).all()
    assert solved.sum() == pytest.approx(1, rel=1e-5)
