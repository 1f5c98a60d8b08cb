"""Tests that studies fit the requested hyperparameters with both packages."""

import json

import pytest

from spark_mf import textbook
from spark_mf.benchmarks.environment import provenance
from spark_mf.benchmarks.methods import new_estimator, param_values
from spark_mf.studies.data import load_data
from spark_mf.studies.fits import Fits, params_of
from spark_mf.studies.settings import PUBLISHED, RATINGS, ExperimentSettings
from spark_mf.textbook import ALS, SGD


def test_a_row_of_als_holds_the_history_of_that_fit(make_fits):
    fits = make_fits(seed=3)
    row = fits.als("mine", regParam=0.005)
    model = ALS(rank=2, maxIter=2, regParam=0.005, regularization="mean", seed=3).fit(fits.data.ratings)
    expected = [(record.objective, record.train_rmse, record.validation_rmse) for record in model.summary.history]
    assert [(each.objective, each.train_rmse, each.validation_rmse) for each in row.history] == expected
    assert row.test_rmse == expected[-1][2]
    assert (row.model, row.label, row.solver, row.is_sgd) == ("spark_mf.textbook.ALS", "mine", "cholesky", False)
    assert (row.rank, row.iterations, row.regParam, row.regularization, row.seed) == (2, 2, 0.005, "mean", 3)
    assert (row.dataset, row.users, row.items, row.ratings, row.test_ratings) == ("published set", 100, 60, 1190, 238)


def test_a_row_of_sgd_says_how_it_descended(make_fits):
    fits = make_fits(init_std=0.2)
    row = fits.momentum_sgd("mine", stepSize=0.001)
    model = SGD(
        rank=2, maxIter=3, regParam=0.01, regularization="mean", stepSize=0.001, fitBias=False, initStd=0.2, seed=0,
        optimizer="momentum", batchSize=32, schedule="constant",
    ).fit(fits.data.ratings)  # fmt: skip
    assert row.test_rmse == model.summary.history[-1].validation_rmse
    expected = {"stepSize": 0.001, "batchSize": 32, "optimizer": "momentum", "initStd": 0.2, "fitBias": False}
    assert row.params.items() >= {**expected, "earlyStoppingPatience": 0}.items()
    assert not row.params.keys() & {"biasStepSize", "biasRegParam"}
    assert row.solver == "momentum"


def test_a_model_with_biases_has_a_lambda_of_them(make_fits):
    params = make_fits().biased_sgd("mine", earlyStoppingPatience=2).params
    assert (params["fitBias"], params["biasRegParam"]) == (True, PUBLISHED.bias_reg_param)
    assert (params["stepSize"], params["earlyStoppingPatience"]) == (PUBLISHED.biased_step_size, 2)


def test_a_textbook_estimator_made_of_a_row_has_its_params(make_fits):
    fits = make_fits()
    for row in (fits.als("ALS"), fits.momentum_sgd("momentum"), fits.biased_sgd("biases")):
        cls = getattr(textbook, row.model.rpartition(".")[2])
        assert params_of(cls(**row.params)) == row.params


def test_params_of_rows_are_those_that_json_has():
    params = params_of(ALS(clipTo=(1.0, 5.0)))
    assert params["clipTo"] == [1.0, 5.0]
    assert "seed" not in params
    assert json.loads(json.dumps(params)) == params


def test_a_fit_that_diverges_is_a_row_and_so_is_one_that_is_refused(make_fits):
    fits = make_fits()
    diverged = fits.sgd("too fast", stepSize=10.0)
    assert "no longer finite after iteration" in (diverged.error or "")
    assert (diverged.history, diverged.test_rmse, diverged.fit_seconds) == ((), None, None)
    assert diverged.params["stepSize"] == 10.0
    refused = fits.als("no rank", rank=0)
    assert "rank" in (refused.error or "")
    assert (refused.rank, refused.iterations) == (0, 2)


def test_every_fit_gets_one_line_of_progress(make_fits, caplog):
    with caplog.at_level("INFO", logger="spark_mf"):
        row = make_fits().als("mine")
    (record,) = caplog.records
    assert record.getMessage().startswith(f"mine: test RMSE {row.test_rmse:.4f} after 2 iterations")


def test_the_same_study_runs_on_spark(spark, make_fits):
    settings = ExperimentSettings(on="spark", rank=2, iterations=20, epochs=2)
    fits = Fits(settings=settings, data=load_data(settings, spark), where=provenance(spark))
    row = fits.als("ALS", regParam=0.01)
    assert (row.error, row.model, row.master, row.engine) == (None, "spark_mf.ALS", "local[2]", "ring")
    assert (row.users, row.items, row.ratings, row.test_ratings) == (100, 60, 1190, 238)
    # Another random start, the same problem: λ = 0.01 of the mean objective leaves one solution.
    ours = make_fits(iterations=20).als("ALS", regParam=0.01)
    assert row.test_rmse == pytest.approx(ours.test_rmse, rel=1e-3)
    descended = fits.biased_sgd("SGD")
    assert (descended.error, descended.model, len(descended.history)) == (None, "spark_mf.SGD", 2)
    for fitted in (row, descended):
        assert param_values(new_estimator(fitted.model, fitted.params)) == fitted.params


def test_what_is_set_goes_over_what_suits_the_data():
    assert ExperimentSettings(rank=3).tuning.rank == 3
    assert ExperimentSettings(rank=3).tuning.epochs == PUBLISHED.epochs
    assert ExperimentSettings(ratings="r.csv", lambdas=(1.0,)).tuning.lambdas == (1.0,)
    assert ExperimentSettings(ratings="r.csv").tuning == RATINGS
    assert ExperimentSettings(ratings="r.csv").runner == "spark"
    assert ExperimentSettings().runner == "textbook"
    assert ExperimentSettings(ratings="r.csv", on="textbook").runner == "textbook"
