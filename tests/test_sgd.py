"""Tests of the SGD estimator on Spark: against one process, on both engines, and its options."""

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

from spark_mf import ALS, SGD, SGDModel
from spark_mf.blocks.csr import RatingBlock
from spark_mf.blocks.partition import Partition
from spark_mf.blocks.strata import Strata
from spark_mf.exchange import sgd_task as module
from spark_mf.exchange.stopping import StoppingRules
from spark_mf.kernels import sgd as kernels
from spark_mf.kernels.initial import normal_rows
from spark_mf.kernels.objective import row_shares
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.reference import sgd as plain
from spark_mf.models.factors import collect_factors
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.regularization import Regularization
from spark_mf.ratings.grid import GridRow, PackedCell


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """2,400 ratings of 80 users and 50 items: mean, biases and two factors, with little noise."""
    rng = np.random.default_rng(5)
    user, item = np.divmod(rng.permutation(80 * 50)[:2400], 50)
    u, v = rng.normal(0, 0.6, (80, 2)), rng.normal(0, 0.6, (50, 2))
    rating = 3.5 + rng.normal(0, 0.4, 80)[user] + rng.normal(0, 0.4, 50)[item] + (u[user] * v[item]).sum(axis=1)
    rating = (rating + rng.normal(0, 0.1, 2400)).astype(np.float32)
    held_out = rng.random(2400) < 0.1
    return pd.DataFrame(
        {"user": user.astype(np.int32), "item": item.astype(np.int32), "rating": rating, "held_out": held_out}
    )


@pytest.fixture(scope="module")
def ratings(spark, table):
    return spark.createDataFrame(table).cache()


def small(**params) -> SGD:
    given: dict[str, Any] = {"rank": 3, "maxIter": 6, "seed": 7, "numUserBlocks": 2, "numItemBlocks": 5}
    given |= {"checkpointInterval": -1}  # each stage of the ring takes a second to join
    return SGD(**given | {"stepSize": 0.02, "schedule": "constant", "initStd": 0.1} | params)


@pytest.fixture(scope="module")
def model(ratings) -> SGDModel:
    return small().fit(ratings)


def collected(model: SGDModel) -> SimpleNamespace:
    users, items = collect_factors(model.userFactors), collect_factors(model.itemFactors)
    return SimpleNamespace(U=users.factors, V=items.factors, bu=users.biases, bi=items.biases)


def assert_same(one: Any, other: Any) -> None:
    for name, array in vars(collected(one)).items():
        np.testing.assert_array_equal(array, vars(collected(other))[name], err_msg=name)
    assert one.globalMean == other.globalMean
    assert [r.objective for r in one.summary.history] == [r.objective for r in other.summary.history]
    assert one.summary.metricHistory("validation_rmse") == other.summary.metricHistory("validation_rmse")


