"""The benchmark against pyspark's ALS on generated ratings: its points, each measured in a process of its own.

A process of its own, because a JVM decides once which linear algebra library it uses, and because memory and
compiled code of one point must not help or hinder the next.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spark_mf.data.generating import RatingsSpec
from spark_mf.experiments.bench_data import counts_of, description
from spark_mf.experiments.bench_report import FIGURES_PLOT, bench_report
from spark_mf.experiments.config import AT_LEAST_ZERO, FRACTION, one_of, setting, several, text, whole
from spark_mf.experiments.environment import PACKAGE, Provenance, git_commit, software_versions
from spark_mf.experiments.measuring import RatingCounts, unmeasured_row
from spark_mf.experiments.methods import (
    PYSPARK_DEFAULT_BLOCKS,
    Hyperparameters,
    Method,
    pyspark_als,
    spark_mf_als,
)
from spark_mf.experiments.native_blas import library_folders, openblas_environment
from spark_mf.experiments.output import ROWS, OutputFolder
from spark_mf.experiments.plots import draw_benchmark
from spark_mf.experiments.rows import ResultRow, read_rows
from spark_mf.preflight import require_java

logger = logging.getLogger(__name__)

REPORT = "report.md"
BENCH_FILES = (REPORT, FIGURES_PLOT)
DATA = "data"

OPENBLAS, NO_NATIVE_BLAS = "pyspark-openblas", "pyspark-java"
POINTS = ("cholesky", "cg", OPENBLAS, NO_NATIVE_BLAS)

_RATINGS = "data: generated once, into OUTPUT/data"
_MODEL = "model: hyperparameters, the same for all points"
_RUN = "benchmark"


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What a benchmark is told; every field is an option of ``jobs/bench.py`` and a key of its TOML."""

    users: int = setting(138_000, whole(1), "users", group=_RATINGS)
    items: int = setting(27_000, whole(1), "items", group=_RATINGS)
    ratings: int = setting(20_000_000, whole(1), "ratings, test rows included", group=_RATINGS)
    test_fraction: float = setting(
        0.1,
        FRACTION,
        "share of the rows held out for the test",
        group=_RATINGS,
    )
    rank: int = setting(64, whole(1), "features of each user and item", group=_MODEL)
    iterations: int = setting(10, whole(1), "iterations", group=_MODEL)
    reg_param: float = setting(
        0.05,
        AT_LEAST_ZERO,
        "λ of the weighted objective, as pyspark's regParam",
        group=_MODEL,
    )
    seed: int = setting(0, whole(0), "of generating, splitting and initial factors", group=_MODEL)
    points: tuple[str, ...] = setting(
        POINTS,
        several(one_of(*POINTS), f"a list of some of {', '.join(POINTS)}"),
        "what to measure: spark_mf.ALS by its solvers; pyspark.ALS with native OpenBLAS and without, each "
        "with as many blocks as cores and with its default of 10",
        group=_RUN,
    )
    openblas: str | None = setting(
        None,
        text(),
        "folder with libblas.so.3 and liblapack.so.3 of OpenBLAS, at any depth, where it is not installed",
        group=_RUN,
    )
    cores: int = setting(2, whole(1), "cores: the master is local[cores]", group=_RUN)
    driver_memory: str | None = setting(None, text(), "memory of each point's JVM, such as 8g", group=_RUN)

    @property
    def given(self) -> Hyperparameters:
        """What all methods get."""
        return Hyperparameters(self.rank, self.iterations, self.reg_param, self.seed)

    @property
    def master(self) -> str:
        """The Spark master of every point."""
        return f"local[{self.cores}]"

    @property
    def description(self) -> dict[str, Any]:
        """The description of the data; see `spark_mf.experiments.bench_data`."""
        return description(self.users, self.items, self.ratings, self.test_fraction, self.seed)


def point_methods(point: str, cores: int) -> list[Method]:
    """What a point fits; no two methods of all points share a label."""
    if point not in (OPENBLAS, NO_NATIVE_BLAS):
        return [spark_mf_als(point, None)]
    library = "OpenBLAS" if point == OPENBLAS else "no native BLAS"
    return [
        replace(method, label=f"{method.label}, {library}")
        for method in (pyspark_als(point, blocks) for blocks in sorted({cores, PYSPARK_DEFAULT_BLOCKS}))
    ]


