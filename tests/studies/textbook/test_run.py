"""Tests of the textbook job: fits on Spark, rows and report."""

from dataclasses import replace

import numpy as np
import pytest

from spark_mf.benchmarks.environment import numpy_provenance
from spark_mf.benchmarks.methods import new_estimator, param_values
from spark_mf.benchmarks.rows import read_rows
from spark_mf.models.factors import factors_arrays
from spark_mf.studies.fits import params_of
from spark_mf.studies.textbook import run as textbook
from spark_mf.studies.textbook.on_spark import SparkTwin, as_on_spark, on_spark
from spark_mf.studies.textbook.report import textbook_fault, textbook_report
from spark_mf.studies.textbook.rows import COST, ON_SPARK, PUBLISHED, TextbookRow
from spark_mf.studies.textbook.run import run_textbook
from spark_mf.studies.textbook.settings import TextbookSettings
from spark_mf.textbook import ALS, GD, SGD
from spark_mf.textbook.published import METHODS, SEED, Result, published_ratings, run


@pytest.fixture(scope="module")
def ratings():
    return published_ratings(np.random.default_rng(SEED))


@pytest.fixture(scope="module")
def twin(spark, ratings, tmp_path_factory):
    return SparkTwin(spark, ratings, "auto", tmp_path_factory.mktemp("initial"))


@pytest.fixture
def row():
    where = numpy_provenance()
    return TextbookRow(
        part=PUBLISHED,
        label="SGD: test RMSE",
        model="spark_mf.textbook.SGD",
        solver="sgd",
        blocks=None,
        dataset="published set",
        users=100,
        items=60,
        ratings=1190,
        test_ratings=238,
        cold_test_ratings=0,
        duplicates=0,
        params={"rank": 4, "maxIter": 150, "regParam": 0.01, "regularization": "mean", "seed": 42},
        started_at="2026-01-01T00:00:00Z",
        published=1.0551,
        obtained=1.05512,
        **vars(where),
    )


@pytest.mark.parametrize(
    ("estimator", "near"),
    [
        (ALS(rank=4, maxIter=3, regParam=0.01, regularization="plain", order="users"), 1e-5),
        (ALS(rank=4, maxIter=3, regParam=0.01, regularization="mean", solver="gd", innerSteps=2), 1e-5),
        (ALS(rank=4, maxIter=3, userRegParam=0.01, itemRegParam=0.1, order="users"), 1e-5),
        (GD(rank=4, maxIter=5, regParam=0.1, stepSize=5.0), 1e-5),
        (GD(rank=4, maxIter=5, itemRegParam=0.2, regularization="frequency", regExponent=0.5, stepSize=5.0), 1e-5),
        (replace(METHODS["mini-batch GD, biases"], maxIter=5), 0.01),
    ],
    ids=["ALS, users first", "ALS+GD", "ALS, two λ", "GD", "GD, frequency", "SGD with biases"],
)
def test_the_same_fit_on_spark_ends_at_the_same_error(twin, ratings, estimator, near):
    same = as_on_spark(estimator)
    initial = same.draw(np.random.default_rng(1), ratings.shape)
    expected = same.fit(ratings, np.random.default_rng(2), initial)
    held = ratings.validation
    predictions = expected.predict(held.users, held.items).clip(1, 5)
    rmse = float(np.sqrt(np.mean((held.values - predictions) ** 2)))

    model = twin.fit(same, initial, best=False)

    assert twin.test_rmse(model, (1.0, 5.0)) == pytest.approx(rmse, rel=near)


@pytest.mark.parametrize(
    "estimator",
    [
        ALS(implicitPrefs=True, alpha=2.0, itemRegParam=0.3),
        ALS(implicitPrefs=True, unobservedWeight=0.2, regularization="frequency", regExponent=0.5),
        ALS(implicitPrefs=True, unobservedWeight=0.2, nonnegative=True),
        ALS(nonnegative=True, userRegParam=0.05),
    ],
    ids=["pyspark's form", "iALS", "iALS, nonnegative", "nonnegative"],
)
def test_the_same_fit_on_spark_has_the_same_products_and_objective(twin, ratings, estimator):
    estimator = replace(estimator, rank=4, maxIter=3)
    initial = estimator.draw(np.random.default_rng(1), ratings.shape)
    expected = estimator.fit(ratings, initial=initial)

    model = twin.fit(estimator, initial, best=False)

    (_, U), (_, V) = (factors_arrays(factors) for factors in (model.userFactors, model.itemFactors))
    products = expected.U @ expected.V.T
    np.testing.assert_allclose(U @ V.T, products, atol=1e-3 * abs(products).max())
    objectives = [record.objective for record in expected.summary.history]
    assert model.summary.metricHistory("objective") == pytest.approx(objectives, rel=1e-4)


