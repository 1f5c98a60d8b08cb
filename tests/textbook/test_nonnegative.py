"""Tests of nonnegative least squares against SciPy, of ALS with nonnegative factors, and of multiplicative updates."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from spark_mf.textbook import ALS, NMF, Ratings, gradient
from spark_mf.textbook.nonnegative import multiplicative_update, solve_nonnegative_row
from tests.textbook.small import small_factors, small_ratings

REGULARIZATIONS = ("weighted", "plain", "mean", "frequency")


def test_a_row_by_hand():
    """Without the constraint x = [2, −1] for FᵀF = I; with it, x₂ = 0."""
    np.testing.assert_array_equal(solve_nonnegative_row(np.eye(2), np.array([2.0, -1.0]), 0.0), [2, 0])


def test_an_entry_that_becomes_zero_again_by_hand():
    """The first entry becomes free first, because its gradient is steeper, and is 0 at the minimum."""
    F, r = np.array([[1.0, 0.5], [2.0, 0.5]]), np.array([3.0, -1.0])
    x = solve_nonnegative_row(F, r, 0.0)
    np.testing.assert_allclose(x, nnls(F, r)[0], atol=1e-14)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 20), st.sampled_from([0.01, 1.0]))
@settings(deadline=None, max_examples=200)
def test_a_row_is_scipys(seed, k, n_seen, penalty):
    rng = np.random.default_rng(seed)
    F, r = rng.standard_normal((n_seen, k)), rng.normal(1, 2, n_seen)
    expected = nnls(np.vstack([F, np.sqrt(penalty) * np.eye(k)]), np.concatenate([r, np.zeros(k)]))[0]
    np.testing.assert_allclose(solve_nonnegative_row(F, r, penalty), expected, rtol=1e-8, atol=1e-10)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 8), st.integers(1, 6))
@settings(deadline=None, max_examples=200)
def test_a_deficient_row_without_a_penalty_has_scipys_residual(seed, k, n_seen, rank):
    """The minimum is not unique, but its residual is."""
    rng = np.random.default_rng(seed)
    F, r = rng.standard_normal((n_seen, rank)) @ rng.standard_normal((rank, k)), rng.normal(1, 2, n_seen)
    x = solve_nonnegative_row(F, r, 0.0)
    assert (x >= 0).all()
    expected = nnls(F, r)[1] if n_seen else 0.0
    assert np.linalg.norm(F @ x - r) == pytest.approx(expected, rel=1e-7, abs=1e-7)


@given(st.integers(0, 1000), st.sampled_from(REGULARIZATIONS))
@settings(deadline=None, max_examples=30)
def test_als_satisfies_the_optimality_conditions(seed, regularization):
    """x ≥ 0, gradient ≥ 0, and one of the two is 0 in each entry (Karush, Kuhn and Tucker)."""
    ratings = small_ratings(seed)
    als = ALS(rank=3, maxIter=2, regParam=0.1, regularization=regularization, nonnegative=True)
    model = als.fit(ratings)
    dU, _ = gradient(ratings.matrix, ratings.observed, model.U, model.V, 0.1, regularization)
    assert (model.U >= 0).all()
    assert (model.V >= 0).all()
    assert (dU >= -1e-9).all()
    np.testing.assert_allclose(dU * model.U, 0, atol=1e-9)


@given(st.integers(0, 1000), st.sampled_from(REGULARIZATIONS), st.sampled_from([0.0, 0.1]))
@settings(deadline=None, max_examples=30)
def test_the_objective_of_als_never_rises(seed, regularization, regParam):
    als = ALS(rank=3, maxIter=6, regParam=regParam, regularization=regularization, nonnegative=True)
    objectives = [record.objective for record in als.fit(small_ratings(seed)).summary.history]
    assert (np.diff(objectives) <= 1e-9 * objectives[0]).all()


def test_the_constraint_changes_the_model_and_the_names_of_its_solver_do_not():
    ratings, (U, V) = small_ratings(2), small_factors(2)
    initial = abs(U), abs(V)
    free = ALS(rank=2, maxIter=3, regParam=0.01).fit(ratings, initial=initial)
    models = [
        ALS(rank=2, maxIter=3, regParam=0.01, nonnegative=True, solver=solver).fit(ratings, initial=initial)
        for solver in ("cholesky", "nnls")
    ]
    np.testing.assert_array_equal(models[0].U, models[1].U)
    assert min(free.U.min(), free.V.min()) < 0 <= min(models[0].U.min(), models[0].V.min())


@pytest.mark.parametrize("method", [lambda: ALS(rank=2, maxIter=0, nonnegative=True), lambda: NMF(rank=2, maxIter=0)])
def test_initial_factors_are_absolute_values(method):
    model = method().fit(small_ratings(3), np.random.default_rng(5))
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(model.U, abs(rng.normal(0, 0.1, (6, 2))))
    np.testing.assert_array_equal(model.V, abs(rng.normal(0, 0.1, (5, 2))))


@pytest.mark.parametrize("estimator", [ALS(rank=2, nonnegative=True), NMF(rank=2)])
def test_negative_initial_factors_are_refused(estimator):
    U, V = np.ones((6, 2)), np.ones((5, 2))
    V[1, 1] = -0.5
    with pytest.raises(ValueError, match=r"^initial must have factors >= 0, got -0\.5\. Use the absolute values\.$"):
        estimator.fit(small_ratings(4), initial=(U, V))


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            {"nonnegative": True, "solver": "gd"},
            "solver must be 'cholesky' or 'nnls' with nonnegative=True, got 'gd'. Iterative solvers do not support "
            "constraints.",
        ),
        (
            {"solver": "nnls"},
            "nonnegative must be True with solver='nnls', got False. Set it, or use solver='cholesky'.",
        ),
    ],
)
def test_an_impossible_combination_is_refused(setting, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, the whole sentence is compared
        ALS(**setting)
    assert str(refusal.value) == sentence


def test_a_multiplicative_update_by_hand():
    """u ← u·(r·v)/(û·v + w u) with û = u v, for r = [4, 6], v = [1, 2], u = 2 and w = 1: 2·16/(2·1 + 4·2 + 2)."""
    R, everything = np.array([[4.0, 6.0]]), np.ones((1, 2), bool)
    updated = multiplicative_update(R, everything, np.array([[2.0]]), np.array([[1.0], [2.0]]), np.array([1.0]))
    assert updated.item() == pytest.approx(2 * 16 / 12)


def test_without_a_mask_and_penalty_the_updates_are_lee_and_seungs():
    """H ← H ∘ WᵀV / WᵀWH, then W ← W ∘ VHᵀ / WHHᵀ."""
    ratings, (U, V) = small_ratings(5, share=1.0), small_factors(5)
    model = NMF(rank=2, maxIter=1).fit(ratings, initial=(abs(U), abs(V)))
    data, W, H = ratings.matrix, abs(U), abs(V).T
    H = H * (W.T @ data) / (W.T @ W @ H)
    W = W * (data @ H.T) / (W @ H @ H.T)
    np.testing.assert_allclose(model.U, W, rtol=1e-12)
    np.testing.assert_allclose(model.V, H.T, rtol=1e-12)


@given(st.integers(0, 1000), st.sampled_from(REGULARIZATIONS), st.sampled_from([0.0, 0.01, 0.5]), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_the_objective_of_nmf_never_rises_and_factors_stay_nonnegative(seed, regularization, regParam, rank):
    nmf = NMF(rank=rank, maxIter=20, regParam=regParam, regularization=regularization)
    model = nmf.fit(small_ratings(seed))
    objectives = [record.objective for record in model.summary.history]
    assert (np.diff(objectives) <= 1e-12 * objectives[0]).all()
    assert min(model.U.min(), model.V.min()) >= 0


def test_an_update_is_a_gradient_step_of_its_own_length_in_each_entry():
    """U − η ∘ ½∂U with η = U / denominator (Lee and Seung 2001, eq. 6)."""
    ratings, (U, V) = small_ratings(6), small_factors(6)
    U, V, w = abs(U), abs(V), np.full(6, 0.3)
    dU, _ = gradient(ratings.matrix, ratings.observed, U, V, 0.3, "plain")
    denominator = np.where(ratings.observed, U @ V.T, 0) @ V + 0.3 * U
    updated = multiplicative_update(ratings.matrix, ratings.observed, U, V, w)
    np.testing.assert_allclose(updated, U - U / denominator * dU / 2, rtol=1e-12)


def test_nmf_finds_a_nonnegative_matrix():
    U, V = small_factors(7, 12, 10)
    R = abs(U) @ abs(V).T
    model = NMF(rank=2, maxIter=20_000, tol=1e-6).fit(Ratings.from_matrix(R, np.ones_like(R, bool)))
    assert np.linalg.norm(R - model.U @ model.V.T) < 0.01 * np.linalg.norm(R)


def test_nmf_stops_once_the_product_changes_by_less_than_tol():
    model = NMF(rank=2, maxIter=10_000, tol=1e-3).fit(small_ratings(8))
    changes = [record.product_change for record in model.summary.history]
    assert model.summary.stoppedEarly
    assert changes[-1] < 1e-3 <= min(changes[:-1])


def test_nmf_and_als_agree_at_the_minimum():
    ratings = small_ratings(9)
    common: dict[str, Any] = {"rank": 1, "regParam": 0.05, "regularization": "plain"}
    by_updates = NMF(maxIter=5000, **common).fit(ratings)
    by_als = ALS(maxIter=500, nonnegative=True, **common).fit(ratings)
    np.testing.assert_allclose(by_updates.U @ by_updates.V.T, by_als.U @ by_als.V.T, rtol=1e-4)


def test_entries_with_a_denominator_of_zero_are_not_changed():
    R, observed = np.array([[0.0, 0.0]]), np.array([[True, True]])
    zeros = np.zeros((2, 1))
    np.testing.assert_array_equal(multiplicative_update(R, observed, np.ones((1, 1)), zeros, np.zeros(1)), [[1]])


def test_negative_ratings_are_refused():
    ratings = Ratings.from_matrix(np.array([[1.0, -2.0]]), np.array([[True, True]]))
    with pytest.raises(ValueError, match=r"^ratings must be >= 0 for NMF, got -2\. Use ALS for such ratings\.$"):
        NMF(rank=1).fit(ratings)
