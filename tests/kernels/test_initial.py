"""Tests of the initial factors for nonnegative factorization, with half-steps by SciPy's NNLS."""

import numpy as np
import pytest
from scipy.optimize import nnls

from spark_mf.kernels.initial import rows_for_nonnegative, unit_rows
from spark_mf.kernels.random import Purpose


def half_step(ratings, observed, fixed, penalty):
    """Nonnegative least squares of each row, with the penalty weighted by its number of ratings."""
    rank, rows = fixed.shape[1], []
    for r, seen in zip(ratings, observed, strict=True):
        system = np.vstack([fixed[seen], np.sqrt(penalty * seen.sum()) * np.eye(rank)])
        rows.append(nnls(system, np.append(r[seen], np.zeros(rank)))[0])
    return np.array(rows)


def error_after(ratings, observed, users, penalty, iterations):
    """Return the weighted objective after some iterations from initial users."""
    for _ in range(iterations):
        items = half_step(ratings.T, observed.T, users, penalty)
        users = half_step(ratings, observed, items, penalty)
    errors = np.where(observed, ratings - users @ items.T, 0)
    penalties = observed.sum(axis=1) @ (users**2).sum(axis=1) + observed.sum(axis=0) @ (items**2).sum(axis=1)
    return (errors**2).sum() + penalty * penalties


@pytest.mark.parametrize("rank", [4, 8])
def test_nonnegative_fits_converge_much_faster_than_from_nonnegative_rows(rank):
    """And nearly as fast as from rows of any sign, from which pyspark's ALS starts."""
    rng = np.random.default_rng(0)
    users, items = rng.standard_normal((80, 4)), rng.standard_normal((50, 4))
    ratings = np.clip(3.5 + 0.3 * users @ items.T + rng.normal(0, 0.2, (80, 50)), 0.5, 5)
    observed = rng.random(ratings.shape) < 0.4
    given = 0, Purpose.USER_FACTORS, 80, rank
    found, signed, nonnegative = (
        error_after(ratings, observed, start.astype(np.float64), 0.05, 5)
        for start in (rows_for_nonnegative(*given), unit_rows(*given), np.abs(unit_rows(*given)))
    )
    assert found < 0.85 * nonnegative
    assert found < 1.1 * signed


@pytest.mark.parametrize("rank", [1, 2, 3, 8])
def test_no_row_with_positive_ratings_remains_zero(rank):
    """Each of 100 groups of two users and one item is fitted, also those whose users have opposite rows."""
    users = rows_for_nonnegative(3, Purpose.USER_FACTORS, 200, rank).astype(np.float64)
    signed = unit_rows(3, Purpose.USER_FACTORS, 200, rank)
    assert rank == 8 or (signed.reshape(100, 2, rank).sum(axis=1) <= 0).all(axis=1).any()
    observed = np.kron(np.eye(100), np.ones((2, 1))) > 0
    ratings = 3.0 * observed
    for _ in range(10):
        items = half_step(ratings.T, observed.T, users, 1e-3)
        users = half_step(ratings, observed, items, 1e-3)
    assert (users @ items.T)[observed].min() > 2.5