def points_to_measure(settings: BenchSettings, folder: OutputFolder, *, again: bool) -> list[str]:
    """The points that lack rows, or all that were asked for; checks what can be checked before long work.

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
    RatingsSpec(settings.users, settings.items, settings.ratings, seed=settings.seed)
    if settings.openblas is not None:
        library_folders(Path(settings.openblas))
    rows = {row.label: row for row in recorded_rows(folder)}
    unfinished = []
    for point in settings.points:
        found = [rows.get(method.label) for method in point_methods(point, settings.cores)]
        if again or not all(row is not None and row.error is None for row in found):
            unfinished.append(point)
        else:
            logger.info("%s: measured already; --again measures it anew", point)
    replaced = {method.label for point in unfinished for method in point_methods(point, settings.cores)}
    for row in rows.values():
        if row.label not in replaced:
            _require_same_settings(row, settings, folder)
    return unfinished


def write_data(settings: BenchSettings, folder: OutputFolder, command: Sequence[str]) -> None:
    """Have the ratings written, unless they are there; ``command`` as in `bench`.

    Raises
    ------
    RuntimeError
        When their process fails.
    """
    if counts_of(folder.path / DATA, settings.description) is None:
        code = _run(command, DATA, {})
        if code != 0:
            raise RuntimeError(f"the ratings were not written: their process ended with code {code}, see above.")


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
        folder; NAME ``data`` writes the ratings.
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
    rows = recorded_rows(folder)
    has_times = any(row.fit_seconds is not None for row in rows)
    if has_times:
        draw_benchmark(rows, folder.path / FIGURES_PLOT)
    if rows:
        report = bench_report(rows, [FIGURES_PLOT] if has_times else [])
        (folder.path / REPORT).write_text(report, encoding="utf-8")
    return rows


def recorded_rows(folder: OutputFolder) -> list[ResultRow]:
    """The rows that the folder holds so far."""
    return read_rows(folder.path / ROWS) if (folder.path / ROWS).exists() else []


def record(settings: BenchSettings, folder: OutputFolder, row: ResultRow) -> None:
    """Put a row into the folder's, in the place of one of the same label."""
    rows: dict[str, ResultRow] = {each.label: each for each in recorded_rows(folder)} | {row.label: row}
    labels = [method.label for point in POINTS for method in point_methods(point, settings.cores)]
    in_order: list[ResultRow] = sorted(rows.values(), key=lambda each: labels.index(each.label))
    folder.finish(in_order)


def _measure(settings: BenchSettings, folder: OutputFolder, command: Sequence[str], point: str) -> None:
    counts = counts_of(folder.path / DATA, settings.description)
    assert counts is not None
    # Rows that tell of a killed process, until the process puts others in their place.
    for method in point_methods(point, settings.cores):
        record(settings, folder, _interrupted(method, counts, settings))
    openblas = Path(settings.openblas) if settings.openblas is not None else None
    code = _run(command, point, openblas_environment(openblas) if point == OPENBLAS else {})
    if code != 0:
        logger.warning("%s: its process ended with code %d", point, code)


def _interrupted(method: Method, counts: RatingCounts, settings: BenchSettings) -> ResultRow:
    where = Provenance(settings.master, settings.cores, software_versions(), git_commit(PACKAGE))
    row = unmeasured_row(method, counts, settings.given, where)
    return replace(row, error="the process of this point ended before it was measured")


def _run(command: Sequence[str], point: str, environment: dict[str, str]) -> int:
    return subprocess.run([sys.executable, *command, "--point", point], env={**os.environ, **environment}).returncode


def _require_same_settings(row: ResultRow, settings: BenchSettings, folder: OutputFolder) -> None:
    labels = [method.label for point in POINTS for method in point_methods(point, settings.cores)]
    asked: dict[str, Any] = {
        "ratings": settings.ratings,
        "rank": settings.rank,
        "iterations": settings.iterations,
        "regParam": settings.reg_param,
        "seed": settings.seed,
        "cores": settings.cores,
    }
    counts = counts_of(folder.path / DATA, settings.description)
    if counts is not None:
        asked |= {"users": counts.users, "items": counts.items, "test_ratings": counts.test_ratings}
    way_out = "give another output folder, or measure all points --again"
    for name, value in asked.items():
        if getattr(row, name) != value:
            raise ValueError(
                f"{folder.path / ROWS} holds a row of {row.label} with {name} {getattr(row, name)}, and now it is "
                f"{value}: {way_out}."
            )
    if row.label not in labels:
        raise ValueError(f"{folder.path / ROWS} holds a row of {row.label}, which is no point: {way_out}.")
