"""Tests of ALS+GD: inner steps computed by hand, convergence to exact rows, and monotonicity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_mf.textbook import ALS, loss
from spark_mf.textbook.als import solve_rows
from spark_mf.textbook.half_steps.inner_steps import descend_rows
from tests.textbook.small import small_factors, small_ratings

ONES = np.ones((1, 2), bool)
R = np.array([[1.0, 4.0]])
AXES = np.array([[1.0, 0.0], [0.0, 2.0]])
START = np.zeros((1, 2))


def test_an_exact_line_search_by_hand():
    """A = diag(1, 4), g = −(1, 8): ‖g‖² = 65, gᵀA g = 257, so x = 65/257·(1, 8)."""
    moved = descend_rows(R, ONES, AXES, np.zeros(1), START, 1)
    np.testing.assert_allclose(moved, [[65 / 257, 520 / 257]])


def test_a_fixed_step_by_hand():
    """Twice g = −(1, 8) by 0.05."""
    np.testing.assert_allclose(descend_rows(R, ONES, AXES, np.zeros(1), START, 1, stepSize=0.05), [[0.1, 0.8]])


def test_a_penalty_by_hand():
    """From x = (1, 1) with w = 3: A = diag(4, 7), g = A x − (1, 8) = (3, −1); ‖g‖² = 10, gᵀA g = 43."""
    moved = descend_rows(R, ONES, AXES, np.full(1, 3.0), np.ones((1, 2)), 1)
    np.testing.assert_allclose(moved, [[1 - 30 / 43, 1 + 10 / 43]])


def test_in_one_dimension_one_step_is_exact():
    ratings, (_, V) = small_ratings(1), small_factors(1, k=1)
    start, penalties = np.ones((6, 1)), np.full(6, 0.3)
    exact = solve_rows(ratings.matrix, ratings.observed, V, penalties)
    np.testing.assert_allclose(descend_rows(ratings.matrix, ratings.observed, V, penalties, start, 1), exact)


def test_each_row_has_its_own_length():
    ratings, (U, V) = small_ratings(2), small_factors(2)
    together = descend_rows(ratings.matrix, ratings.observed, V, np.full(6, 0.1), U, 4)
    for row in range(6):
        one = slice(row, row + 1)
        alone = descend_rows(ratings.matrix[one], ratings.observed[one], V, np.full(1, 0.1), U[one], 4)
        np.testing.assert_allclose(together[one], alone, rtol=1e-12)


@pytest.mark.parametrize("stepSize", [None, 0.02])
def test_many_steps_end_at_the_exact_rows(stepSize):
    ratings, (U, V) = small_ratings(3), small_factors(3)
    penalties = np.full(6, 0.5)
    exact = solve_rows(ratings.matrix, ratings.observed, V, penalties)
    moved = descend_rows(ratings.matrix, ratings.observed, V, penalties, U, 3000, stepSize=stepSize)
    np.testing.assert_allclose(moved, exact, rtol=1e-8)


@pytest.mark.parametrize("regularization", ["plain", "weighted", "mean"])
def test_als_gd_with_many_steps_is_als(regularization):
    ratings, factors = small_ratings(4), small_factors(4)
    settings_ = {"rank": 2, "maxIter": 5, "regParam": 0.2, "regularization": regularization}
    exact = ALS(**settings_).fit(ratings, initial=factors)
    inexact = ALS(solver="gd", innerSteps=400, **settings_).fit(ratings, initial=factors)
    np.testing.assert_allclose(inexact.U, exact.U, rtol=1e-7)
    np.testing.assert_allclose(inexact.V, exact.V, rtol=1e-7)


@given(st.integers(0, 1000), st.sampled_from(["plain", "weighted", "mean"]), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_with_the_exact_line_search_the_objective_never_rises(seed, regularization, steps):
    als = ALS(
        rank=3, maxIter=8, regParam=0.05, regularization=regularization, solver="gd", innerSteps=steps, initStd=1.0
    )
    objectives = [record.objective for record in als.fit(small_ratings(seed)).summary.history]
    assert (np.diff(objectives) <= 1e-9 * objectives[0]).all()


def test_a_row_ends_once_its_gradient_is_small_enough():
    ratings, (U, V) = small_ratings(5), small_factors(5)
    R, observed, penalties = ratings.matrix, ratings.observed, np.full(6, 0.1)

    def norms(X):
        return np.linalg.norm(np.where(observed, X @ V.T - R, 0) @ V + 0.1 * X, axis=1)

    path = [U]
    for _ in range(500):
        path.append(descend_rows(R, observed, V, penalties, path[-1], 1))
    is_small = np.array([norms(X) <= 0.01 * norms(U) for X in path])
    assert is_small.any(axis=0).all()
    first = is_small.argmax(axis=0)
    assert len(set(first)) > 1
    ended = descend_rows(R, observed, V, penalties, U, 500, tol=0.01)
    expected = [path[step][row] for row, step in enumerate(first)]
    np.testing.assert_allclose(ended, expected, rtol=1e-12)


def test_a_row_at_its_solution_and_one_without_ratings_stay():
    observed = np.array([[True, True], [False, False]])
    values = np.array([[1.0, 4.0], [0.0, 0.0]])
    start = np.array([[1.0, 2.0], [0.5, 0.5]])
    moved = descend_rows(values, observed, AXES, np.zeros(2), start, 3)
    np.testing.assert_array_equal(moved, start)


def test_the_start_is_not_changed():
    start = np.ones((1, 2))
    descend_rows(R, ONES, AXES, np.zeros(1), start, 2)
    np.testing.assert_array_equal(start, np.ones((1, 2)))


def test_one_inner_step_lowers_the_loss_less_than_an_exact_half_step():
    ratings, (U, V) = small_ratings(6), small_factors(6)
    args = ratings.matrix, ratings.observed
    penalties = np.full(6, 0.1)
    exact = loss(*args, solve_rows(*args, V, penalties), V, 0.1)
    one = loss(*args, descend_rows(*args, V, penalties, U, 1), V, 0.1)
    assert exact < one < loss(*args, U, V, 0.1)