def one_process(table: pd.DataFrame, sgd: SGD, train=kernels.train, dtype=np.float32) -> SimpleNamespace:
    """The same schedule in one process: all cells of an epoch, one after the other, on dense indices."""
    p, q = sgd.getOrDefault("numUserBlocks"), sgd.getOrDefault("numItemBlocks")
    seed, rank = sgd.getSeed(), sgd.getRank()
    layout = kernels.sgd_row_layout(rank, sgd.getFitBias(), sgd.getOptimizer())
    update = kernels.Update(
        layout,
        sgd.getOptimizer(),
        sgd.getStepSize(),
        sgd.getBiasStepSize(),
        sgd.getRegParam(),
        sgd.getBiasRegParam(),
        sgd.getUpdateOrder() == "sequential",
        sgd.getBatchSize(),
    )
    user, item = table.user.to_numpy(), table.item.to_numpy()
    counts = np.bincount(user).astype(np.int64), np.bincount(item).astype(np.int64)
    parts = Partition.balanced(counts[0], p, seed), Partition.balanced(counts[1], q, seed)
    shares = [row_shares(count, sgd.getRegularization(), len(table)) for count in counts]
    initial = [
        normal_rows(seed, purpose, count.size, rank, sgd.getInitStd())
        for purpose, count in zip((Purpose.USER_FACTORS, Purpose.ITEM_FACTORS), counts, strict=True)
    ]
    rows = [
        [make(factors[part.members(block)], None).astype(dtype) for block in range(part.n_blocks)]
        for make, factors, part in zip((layout.user_rows, layout.item_rows), initial, parts, strict=True)
    ]
    cells = []
    for block in range(p):
        members = parts[0].members(block)
        mine = parts[0].block[user] == block
        ratings = RatingBlock.from_triples(members, parts[0].row[user[mine]], item[mine], table.rating.to_numpy()[mine])
        csr = (ratings.indptr, ratings.rows, ratings.indices, ratings.values)
        cells.append(kernels.make_cells(*csr, parts[1].block, parts[1].row, q, seed))
    mean = float(np.mean(table.rating.to_numpy(), dtype=np.float64)) if sgd.getFitBias() else 0.0
    strata = Strata(p, q, seed)
    errors = []
    for epoch in range(sgd.getMaxIter()):
        error = 0.0
        for stratum in strata.strata(epoch):
            for a, b in enumerate(stratum):
                order = strata.tile_order(epoch, a, b, cells[a][b].starts.size - 1)
                share = shares[0][parts[0].members(a)], shares[1][parts[1].members(b)]
                error += train(cells[a][b], order, rows[0][a], rows[1][b], *share, mean, update)
        errors.append(np.sqrt(error / len(table)))
    whole = [np.empty((count.size, layout.stride), dtype) for count in counts]
    for side in (0, 1):
        for block in range(parts[side].n_blocks):
            whole[side][parts[side].members(block)] = rows[side][block]
    return SimpleNamespace(
        U=layout.factors(whole[0]),
        V=layout.factors(whole[1]),
        bu=layout.user_biases(whole[0]) if layout.bias else None,
        bi=layout.item_biases(whole[1]) if layout.bias else None,
        train_rmse=errors,
    )


def assert_kernels_fit_in_their_tasks(summary, slots):
    """Every iteration has kernels, which take no longer than all slots together."""
    assert summary.history
    for record in summary.history:
        assert 0 < record.kernel_seconds <= slots * record.seconds


