"""The three objectives, by hand and by their gradients."""

import numpy as np
import pytest

from spark_mf.kernels.objective import objective, penalty_sum, row_penalties

LENGTHS = np.array([3, 0, 5])


@pytest.mark.parametrize(
    ("regularization", "expected"),
    [("weighted", [0.6, 0.0, 1.0]), ("plain", [0.2, 0.2, 0.2]), ("mean", [1.6, 1.6, 1.6])],
)
def test_penalties_of_rows(regularization, expected):
    penalties = row_penalties(LENGTHS, 0.2, regularization, n_ratings=8)
    assert penalties.dtype == np.float32
    np.testing.assert_allclose(penalties, expected, rtol=1e-6)


def test_penalty_sum_weighs_squared_norms():
    factors = np.array([[1, 2], [3, 4], [0, 1]], np.float32)
    penalty = np.array([0.5, 10, 2], np.float32)
    assert penalty_sum(penalty, factors) == pytest.approx(0.5 * 5 + 10 * 25 + 2 * 1)
    scale = np.array([0, 3], np.float32)
    assert penalty_sum(penalty, factors, scale) == pytest.approx(3 * penalty_sum(penalty, factors[:, 1:]))


def test_mean_is_plain_with_the_ratings_times_lambda():
    """DESIGN: `mean` with λ has the same minimiser as `plain` with λ|Ω|, and |Ω| times smaller values."""
    plain = row_penalties(LENGTHS, 0.2 * 8, "plain", 8)
    np.testing.assert_array_equal(row_penalties(LENGTHS, 0.2, "mean", 8), plain)
    assert objective(40.0, 16.0, "mean", 8) == pytest.approx(objective(40.0, 16.0, "plain", 8) / 8)


@pytest.mark.parametrize("regularization", ["weighted", "plain", "mean"])
def test_the_solved_row_is_where_the_objective_has_no_slope(regularization):
    """Central differences of the objective in one user's factors vanish at the half-step's solution."""
    from spark_mf.kernels.reference.least_squares import solve_cholesky

    rng = np.random.default_rng(0)
    fixed = rng.standard_normal((6, 3))
    values, lam, n_ratings = rng.uniform(1, 5, 6), 0.3, 6
    penalty = row_penalties(np.array([6]), lam, regularization, n_ratings)
    solved = np.zeros((1, 3))
    csr = (np.array([0, 6]), np.arange(6), values)
    solve_cholesky(*csr, None, fixed, None, penalty, None, None, solved, np.zeros(1), 0, 1)

    def value(u: np.ndarray) -> float:
        errors = values - fixed @ u
        return objective(errors @ errors, float(penalty[0]) * float(u @ u), regularization, n_ratings)

    for a in range(3):
        step = np.eye(3)[a] * 1e-5
        assert (value(solved[0] + step) - value(solved[0] - step)) / 2e-5 == pytest.approx(0, abs=1e-6)
        assert value(solved[0] + 100 * step) > value(solved[0])
