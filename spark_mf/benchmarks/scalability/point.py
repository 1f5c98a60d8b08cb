"""One point, measured in this process."""

import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from pyspark.sql import SparkSession

from spark_mf.benchmarks.environment import PACKAGE, Provenance, git_commit, provenance, software_versions
from spark_mf.benchmarks.measuring import Bench, RatingCounts, first_sentence
from spark_mf.benchmarks.methods import Method
from spark_mf.benchmarks.own_process import record_row
from spark_mf.benchmarks.scalability.breakdown import break_down
from spark_mf.benchmarks.scalability.event_log import EventLog, Span, find_event_log, read_event_log
from spark_mf.benchmarks.scalability.points import Point, points_of
from spark_mf.benchmarks.scalability.rows import ScalabilityRow, unmeasured_point
from spark_mf.benchmarks.scalability.settings import ScalabilitySettings
from spark_mf.benchmarks.speed.data import DATA, counts_of, read_set, write_set
from spark_mf.cli.job import job_session
from spark_mf.cli.output import OutputFolder
from spark_mf.resources.engine_selection import task_slots

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


def data_folder(folder: OutputFolder, ratings: int) -> Path:
    """Return the folder of the set with a number of ratings."""
    return folder.path / DATA / str(ratings)


def data_point(ratings: int) -> str:
    """The name of the point that writes the set of so many ratings."""
    return f"{DATA}:{ratings}"


def measure_point(settings: ScalabilitySettings, folder: OutputFolder, name: str) -> None:
    """Write a set of ratings (`data_point`), or fit a point and record its row in the folder.

    A failure of the fit, or of the session's start, is recorded as a row with ``error``.

    Raises
    ------
    ValueError
        When the settings have no such point.
    FileNotFoundError
        When its ratings were not written.
    """
    kind, _, size = name.partition(":")
    if kind == DATA:
        # By this machine alone: a cluster's executors would write to the folders of theirs.
        with job_session(name, master=f"local[{max(settings.cores)}]", driver_memory=settings.driver_memory) as spark:
            write_set(spark, data_folder(folder, int(size)), settings.data_description(int(size)))
        return
    point = next((point for point in points_of(settings) if point.name == name), None)
    if point is None:
        raise ValueError(f"--point must be a point of these settings, got {name}. Run the job without --point.")
    counts = counts_of(data_folder(folder, point.ratings), settings.data_description(point.ratings))
    if counts is None:
        raise FileNotFoundError(
            f"{data_folder(folder, point.ratings)} contains no ratings. Run the job without --point."
        )
    record_point(folder, _measure(settings, folder, point, counts))


def record_point(folder: OutputFolder, row: ScalabilityRow) -> None:
    """Put a row into the folder's, in the place of one of the same point."""
    record_row(folder, row, lambda r: (r.ratings, r.cores, r.rank, r.blocks or 0, r.label))


def _measure(settings: ScalabilitySettings, folder: OutputFolder, point: Point, counts: RatingCounts) -> ScalabilityRow:
    busy = busy_share(_LOOK_SECONDS)
    master = settings.master_of(point.cores)
    where = Provenance(master, point.cores, software_versions(), git_commit(PACKAGE))
    row = replace(unmeasured_point(point, settings, counts, where), busy_before=busy)
    with TemporaryDirectory(prefix="spark_mf-events-") as events:
        logging_conf = {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": Path(events).as_uri(),
            "spark.eventLog.rolling.enabled": "false",
            "spark.eventLog.compress": "false",
        }
        conf = {**settings.conf_of(point.cores), **logging_conf}
        try:
            with job_session(point.name, master=master, driver_memory=settings.driver_memory, extra_conf=conf) as spark:
                row, began = _fit(spark, settings, folder, point, row, counts)
            if row.error is not None:
                return row
            return _broken_down(row, began, read_event_log(find_event_log(Path(events))))
        except Exception as fault:  # the other points are still wanted
            logger.warning("%s failed: %s", point.name, first_sentence(fault))
            return replace(row, error=first_sentence(fault))


@dataclass(frozen=True)
class _Watched(Method):
    """A method that notes when its fits begin, in seconds since 1970 as event logs do.

    An estimator is made just as the clock of its fit starts.
    """

    began: list[float] = field(default_factory=list)

    def estimator(self) -> Any:
        """Return a new estimator, and note the time."""
        self.began.append(time.time())
        return super().estimator()


def _fit(
    spark: SparkSession,
    settings: ScalabilitySettings,
    folder: OutputFolder,
    point: Point,
    row: ScalabilityRow,
    counts: RatingCounts,
) -> tuple[ScalabilityRow, list[float]]:
    """Return the row of a fit without its breakdown, and when each timed fit began."""
    slots = task_slots(spark.sparkContext)
    if slots != point.cores:
        raise RuntimeError(
            f"the session must have {point.cores} task slots, one per core of the point, got {slots}. Make sure that "
            "the master has that many free cores, and memory for an executor on each."
        )
    method = point.fitted(settings)
    bench = Bench(read_set(spark, data_folder(folder, point.ratings), counts), provenance(spark))
    bench.warm_up([method])
    watched = _Watched(**vars(method))
    fitted = bench.run(watched)
    if fitted.error is None and not method.keeps_history:
        fitted = bench.add_setup(watched, fitted)
    measured = {
        name: getattr(fitted, name)
        for name in (
            "params",
            "fit_seconds",
            "setup_seconds",
            "test_rmse",
            "test_mae",
            "history",
            "peak_memory_mb",
            "engine",
            "versions",
            "error",
            "notes",
        )
    }
    return replace(row, **measured), watched.began


def _broken_down(row: ScalabilityRow, began: list[float], log: EventLog) -> ScalabilityRow:
    """Add the breakdown of all that follows the set-up."""
    assert row.fit_seconds is not None
    assert row.setup_seconds is not None
    fit = Span(began[0], began[0] + row.fit_seconds)
    if len(began) == 1:
        kernels = sum(record.kernel_seconds or 0.0 for record in row.history)
        after_setup = break_down(log, Span(fit.began + row.setup_seconds, fit.ended), row.cores, kernels)
        mean = after_setup.of_each(row.iterations)
    else:  # the set-up was measured as a fit of its own
        setup = break_down(log, Span(began[1], began[1] + row.setup_seconds), row.cores)
        mean = break_down(log, fit, row.cores).of_each(row.iterations, outside=setup)
    shuffled = sum(task.shuffle_bytes for task in log.tasks if fit.common(task.span) > 0)
    return replace(row, breakdown=mean, shuffle_mb=shuffled / 2**20)


def busy_share(seconds: float) -> float:
    """Return the share of all processors' time, 0 to 1, that programs take in the next ``seconds``."""
    return round(psutil.cpu_percent(interval=seconds) / 100, 3)