VARIANTS = [
    {},
    {"numUserBlocks": 1, "numItemBlocks": 1},
    {"numUserBlocks": 1, "numItemBlocks": 4, "fitBias": False, "regularization": "plain"},
    {"optimizer": "momentum", "regularization": "mean", "regParam": 1e-4, "stepSize": 0.002},
    {"optimizer": "adagrad", "batchSize": 8, "updateOrder": "sequential", "stepSize": 0.05},
    {"optimizer": "adam", "biasRegParam": 0.5, "biasStepSize": 0.001, "stepSize": 0.005},
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_is_exactly_the_schedule_in_one_process(ratings, table, variant):
    """With the same kernels every bit is equal; with the plain twin, rating by rating in float64, to rounding."""
    sgd = small(engine="ring", **variant)
    model = sgd.fit(ratings)
    ours, exact = collected(model), one_process(table, sgd)
    for name in ("U", "V", "bu", "bi"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(exact, name), err_msg=name)
    np.testing.assert_allclose(model.summary.metricHistory("train_rmse"), exact.train_rmse, rtol=1e-12)
    textbook = one_process(table, sgd, plain.train, np.float64)
    np.testing.assert_allclose(ours.U @ ours.V.T, textbook.U @ textbook.V.T, atol=2e-3)
    np.testing.assert_allclose(model.summary.metricHistory("train_rmse"), textbook.train_rmse, rtol=1e-4)


@pytest.mark.parametrize(
    "variant", [{"validationIndicatorCol": "held_out"}, {"numUserBlocks": 1}, {"numUserBlocks": 2, "numItemBlocks": 2}]
)
def test_stages_give_the_very_same_model_as_the_ring(ratings, variant):
    ring, stages = (small(engine=engine, maxIter=2, **variant).fit(ratings) for engine in ("ring", "stages"))
    assert (ring.summary.engine, stages.summary.engine) == ("ring", "stages")
    assert_same(ring, stages)
    assert_kernels_fit_in_their_tasks(ring.summary, 2)
    assert_kernels_fit_in_their_tasks(stages.summary, 2)


def test_blocks_reach_the_error_of_one_process_within_half_a_percent(ratings, table):
    rmse = [
        small(maxIter=40, numUserBlocks=p, numItemBlocks=q).fit(ratings).summary.metricHistory("train_rmse")[-1]
        for p, q in [(1, 1), (2, 2), (2, 9)]
    ]
    assert rmse[0] < 0.2
    assert rmse[1:] == pytest.approx([rmse[0]] * 2, rel=0.005)


def test_seed_and_where_rows_lie_in_the_input(ratings, model):
    assert_same(model, small().fit(ratings.repartition(3)))
    assert not np.array_equal(collected(model).U, collected(small(seed=8).fit(ratings)).U)


def test_predictions_are_mean_biases_and_factors(ratings, table, model):
    parts = collected(model)
    rows = model.transform(ratings).select("user", "item", "prediction").toPandas()
    expected = model.globalMean + parts.bu[rows.user] + parts.bi[rows.item]
    expected += (parts.U[rows.user] * parts.V[rows.item]).sum(axis=1)
    np.testing.assert_allclose(rows.prediction, expected, rtol=1e-5)
    assert model.globalMean == pytest.approx(table.rating.mean(), rel=1e-6)
    assert model.ratingRange == (table.rating.min(), table.rating.max())


def test_validation_is_measured_and_the_best_epoch_is_kept(ratings, table):
    """A step that decays too little overfits after some epochs; the model is that of the best one, and the fit ends."""
    overfitting = {"rank": 8, "regParam": 0.0, "stepSize": 0.05, "maxIter": 200, "earlyStoppingPatience": 4}
    sgd = small(validationIndicatorCol="held_out", **overfitting)
    model = sgd.fit(ratings)
    summary = model.summary
    history = summary.metricHistory("validation_rmse")
    assert summary.stoppedEarly
    assert summary.bestIteration == int(np.argmin(history)) + 1 == summary.totalIterations - 4
    held_out = ratings.where("held_out")
    rmse = RegressionEvaluator(labelCol="rating").evaluate(model.transform(held_out))
    assert rmse == pytest.approx(min(history), rel=1e-5)
    assert (summary.validationRatings, summary.ratings) == (table.held_out.sum(), (~table.held_out).sum())
    whole = sgd.copy({sgd.earlyStoppingPatience: 0, sgd.maxIter: summary.totalIterations + 3}).fit(ratings)
    assert not whole.summary.stoppedEarly
    assert whole.summary.bestIteration == summary.bestIteration
    np.testing.assert_array_equal(collected(whole).U, collected(model).U)


def test_the_step_follows_its_schedule(ratings):
    alone = {"numUserBlocks": 1}  # a ring of one is joined at once
    constant = small(maxIter=3, **alone).fit(ratings).summary
    assert constant.metricHistory("step_size") == [0.02] * 3
    shrinking = small(maxIter=3, schedule="exponential", decay=0.5, **alone).fit(ratings).summary
    assert shrinking.metricHistory("step_size") == pytest.approx([0.02, 0.01, 0.005])
    assert shrinking.metricHistory("objective")[0] == constant.metricHistory("objective")[0]
    assert shrinking.metricHistory("objective")[1] != constant.metricHistory("objective")[1]
    bold = small(maxIter=6, schedule="boldDriver", stepSize=0.01, **alone).fit(ratings).summary
    objectives, steps = bold.metricHistory("objective"), bold.metricHistory("step_size")
    for t in range(2, 6):
        went_down = objectives[t - 1] < objectives[t - 2]
        assert steps[t] == pytest.approx(steps[t - 1] * (1.05 if went_down else 0.5))


def test_intervals_change_nothing(ratings):
    variant = {"optimizer": "momentum", "stepSize": 0.002, "schedule": "boldDriver", "engine": "ring"}
    assert_same(small(**variant).fit(ratings), small(checkpointInterval=4, **variant).fit(ratings))


def test_a_diverging_step_stops_at_once_with_epoch_and_advice(ratings):
    for engine in ("ring", "stages"):
        sentence = (
            r"^factors must be finite, .* in epoch 1 with a learning rate of 50\. Use a smaller stepSize, such as"
        )
        with pytest.raises(ArithmeticError, match=sentence):
            small(stepSize=50.0, engine=engine, maxIter=50).fit(ratings)


def test_threads_of_one_task_reach_the_same_error(table, monkeypatch):
    """Hogwild: threads take turns at tiles without locks; the order of updates is all that differs."""
    many = pd.concat([table.assign(user=table.user + 80 * copy) for copy in range(20)])
    sgd = small(numUserBlocks=1, numItemBlocks=1, maxIter=1)
    one = one_process(many, sgd)
    parts = Partition.balanced(np.bincount(many.user).astype(np.int64), 1, 7)
    counts = np.bincount(many.user).astype(np.int64), np.bincount(many.item).astype(np.int64)
    items = Partition.balanced(counts[1], 1, 7)
    layout = kernels.sgd_row_layout(3, True, "sgd")
    update = kernels.Update(layout, "sgd", 0.02, 0.02, 0.05, 0.05, False, 1)
    rules, objective = (
        StoppingRules(max_iterations=1),
        ExplicitObjective(Regularization.equal(0.05, "weighted", len(many))),
    )
    described = module.SGDTask(
        update, objective, rules, Strata(1, 1, 7), float(many.rating.mean()), parts, items, *counts
    )
    order = np.argsort(many.user.to_numpy(), kind="stable")
    ratings = RatingBlock.from_triples(
        parts.members(0), many.user.to_numpy()[order], many.item.to_numpy()[order], many.rating.to_numpy()[order]
    )
    csr = (ratings.indptr, ratings.rows, ratings.indices, ratings.values)
    (cell,) = kernels.make_cells(*csr, items.block, items.row, 1, 7)
    monkeypatch.setattr(module.TaskContext, "get", lambda: SimpleNamespace(cpus=lambda: 2))
    users = layout.user_rows(normal_rows(7, Purpose.USER_FACTORS, counts[0].size, 3, 0.1), None)
    item_rows = layout.item_rows(normal_rows(7, Purpose.ITEM_FACTORS, 50, 3, 0.1), None)
    block = module.UserBlock(GridRow(0, {0: PackedCell.pack(cell)}, PackedCell.pack(cell)), users, described)
    assert cell.starts.size > 3
    error = block.train(0, item_rows, 0, 1.0)
    assert np.sqrt(error / len(many)) == pytest.approx(one.train_rmse[0], rel=0.02)
    assert not np.array_equal(layout.factors(users), normal_rows(7, Purpose.USER_FACTORS, counts[0].size, 3, 0.1))
    user, item = many.user.to_numpy(), many.item.to_numpy()
    predicted = described.mean + (users[user, : layout.width] * item_rows[item, : layout.width]).sum(axis=1)
    expected = ((many.rating.to_numpy() - predicted) ** 2).sum()
    assert block.validation_error(item_rows[:, : layout.width].copy()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 0, 4.0)],
        [(0, 0, 4.0), (1, 0, 2.0)],
        [(0, 0, 4.0), (1, 1, 2.0), (2, 2, 3.0)],
    ],
)
@pytest.mark.parametrize("engine", ["ring", "stages"])
def test_hardly_any_ratings_work(spark, rows, engine):
    frame = spark.createDataFrame(rows, ["user", "item", "rating"])
    sgd = SGD(rank=2, maxIter=5, stepSize=0.05, initStd=0.1, regParam=0.01, engine=engine)
    if len(rows) == 3:
        sgd.setNumUserBlocks(2).setNumItemBlocks(3)
    model = sgd.fit(frame)
    assert model.transform(frame).count() == len(rows)
    assert (
        model.summary.metricHistory("train_rmse")[-1] < model.summary.metricHistory("train_rmse")[0] or len(rows) == 1
    )


