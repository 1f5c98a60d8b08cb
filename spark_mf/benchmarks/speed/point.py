"""One point of the benchmark, measured in this process."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from spark_mf.benchmarks.environment import provenance
from spark_mf.benchmarks.implicit_objective import IndexedRatings, implicit_objective, model_factors
from spark_mf.benchmarks.measuring import Bench, first_sentence, release, unmeasured_row
from spark_mf.benchmarks.methods import Method
from spark_mf.benchmarks.native_blas import hide_native_libraries, loaded_libraries, require_blas
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.data import (
    DATASETS,
    data_name,
    read_arrays,
    read_set,
    require_counts,
    with_validation,
    write_set,
)
from spark_mf.benchmarks.speed.library_points import measure_library
from spark_mf.benchmarks.speed.one_process import measure_one_process
from spark_mf.benchmarks.speed.point_names import (
    DEFAULT_POINTS,
    LIBRARY_POINTS,
    NNLS,
    NO_NATIVE_BLAS,
    ONE_PROCESS,
    is_high_rank,
    uses_openblas,
)
from spark_mf.benchmarks.speed.points import EVALUATED_SGD, point_methods
from spark_mf.benchmarks.speed.run import record
from spark_mf.benchmarks.speed.settings import BenchSettings
from spark_mf.cli.job import job_session
from spark_mf.cli.output import OutputFolder
from spark_mf.cli.phases import phase

logger = logging.getLogger(__name__)

RECOMMENDED_ITEMS = 10
_WARM_UP_USERS = 1_000


def measure_point(settings: BenchSettings, folder: OutputFolder, point: str) -> None:
    """Write ratings (a key of `DATASETS`), or measure a point's methods and record their rows in the folder.

    A failure of the measurement is recorded as rows with ``error``.
    """
    if point == ONE_PROCESS:
        for row in measure_one_process(settings, folder.path):
            record(settings, folder, row)
        return
    if point in LIBRARY_POINTS:
        measure_library(settings, folder.path, point, partial(record, settings, folder))
        return
    with job_session(f"bench {point}", master=settings.master, driver_memory=settings.driver_memory) as spark:
        if point in DATASETS:
            write_set(spark, folder.path / point, settings.description_of(point), DATASETS[point])
            return
        if point == NO_NATIVE_BLAS:
            hide_native_libraries(spark)
        for row in _unmeasured(spark, settings, folder, point):
            record(settings, folder, row)


def _unmeasured(spark: SparkSession, settings: BenchSettings, folder: OutputFolder, point: str) -> list[ResultRow]:
    """Measure, and return rows of what could not even be tried."""
    name = data_name(is_high_rank(point))
    counts = require_counts(folder.path / name, settings.description_of(name))
    where, methods = provenance(spark), point_methods(point, settings)
    try:
        blas = None
        if uses_openblas(point) or point == NO_NATIVE_BLAS:
            used = where.versions["pyspark_blas"]
            blas = require_blas(used, loaded_libraries(spark), wants_openblas=uses_openblas(point))
        data = read_set(spark, folder.path / name, counts)
        is_implicit = any(method.is_implicit for method in methods)
        indexed = IndexedRatings.of(*read_arrays(folder.path / name, "train")) if is_implicit else None
    except Exception as fault:
        logger.warning("%s failed: %s", point, first_sentence(fault))
        unmeasured = [unmeasured_row(method, counts, where) for method in methods]
        return [replace(row, error=first_sentence(fault)) for row in unmeasured]
    benches = []
    for method in methods:
        rows = with_validation(data) if method.label == EVALUATED_SGD else data
        benches.append((Bench(rows, where), method))
    recommends = point in DEFAULT_POINTS and point != NNLS
    for bench, method in benches:
        bench.warm_up([method], _recommend_to_some if recommends else None)
    _measure_methods(benches, lambda row: record(settings, folder, replace(row, blas=blas)), indexed, recommends)
    return []


def _measure_methods(
    benches: list[tuple[Bench, Method]],
    keep: Callable[[ResultRow], None],
    indexed: IndexedRatings | None,
    recommends: bool,
) -> None:
    """Fit each method, then let the model of the fastest fit recommend, if asked; ``keep`` gets every row at once.

    With ``indexed``, the training ratings as implicit feedback, rows have the objective of the model.
    """
    best: tuple[ResultRow, Any] | None = None
    for bench, method in benches:
        row, model = bench.run_for_model(method)
        keep(row)
        if model is None:
            continue
        if not method.keeps_history:
            row = _attempt("the set-up", row, partial(bench.add_setup, method))
            keep(row)
        if indexed is not None:
            row = _attempt("the objective", row, partial(_add_objective, model=model, ratings=indexed))
            keep(row)
        if not recommends:
            release(model)
            continue
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


def _add_objective(row: ResultRow, model: Any, ratings: IndexedRatings) -> ResultRow:
    with phase(f"{row.label}: objective"):
        users = model_factors(model.userFactors, ratings.user_ids)
        items = model_factors(model.itemFactors, ratings.item_ids)
        return replace(row, objective=implicit_objective(ratings, users, items, row.params))


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
