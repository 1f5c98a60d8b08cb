"""Tests of error metrics against values computed by hand."""

import math

import pytest

from spark_mf.evaluation.metrics import RatingErrors, rating_errors


def test_errors_are_means_over_predicted_rows_and_the_others_are_counted(spark):
    # Errors 3 and -4: RMSE sqrt((9 + 16) / 2), MAE 3.5; NaN and null are cold.
    rows = [(1.0, 4.0), (5.0, 1.0), (2.0, math.nan), (3.0, None)]
    predictions = spark.createDataFrame(rows, "rating float, prediction float")
    errors = rating_errors(predictions)
    assert errors.rmse == pytest.approx(math.sqrt(12.5))
    assert (errors.mae, errors.rows, errors.cold_rows) == (3.5, 2, 2)


def test_nothing_predicted_means_no_error(spark):
    predictions = spark.createDataFrame([(1.0, math.nan)], "rating double, prediction float")
    assert rating_errors(predictions) == RatingErrors(rmse=None, mae=None, rows=0, cold_rows=1)


def test_integer_ratings_and_other_names(spark):
    predictions = spark.createDataFrame([(3, 2.5)], "stars int, guess double")
    errors = rating_errors(predictions, rating_col="stars", prediction_col="guess")
    assert (errors.rmse, errors.mae) == (0.5, 0.5)


def test_an_infinite_prediction_is_an_infinite_error(spark):
    predictions = spark.createDataFrame([(3.0, math.inf), (3.0, 3.0)], "rating float, prediction float")
    assert rating_errors(predictions).rmse == math.inf


def test_a_missing_column_is_named(spark):
    with pytest.raises(
        ValueError, match=r"^predictions must have the columns 'rating' and 'prediction', got the columns rating"
    ):
        rating_errors(spark.createDataFrame([(3.0,)], "rating float"))
