"""One point of the benchmark, measured in this process."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from spark_mf.benchmarks.environment import provenance
from spark_mf.benchmarks.measuring import Bench, first_sentence, release, unmeasured_row
from spark_mf.benchmarks.methods import Method
from spark_mf.benchmarks.native_blas import hide_native_libraries, loaded_libraries, require_blas
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.data import DATA, counts_of, read_set, with_validation, write_set
from spark_mf.benchmarks.speed.one_process import measure_one_process
from spark_mf.benchmarks.speed.run import record
from spark_mf.benchmarks.speed.settings import (
    EVALUATED_SGD,
    NO_NATIVE_BLAS,
    ONE_PROCESS,
    OPENBLAS,
    BenchSettings,
    point_methods,
)
from spark_mf.cli.job import job_session
from spark_mf.cli.output import OutputFolder
from spark_mf.cli.phases import phase

logger = logging.getLogger(__name__)

RECOMMENDED_ITEMS = 10
_WARM_UP_USERS = 1_000


def measure_point(settings: BenchSettings, folder: OutputFolder, point: str) -> None:
    """Write the ratings (point ``data``), or measure a point's methods and record their rows in the folder.

    A failure of the measurement is recorded as rows with ``error``.
    """
    if point == ONE_PROCESS:
        for row in measure_one_process(settings, folder.path):
            record(settings, folder, row)
        return
    with job_session(f"bench {point}", master=settings.master, driver_memory=settings.driver_memory) as spark:
        if point == DATA:
            write_set(spark, folder.path / DATA, settings.description)
            return
        if point == NO_NATIVE_BLAS:
            hide_native_libraries(spark)
        for row in _unmeasured(spark, settings, folder, point):
            record(settings, folder, row)


def _unmeasured(spark: SparkSession, settings: BenchSettings, folder: OutputFolder, point: str) -> list[ResultRow]:
    """Measure, and return rows of what could not even be tried."""
    counts = counts_of(folder.path / DATA, settings.description)
    if counts is None:
        raise FileNotFoundError(f"{folder.path / DATA} contains no ratings. Run the job without --point.")
    where, methods = provenance(spark), point_methods(point, settings)
    try:
        blas = None
        if point in (OPENBLAS, NO_NATIVE_BLAS):
            used = where.versions["pyspark_blas"]
            blas = require_blas(used, loaded_libraries(spark), wants_openblas=point == OPENBLAS)
        data = read_set(spark, folder.path / DATA, counts)
    except Exception as fault:
        logger.warning("%s failed: %s", point, first_sentence(fault))
        unmeasured = [unmeasured_row(method, counts, where) for method in methods]
        return [replace(row, error=first_sentence(fault)) for row in unmeasured]
    benches = []
    for method in methods:
        rows = with_validation(data) if method.label == EVALUATED_SGD else data
        benches.append((Bench(rows, where), method))
    for bench, method in benches:
        bench.warm_up([method], _recommend_to_some)
    _measure_methods(benches, lambda row: record(settings, folder, replace(row, blas=blas)))
    return []


def _measure_methods(benches: list[tuple[Bench, Method]], keep: Callable[[ResultRow], None]) -> None:
    """Fit each method, then let the model of the fastest fit recommend; ``keep`` gets every row at once."""
    best: tuple[ResultRow, Any] | None = None
    for bench, method in benches:
        row, model = bench.run_for_model(method)
        keep(row)
        if model is None:
            continue
        if not method.keeps_history:
            row = _attempt("the set-up", row, partial(bench.add_setup, method))
            keep(row)
        slower = model
        if best is None or (row.fit_seconds or 0.0) < (best[0].fit_seconds or 0.0):
            slower, best = best[1] if best else None, (row, model)
        if slower is not None:
            release(slower)
    if best is not None:
        row, model = best
        keep(_attempt("recommending", row, lambda row: _add_recommending(row, model)))
        release(model)


def _attempt(what: str, row: ResultRow, measure: Callable[[ResultRow], ResultRow]) -> ResultRow:
    """Return a further measurement of a fit, whose failure must not cost the fit's own row."""
    try:
        return measure(row)
    except Exception as fault:
        note = f"{what} could not be measured: {first_sentence(fault)}"
        logger.warning("%s: %s", row.label, note)
        return replace(row, notes=(*row.notes, note))


def _add_recommending(row: ResultRow, model: Any) -> ResultRow:
    with phase(f"{row.label}: recommendForAllUsers({RECOMMENDED_ITEMS})", ticking=True):
        start = time.perf_counter()
        _read_to_the_end(model.recommendForAllUsers(RECOMMENDED_ITEMS))
        return replace(row, recommend_seconds=time.perf_counter() - start)


def _recommend_to_some(model: Any) -> None:
    users = model.userFactors.limit(_WARM_UP_USERS).selectExpr("id AS user")
    _read_to_the_end(model.recommendForUserSubset(users, RECOMMENDED_ITEMS))


def _read_to_the_end(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()
