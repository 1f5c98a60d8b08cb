"""Run of the textbook job: the published numbers, the same fits on Spark, and the costs of the methods."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from spark_mf.benchmarks.environment import Provenance, numpy_provenance, provenance, utc_now
from spark_mf.benchmarks.measuring import first_sentence
from spark_mf.benchmarks.rows import iteration_record
from spark_mf.cli.phases import phase
from spark_mf.data.generating import generate_ratings
from spark_mf.studies.fits import params_of
from spark_mf.studies.textbook.on_spark import SparkTwin, as_on_spark, on_spark
from spark_mf.studies.textbook.rows import COST, ON_SPARK, PUBLISHED, TextbookRow
from spark_mf.studies.textbook.settings import TextbookSettings
from spark_mf.textbook import ALS, GD, SGD, Ratings
from spark_mf.textbook.cost import als_gd_operations, als_operations, gd_operations, sgd_operations
from spark_mf.textbook.estimator import Estimator
from spark_mf.textbook.published import HIGHEST, LOWEST, METHODS, RANK, SEED, Result, Run, run, run_published

_CLIP = (LOWEST, HIGHEST)
_INNER_STEPS = 3
_TIMED_ITERATIONS = 5


def _without_published_number() -> dict[str, Estimator]:
    """Return the methods without a published number, with the Params of the most similar published ones."""
    sgd, batches, als = (METHODS[name] for name in ("SGD", "mini-batch GD", "ALS"))
    return {
        "GD": GD(rank=RANK, maxIter=150, regParam=0.01, regularization="mean", stepSize=5.0, clipTo=_CLIP),
        "ALS+GD": replace(als, solver="gd", innerSteps=_INNER_STEPS),  # type: ignore[call-arg]
        "ALS+SGD": replace(as_on_spark(sgd), updateOrder="sequential"),  # type: ignore[call-arg]
        "mini-batch GD, Adam": replace(as_on_spark(batches), optimizer="adam", stepSize=0.01),  # type: ignore[call-arg]
    }


def run_textbook(settings: TextbookSettings, spark: SparkSession | None) -> Iterator[TextbookRow]:
    """Yield the rows of all parts, without those on Spark if there is no session; a failed fit gives an error row."""
    with phase("reproducing the published numbers"):
        ratings, results = run_published()
        rng = np.random.default_rng(SEED)
        others = {name: run(each, ratings, rng) for name, each in _without_published_number().items()}
    rows = _Rows(ratings, numpy_provenance())
    for result in results:
        yield rows.published(result)
    if spark is not None:
        yield from _on_spark(settings, spark, ratings, results, others)
    yield from _costs_of_textbook(rows)
    if spark is not None:
        yield from _costs_on_spark(settings, spark)


@dataclass(frozen=True)
class _Rows:
    """Makes the rows of fits to one data set in one environment."""

    ratings: Ratings
    where: Provenance

    def published(self, result: Result) -> TextbookRow:
        """Return the row of a published number, with the history of the fit."""
        # The data and the gradient check have no fit; their rows have the settings of the first.
        estimator = METHODS["SGD"] if result.run is None else result.run.estimator
        # What is drawn comes from a generator of this seed.
        estimator = replace(estimator, seed=SEED)
        model = None if result.run is None else result.run.model
        found = {"published": result.published, "obtained": result.obtained, "decimals": result.decimals}
        return self.row(PUBLISHED, result.name, estimator, model, **found)

    def row(self, part: str, label: str, estimator: Any, model: Any | None, **found: Any) -> TextbookRow:
        """Return the row of an estimator, the textbook's or Spark's, with the history of its model."""
        held_out = 0 if self.ratings.validation is None else len(self.ratings.validation)
        sizes = {
            "dataset": "published set",
            "users": self.ratings.shape[0],
            "items": self.ratings.shape[1],
            "ratings": len(self.ratings) + held_out,
            "test_ratings": held_out,
            "cold_test_ratings": 0,
            "duplicates": 0,
        }
        return _row(part, label, estimator, model, self.where, **sizes, **found)


def _row(part: str, label: str, estimator: Any, model: Any | None, where: Provenance, **known: Any) -> TextbookRow:
    params = params_of(estimator)
    package = "spark_mf.textbook" if isinstance(estimator, Estimator) else "spark_mf"
    history = () if model is None else tuple(map(iteration_record, model.summary.history))
    return TextbookRow(
        part=part,
        label=label,
        model=f"{package}.{type(estimator).__name__}",
        solver=params.get("solver", params.get("optimizer")),
        blocks=None,
        params=params,
        history=history,
        engine=None if model is None else getattr(model.summary, "engine", None),
        started_at=utc_now(),
        **vars(where),
        **known,
    )


def _on_spark(
    settings: TextbookSettings, spark: SparkSession, ratings: Ratings, results: list[Result], others: dict[str, Run]
) -> Iterator[TextbookRow]:
    """Fit each experiment on Spark, and by the same method in the textbook, from the same initial factors."""
    rows = _Rows(ratings, provenance(spark))
    experiments = [(result.name, result.run, result.best) for result in results if result.run is not None]
    experiments += [(f"{name}: test RMSE", fitted, False) for name, fitted in others.items()]
    with TemporaryDirectory(prefix="spark-mf-textbook-") as folder:
        twin = SparkTwin(spark, ratings, settings.engine, Path(folder))
        for label, fitted, best in experiments:
            with phase(f"{label}, on Spark"):
                yield _one_on_spark(rows, twin, label, fitted, best)


def _one_on_spark(rows: _Rows, twin: SparkTwin, label: str, published: Run, best: bool) -> TextbookRow:
    estimator = as_on_spark(published.estimator)
    model = published.model
    if estimator is not published.estimator:
        model = estimator.fit(rows.ratings, np.random.default_rng(SEED), published.initial)
    errors = Run(estimator, published.initial, model).test_rmse
    found: dict[str, Any] = {"textbook": min(errors) if best else errors[-1]}
    fitted = None
    try:
        start = time.perf_counter()
        fitted = twin.fit(estimator, published.initial, best=best)
        found["fit_seconds"] = time.perf_counter() - start
        found["setup_seconds"] = fitted.summary.setupSeconds
        found["obtained"] = found["test_rmse"] = twin.test_rmse(fitted, _CLIP)
    except Exception as fault:  # The other experiments must still run.
        found["error"] = first_sentence(fault)
    return rows.row(ON_SPARK, label, on_spark(estimator, twin.engine), fitted, **found)


def _operations(estimator: Estimator, n: int, m: int, ratings: int) -> int:
    """Return the multiply-add operations of one iteration of the method."""
    if isinstance(estimator, GD):
        return gd_operations(n, m, ratings, estimator.rank)
    if isinstance(estimator, SGD):
        return sgd_operations(ratings, estimator.rank)
    assert isinstance(estimator, ALS)
    if estimator.solver == "gd":
        return als_gd_operations(n, m, ratings, estimator.rank, estimator.innerSteps)
    return als_operations(n, m, ratings, estimator.rank)


def _timed(rank: int, iterations: int) -> dict[str, Estimator]:
    """Return one estimator of each method, to be timed."""
    shared: dict[str, Any] = {"rank": rank, "maxIter": iterations, "regParam": 0.05, "seed": SEED}
    return {
        "GD": GD(**shared, stepSize=1.0),
        "ALS": ALS(**shared),
        f"ALS+GD, {_INNER_STEPS} steps": ALS(**shared, solver="gd", innerSteps=_INNER_STEPS),
        "SGD": SGD(**shared, fitBias=False),
    }


def _costs_of_textbook(rows: _Rows) -> Iterator[TextbookRow]:
    """Yield operations and seconds of an iteration in NumPy, on the published set."""
    n, m = rows.ratings.shape
    with phase("timing iterations of the textbook"):
        for label, estimator in _timed(RANK, _TIMED_ITERATIONS).items():
            model = estimator.fit(rows.ratings)
            operations = _operations(estimator, n, m, len(rows.ratings))
            yield rows.row(COST, label, estimator, model, operations=operations)


def _costs_on_spark(settings: TextbookSettings, spark: SparkSession) -> Iterator[TextbookRow]:
    """Yield operations and seconds of an iteration on Spark, on generated ratings."""
    users, items, ratings = settings.cost_users, settings.cost_items, settings.cost_ratings
    sizes = {"users": users, "items": items, "ratings": ratings}
    unsplit = {"dataset": "generated", "test_ratings": 0, "cold_test_ratings": 0, "duplicates": 0}
    data = generate_ratings(spark, users=users, items=items, ratings=ratings, seed=SEED).cache()
    where = provenance(spark)
    for label, estimator in _timed(settings.cost_rank, _TIMED_ITERATIONS).items():
        found: dict[str, Any] = {"operations": _operations(estimator, users, items, ratings)}
        twin, model = on_spark(estimator, settings.engine), None
        with phase(f"timing iterations of {label} on Spark"):
            try:
                model = twin.fit(data)
            except Exception as fault:  # The other methods must still be timed.
                found["error"] = first_sentence(fault)
        yield _row(COST, label, twin, model, where, **sizes, **unsplit, **found)
    data.unpersist()
