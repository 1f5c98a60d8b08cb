"""Measures the points of scaling one after the other, and leaves rows, report and plots."""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spark_mf.benchmarks.environment import PACKAGE, Provenance, git_commit, software_versions
from spark_mf.benchmarks.own_process import INTERRUPTED, recorded_rows, run_point
from spark_mf.benchmarks.scalability.plots import PLOTS, draw_scalability
from spark_mf.benchmarks.scalability.point import data_folder, data_point, record_point
from spark_mf.benchmarks.scalability.points import Point, points_of
from spark_mf.benchmarks.scalability.report import scalability_report
from spark_mf.benchmarks.scalability.rows import ScalabilityRow, unmeasured_point
from spark_mf.benchmarks.scalability.settings import ScalabilitySettings
from spark_mf.benchmarks.speed.data import counts_of
from spark_mf.cli.output import ROWS, OutputFolder
from spark_mf.cli.preflight import require_java
from spark_mf.data.generating import RatingsSpec

logger = logging.getLogger(__name__)

REPORT = "report.md"
SCALABILITY_FILES = (REPORT, *PLOTS)


def points_to_measure(settings: ScalabilitySettings, folder: OutputFolder, *, again: bool) -> list[Point]:
    """Return the points that lack rows, or all with ``again``; checks what can be checked before long work.

    Points with a failed row are measured in any case.

    Raises
    ------
    ValueError
        When the machine lacks the cores, no such ratings are possible, or the folder holds rows that would stay and
        are of other settings.
    RuntimeError
        When there is no Java that Spark can use, or another program has started Spark for the job.
    """
    require_java()
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        raise RuntimeError(
            "the job must not be run by spark-submit, because every point starts its own session. Run the job with "
            "python, and pass the cluster with --master."
        )
    most, there = max(settings.cores), os.cpu_count() or 1
    if settings.master.startswith("local") and most > there:
        raise ValueError(
            f"cores must be at most {there}, the cores of this machine, got {most}. Use fewer, or the master of a "
            "cluster."
        )
    points = points_of(settings)
    for size in {point.ratings for point in points}:
        asked = settings.data_description(size)
        RatingsSpec(asked["users"], asked["items"], size, seed=settings.seed)
    rows = {row.label: row for row in recorded_rows(folder, ScalabilityRow)}
    unfinished = [point for point in points if again or point.name not in rows or rows[point.name].error is not None]
    replaced = {point.name for point in unfinished}
    for row in rows.values():
        if row.label not in replaced:
            _require_same_settings(row, settings, folder)
    for point in points:
        found = rows.get(point.name)
        if found is not None and not set(point.experiments) <= set(found.experiments):
            both = tuple(dict.fromkeys(found.experiments + point.experiments))
            record_point(folder, replace(found, experiments=both))
    return unfinished


def write_data(
    settings: ScalabilitySettings, folder: OutputFolder, command: Sequence[str], points: Sequence[Point]
) -> None:
    """Have the ratings of the points written, unless they are there; ``command`` as in `measure_points`.

    Raises
    ------
    RuntimeError
        When their process fails.
    """
    for ratings in sorted({point.ratings for point in points}):
        if counts_of(data_folder(folder, ratings), settings.data_description(ratings)) is None:
            code = run_point(command, data_point(ratings))
            if code != 0:
                raise RuntimeError(
                    f"{ratings:,} ratings were not written: their process ended with exit code {code}, see above."
                )


def measure_points(
    settings: ScalabilitySettings, folder: OutputFolder, command: Sequence[str], points: Sequence[Point]
) -> list[ScalabilityRow]:
    """Measure points one after the other, and leave rows, report and plots in the folder.

    Parameters
    ----------
    settings : ScalabilitySettings
    folder : OutputFolder
        With the ratings of `write_data`; rows are added to those of an earlier run.
    command : Sequence[str]
        Arguments of Python that, followed by ``--point NAME``, measure a point and record its row in the folder.
    points : Sequence[Point]
        From `points_to_measure`.

    Returns
    -------
    list[ScalabilityRow]
        All rows of the folder, earlier ones included; a point that failed has a row with ``error``.
    """
    began = time.perf_counter()
    for number, point in enumerate(points, start=1):
        elapsed = time.perf_counter() - began
        logger.info("point %d of %d: %s, %.0f s since the start", number, len(points), point.name, elapsed)
        record_point(folder, _interrupted(point, settings, folder))
        code = run_point(command, point.name)
        if code != 0:
            logger.warning("%s: its process ended with exit code %d", point.name, code)
    return write_findings(folder.path, recorded_rows(folder, ScalabilityRow))


def write_findings(folder: Path, rows: list[ScalabilityRow]) -> list[ScalabilityRow]:
    """Write report and plots of the rows, and return the rows."""
    if rows:
        plots = draw_scalability(rows, folder)
        (folder / REPORT).write_text(scalability_report(rows, plots), encoding="utf-8")
    return rows


def _interrupted(point: Point, settings: ScalabilitySettings, folder: OutputFolder) -> ScalabilityRow:
    """Return what tells of a killed process, until the process puts its own row in the place."""
    counts = counts_of(data_folder(folder, point.ratings), settings.data_description(point.ratings))
    assert counts is not None
    where = Provenance(settings.master_of(point.cores), point.cores, software_versions(), git_commit(PACKAGE))
    return replace(unmeasured_point(point, settings, counts, where), error=INTERRUPTED)


def _require_same_settings(row: ScalabilityRow, settings: ScalabilitySettings, folder: OutputFolder) -> None:
    asked = {
        "iterations": settings.iterations,
        "regParam": settings.reg_param,
        "seed": settings.seed,
        "master": settings.master_of(row.cores),
    }
    for name, value in asked.items():
        if getattr(row, name) != value:
            raise ValueError(
                f"{name} must be {getattr(row, name)}, as in the row of {row.label} in {folder.path / ROWS}, got "
                f"{value}. Use another output folder, or measure all points with --again."
            )
