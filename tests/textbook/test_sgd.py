"""Tests of stochastic and mini-batch gradient descent, and of the relation of "touched" and "all"."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_mf.textbook import GD, SGD, Ratings, gradient
from tests.textbook.small import held_out, small_factors, small_ratings, train_rmse

CONVENTIONS = ("plain", "weighted", "mean")
ONE = Ratings.from_matrix(np.array([[5.0]]), np.array([[True]]))
FROM_ONE_AND_TWO = np.array([[1.0]]), np.array([[2.0]])
PLAIN = SGD(rank=1, maxIter=1, fitBias=False, schedule="constant", earlyStoppingPatience=0)


@pytest.mark.parametrize("updatedRows", ["touched", "all"])
@pytest.mark.parametrize("regularization", CONVENTIONS)
def test_a_step_by_hand_on_one_rating(regularization, updatedRows):
    """One rating is a batch, a row and Ω. e = 3, ∂u = −2·3·2 + 2·0.5·1 = −11, ∂v = −2·3·1 + 2·0.5·2 = −4."""
    sgd = replace(PLAIN, regParam=0.5, stepSize=0.1, regularization=regularization, updatedRows=updatedRows)
    model = sgd.fit(ONE, initial=FROM_ONE_AND_TWO)
    assert (model.U.item(), model.V.item()) == pytest.approx((2.1, 2.4))


def test_als_sgd_updates_the_item_first_and_the_user_from_the_new_item():
    """v = 2.4 as before; e stays 3, so u = 1 + 2·0.1·(3·2.4 − 0.5·1) = 2.34."""
    sgd = replace(PLAIN, regParam=0.5, stepSize=0.1, updateOrder="sequential")
    model = sgd.fit(ONE, initial=FROM_ONE_AND_TWO)
    assert (model.U.item(), model.V.item()) == pytest.approx((2.34, 2.4))


def test_als_sgd_visits_the_ratings_in_the_order_of_the_generator():
    ratings, (U, V) = small_ratings(1), small_factors(1)
    sgd = replace(PLAIN, rank=2, maxIter=2, regParam=0.1, stepSize=0.01, updateOrder="sequential")
    model = sgd.fit(ratings, np.random.default_rng(5), (U, V))
    rng = np.random.default_rng(5)
    for _ in range(2):
        for position in rng.permutation(len(ratings)):
            u, i, r = ratings.users[position], ratings.items[position], ratings.values[position]
            e = r - U[u] @ V[i]
            V[i] += 0.02 * (e * U[u] - 0.1 * V[i])
            U[u] += 0.02 * (e * V[i] - 0.1 * U[u])
    np.testing.assert_allclose(model.U, U, rtol=1e-12)
    np.testing.assert_allclose(model.V, V, rtol=1e-12)


def test_biases_by_hand():
    """Ratings 1 and 5: μ = 3, e = ∓2 and b_u = 2·0.05·e = ∓0.2; then e = ∓1.8, and 0.2·b_u is its penalty's part."""
    ratings = Ratings.from_matrix(np.array([[1.0], [5.0]]), np.ones((2, 1), bool))
    sgd = replace(PLAIN, fitBias=True, biasStepSize=0.05, biasRegParam=0.2, batchSize=2)
    zeros = np.zeros((2, 1)), np.zeros((1, 1))
    once = sgd.fit(ratings, initial=zeros)
    assert once.globalMean == 3
    np.testing.assert_allclose(once.userBias, [-0.2, 0.2])
    np.testing.assert_allclose(once.itemBias, [0], atol=1e-15)
    twice = replace(sgd, maxIter=2).fit(ratings, initial=zeros)
    np.testing.assert_allclose(twice.userBias, [-0.2 - 0.1 * (1.8 - 0.04), 0.2 + 0.1 * (1.8 - 0.04)])
    slower = replace(sgd, maxIter=2, schedule="exponential", decay=0.5).fit(ratings, initial=zeros)
    np.testing.assert_allclose(slower.userBias, [-0.2 - 0.05 * (1.8 - 0.04), 0.2 + 0.05 * (1.8 - 0.04)])


