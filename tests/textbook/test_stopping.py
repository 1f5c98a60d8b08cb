"""Tests of stopping criteria."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_mf.textbook import ALS, GD, EarlyStopping, Record, product_change
from spark_mf.textbook.stopping import ChangeOrPatience, ProductChange
from tests.textbook.small import small_ratings


def record(iteration, validation=None, train=1.0, change=1.0):
    return Record(iteration, 0.0, 0.0, train, validation, change)


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 20), st.integers(1, 5))
@settings(deadline=None)
def test_product_change_is_the_norm_of_the_difference_of_the_products(seed, n, m, k):
    rng = np.random.default_rng(seed)
    U, V, old_U, old_V = (rng.standard_normal((rows, k)) for rows in (n, m, n, m))
    expected = np.linalg.norm(U @ V.T - old_U @ old_V.T)
    assert product_change(U, V, old_U, old_V) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9])
def test_a_tiny_change_between_large_products_keeps_its_digits(size):
    rng = np.random.default_rng(0)
    # Sums of powers of two far from the last digit, so that the old factors and their differences are exact.
    old_U, old_V = (rng.integers(-8, 8, (rows, 3)).astype(float) for rows in (50, 40))
    unit = 2.0 ** np.round(np.log2(size))
    A, B = (unit * rng.integers(-3, 4, (rows, 3)) for rows in (50, 40))
    U, V = old_U + A, old_V + B
    change = A @ old_V.T + old_U @ B.T + A @ B.T
    assert product_change(U, V, old_U, old_V) == pytest.approx(np.linalg.norm(change), rel=1e-6)


def test_a_change_of_1e_minus_9_to_6_digits():
    """U₀ = V₀ = (1, …): moving one entry of U by d changes 1000 products by d."""
    old_U, old_V = np.ones((2000, 1)), np.ones((1000, 1))
    U = old_U.copy()
    U[7] += 2.0**-35
    expected = 2.0**-35 * np.sqrt(1000)
    assert 5e-10 < expected < 2e-9
    assert product_change(U, old_V, old_U, old_V) == pytest.approx(expected, rel=1e-6)


def test_no_change_is_zero():
    U, V = np.ones((3, 2)), np.ones((4, 2))
    assert product_change(U, V, U, V) == 0


def test_rotated_factors_have_not_changed_the_product():
    rng = np.random.default_rng(1)
    U, V = rng.standard_normal((6, 2)), rng.standard_normal((5, 2))
    Q, _ = np.linalg.qr(rng.standard_normal((2, 2)))
    assert product_change(U @ Q, V @ Q, U, V) < 1e-7


def test_product_change_below_tol_ends():
    rule = ProductChange(0.1)
    assert [rule.ends_after(record(i, change=change)) for i, change in enumerate([1.0, 0.1, 0.09], 1)] == [0, 0, 1]
    assert not ProductChange(0.0).ends_after(record(1, change=0.0))


def run(rule, rmses, **kind):
    """Return the iteration after which the rule ended, None for never."""
    for iteration, value in enumerate(rmses, 1):
        if rule.ends_after(record(iteration, validation=value) if not kind else record(iteration, train=value)):
            return iteration
    return None


def test_patience_counts_iterations_since_the_best():
    rule = EarlyStopping(2)
    assert run(rule, [1.0, 0.9, 0.95, 0.85, 0.86, 0.85, 0.1]) == 6
    assert rule.bestIteration == 4


def test_less_than_tol_better_is_no_better():
    rule = EarlyStopping(2, tol=0.1)
    assert run(rule, [1.0, 0.95, 0.91, 0.5]) == 3
    assert rule.bestIteration == 1


def test_no_patience_never_ends_and_knows_the_best():
    rule = EarlyStopping(0)
    assert run(rule, [0.5, 1.0, 2.0]) is None
    assert rule.bestIteration == 1


def test_without_validation_it_watches_the_training_ratings_where_tol_asks_for_it():
    assert run(EarlyStopping(1), [1.0, 1.0, 1.0], train=True) is None
    rule = EarlyStopping(1, tol=0.01)
    assert run(rule, [1.0, 0.9, 0.895], train=True) == 3
    assert rule.bestIteration is None


def test_for_implicit_feedback_a_higher_recall_is_better():
    rule = EarlyStopping(2)
    recalls = [0.1, 0.3, 0.3, 0.2, 0.9]
    records = [Record(k, 0.0, 0.0, None, None, 1.0, recall) for k, recall in enumerate(recalls, 1)]
    assert [rule.ends_after(each) for each in records[:4]] == [False, False, False, True]
    assert rule.bestIteration == 2


def test_patience_and_change_both_end():
    rule = ChangeOrPatience(0.1, 2)
    assert not rule.ends_after(record(1, validation=0.5))
    assert rule.ends_after(record(2, validation=0.6, change=0.05))
    assert rule.bestIteration == 1
    assert run(ChangeOrPatience(0.0, 2), [0.5, 0.6, 0.7, 0.1]) == 3


@pytest.mark.parametrize(
    "estimator",
    [
        ALS(rank=4, regParam=0.001, maxIter=50),
        ALS(rank=4, regParam=0.001, maxIter=50, implicitPrefs=True, alpha=5.0),
        ALS(rank=2, regParam=0.01, maxIter=50, nonnegative=True),
        GD(rank=4, regParam=0.0, stepSize=0.02, initStd=0.5, maxIter=500),
    ],
    ids=["explicit", "implicit", "nonnegative", "GD"],
)
def test_a_fit_ends_patience_iterations_after_the_best_and_keeps_it(estimator):
    ratings = small_ratings(5, n=20, m=15, validation=True)
    everything = estimator.fit(ratings)
    model = replace(estimator, earlyStoppingPatience=3).fit(ratings)
    name, sign = ("validation_recall", -1) if estimator.__dict__.get("implicitPrefs") else ("validation_rmse", 1)
    values = [sign * getattr(each, name) for each in everything.summary.history]
    best = model.summary.bestIteration
    assert best is not None
    assert model.summary.stoppedEarly
    assert model.summary.totalIterations == best + 3 < len(values)
    assert values[best - 1] == min(values[: best + 3])
    kept = replace(estimator, maxIter=best).fit(ratings)
    np.testing.assert_array_equal(model.U, kept.U)
    np.testing.assert_array_equal(model.V, kept.V)
    assert everything.summary.bestIteration is None


def test_patience_needs_validation_ratings():
    sentence = (
        r"^ratings must have validation ratings with earlyStoppingPatience=2, got none\. Set validationIndicatorCol"
    )
    with pytest.raises(ValueError, match=sentence):
        ALS(earlyStoppingPatience=2).fit(small_ratings(0))
    with pytest.raises(ValueError, match=r"^earlyStoppingPatience must be"):
        ALS(earlyStoppingPatience=-1)
