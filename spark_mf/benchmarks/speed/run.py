"""The benchmark against pyspark's ALS on generated ratings: its points, each measured in a process of its own.

A process of its own, because a JVM decides once which linear algebra library it uses, and because memory and
compiled code of one point must not help or hinder the next.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spark_mf.benchmarks.environment import PACKAGE, Provenance, git_commit, software_versions
from spark_mf.benchmarks.measuring import RatingCounts, unmeasured_row
from spark_mf.benchmarks.methods import Method
from spark_mf.benchmarks.native_blas import library_folders, openblas_environment
from spark_mf.benchmarks.own_process import INTERRUPTED, record_row, recorded_rows, run_point
from spark_mf.benchmarks.plots import draw_benchmark
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.data import counts_of, data_name, require_counts
from spark_mf.benchmarks.speed.point_names import POINTS, is_high_rank, uses_openblas
from spark_mf.benchmarks.speed.points import point_methods
from spark_mf.benchmarks.speed.report import FIGURES_PLOT, bench_report, has_own_plot
from spark_mf.benchmarks.speed.settings import BenchSettings
from spark_mf.cli.output import ROWS, OutputFolder
from spark_mf.cli.preflight import require_java
from spark_mf.data.generating import RatingsSpec

logger = logging.getLogger(__name__)

REPORT = "report.md"
BENCH_FILES = (REPORT, FIGURES_PLOT)


def points_to_measure(settings: BenchSettings, folder: OutputFolder, *, again: bool) -> list[str]:
    """Return the points that lack rows, or all that were asked for; checks what can be checked before long work.

    Parameters
    ----------
    settings : BenchSettings
        What is asked for.
    folder : OutputFolder
        May hold rows of an earlier run, which is continued.
    again : bool
        Whether points that have rows are measured anew; points with a failed row are in any case.

    Raises
    ------
    FileNotFoundError
        When ``settings.openblas`` lacks the libraries.
    ValueError
        When the ratings do not fit into the pairs, or the folder holds rows that would stay and are of other
        settings or of another job.
    RuntimeError
        When there is no Java that Spark can use.
    """
    require_java()
    for name in dict.fromkeys(data_name(is_high_rank(point)) for point in settings.points):
        asked = settings.description_of(name)
        RatingsSpec(asked["users"], asked["items"], asked["ratings"], seed=settings.seed)
    if settings.openblas is not None:
        library_folders(Path(settings.openblas))
    rows = {row.label: row for row in recorded_rows(folder, ResultRow)}
    unfinished = []
    for point in settings.points:
        found = [rows.get(method.label) for method in point_methods(point, settings)]
        if again or not all(row is not None and row.error is None for row in found):
            unfinished.append(point)
        else:
            logger.info("%s: already measured; --again measures it once more", point)
    replaced = {method.label for point in unfinished for method in point_methods(point, settings)}
    for row in rows.values():
        if row.label not in replaced:
            _require_same_settings(row, settings, folder)
    return unfinished


def write_data(settings: BenchSettings, folder: OutputFolder, command: Sequence[str], points: Sequence[str]) -> None:
    """Have the ratings of some points written, unless they are there; ``command`` as in `bench`.

    Raises
    ------
    RuntimeError
        When their process fails.
    """
    for name in dict.fromkeys(data_name(is_high_rank(point)) for point in points):
        if counts_of(folder.path / name, settings.description_of(name)) is None:
            code = run_point(command, name)
            if code != 0:
                raise RuntimeError(
                    f"the ratings were not written: their process ended with exit code {code}, see above."
                )


def bench(
    settings: BenchSettings, folder: OutputFolder, command: Sequence[str], points: Sequence[str]
) -> list[ResultRow]:
    """Measure points one after the other, and leave rows, report and plot in the folder.

    Parameters
    ----------
    settings : BenchSettings
        Of the benchmark.
    folder : OutputFolder
        With the ratings of `write_data`; rows are added to those of an earlier run.
    command : Sequence[str]
        Arguments of Python that, followed by ``--point NAME``, measure a point and record its rows in the same
        folder; NAME ``data`` or ``data-high-rank`` writes ratings.
    points : Sequence[str]
        From `points_to_measure`.

    Returns
    -------
    list[ResultRow]
        All rows of the folder, earlier ones included; a point that failed has rows with ``error``.
    """
    began = time.perf_counter()
    for number, point in enumerate(points, start=1):
        elapsed = time.perf_counter() - began
        logger.info("point %d of %d: %s, %.0f s since the start", number, len(points), point, elapsed)
        _measure(settings, folder, command, point)
    rows = recorded_rows(folder, ResultRow)
    drawn = [row for row in rows if has_own_plot(row) and row.fit_seconds is not None]
    if drawn:
        draw_benchmark(drawn, folder.path / FIGURES_PLOT)
    if rows:
        report = bench_report(rows, [FIGURES_PLOT] if drawn else [])
        (folder.path / REPORT).write_text(report, encoding="utf-8")
    return rows


def record(settings: BenchSettings, folder: OutputFolder, row: ResultRow) -> None:
    """Put a row into the folder's, in the place of one of the same label."""
    labels = [method.label for point in POINTS for method in point_methods(point, settings)]
    record_row(folder, row, lambda each: labels.index(each.label))


def _measure(settings: BenchSettings, folder: OutputFolder, command: Sequence[str], point: str) -> None:
    name = data_name(is_high_rank(point))
    counts = require_counts(folder.path / name, settings.description_of(name))
    # Rows that tell of a killed process, until the process puts others in their place.
    for method in point_methods(point, settings):
        record(settings, folder, _interrupted(method, counts, settings))
    openblas = Path(settings.openblas) if settings.openblas is not None else None
    code = run_point(command, point, openblas_environment(openblas) if uses_openblas(point) else {})
    if code != 0:
        logger.warning("%s: its process ended with exit code %d", point, code)


def _interrupted(method: Method, counts: RatingCounts, settings: BenchSettings) -> ResultRow:
    where = Provenance(settings.master, settings.cores, software_versions(), git_commit(PACKAGE))
    row = unmeasured_row(method, counts, where)
    return replace(row, error=INTERRUPTED)


def _require_same_settings(row: ResultRow, settings: BenchSettings, folder: OutputFolder) -> None:
    methods = {method.label: (method, point) for point in POINTS for method in point_methods(point, settings)}
    way_out = "Use another output folder, or measure all points with --again"
    if row.label not in methods:
        raise ValueError(f"{folder.path / ROWS} must contain rows of points only, got {row.label!r}. {way_out}.")
    method, point = methods[row.label]
    name = data_name(is_high_rank(point))
    described = settings.description_of(name)
    asked: dict[str, Any] = {"ratings": described["ratings"], "cores": settings.cores}
    counts = counts_of(folder.path / name, described)
    if counts is not None:
        asked |= {"users": counts.users, "items": counts.items, "test_ratings": counts.test_ratings}
    found = {**row.params, **{name: getattr(row, name) for name in asked}}
    for name, value in {**method.params, **asked}.items():
        # Rows of earlier versions lack some Params.
        if found.get(name, value) != value:
            raise ValueError(
                f"{name} must be {found[name]}, as in the row of {row.label} in {folder.path / ROWS}, got "
                f"{value}. {way_out}."
            )