def test_a_row_twice_in_a_batch_gets_both_gradients():
    """u = 1 with v = (1, 1): e = (1, 2), the sum is −2·3 and twice the share of the penalty, 2·0.1."""
    ratings = Ratings.from_matrix(np.array([[2.0, 3.0]]), np.ones((1, 2), bool))
    sgd = replace(PLAIN, regParam=0.1, stepSize=0.1, batchSize=2)
    start = np.ones((1, 1)), np.ones((2, 1))
    assert sgd.fit(ratings, initial=start).U.item() == pytest.approx(1 + 0.1 * (6 - 2 * 0.2))
    mean_of_both = replace(sgd, updatedRows="all").fit(ratings, initial=start)
    assert mean_of_both.U.item() == pytest.approx(1 + 0.1 * (3 - 0.2))


def test_a_repeated_pair_counts_twice():
    zeros = np.zeros(2, np.int64)
    ratings = Ratings(zeros, zeros, np.array([2.0, 3.0]), (1, 1))
    model = replace(PLAIN, regParam=0.0, stepSize=0.1, batchSize=2).fit(ratings, initial=(np.ones((1, 1)),) * 2)
    assert model.U.item() == pytest.approx(1 + 0.2 * (1 + 2))


@given(st.integers(0, 1000), st.sampled_from(CONVENTIONS), st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_one_batch_of_all_ratings_on_all_rows_is_gradient_descent(seed, regularization, steps):
    ratings, factors = small_ratings(seed), small_factors(seed)
    common = {"rank": 2, "maxIter": steps, "regParam": 0.05, "regularization": regularization, "stepSize": 0.03}
    gd = GD(**common).fit(ratings, initial=factors)
    sgd = SGD(fitBias=False, schedule="constant", batchSize=len(ratings), updatedRows="all", **common)
    model = sgd.fit(ratings, initial=factors)
    np.testing.assert_allclose(model.U, gd.U, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.V, gd.V, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 1000), st.sampled_from(CONVENTIONS), st.sampled_from(["sgd", "momentum"]), st.booleans())
