"""Tests that every published number is reproduced to the last digit."""

import numpy as np
import pytest

from spark_mf.textbook import published

PRINTED = {
    "training ratings": "952",
    "test ratings": "238",
    "gradient check: ∂L/∂U₀₀": "2.93976684",
    "gradient check: relative error of ∂L/∂U₀₀": "< 1e-9",
    "SGD: test RMSE": "1.0551",
    "mini-batch GD: test RMSE": "1.3128",
    "mini-batch GD, momentum: test RMSE": "1.0588",
    "mini-batch GD, momentum: best epoch": "1.0545",
    "ALS: test RMSE": "0.9943",
    "mini-batch GD, biases: test RMSE": "0.4592",
    "mini-batch GD, biases, λ = 0.001: best epoch": "0.4398",
    "mini-batch GD, biases, λ = 0.005: best epoch": "0.4419",
    "mini-batch GD, biases, λ = 0.01: best epoch": "0.4409",
    "mini-batch GD, biases, λ = 0.05: best epoch": "0.4392",
    "mini-batch GD, biases, λ = 0.1: best epoch": "0.4409",
    "mini-batch GD, biases, λ = 0.5: best epoch": "0.4385",
    "mini-batch GD, biases, λ = 1: best epoch": "0.4396",
}


@pytest.fixture(scope="module")
def outcome():
    return published.run_published()


@pytest.fixture(scope="module")
def results(outcome):
    return {result.name: result for result in outcome[1]}


@pytest.mark.parametrize(("name", "printed"), list(PRINTED.items()))
def test_the_published_number(results, name, printed):
    result = results[name]
    if printed.startswith("<"):
        assert result.obtained < float(printed[2:])
    else:
        decimals = len(printed.partition(".")[2])
        assert f"{result.obtained:.{decimals}f}" == printed
    assert result.agrees


def test_the_experiments_are_all_there_in_order(outcome):
    assert [result.name for result in outcome[1]] == list(PRINTED)


def test_a_number_that_is_off_by_one_in_its_last_digit_does_not_agree():
    assert published.Result("", 1.0551, 1.05514, 4).agrees
    assert not published.Result("", 1.0551, 1.05516, 4).agrees
    assert not published.Result("", 1e-9, 2e-9, -1).agrees


def test_the_same_fit_again_from_the_factors_that_were_drawn(outcome, results):
    als = results["ALS: test RMSE"].run
    again = als.estimator.fit(outcome[0], initial=als.initial)
    np.testing.assert_array_equal(again.U, als.model.U)
    assert [record.validation_rmse for record in again.summary.history] == als.test_rmse


def test_the_whole_corner_passes_the_gradient_check(outcome):
    check = published.check_corner(outcome[0], np.random.default_rng(0))
    assert check.max_relative_error < 1e-7


def test_each_user_and_item_has_training_ratings(outcome):
    ratings = outcome[0]
    assert ratings.shape == (100, 60)
    assert ratings.user_counts.min() >= 1
    assert ratings.item_counts.min() >= 1
    assert ratings.values.min() >= 1
    assert ratings.values.max() <= 5