def test_grids_that_cannot_be_are_refused(ratings):
    with pytest.raises(ValueError, match=r", got 2 item blocks for 4 user blocks and 50 items\. Set numItemBlocks"):
        small(numUserBlocks=4, numItemBlocks=2).fit(ratings)
    with pytest.raises(
        ValueError, match=r"^engine must be 'stages', because 3 user blocks need .* has 2, got 'ring'\."
    ):
        small(numUserBlocks=3, engine="ring").fit(ratings)


def test_more_members_than_cores_run_in_stages_with_a_warning(ratings, table, caplog):
    sgd = small(numUserBlocks=3, maxIter=2)
    with caplog.at_level(logging.WARNING, logger="spark_mf"):
        model = sgd.fit(ratings)
    assert "Using engine='stages', which is slower than the ring, because 3 user blocks need" in caplog.text
    assert model.summary.engine == "stages"
    np.testing.assert_array_equal(collected(model).U, one_process(table, sgd).U)


def test_works_as_an_estimator_of_spark(ratings, tmp_path):
    model = Pipeline(stages=[small(maxIter=2, numUserBlocks=1)]).fit(ratings)
    model.write().overwrite().save(str(tmp_path / "pipeline"))
    loaded = PipelineModel.load(str(tmp_path / "pipeline"))
    assert_same(loaded.stages[0], model.stages[0])
    small(biasRegParam=0.5).save(str(tmp_path / "sgd"))
    assert SGD.load(str(tmp_path / "sgd")).getBiasRegParam() == 0.5


