"""Tests of gradient descent: a step computed by hand, and decrease of the objective."""

from typing import Any

import numpy as np
import pytest

from spark_mf.textbook import GD, Ratings
from tests.textbook.small import small_factors, small_ratings

ONE = Ratings.from_matrix(np.array([[5.0]]), np.array([[True]]))
FROM_ONE_AND_TWO = np.array([[1.0]]), np.array([[2.0]])


@pytest.mark.parametrize("regularization", ["plain", "weighted", "mean"])
def test_a_step_by_hand_on_one_rating(regularization):
    """With one rating all three conventions are one. e = 3, ∂u = −2·3·2 + 2·0.5·1 = −11, ∂v = −2·3·1 + 2·0.5·2 = −4."""
    gd = GD(rank=1, maxIter=1, regParam=0.5, stepSize=0.1, regularization=regularization)
    model = gd.fit(ONE, initial=FROM_ONE_AND_TWO)
    assert model.U.item() == pytest.approx(1 + 1.1)
    assert model.V.item() == pytest.approx(2 + 0.4)


@pytest.mark.parametrize(("regularization", "penalty_u"), [("plain", 0.1), ("weighted", 0.2), ("mean", 0.2)])
def test_a_step_by_hand_on_two_ratings_of_a_user(regularization, penalty_u):
    """e = 2 − 1·1 = 1 and 3 − 1·1 = 2; ∂u = −2(1·1 + 2·1) + 2·w_u·1, and the step is 0.1/2."""
    ratings = Ratings.from_matrix(np.array([[2.0, 3.0]]), np.array([[True, True]]))
    gd = GD(rank=1, maxIter=1, regParam=0.1, stepSize=0.1, regularization=regularization)
    model = gd.fit(ratings, initial=(np.ones((1, 1)), np.ones((2, 1))))
    assert model.U.item() == pytest.approx(1 - 0.05 * (-6 + 2 * penalty_u))
    penalty_v = 0.2 if regularization == "mean" else 0.1
    np.testing.assert_allclose(model.V[:, 0], [1 - 0.05 * (-2 + 2 * penalty_v), 1 - 0.05 * (-4 + 2 * penalty_v)])


def test_mean_is_plain_with_lambda_times_the_ratings():
    ratings, factors = small_ratings(1), small_factors(1)
    settings: dict[str, Any] = {"rank": 2, "maxIter": 20, "stepSize": 0.05}
    mean = GD(regParam=0.02, regularization="mean", **settings).fit(ratings, initial=factors)
    plain = GD(regParam=0.02 * len(ratings), regularization="plain", **settings).fit(ratings, initial=factors)
    np.testing.assert_allclose(mean.U, plain.U, rtol=1e-12)
    objectives = [record.objective for record in mean.summary.history]
    assert objectives == pytest.approx([record.objective / len(ratings) for record in plain.summary.history])


@pytest.mark.parametrize("regularization", ["plain", "weighted", "mean"])
def test_small_steps_go_down_to_where_the_gradient_is_zero(regularization):
    ratings = small_ratings(2)
    gd = GD(rank=2, maxIter=1500, regParam=0.1, stepSize=0.3, regularization=regularization, initStd=0.5)
    model = gd.fit(ratings)
    objectives = [record.objective for record in model.summary.history]
    assert (np.diff(objectives) <= 1e-12).all()
    assert model.summary.history[-1].product_change < 1e-4


def test_tol_ends_the_fit_once_the_product_changes_by_less():
    ratings = small_ratings(3)
    model = GD(rank=2, maxIter=5000, stepSize=0.3, tol=1e-3, initStd=0.5).fit(ratings)
    changes = [record.product_change for record in model.summary.history]
    assert model.summary.stoppedEarly
    assert changes[-1] < 1e-3 <= min(changes[:-1])


def test_too_large_a_step_is_told():
    with pytest.raises(ArithmeticError, match=r"no longer finite after iteration [0-9]+\. Use a smaller stepSize"):
        GD(rank=2, stepSize=1e4, initStd=1.0).fit(small_ratings(4))


def test_step_size_zero_is_refused():
    with pytest.raises(ValueError, match=r"stepSize must be finite and > 0, got 0\."):
        GD(stepSize=0)
