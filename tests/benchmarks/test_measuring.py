"""Tests of timed runs with estimators of known results, including failures."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pyspark.ml import Estimator, Model
from pyspark.sql import functions as F

from spark_mf.benchmarks.environment import Provenance
from spark_mf.benchmarks.measuring import Bench, SplitRatings, first_sentence
from spark_mf.benchmarks.methods import Method, param_values
from spark_mf.models.summary import TrainingSummary
from spark_mf.params.factorization import _FactorizationParams
from tests.records import record


class Guess(Model):
    """Predicts one number for user 1, and nothing for the others."""

    def __init__(self, number: float, summary: TrainingSummary | None = None):
        super().__init__()
        self.number = number
        self.summary = summary

    def _transform(self, dataset):
        return dataset.withColumn("prediction", F.when(F.col("user") == 1, self.number))


class Guesser(Estimator, _FactorizationParams):
    """Comes nearer to 3 with each iteration."""

    def _fit(self, dataset):
        iterations, validates = self.getMaxIter(), self.isDefined(self.validationIndicatorCol)
        summary = TrainingSummary(
            history=tuple(
                record(k, 0.25, None, 0.5, 1 / 2**k if validates else None)
                for k in range(1, iterations + 1)
            ),
            setupSeconds=0.125, totalSeconds=1.0, users=1, items=1, ratings=1, validationRatings=0,
            coldValidationRatings=0, duplicates=0, regParam=0.1, regularization="weighted", solver="guess",
        )  # fmt: skip
        return Guess(3 + 1 / 2**iterations, summary)


PARAMS = {"rank": 2, "maxIter": 4, "regParam": 0.1, "seed": 7}


@dataclass(frozen=True, kw_only=True)
class Scripted(Method):
    """A method with an estimator of a test."""

    made: Callable[[], Any] = Guesser

    def estimator(self):
        estimator = self.made()
        return estimator.copy({estimator.getParam(name): value for name, value in self.params.items()})


def method(made=Guesser, keeps_history=False) -> Method:
    return Scripted("guess", "guess", "test.Guess", PARAMS, 1, keeps_history, made=made)


GUESS = method()
GUESS_WITH_HISTORY = method(keeps_history=True)


@pytest.fixture(scope="module")
def bench(spark):
    schema = "user int, item int, rating float"
    data = SplitRatings(
        dataset="made up",
        train=spark.createDataFrame([(1, 1, 3.0)], schema),
        test=spark.createDataFrame([(1, 2, 3.0), (1, 3, 3.0), (7, 2, 3.0)], schema),
        users=2, items=3, ratings=4, test_ratings=3, cold_test_ratings=1, duplicates=0,
    )  # fmt: skip
    return Bench(data, Provenance("local[2]", 2, {"python": "3.11"}, None))


def test_a_run_becomes_a_row(bench):
    row = bench.run(GUESS)
    assert row.error is None
    assert row.test_rmse == row.test_mae == 1 / 16
    assert (row.dataset, row.rank, row.iterations, row.seed, row.cold_test_ratings) == ("made up", 2, 4, 7, 1)
    assert row.fit_seconds > 0
    assert row.setup_seconds is None


def test_set_up_and_iterations_make_up_the_timed_fit(bench):
    row = bench.add_setup(GUESS, replace(bench.run(GUESS), fit_seconds=100.0))
    assert row.setup_seconds + sum(record.seconds for record in row.history) == pytest.approx(100.0)
    assert [record.validation_rmse for record in row.history] == [None, None, None, 1 / 16]


def test_refits_fill_in_the_iterations_asked_for(bench):
    row = bench.add_refits(GUESS, bench.add_setup(GUESS, bench.run(GUESS)), [3, 1, 4, 9])
    assert [record.validation_rmse for record in row.history] == [1 / 2, None, 1 / 8, 1 / 16]
    # The training row is user 1's, rated 3, as her test rows are.
    assert [record.train_rmse for record in row.history] == [1 / 2, None, 1 / 8, 1 / 16]
    assert "maxIter = 1, 3, 4, which" in row.notes[-1]


def test_the_last_iteration_keeps_the_test_error_of_the_timed_fit(bench):
    row = bench.add_refits(GUESS, replace(bench.add_setup(GUESS, bench.run(GUESS)), test_rmse=0.75), [1])
    assert [record.validation_rmse for record in row.history] == [1 / 2, None, None, 0.75]


def test_the_params_of_a_row_are_those_of_the_fitted_estimator(bench):
    changed = replace(GUESS_WITH_HISTORY, params={**PARAMS, "maxIter": 5, "regParam": 0.3})
    row = bench.run(changed)
    assert row.params == param_values(changed.estimator())
    assert row.params["regularization"] == "weighted"
    assert (row.iterations, row.regParam, len(row.history), row.test_rmse) == (5, 0.3, 5, 1 / 32)


def test_a_method_with_history_keeps_the_times_of_the_timed_fit(bench):
    row = bench.run(GUESS_WITH_HISTORY)
    assert row.setup_seconds == 0.125
    assert [record.validation_rmse for record in row.history] == [None] * 4
    row = bench.add_validation_history(GUESS_WITH_HISTORY, row)
    assert [record.validation_rmse for record in row.history] == [1 / 2, 1 / 4, 1 / 8, 1 / 16]
    assert [record.seconds for record in row.history] == [0.25] * 4


def broken():
    raise MemoryError("no memory left\nand a long trace")


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (broken, "no memory left"),
        (lambda: Constant(float("inf")), "Out of range float values are not JSON compliant"),
    ],
)
def test_a_failure_is_a_row_with_its_error_alone(bench, caplog, build, error):
    with caplog.at_level(logging.WARNING, "spark_mf"):
        row = bench.run(method(build))
    assert row.error is not None
    assert row.error.startswith(error)
    assert (row.fit_seconds, row.test_rmse, row.history) == (None, None, ())
    assert f"guess failed: {error}" in caplog.text


class Constant(Estimator, _FactorizationParams):
    def __init__(self, number: float):
        super().__init__()
        self.number = number

    def _fit(self, dataset):
        return Guess(self.number)


def test_predictions_missing_for_warm_rows_are_a_failure(bench):
    row = bench.run(method(lambda: Constant(float("nan"))))
    assert row.error == (
        "the model must predict all test rows except the 1 cold ones, got 3 rows without a prediction, so its errors "
        "are not comparable."
    )


def test_a_warm_up_that_fails_is_said_and_leaves_the_others_alone(bench, caplog):
    with caplog.at_level(logging.INFO, "spark_mf"):
        bench.warm_up([method(broken), GUESS])
    assert "warm-up failed: no memory left" in caplog.text
    assert caplog.text.count("warm-up ...") == 2


def test_an_exception_without_words_is_named_by_its_type():
    assert first_sentence(KeyError()) == "KeyError"
