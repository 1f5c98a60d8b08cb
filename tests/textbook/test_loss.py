"""Tests of the objective against values computed by hand, and of its gradient against central differences."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spark_mf.textbook import ALS, GD, NMF, SGD, Ratings, gradient, gradient_check, loss
from spark_mf.textbook.loss import objective
from spark_mf.textbook.model import Parameters
from tests.textbook.small import small_factors, small_ratings

CONVENTIONS = ("plain", "weighted", "mean", "frequency")
SIDES = {"userRegParam": 0.07, "itemRegParam": 1.3}


@pytest.mark.parametrize("share", [0.4, 1.0])
@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_gradient_without_biases_is_that_of_central_differences(regularization, share):
    ratings, factors = small_ratings(1, share), small_factors(1)
    R, observed = ratings.matrix, ratings.observed
    check = gradient_check(
        lambda U, V: loss(R, observed, U, V, 0.3, regularization),
        lambda U, V: gradient(R, observed, U, V, 0.3, regularization),
        factors,
    )
    assert [g.shape for g in check.analytic] == [(6, 2), (5, 2)]
    assert check.max_relative_error < 1e-7


@pytest.mark.parametrize("share", [0.4, 1.0])
@pytest.mark.parametrize("biasRegParam", [None, 0.05])
@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_gradient_with_biases_is_that_of_central_differences(regularization, biasRegParam, share):
    ratings, rng = small_ratings(2, share), np.random.default_rng(2)
    R, observed = ratings.matrix, ratings.observed

    def with_biases(function):
        return lambda U, V, b_u, b_i: function(R, observed, U, V, 0.3, regularization, b_u, b_i, 2.5, biasRegParam)

    parameters = (*small_factors(2), rng.standard_normal(6), rng.standard_normal(5))
    check = gradient_check(with_biases(loss), with_biases(gradient), parameters)
    assert [g.shape for g in check.analytic] == [(6, 2), (5, 2), (6,), (5,)]
    assert check.max_relative_error < 1e-7


@pytest.mark.parametrize("regExponent", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_gradient_with_a_lambda_of_each_side_is_that_of_central_differences(regularization, regExponent):
    ratings, rng = small_ratings(3), np.random.default_rng(3)
    R, observed = ratings.matrix, ratings.observed
    own: dict[str, Any] = {**SIDES, "regExponent": regExponent}

    def of(function):
        return lambda U, V, b_u, b_i: function(R, observed, U, V, 0.3, regularization, b_u, b_i, 2.5, 0.05, **own)

    parameters = (*small_factors(3), rng.standard_normal(6), rng.standard_normal(5))
    assert gradient_check(of(loss), of(gradient), parameters).max_relative_error < 1e-7


def test_gradient_check_finds_a_wrong_entry():
    def wrong(x):
        g = 2 * x
        g[1] *= 1.001
        return (g,)

    check = gradient_check(lambda x: float((x**2).sum()), wrong, (np.array([1.0, 2.0]),))
    np.testing.assert_allclose(check.numeric[0], [2, 4], rtol=1e-9)
    np.testing.assert_allclose(check.relative_error[0], [0, 0.001 / 2.001], atol=1e-9)
    assert check.max_relative_error == pytest.approx(0.001 / 2.001, rel=1e-5)


def test_gradient_check_does_not_change_the_parameters():
    x = np.array([1.0, 2.0])
    gradient_check(lambda x: float((x**2).sum()), lambda x: (2 * x,), (x,))
    np.testing.assert_array_equal(x, [1, 2])


@pytest.mark.parametrize(
    ("regularization", "expected"),
    [
        # Errors 3 − 2 = 1 and 5 − 4 = 1; ‖u‖² = 1; ‖v‖² = 4 and 16; n_u = 2.
        ("plain", 2 + 0.1 * (1 + 4 + 16)),
        ("weighted", 2 + 0.1 * (2 * 1 + 4 + 16)),
        ("mean", 2 / 2 + 0.1 * (1 + 4 + 16)),
        ("frequency", 2 + 0.1 * (2 * 1 + 4 + 16)),
    ],
)
def test_loss_by_hand(regularization, expected):
    R, observed = np.array([[3.0, 5.0, 0.0]]), np.array([[True, True, False]])
    U, V = np.array([[1.0]]), np.array([[2.0], [4.0], [0.0]])
    assert loss(R, observed, U, V, 0.1, regularization) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("regularization", "expected"),
    [
        ("plain", 2 + 0.1 * 1 + 0.01 * (4 + 16)),
        ("weighted", 2 + 0.1 * 2 * 1 + 0.01 * (4 + 16)),
        ("mean", 2 / 2 + 0.1 * 1 + 0.01 * (4 + 16)),
        ("frequency", 2 + 0.1 * 2**0.5 * 1 + 0.01 * (4 + 16)),
    ],
)
def test_loss_with_a_lambda_of_each_side_by_hand(regularization, expected):
    R, observed = np.array([[3.0, 5.0, 0.0]]), np.array([[True, True, False]])
    U, V = np.array([[1.0]]), np.array([[2.0], [4.0], [0.0]])
    own: dict[str, Any] = {"userRegParam": 0.1, "itemRegParam": 0.01, "regExponent": 0.5}
    assert loss(R, observed, U, V, 9.0, regularization, **own) == pytest.approx(expected)


def test_loss_with_biases_by_hand():
    R, observed = np.array([[3.0]]), np.array([[True]])
    # e = 3 − (1 + 0.5 − 0.25 + 2) = −0.25
    value = loss(
        R, observed, np.array([[1.0]]), np.array([[2.0]]), 0.1, "plain", np.array([0.5]), np.array([-0.25]), 1.0, 0.2
    )
    assert value == pytest.approx(0.0625 + 0.1 * 5 + 0.2 * 0.3125)


@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_objective_of_pairs_is_the_loss_of_the_matrix(regularization):
    ratings, (U, V) = small_ratings(3), small_factors(3)
    biases = np.arange(6) / 10, np.arange(5) / 7
    own: dict[str, Any] = {**SIDES, "regExponent": 0.5}
    of_pairs = objective(ratings, Parameters(U, V, *biases, 1.5), 0.2, regularization, 0.1, **own)
    expected = loss(ratings.matrix, ratings.observed, U, V, 0.2, regularization, *biases, 1.5, 0.1, **own)
    assert of_pairs == pytest.approx(expected, rel=1e-12)


def test_a_repeated_pair_is_two_observations():
    zeros = np.zeros(2, np.int64)
    ratings = Ratings(zeros, zeros, np.array([1.0, 3.0]), (1, 1))
    parameters = Parameters.without_biases(np.array([[1.0]]), np.array([[1.0]]))
    assert objective(ratings, parameters, 0.1, "weighted") == pytest.approx(0 + 4 + 0.1 * (2 + 2))


@pytest.mark.parametrize("method", [ALS, GD, SGD, NMF])
@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_the_lambdas_of_both_sides_replace_regparam_in_fits(method, regularization):
    ratings = small_ratings(4)
    common: dict[str, Any] = {"rank": 2, "maxIter": 3, "regularization": regularization}
    one = method(regParam=0.01, **common).fit(ratings)
    two = method(regParam=5.0, userRegParam=0.01, itemRegParam=0.01, **common)
    two = (replace(two, biasRegParam=0.01) if method is SGD else two).fit(ratings)
    other = method(regParam=0.01, itemRegParam=0.02, **common).fit(ratings)
    np.testing.assert_array_equal(one.U, two.U)
    assert one.summary.history[-1].objective == two.summary.history[-1].objective
    assert abs(one.V - other.V).max() > 1e-8


@pytest.mark.parametrize("method", [ALS, GD, SGD, NMF])
@pytest.mark.parametrize(("regExponent", "same"), [(0.0, "plain"), (1.0, "weighted"), (None, "weighted")])
def test_frequency_is_plain_with_exponent_0_and_weighted_with_1(method, regExponent, same):
    ratings = small_ratings(5)
    common: dict[str, Any] = {"rank": 2, "maxIter": 3, "regParam": 0.01}
    frequency = method(regularization="frequency", regExponent=regExponent, **common).fit(ratings)
    np.testing.assert_allclose(frequency.U, method(regularization=same, **common).fit(ratings).U, rtol=1e-12)


def test_a_lambda_of_one_side_moves_norms_to_the_other():
    """For the minimum of plain, λ_w‖W‖² = λ_z‖Z‖²: otherwise, scaling the factors would lower the objective."""
    als = ALS(rank=2, maxIter=2000, userRegParam=0.1, itemRegParam=0.4, regularization="plain", initStd=1.0)
    model = als.fit(small_ratings(6))
    assert 0.1 * (model.U**2).sum() == pytest.approx(0.4 * (model.V**2).sum(), rel=1e-3)
