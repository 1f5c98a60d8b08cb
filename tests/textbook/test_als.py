"""Tests of alternating least squares, against rows computed by hand and optimality conditions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_mf.textbook import ALS, Ratings, gradient
from spark_mf.textbook.als import solve_fully_observed, solve_row, solve_rows
from spark_mf.textbook.loss import row_penalties
from tests.textbook.small import small_factors, small_ratings

CONVENTIONS = ("plain", "weighted", "mean", "frequency")


def test_a_row_by_hand():
    """(1 + 4 + 1)·u = 1·2 + 2·4 with λ = 1."""
    assert solve_row(np.array([[1.0], [2.0]]), np.array([2.0, 4.0]), 1.0).item() == pytest.approx(10 / 6)


def test_a_row_of_rank_two_by_hand():
    """FᵀF + I = [[3, 1], [1, 2]], Fᵀr = [3, 2]; the solution is [4/5, 3/5]."""
    F = np.array([[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(solve_row(F, np.array([1.0, 2.0]), 1.0), [0.8, 0.6])


def test_only_observed_ratings_count():
    R, observed = np.array([[2.0, 99.0, 4.0]]), np.array([[True, False, True]])
    solved = solve_rows(R, observed, np.array([[1.0], [7.0], [2.0]]), np.array([1.0]))
    assert solved.item() == pytest.approx(10 / 6)


@pytest.mark.parametrize("order", ["users", "items"])
@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_a_half_step_leaves_no_gradient_on_the_side_it_solved(regularization, order):
    ratings, factors = small_ratings(1), small_factors(1)
    als = ALS(rank=2, maxIter=1, regParam=0.3, regularization=regularization, order=order)
    model = als.fit(ratings, initial=factors)
    dU, dV = gradient(ratings.matrix, ratings.observed, model.U, model.V, 0.3, regularization)
    solved_last, solved_first = (dV, dU) if order == "users" else (dU, dV)
    np.testing.assert_allclose(solved_last, 0, atol=1e-11)
    assert abs(solved_first).max() > 1e-3


def test_users_first_starts_from_the_items_and_items_first_from_the_users():
    ratings, (U, V) = small_ratings(2), small_factors(2)
    for order, unused in (("users", (0 * U, V)), ("items", (U, 0 * V))):
        als = ALS(rank=2, maxIter=2, order=order)
        np.testing.assert_array_equal(als.fit(ratings, initial=(U, V)).U, als.fit(ratings, initial=unused).U)


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_without_a_penalty_a_row_has_the_smallest_norm_of_all_least_squares_solutions(seed, rank_of_fixed, n_seen):
    """Fixed rows of rank below k, or fewer ratings than k."""
    rng = np.random.default_rng(seed)
    fixed = rng.standard_normal((5, rank_of_fixed)) @ rng.standard_normal((rank_of_fixed, 4))
    seen = np.zeros((1, 5), bool)
    seen[0, rng.permutation(5)[:n_seen]] = True
    R = rng.uniform(1, 5, (1, 5))
    expected = np.linalg.pinv(fixed[seen[0]], rcond=1e-10) @ R[seen]
    solved = solve_rows(R, seen, fixed, np.zeros(1))[0]
    np.testing.assert_allclose(solved, expected, rtol=1e-7, atol=1e-8)


def test_a_row_without_ratings_is_zero_with_and_without_a_penalty():
    R, nothing = np.zeros((2, 3)), np.zeros((2, 3), bool)
    np.testing.assert_array_equal(solve_rows(R, nothing, np.ones((3, 2)), np.array([0.0, 0.1])), np.zeros((2, 2)))


@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_fully_observed_rows_have_one_system_for_all(penalty):
    rng = np.random.default_rng(3)
    R, fixed = rng.uniform(1, 5, (6, 5)), rng.standard_normal((5, 3))
    expected = solve_rows(R, np.ones((6, 5), bool), fixed, np.full(6, penalty))
    np.testing.assert_allclose(solve_fully_observed(R, fixed, penalty), expected, rtol=1e-10)


def test_fully_observed_of_deficient_rank_without_a_penalty_is_the_pseudoinverses():
    rng = np.random.default_rng(4)
    R, fixed = rng.uniform(1, 5, (6, 5)), rng.standard_normal((5, 1)) @ np.ones((1, 3))
    expected = R @ np.linalg.pinv(fixed, rcond=1e-10).T
    np.testing.assert_allclose(solve_fully_observed(R, fixed, 0.0), expected, rtol=1e-9)


@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_a_fit_of_a_full_matrix_is_that_of_its_rows(regularization):
    ratings, (U, V) = small_ratings(5, share=1.0), small_factors(5)
    assert ratings.observed.all()
    als = ALS(rank=2, maxIter=1, regParam=0.2, regularization=regularization, order="users")
    model = als.fit(ratings, initial=(U, V))
    w_U, w_V = (row_penalties(n, 0.2, regularization) for n in (ratings.user_counts, ratings.item_counts))
    U = solve_rows(ratings.matrix, ratings.observed, V, w_U)
    V = solve_rows(ratings.matrix.T, ratings.observed.T, U, w_V)
    np.testing.assert_allclose(model.U, U, rtol=1e-9)
    np.testing.assert_allclose(model.V, V, rtol=1e-9)


def test_a_full_matrix_of_rank_k_is_found_without_a_penalty():
    U, V = small_factors(6)
    R = U @ V.T
    model = ALS(rank=2, maxIter=30, regParam=0.0).fit(Ratings.from_matrix(R, np.ones_like(R, bool)))
    np.testing.assert_allclose(model.U @ model.V.T, R, atol=1e-9)


def test_weighted_is_plain_where_every_row_has_as_many_ratings():
    """Each user and item has 3 ratings: λ n_u is plain with 3λ."""
    observed = np.array([[(i + j) % 5 < 3 for j in range(5)] for i in range(5)])
    ratings = Ratings.from_matrix(np.random.default_rng(7).uniform(1, 5, (5, 5)), observed)
    factors = small_factors(7, 5, 5)
    weighted = ALS(rank=2, regParam=0.1, regularization="weighted").fit(ratings, initial=factors)
    plain = ALS(rank=2, regParam=0.3, regularization="plain").fit(ratings, initial=factors)
    np.testing.assert_allclose(weighted.U, plain.U, rtol=1e-10)


def test_a_row_of_weighted_is_one_of_plain_with_its_own_lambda():
    ratings, (_, V) = small_ratings(8), small_factors(8)
    R, observed = ratings.matrix, ratings.observed
    weighted = solve_rows(R, observed, V, row_penalties(ratings.user_counts, 0.1, "weighted"))
    for row, count in enumerate(ratings.user_counts):
        plain = solve_rows(R, observed, V, row_penalties(ratings.user_counts, 0.1 * count, "plain"))
        np.testing.assert_allclose(weighted[row], plain[row], rtol=1e-12)


def test_mean_is_plain_with_lambda_times_the_ratings():
    ratings, factors = small_ratings(9), small_factors(9)
    mean = ALS(rank=2, regParam=0.01, regularization="mean").fit(ratings, initial=factors)
    plain = ALS(rank=2, regParam=0.01 * len(ratings), regularization="plain").fit(ratings, initial=factors)
    np.testing.assert_allclose(mean.U, plain.U, rtol=1e-12)


@given(st.integers(0, 1000), st.sampled_from(CONVENTIONS), st.sampled_from([0.01, 0.5]), st.sampled_from([1, 2, 4]))
@settings(deadline=None, max_examples=40)
def test_the_objective_never_rises(seed, regularization, regParam, rank):
    als = ALS(rank=rank, maxIter=8, regParam=regParam, regularization=regularization)
    objectives = [record.objective for record in als.fit(small_ratings(seed)).summary.history]
    assert (np.diff(objectives) <= 1e-9 * objectives[0]).all()


def test_tol_ends_the_fit_once_the_product_changes_by_less():
    ratings = small_ratings(10)
    model = ALS(rank=2, maxIter=500, tol=1e-4).fit(ratings)
    changes = [record.product_change for record in model.summary.history]
    assert model.summary.stoppedEarly
    assert changes[-1] < 1e-4 <= min(changes[:-1])
    assert model.summary.bestIteration is None


def test_repeated_pairs_are_refused():
    zeros = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match=r"at most once, got 1 duplicates\. .*use SGD"):
        ALS(rank=1).fit(Ratings(zeros, zeros, np.ones(2), (1, 1)))


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"solver": "cg"}, "solver must be one of cholesky, gd, nnls, got 'cg'."),
        ({"order": "both"}, "order must be one of items, users, got 'both'."),
        ({"innerSteps": 0}, "innerSteps must be an integer >= 1, got 0."),
        ({"innerTol": -1.0}, "innerTol must be finite and >= 0, got -1.0."),
    ],
)
def test_a_setting_that_is_not_possible_is_refused(setting, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, the whole sentence is compared
        replace(ALS(), **setting)
    assert str(refusal.value) == sentence