def test_sgd_on_spark_has_the_step_of_one_rating_and_changes_touched_rows():
    batches = METHODS["mini-batch GD"]
    same = as_on_spark(batches)
    assert isinstance(batches, SGD)
    assert isinstance(same, SGD)
    assert (same.updatedRows, same.stepSize, same.batchSize) == ("touched", 0.02 / 32, 32)
    adam = as_on_spark(replace(batches, optimizer="adam"))
    assert isinstance(adam, SGD)
    assert adam.stepSize == 0.02
    assert as_on_spark(same) is same
    assert as_on_spark(METHODS["ALS"]) is METHODS["ALS"]


def test_settings_reach_spark_and_users_first_turns_the_ratings():
    twin = on_spark(METHODS["ALS"], "ordinary")
    assert (twin.getRank(), twin.getMaxIter(), twin.getRegParam()) == (4, 50, 0.01)
    assert (twin.getRegularization(), twin.getEngine()) == ("plain", "broadcast")
    assert (twin.getUserCol(), twin.getItemCol()) == ("item", "user")
    two = on_spark(ALS(userRegParam=0.5, itemRegParam=0.25, order="users"), "ordinary")
    assert (two.getUserRegParam(), two.getItemRegParam()) == (0.25, 0.5)
    descent = on_spark(SGD(optimizer="momentum", momentum=0.5, biasRegParam=0.25), "ring")
    assert (descent.getOptimizer(), descent.getMomentum(), descent.getBiasRegParam()) == ("momentum", 0.5, 0.25)
    assert (descent.getEngine(), descent.getUserCol()) == ("ring", "user")


def test_a_row_of_a_fit_on_spark_has_the_params_of_that_estimator(twin, ratings):
    fitted = run(replace(METHODS["ALS"], maxIter=2), ratings, np.random.default_rng(0))
    row = textbook._one_on_spark(textbook._Rows(ratings, numpy_provenance()), twin, "ALS", fitted, False)
    assert (row.error, row.model, row.solver, row.iterations) == (None, "spark_mf.ALS", "cholesky", 2)
    assert row.params["userCol"] == "item"
    assert param_values(new_estimator(row.model, row.params)) == row.params


def test_a_number_is_published_to_its_last_digit_only(row):
    assert row.is_published_number
    assert row.fault is None
    other = replace(row, obtained=1.05516)
    assert not other.is_published_number
    assert textbook_fault([row, other]) == (
        "1 of 2 results are wrong, the first: SGD: test RMSE is 1.05516, published 1.0551"
    )
    bound = replace(row, published=1e-9, decimals=-1, obtained=1e-11)
    assert bound.is_published_number
    assert not replace(bound, obtained=1e-9).is_published_number


def test_more_than_one_percent_on_spark_is_a_fault(row):
    near = replace(row, part=ON_SPARK, published=None, textbook=1.0, obtained=1.0099)
    assert near.fault is None
    assert "1.0101" in replace(near, obtained=1.0101).fault
    failed = replace(near, obtained=None, error="no room")
    assert failed.fault == "SGD: test RMSE failed: no room"
    assert "nan" in textbook_report([row, failed])


def test_without_spark_there_are_published_numbers_and_costs(monkeypatch, ratings, row, tmp_path):
    fitted = run(replace(METHODS["ALS"], maxIter=2), ratings, np.random.default_rng(0))
    results = [
        Result("training ratings", 952, len(ratings), 0),
        Result("ALS", 1.0, fitted.test_rmse[-1], 4, fitted),
    ]
    monkeypatch.setattr(textbook, "run_published", lambda: (ratings, results))
    monkeypatch.setattr(textbook, "_without_published_number", dict)

    rows = list(run_textbook(TextbookSettings(on="textbook"), None))

    assert [each.part for each in rows] == [PUBLISHED, PUBLISHED, COST, COST, COST, COST]
    assert [each.is_published_number for each in rows[:2]] == [True, False]
    assert [each.validation_rmse for each in rows[1].history] == fitted.test_rmse
    # GD by hand: 3·952·4 for the ratings and 2·160·4 for the rows.
    assert rows[2].operations == 3 * 952 * 4 + 2 * 160 * 4
    assert all((each.seconds_per_iteration or 0) > 0 for each in rows[2:])
    expected = params_of(replace(METHODS["ALS"], maxIter=2, seed=SEED))
    assert rows[1].params == expected
    file = tmp_path / "results.jsonl"
    file.write_text("".join(each.to_json() + "\n" for each in rows))
    assert read_rows(file, TextbookRow) == rows
    report = textbook_report(rows)
    assert "1 of 2 published numbers" in report
    assert "12,704" in report
    assert "The same fits on Spark" not in report
