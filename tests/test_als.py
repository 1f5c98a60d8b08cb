"""Tests of the ALS estimator on Spark, against pyspark's ALS and against one process."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.recommendation import ALS as SparkALS
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import functions as F

from spark_mf import ALS, ALSModel
from spark_mf.blocks.csr import RatingBlock
from spark_mf.data.checking import CheckRules, clean_ratings
from spark_mf.exchange.half_step import HalfStepTask, solve_block
from spark_mf.exchange.stopping import StoppingRules
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.reference import least_squares as plain
from spark_mf.models.factors import factors_arrays
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.regularization import Regularization
from spark_mf.ratings.layout import LaidOutBlock
from spark_mf.solvers.cholesky import CholeskySolver
from tests.low_rank import low_rank


@pytest.fixture(scope="module")
def table():
    return low_rank(60, 40, 3)


@pytest.fixture(scope="module")
def ratings(spark, table):
    return spark.createDataFrame(table).cache()


def small(**params) -> ALS:
    # Joining a ring takes a second; its results are compared with these in tests/test_sgd.py and below.
    given: dict[str, Any] = {"rank": 3, "maxIter": 5, "regParam": 0.05, "seed": 7, "engine": "broadcast"}
    return ALS(**given | {"numUserBlocks": 2, "numItemBlocks": 2} | params)


def predictions(model, frame) -> np.ndarray:
    rows = model.transform(frame).select("user", "item", "prediction").toPandas()
    return rows.sort_values(["user", "item"])["prediction"].to_numpy()


def one_process_als(table: pd.DataFrame, als: ALS) -> tuple[np.ndarray, np.ndarray]:
    """The same algorithm on dense indices in one process and float64, from the same initial factors."""
    user, item = table.user.to_numpy(), table.item.to_numpy()
    u = unit_rows(als.getSeed(), Purpose.USER_FACTORS, user.max() + 1, als.getRank()).astype(np.float64)
    v = np.zeros((item.max() + 1, als.getRank()))

    def half_step(rows, columns, fixed, solved):
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=len(solved))
        indptr = np.concatenate([[0], np.cumsum(counts)])
        csr = (indptr, columns[order], table.rating.to_numpy()[order])
        penalty = als.getRegParam() * (counts if als.getRegularization() == "weighted" else np.ones(len(counts)))
        if als.getRegularization() == "mean":
            penalty = penalty * len(table)
        plain.solve_cholesky(
            *csr, None, fixed, None, penalty, None, None, solved, np.zeros(len(solved)), 0, len(solved)
        )

    for _ in range(als.getMaxIter()):
        half_step(item, user, u, v)
        half_step(user, item, v, u)
    return u, v


@pytest.mark.parametrize(
    ("regularization", "engine"), [("weighted", "ring"), ("weighted", "broadcast"), ("plain", "ring"), ("mean", "ring")]
)
def test_equals_the_same_algorithm_in_one_process(ratings, table, regularization, engine):
    regParam = 0.001 if regularization == "mean" else 0.05
    als = small(regularization=regularization, engine=engine, regParam=regParam)
    model = als.fit(ratings)
    u, v = one_process_als(table, als)
    expected = np.einsum("ij,ij->i", u[table.user], v[table.item])
    np.testing.assert_allclose(predictions(model, ratings), expected, rtol=2e-4, atol=2e-4)
    errors = table.rating.to_numpy() - expected
    counts = {"users": np.bincount(table.user), "items": np.bincount(table.item)}
    norms = {"users": (u**2).sum(axis=1), "items": (v**2).sum(axis=1)}
    penalty = sum((norms[side] * (counts[side] if regularization == "weighted" else 1)).sum() for side in counts)
    loss = (errors**2).mean() if regularization == "mean" else (errors**2).sum()
    assert model.summary.metricHistory("objective")[-1] == pytest.approx(loss + als.getRegParam() * penalty, rel=1e-3)
    assert model.summary.metricHistory("train_rmse")[-1] == pytest.approx(
        np.sqrt((errors**2).mean()), rel=1e-3, abs=1e-5
    )


def test_user_half_step_from_pysparks_items_gives_pysparks_users(ratings, table):
    """pyspark solves users last: from its items, an exact user half-step must return its users."""
    theirs = SparkALS(rank=5, maxIter=3, regParam=0.05, seed=3).fit(ratings)
    _, items = factors_arrays(theirs.itemFactors)
    _, users = factors_arrays(theirs.userFactors)
    order = np.argsort(table.user.to_numpy(), kind="stable")
    block = RatingBlock.from_triples(
        np.arange(60, dtype=np.int32),
        table.user.to_numpy()[order],
        table.item.to_numpy()[order],
        table.rating.to_numpy()[order],
    )
    empty = np.empty(0, np.int32)
    nothing = RatingBlock.from_triples(block.rows, empty, empty, np.empty(0, np.float32))
    objective, solver = ExplicitObjective(Regularization.equal(0.05, "weighted", len(table))), CholeskySolver()
    task = HalfStepTask("ALS", 5, objective, solver, StoppingRules(max_iterations=1))
    solved = solve_block(LaidOutBlock(0, block, nothing), "user", items, None, None, task, measured=None)
    largest = np.abs(users).max(axis=1, keepdims=True)
    assert (np.abs(solved.factors - users) / largest).max() < 1e-5


def test_recovers_an_exact_low_rank_matrix(spark):
    """Rank 2 without noise, half of it seen: the unseen half follows."""
    seen = low_rank(80, 60, 2, seed=1, observed=0.4)
    full = low_rank(80, 60, 2, seed=1, observed=1.1)
    model = small(rank=2, maxIter=30, regParam=1e-5).fit(spark.createDataFrame(seen))
    predicted = predictions(model, spark.createDataFrame(full))
    expected = full.sort_values(["user", "item"]).rating.to_numpy()
    assert np.sqrt(((predicted - expected) ** 2).mean()) < 0.01


def test_no_worse_than_pyspark_on_noisy_ratings(spark, table):
    noisy = table.assign(rating=table.rating + np.random.default_rng(2).normal(0, 0.3, len(table)).astype(np.float32))
    train, test = spark.createDataFrame(noisy).randomSplit([0.8, 0.2], seed=5)
    train.cache()
    evaluator = RegressionEvaluator(labelCol="rating")
    params = {"rank": 3, "maxIter": 10, "regParam": 0.05, "coldStartStrategy": "drop", "seed": 1}
    rmse = {
        name: evaluator.evaluate(als(**params | more).fit(train).transform(test))
        for name, als, more in [("pyspark", SparkALS, {}), ("cholesky", ALS, {}), ("cg", ALS, {"solver": "cg"})]
    }
    assert rmse["cholesky"] == pytest.approx(rmse["pyspark"], abs=0.01)
    assert rmse["cg"] == pytest.approx(rmse["pyspark"], abs=0.01)


def test_blocks_and_partitions_change_predictions_by_rounding_only(ratings):
    base = predictions(small().fit(ratings), ratings)
    for blocks, partitions in [((1, 1), 1), ((7, 3), 5), ((20, 4), 2)]:
        model = small(numUserBlocks=blocks[0], numItemBlocks=blocks[1]).fit(ratings.repartition(partitions))
        np.testing.assert_allclose(predictions(model, ratings), base, atol=1e-3)


def test_same_seed_and_layout_give_the_identical_model(ratings):
    for solver, engine in (("cholesky", "ring"), ("cg", "ring"), ("cg", "broadcast")):
        first, second = (small(solver=solver, engine=engine).fit(ratings) for _ in range(2))
        for side in ("userFactors", "itemFactors"):
            (ids, factors), (other_ids, other) = (factors_arrays(getattr(m, side)) for m in (first, second))
            np.testing.assert_array_equal(ids, other_ids)
            np.testing.assert_array_equal(factors, other)
    assert not np.array_equal(predictions(small(seed=8, maxIter=1).fit(ratings), ratings),
                              predictions(small(maxIter=1).fit(ratings), ratings))  # fmt: skip


def test_without_penalty_undetermined_rows_get_the_minimum_norm_solution(spark):
    """Users with one or two ratings at rank 3 and λ = 0: no failure, and the shortest exact fit."""
    table = pd.concat(
        [low_rank(30, 20, 2, seed=4), pd.DataFrame({"user": [30, 31], "item": [0, 1], "rating": [4.0, 2.0]})]
    )
    frame = spark.createDataFrame(table.astype({"user": "int32", "item": "int32", "rating": "float32"}))
    model = small(regParam=0.0, maxIter=3).fit(frame)
    ids, users = factors_arrays(model.userFactors)
    ids = ids.to_pylist()
    _, items = factors_arrays(model.itemFactors)
    assert np.isfinite(users).all()
    for user, item, rating in [(30, 0, 4.0), (31, 1, 2.0)]:
        shortest = items[item] * rating / (items[item] @ items[item])  # pinv of one row
        np.testing.assert_allclose(users[ids.index(user)], shortest, rtol=1e-3, atol=1e-4)


def test_summary_has_history_and_validation(spark, table):
    rng = np.random.default_rng(3)
    marked = table.assign(held_out=rng.random(len(table)) < 0.2)
    cold = pd.DataFrame({"user": [999], "item": [0], "rating": [3.0], "held_out": [True]})
    frame = spark.createDataFrame(
        pd.concat([marked, cold]).astype({"user": "int32", "item": "int32", "rating": "float32"})
    )
    model = small(validationIndicatorCol="held_out").fit(frame)
    summary = model.summary
    assert [record.iteration for record in summary.history] == [1, 2, 3, 4, 5]
    assert all(record.seconds > 0 for record in summary.history)
    assert summary.ratings == int((~marked.held_out).sum())
    assert summary.validationRatings == int(marked.held_out.sum()) + 1
    trained = model.transform(frame.where("held_out")).dropna().toPandas()
    assert summary.coldValidationRatings == summary.validationRatings - len(trained[~trained.prediction.isna()])
    expected = np.sqrt(((trained.rating - trained.prediction) ** 2).mean())
    assert summary.metricHistory("validation_rmse")[-1] == pytest.approx(expected, rel=1e-4)
    # Alternating exact minimisation never goes up.
    assert (np.diff(np.array(summary.metricHistory("objective"), float)) <= 1e-3).all()
    assert np.isnan(predictions(model, spark.createDataFrame([(999, 0)], ["user", "item"]))).all()


def test_duplicate_pairs_are_kept_and_counted(spark):
    """A pair rated 1 and 3 weighs as much as one rated 2 twice, so both give the same factors."""
    others = [(0, 1, 2.0), (1, 0, 2.0), (1, 1, 4.0), (1, 1, 4.0)]
    models = [
        small(rank=1, regParam=0.01).fit(spark.createDataFrame(pairs + others, ["user", "item", "rating"]))
        for pairs in ([(0, 0, 1.0), (0, 0, 3.0)], [(0, 0, 2.0), (0, 0, 2.0)])
    ]
    assert [model.summary.duplicates for model in models] == [2, 2]
    assert [model.summary.ratings for model in models] == [6, 6]
    first, second = (factors_arrays(model.userFactors)[1] for model in models)
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_ids_of_64_bits(spark):
    """Ids beyond 32 bits, which pyspark refuses, come back as they were."""
    rows = [(2**40, -5, 1.0), (2**40, 7, 3.0), (-(2**62), -5, 2.0)]
    frame = spark.createDataFrame(rows, ["user", "item", "rating"])
    model = small(rank=1).fit(frame)
    assert [row.id for row in model.userFactors.orderBy("id").collect()] == [-(2**62), 2**40]
    assert [row.id for row in model.itemFactors.orderBy("id").collect()] == [-5, 7]
    assert dict(model.userFactors.dtypes)["id"] == "bigint"
    assert dict(model.itemFactors.dtypes)["id"] == "int"
    assert model.transform(frame).where("isnan(prediction)").count() == 0


def test_schemas_are_pysparks(ratings):
    ours, theirs = small(maxIter=1).fit(ratings), SparkALS(rank=3, maxIter=1).fit(ratings)
    assert ours.userFactors.schema == theirs.userFactors.schema
    assert ours.itemFactors.schema == theirs.itemFactors.schema
    assert ours.transform(ratings).schema == theirs.transform(ratings).schema


def test_zero_iterations_return_the_initial_factors(ratings):
    model = small(maxIter=0).fit(ratings)
    _, users = factors_arrays(model.userFactors)
    np.testing.assert_array_equal(users, unit_rows(7, Purpose.USER_FACTORS, 60, 3))
    assert model.summary.history == ()


def test_works_in_a_pipeline_and_comes_back_from_disk(ratings, tmp_path):
    model = Pipeline(stages=[small()]).fit(ratings)
    model.write().overwrite().save(str(tmp_path / "pipeline"))
    loaded = PipelineModel.load(str(tmp_path / "pipeline"))
    np.testing.assert_array_equal(predictions(loaded, ratings), predictions(model, ratings))
    small(rank=4).save(str(tmp_path / "als"))
    assert ALS.load(str(tmp_path / "als")).getRank() == 4


def test_works_in_a_cross_validator_with_threads(ratings):
    als = small(coldStartStrategy="drop", maxIter=8)
    grid = ParamGridBuilder().addGrid(als.regParam, [0.01, 1000.0]).build()
    validator = CrossValidator(
        estimator=als,
        estimatorParamMaps=grid,
        evaluator=RegressionEvaluator(labelCol="rating"),
        numFolds=2,
        parallelism=2,
    )
    best = validator.fit(ratings)
    assert isinstance(best.bestModel, ALSModel)
    assert best.avgMetrics[0] < best.avgMetrics[1]


def test_progress_is_logged_each_iteration(ratings, caplog):
    with caplog.at_level(logging.INFO, logger="spark_mf"):
        small(maxIter=3).fit(ratings)
    steps = [record.progress for record in caplog.records if hasattr(record, "progress")]
    assert [(step.step, step.total, step.label) for step in steps] == [(1, 3, "ALS"), (2, 3, "ALS"), (3, 3, "ALS")]
    assert all(step.train_rmse > 0 for step in steps)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "^dataset must have at least one row, got none"),
        ([(1, 2, None)], "1 with a null rating"),
        ([(1, 2, float("nan")), (1, 3, 1.0)], "1 with a NaN or infinite rating .* 2 rows"),
        ([(1, 2, float("inf")), (1, 3, 1.0)], "1 with a NaN or infinite rating"),
        ([(None, 2, 1.0), (1, 3, 1.0)], "1 with a null or non-integer user id"),
        ([(1, None, 1.0), (1, None, 1.0)], "2 with a null or non-integer item id"),
    ],
)
def test_ratings_that_cannot_be_used_are_refused_by_number_and_reason(spark, rows, message):
    frame = spark.createDataFrame(rows, "user int, item int, rating float")
    with pytest.raises(ValueError, match=message):
        small().fit(frame)


def test_all_rows_for_validation_is_refused(spark, ratings):
    with pytest.raises(ValueError, match=r"^validationIndicatorCol must be false in some rows, got true in all"):
        small(validationIndicatorCol="held_out").fit(ratings.selectExpr("*", "true AS held_out"))


@pytest.mark.parametrize("engine", ["ring", "broadcast"])
def test_overflow_stops_the_fit_with_the_iteration_and_the_way_out(spark, engine):
    rows = [(user, item, 3e38) for user in range(12) for item in range(6)]
    frame = spark.createDataFrame(rows, ["user", "item", "rating"])
    with pytest.raises(ArithmeticError, match=r"^factors must be finite, got NaN or .* iteration 1 .* larger regParam"):
        small(rank=1, engine=engine).fit(frame)


def test_more_blocks_than_rows_are_said_and_work(spark, caplog):
    frame = spark.createDataFrame([(0, 0, 4.0), (1, 0, 2.0)], ["user", "item", "rating"])
    with caplog.at_level(logging.WARNING, logger="spark_mf"):
        model = small(numUserBlocks=50).fit(frame)
    assert "numUserBlocks=50 is more than the 2 users, so 2 blocks are used." in caplog.text
    assert "All ratings belong to one of the items, so the factors carry no information." in caplog.text
    assert model.transform(frame).count() == 2


def test_unknown_param_is_refused_by_name():
    with pytest.raises(TypeError, match=r"^setParams must be called with Params of ALS, got 'ranks'\. Use one of "):
        ALS().setParams(ranks=3)  # type: ignore[call-arg]


def test_factors_too_large_for_the_driver_are_refused_before_the_iterations(ratings):
    with pytest.raises(
        MemoryError, match=r"^spark\.driver\.maxResultSize must be >= .*, got .* MiB\. Set it to at lea"
    ):
        small(rank=20_000_000).fit(ratings)


def test_the_way_out_of_unusable_rows_works(spark, table):
    broken = spark.createDataFrame(table).withColumn("rating", F.when(F.col("user") != 5, F.col("rating"))).cache()
    lost = int((table.user == 5).sum())
    with pytest.raises(ValueError, match=f"got {lost} with a null rating among .* fit the output of .*clean_ratings"):
        small().fit(broken)
    clean = clean_ratings(spark, broken, rules=CheckRules(on_bad="reject"))
    assert clean.reasons == {"rating is missing": lost}
    assert small().fit(clean.accepted).summary.ratings == len(table) - lost
    clean.unpersist()


def test_a_fully_observed_matrix_is_solved_by_one_factorization_per_block(spark, caplog):
    """The log says so, and the model is that of solving row by row, which conjugate gradients do."""
    full = spark.createDataFrame(low_rank(30, 20, 2, seed=4, observed=1.1)).cache()
    assert full.count() == 600
    with caplog.at_level(logging.INFO, "spark_mf"):
        model = small(rank=2, maxIter=3).fit(full)
    assert "All pairs of users and items are observed" in caplog.text
    expected = small(rank=2, maxIter=3, solver="cg", innerSteps=10).fit(full)
    np.testing.assert_allclose(predictions(model, full), predictions(expected, full), rtol=1e-3, atol=1e-3)