@settings(deadline=None, max_examples=40)
def test_with_one_batch_all_rows_are_the_touched_ones_with_the_step_by_the_ratings(
    seed, regularization, optimizer, sequential
):
    ratings, factors = small_ratings(seed), small_factors(seed)
    touched = SGD(
        rank=2,
        maxIter=4,
        regParam=0.05,
        biasRegParam=0.02,
        regularization=regularization,
        optimizer=optimizer,
        updateOrder="sequential" if sequential else "simultaneous",
        batchSize=len(ratings),
        stepSize=0.03 / len(ratings),
    )
    one = touched.fit(ratings, initial=factors)
    other = replace(touched, updatedRows="all", stepSize=0.03).fit(ratings, initial=factors)
    for name in ("U", "V", "userBias", "itemBias"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("regularization", CONVENTIONS)
@pytest.mark.parametrize("batchSize", [1, 2, 4])
def test_an_epoch_of_tiny_steps_is_the_full_gradient_either_way(regularization, batchSize):
    """At rows that stand still, the batches of an epoch add up to step/B times the gradient of the sum form."""
    R, seen = np.arange(1.0, 13).reshape(3, 4) / 3, np.ones((3, 4), bool)
    ratings, (U, V) = Ratings.from_matrix(R, seen), small_factors(1, 3, 4)
    step = 1e-7
    scale = len(ratings) if regularization == "mean" else 1
    expected = [-step / batchSize * scale * g for g in gradient(R, seen, U, V, 0.3, regularization)]
    for updatedRows, stepSize in (("touched", step / batchSize), ("all", step)):
        sgd = replace(PLAIN, rank=2, regParam=0.3, regularization=regularization, updatedRows=updatedRows)
        model = replace(sgd, batchSize=batchSize, stepSize=stepSize).fit(ratings, initial=(U, V))
        np.testing.assert_allclose(model.U - U, expected[0], rtol=1e-4, atol=1e-10)
        np.testing.assert_allclose(model.V - V, expected[1], rtol=1e-4, atol=1e-10)


def test_rows_without_a_rating_stay_or_shrink():
    observed = np.array([[True], [False]])
    ratings = Ratings.from_matrix(np.array([[5.0], [0.0]]), observed)
    start = np.ones((2, 1)), np.ones((1, 1))
    sgd = replace(PLAIN, regParam=0.1, regularization="mean", stepSize=0.1)
    assert sgd.fit(ratings, initial=start).U[1, 0] == 1
    assert replace(sgd, updatedRows="all").fit(ratings, initial=start).U[1, 0] == pytest.approx(1 - 0.1 * 2 * 0.1)


@pytest.mark.parametrize(("schedule", "decay", "second"), [("exponential", 0.5, 0.05), ("inverse", 1.0, 0.05)])
def test_the_schedule_shrinks_the_second_epoch(schedule, decay, second):
    two = replace(PLAIN, maxIter=2, regParam=0.0, stepSize=0.1, schedule=schedule, decay=decay)
    first = replace(two, maxIter=1).fit(ONE, initial=FROM_ONE_AND_TWO)
    u, v = first.U.item(), first.V.item()
    assert two.fit(ONE, initial=FROM_ONE_AND_TWO).U.item() == pytest.approx(u + 2 * second * (5 - u * v) * v)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_every_optimizer_learns(optimizer):
    ratings = small_ratings(7)
    sgd = SGD(rank=2, maxIter=100, regParam=0.01, stepSize=0.02, schedule="constant", optimizer=optimizer, initStd=0.1)
    history = sgd.fit(ratings).summary.history
    assert train_rmse(history[-1]) < 0.5 * train_rmse(history[0])


def test_the_model_is_the_best_epochs_and_the_fit_ends_after_patience():
    ratings = small_ratings(8, validation=True)
    sgd = SGD(
        rank=4, maxIter=500, regParam=0.0, stepSize=0.02, schedule="constant", initStd=0.5, earlyStoppingPatience=7
    )
    model = sgd.fit(ratings)
    rmses = [record.validation_rmse or np.nan for record in model.summary.history]
    best = int(np.argmin(rmses)) + 1
    assert model.summary.stoppedEarly
    assert model.summary.bestIteration == best
    assert model.summary.totalIterations == best + 7
    validation = held_out(ratings)
    errors = validation.values - model.predict(validation.users, validation.items)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(min(rmses), rel=1e-12)


def test_objective_counts_the_penalty_of_biases_with_its_own_lambda():
    model = SGD(rank=2, maxIter=3, regParam=0.0, biasRegParam=10.0, regularization="plain").fit(small_ratings(9))
    record = model.summary.history[-1]
    n_ratings = len(small_ratings(9))
    penalty = 10 * ((model.userBias**2).sum() + (model.itemBias**2).sum())
    assert record.objective == pytest.approx(train_rmse(record) ** 2 * n_ratings + penalty)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"optimizer": "nadam"}, "optimizer must be one of sgd, momentum, adam, got 'nadam'."),
        ({"schedule": "step"}, "schedule must be one of constant, exponential, inverse, got 'step'."),
        ({"updateOrder": "x"}, "updateOrder must be one of simultaneous, sequential, got 'x'."),
        ({"updatedRows": "none"}, "updatedRows must be one of touched, all, got 'none'."),
        ({"batchSize": 0}, "batchSize must be an integer >= 1, got 0."),
        ({"stepSize": 0.0}, "stepSize must be finite and > 0, got 0.0."),
        ({"biasStepSize": -1.0}, "biasStepSize must be finite and > 0, got -1.0."),
        ({"biasRegParam": -1.0}, "biasRegParam must be finite and >= 0, got -1.0."),
        ({"epsilon": 0.0}, "epsilon must be finite and > 0, got 0.0."),
        ({"momentum": 1.0}, "momentum must be in [0, 1), got 1.0."),
        ({"beta2": -0.1}, "beta2 must be in [0, 1), got -0.1."),
        ({"earlyStoppingPatience": -1}, "earlyStoppingPatience must be an integer >= 0, got -1."),
        ({"decay": 1.5}, "decay must be in (0, 1] with schedule 'exponential', got 1.5."),
        ({"schedule": "inverse", "decay": -1.0}, "decay must be finite and >= 0, got -1.0."),
    ],
)
def test_a_setting_that_is_not_possible_is_refused(setting, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, the whole sentence is compared
        SGD(**setting)
    assert str(refusal.value) == sentence