@pytest.mark.slow
def test_works_in_a_cross_validator_with_threads(ratings):
    sgd = small(coldStartStrategy="drop", maxIter=15)
    grid = ParamGridBuilder().addGrid(sgd.regParam, [0.01, 100.0]).addGrid(sgd.stepSize, [0.004]).build()
    evaluator = RegressionEvaluator(labelCol="rating")
    validator = CrossValidator(
        estimator=sgd, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2, parallelism=2, seed=1
    )
    best = validator.fit(ratings)
    assert isinstance(best.bestModel, SGDModel)
    assert best.avgMetrics[0] < best.avgMetrics[1]


def test_progress_is_logged_each_epoch(ratings, caplog):
    with caplog.at_level(logging.INFO, logger="spark_mf"):
        small(maxIter=3, validationIndicatorCol="held_out", numUserBlocks=1).fit(ratings)
    steps = [record.progress for record in caplog.records if hasattr(record, "progress")]
    assert [(step.step, step.total, step.label) for step in steps] == [(1, 3, "SGD"), (2, 3, "SGD"), (3, 3, "SGD")]
    assert all(step.validation_rmse > 0 for step in steps)


def test_unknown_param_is_refused_by_name():
    with pytest.raises(TypeError, match=r"^setParams must be called with Params of SGD, got 'alpha'\. Use one of "):
        SGD().setParams(alpha=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(("solver", "grids"), [("cholesky", [(2, 2), (1, 3), (7, 3)]), ("cg", [(7, 3)])])
def test_als_on_the_ring_is_als_by_broadcast(ratings, solver, grids):
    """To rounding, with blocks grouped to members in several ways."""
    als = ALS(rank=3, maxIter=3, regParam=0.05, seed=7, solver=solver, validationIndicatorCol="held_out")
    models = [
        als.copy().setEngine(engine).setNumUserBlocks(p).setNumItemBlocks(q).fit(ratings)
        for engine, p, q in [("broadcast", 2, 2), *(("ring", *grid) for grid in grids)]
    ]
    assert [model.summary.engine for model in models] == ["broadcast", *["ring"] * len(grids)]
    base = collected(models[0])
    for model in models:
        assert_kernels_fit_in_their_tasks(model.summary, 2)
    for model in models[1:]:
        parts = collected(model)
        np.testing.assert_allclose(parts.U @ parts.V.T, base.U @ base.V.T, atol=1e-3)
        np.testing.assert_allclose(
            model.summary.metricHistory("objective"), models[0].summary.metricHistory("objective"), rtol=1e-5
        )
        validation = model.summary.metricHistory("validation_rmse")
        np.testing.assert_allclose(validation, models[0].summary.metricHistory("validation_rmse"), rtol=1e-4)
