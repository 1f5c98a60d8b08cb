"""Tests of alternating least squares with biases, against a result by hand and optimality conditions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_mf.textbook import ALS, Ratings, gradient, gradient_check, loss
from spark_mf.textbook.als import solve_row
from tests.textbook.small import small_factors, small_ratings

CONVENTIONS = ("plain", "weighted", "mean", "frequency")
#: Users a and b rate both items: r = 2.5 ± 0.5 ± 1.
HAND_MADE = Ratings.from_matrix(np.array([[4.0, 2.0], [3.0, 1.0]]), np.ones((2, 2), bool))


def biased(**params: Any) -> ALS:
    return ALS(**{"rank": 2, "regParam": 0.3, "fitBias": True, "biasRegParam": 0.7} | params)


def test_an_iteration_by_hand():
    """λ = 1 and λ_b = 2. Both rows of the users are [1, 0], so that [[3, 2], [2, 4]]·[v, b_i] = ±[2, 2] for the items;
    for the users, diag(1.5, 4)·[u, b_u] = [0.75, ±1]."""
    als = biased(rank=1, maxIter=1, regParam=1.0, biasRegParam=2.0, regularization="plain")
    model = als.fit(HAND_MADE, initial=(np.ones((2, 1)), np.zeros((2, 1))))
    assert model.globalMean == 2.5
    np.testing.assert_allclose(model.V, [[0.5], [-0.5]])
    np.testing.assert_allclose(model.itemBias, [0.25, -0.25])
    np.testing.assert_allclose(model.U, [[0.5], [0.5]])
    np.testing.assert_allclose(model.userBias, [0.25, -0.25])
    # The errors are ±0.75 and ±0.25; the squares of the factors sum up to 1, and those of the biases to 0.25.
    assert model.summary.history[0].objective == pytest.approx(1.25 + 1 * 1 + 2 * 0.25)


@pytest.mark.parametrize("order", ["users", "items"])
@pytest.mark.parametrize("share", [0.6, 1.0])
@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_a_half_step_leaves_no_gradient_of_factors_and_biases(regularization, share, order):
    ratings, factors = small_ratings(1, share), small_factors(1)
    als = biased(maxIter=2, regularization=regularization, order=order)
    model = als.fit(ratings, initial=factors)
    parameters = model.U, model.V, 0.3, regularization, model.userBias, model.itemBias, model.globalMean, 0.7
    dU, dV, dbu, dbi = gradient(ratings.matrix, ratings.observed, *parameters)
    solved, others = ((dV, dbi), (dU, dbu)) if order == "users" else ((dU, dbu), (dV, dbi))
    assert max(abs(part).max() for part in solved) < 1e-11
    assert min(abs(part).max() for part in others) > 1e-4


@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_the_gradient_with_biases_is_that_of_central_differences(regularization):
    ratings, (U, V) = small_ratings(2), small_factors(2)
    rng = np.random.default_rng(2)
    parameters = U, V, rng.standard_normal(len(U)), rng.standard_normal(len(V))

    def of(function):
        def call(U, V, b_u, b_i):
            return function(ratings.matrix, ratings.observed, U, V, 0.3, regularization, b_u, b_i, 3.0, 0.7)

        return call

    assert gradient_check(of(loss), of(gradient), parameters).max_relative_error < 1e-6


@given(st.integers(0, 1000), st.sampled_from(CONVENTIONS), st.sampled_from(["cholesky", "gd"]), st.sampled_from([0, 1]))
@settings(max_examples=40)
def test_the_objective_never_rises(seed, regularization, solver, biasRegParam):
    als = biased(maxIter=8, regularization=regularization, solver=solver, biasRegParam=float(biasRegParam))
    objectives = [record.objective for record in als.fit(small_ratings(seed)).summary.history]
    assert (np.diff(objectives) <= 1e-9 * objectives[0]).all()


def test_many_steps_of_gradient_descent_are_an_exact_half_step():
    ratings, factors = small_ratings(3), small_factors(3)
    exact = biased(maxIter=1).fit(ratings, initial=factors)
    steps = biased(maxIter=1, solver="gd", innerSteps=3000).fit(ratings, initial=factors)
    for name in ("U", "V", "userBias", "itemBias"):
        np.testing.assert_allclose(getattr(steps, name), getattr(exact, name), atol=1e-8)


def test_ratings_of_biases_alone_need_no_factors():
    """With a small λ_b and a large λ, the factors vanish, and the biases are those of the ratings."""
    rng = np.random.default_rng(4)
    users, items = (x - x.mean() for x in (rng.uniform(-1, 1, 6), rng.uniform(-1, 1, 5)))
    R = 3 + users[:, None] + items
    ratings = Ratings.from_matrix(R, np.ones_like(R, bool))
    model = biased(maxIter=20, regParam=100.0, biasRegParam=0.0).fit(ratings)
    np.testing.assert_allclose(model.U @ model.V.T, 0, atol=1e-6)
    # A constant may move from one side to the other.
    np.testing.assert_allclose(model.userBias - model.userBias.mean(), users, atol=1e-6)
    np.testing.assert_allclose(model.itemBias - model.itemBias.mean(), items, atol=1e-6)


def test_a_penalty_of_the_bias_alone_selects_the_shortest_factors():
    """One rating r = 2 with v = [1, 1] and λ_b > 0: factors explain it without a bias, the shortest being [1, 1]."""
    np.testing.assert_allclose(solve_row(np.ones((1, 3)), np.array([2.0]), np.array([0, 0, 1.0])), [1, 1, 0], atol=1e-9)


def test_tol_ends_the_fit_once_predictions_change_by_less():
    ratings = small_ratings(5)
    fits = [biased(maxIter=n).fit(ratings) for n in (1, 2)]
    first, second = (model.userBias[:, None] + model.itemBias + model.U @ model.V.T for model in fits)
    assert fits[1].summary.history[1].product_change == pytest.approx(np.linalg.norm(second - first))
    assert biased(maxIter=500, tol=1e-4).fit(ratings).summary.stoppedEarly


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            {"nonnegative": True},
            "fitBias must be False with nonnegative=True, got True. Biases are negative for ratings below the mean.",
        ),
        (
            {"implicitPrefs": True},
            "fitBias must be False with implicitPrefs=True, got True. Biases are those of explicit ratings.",
        ),
        ({"biasRegParam": -1.0}, "biasRegParam must be finite and >= 0, got -1.0."),
    ],
)
def test_a_setting_that_is_not_possible_is_refused(setting, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, the whole sentence is compared
        replace(biased(), **setting)
    assert str(refusal.value) == sentence
