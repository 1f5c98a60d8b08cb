"""Tests of the base class of the estimators: Params, initial factors, history and clipping."""

import subprocess
import sys

import numpy as np
import pytest

from spark_mf.textbook import ALS, GD, SGD, Ratings, rmse
from spark_mf.textbook.model import Parameters
from tests.textbook.small import held_out, small_factors, small_ratings

METHODS = pytest.mark.parametrize("method", [ALS, GD, SGD])


@METHODS
def test_a_table_and_its_ratings_give_the_same_model(method):
    ratings = small_ratings(1, validation=True)
    estimator = method(rank=2, maxIter=3, validationIndicatorCol="held_out", seed=5)
    from_table, from_ratings = estimator.fit(ratings.to_columns()), estimator.fit(ratings)
    np.testing.assert_array_equal(from_table.U, from_ratings.U)
    rmses = [[record.validation_rmse for record in model.summary.history] for model in (from_table, from_ratings)]
    assert rmses[0] == rmses[1]


@METHODS
def test_u_then_v_are_drawn_from_the_generator(method):
    ratings = small_ratings(2)
    model = method(rank=2, maxIter=0, initStd=0.3).fit(ratings, np.random.default_rng(9))
    rng = np.random.default_rng(9)
    np.testing.assert_array_equal(model.U, rng.normal(0, 0.3, (6, 2)))
    np.testing.assert_array_equal(model.V, rng.normal(0, 0.3, (5, 2)))
    assert model.summary.totalIterations == 0


@METHODS
def test_the_seed_is_the_generators_and_0_where_it_is_not_given(method):
    ratings, estimator = small_ratings(3), method(rank=2, maxIter=2, seed=7)
    np.testing.assert_array_equal(estimator.fit(ratings).U, estimator.fit(ratings, np.random.default_rng(7)).U)
    default, zero = method(rank=2, maxIter=2), method(rank=2, maxIter=2, seed=0)
    np.testing.assert_array_equal(default.fit(ratings).U, zero.fit(ratings).U)
    assert (estimator.fit(ratings).U != method(rank=2, maxIter=2, seed=8).fit(ratings).U).any()


@METHODS
def test_initial_factors_are_taken_and_not_changed(method):
    ratings, (U, V) = small_ratings(4), small_factors(4)
    before = U.copy(), V.copy()
    estimator = method(rank=2, maxIter=2)
    models = [estimator.fit(ratings, np.random.default_rng(seed), (U, V)) for seed in (1, 1)]
    np.testing.assert_array_equal(models[0].U, models[1].U)
    np.testing.assert_array_equal(U, before[0])
    np.testing.assert_array_equal(V, before[1])


@METHODS
def test_initial_factors_of_another_shape_are_refused(method):
    sentence = r"^initial must be a pair of factors of shapes \(\(6, 3\), \(5, 3\)\), got \(\(6, 2\), \(5, 2\)\)\.$"
    with pytest.raises(ValueError, match=sentence):
        method(rank=3).fit(small_ratings(5), initial=small_factors(5))


@METHODS
def test_history_is_that_of_the_model(method):
    ratings = small_ratings(6, validation=True)
    model = method(rank=2, maxIter=4).fit(ratings)
    history = model.summary.history
    assert [record.iteration for record in history] == [1, 2, 3, 4]
    last = history[(model.summary.bestIteration or 4) - 1]
    errors = ratings.values - model.predict(ratings.users, ratings.items)
    assert last.train_rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert last.validation_rmse == pytest.approx(rmse(model, held_out(ratings)))
    assert all(record.seconds > 0 for record in history)


@METHODS
def test_product_change_of_the_first_iteration_is_from_the_first_factors(method):
    ratings, (U, V) = small_ratings(7), small_factors(7)
    model = method(rank=2, maxIter=1).fit(ratings, initial=(U, V))
    expected = np.linalg.norm(model.U @ model.V.T - U @ V.T)
    assert model.summary.history[0].product_change == pytest.approx(expected, rel=1e-9)


def test_predictions_are_clipped_to_the_training_ratings_or_to_what_is_asked():
    R = np.array([[2.0, 4.0, 5.0]])
    ratings = Ratings.from_matrix(R, np.array([[True, True, False]]), np.array([[False, False, True]]))
    start = np.ones((1, 1)), np.array([[1.0], [2.0], [9.0]])
    for settings, expected in (({}, 9), ({"clipPredictions": True}, 4), ({"clipTo": (1.0, 5.0)}, 5)):
        model = ALS(rank=1, maxIter=0, **settings).fit(ratings, initial=start)
        assert model.predict(np.array([0]), np.array([2])).item() == expected


def test_the_validation_rmse_is_of_clipped_predictions_and_the_training_rmse_is_not():
    ratings = small_ratings(8, validation=True)
    free = ALS(rank=4, maxIter=1, regParam=0.001).fit(ratings)
    clipped = ALS(rank=4, maxIter=1, regParam=0.001, clipTo=(2.9, 3.1)).fit(ratings)
    validation = held_out(ratings)
    predictions = free.predict(validation.users, validation.items).clip(2.9, 3.1)
    expected = np.sqrt(np.mean((validation.values - predictions) ** 2))
    assert clipped.summary.history[0].validation_rmse == pytest.approx(expected)
    assert clipped.summary.history[0].train_rmse == free.summary.history[0].train_rmse


def test_a_prediction_is_mean_and_biases_and_product():
    parameters = Parameters(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([0.5]), np.array([-0.25]), 10.0)
    assert parameters.predict(np.array([0]), np.array([0])).item() == 21.25


@METHODS
@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"rank": 0}, "rank must be an integer >= 1, got 0."),
        ({"rank": True}, "rank must be an integer >= 1, got True."),
        ({"maxIter": -1}, "maxIter must be an integer >= 0, got -1."),
        ({"regParam": -0.1}, "regParam must be finite and >= 0, got -0.1."),
        ({"tol": float("nan")}, "tol must be finite and >= 0, got nan."),
        ({"initStd": float("inf")}, "initStd must be finite and >= 0, got inf."),
        ({"regularization": "l2"}, "regularization must be one of weighted, plain, mean, frequency, got 'l2'."),
        ({"userRegParam": -1.0}, "userRegParam must be finite and >= 0, got -1.0."),
        ({"itemRegParam": float("inf")}, "itemRegParam must be finite and >= 0, got inf."),
        ({"regularization": "frequency", "regExponent": -1.0}, "regExponent must be finite and >= 0, got -1.0."),
        (
            {"regExponent": 0.5},
            "regExponent must be set with regularization='frequency' only, got 0.5 with 'weighted'. "
            "Use regularization='frequency', or leave it unset.",
        ),
        ({"clipTo": (5, 1)}, "clipTo must be a pair (lowest, highest) or None, got (5, 1)."),
    ],
)
def test_a_setting_that_is_not_possible_is_refused(method, setting, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, the whole sentence is compared
        method(**setting)
    assert str(refusal.value) == sentence


def test_the_textbook_loads_numpy_and_no_spark():
    code = "import sys, spark_mf.textbook; print({'pyspark', 'pandas', 'scipy', 'numba'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"
