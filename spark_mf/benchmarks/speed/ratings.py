"""Benchmark of generating, checking and partitioning ratings by their number.

Each point runs in its own process, so that no point warms up another one and memory is measured for each point.
"""

import json
import logging
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pyspark.sql import SparkSession

from spark_mf.benchmarks.environment import (
    PACKAGE,
    PeakMemory,
    Provenance,
    git_commit,
    provenance,
    software_versions,
    utc_now,
)
from spark_mf.benchmarks.measuring import first_sentence
from spark_mf.cli.commands.check import CHECKED_FILES, CheckSettings, check, write_checked
from spark_mf.cli.commands.generate import GENERATED_FILES, asked_ratings, generate
from spark_mf.cli.commands.generate_settings import GenerateSettings
from spark_mf.cli.commands.partition import PartitionSettings, partition, read_input
from spark_mf.cli.job import job_session
from spark_mf.cli.phases import phase
from spark_mf.cli.settings import STRICT, Several, Text, setting
from spark_mf.ratings.typed_json import from_json
from spark_mf.storage.folders import RatingsFolder

logger = logging.getLogger(__name__)

GENERATE, CHECK, PARTITION = "generate", "check", "partition"
STEPS = (GENERATE, CHECK, PARTITION)

# The shape of the largest MovieLens set: 150 ratings a user, and as many items at every size.
RATINGS_PER_USER, ITEMS = 150, 27_000

WARM_UP, WARM_UP_RATINGS = "warm-up", 100_000

_DATA = "data"
_SPARK = "Spark"


@pydantic_dataclass(frozen=True, kw_only=True, config=STRICT)
class BenchRatingsSettings:
    """Settings of the benchmark; every field is an option of ``jobs/bench_ratings.py`` and a key of its TOML file."""

    sizes: Several[Annotated[int, Field(ge=10_000)]] = setting(
        (1_000_000, 5_000_000, 20_000_000, 100_000_000), "numbers of ratings", group=_DATA
    )
    seed: NonNegativeInt = setting(0, "of generating", group=_DATA)
    cores: PositiveInt = setting(2, "task slots", group=_SPARK)
    driver_memory: Text = setting("4g", "memory of the driver's JVM, the same at every size", group=_SPARK)


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One step at one size, or its failure.

    Attributes
    ----------
    step : str
        One of `STEPS`.
    ratings, users, items : int
    seconds : float | None
        Of the step itself: making and writing, checking and writing, or laying out and writing; None if it failed.
    job_seconds : float | None
        Of all that the job does once its session has started, reading and counting included.
    driver_memory_mb : float | None
        Largest resident memory of the driver's Python process, in MiB.
    peak_memory_mb : float | None
        The same of driver, JVM and Python workers together.
    driver_heap : str
        Heap that the JVM was given, which on a local master runs the tasks too.
    master, cores, versions, git, started_at
        Where the point was measured, as in `spark_mf.benchmarks.rows.ResultRow`.
    error : str | None
        Why it failed; None when it did not.
    """

    step: str
    ratings: int
    users: int
    items: int
    seconds: float | None = None
    job_seconds: float | None = None
    driver_memory_mb: float | None = None
    peak_memory_mb: float | None = None
    driver_heap: str
    master: str
    cores: int
    versions: dict[str, str]
    git: str | None
    started_at: str
    error: str | None = None

    @property
    def ratings_per_second(self) -> float | None:
        """Speed of the step itself."""
        return None if self.seconds is None else self.ratings / self.seconds

    def to_json(self) -> str:
        """Return one line of JSON, without the line's end."""
        return json.dumps(asdict(self), allow_nan=False, ensure_ascii=False)


def bench_ratings(settings: BenchRatingsSettings, folder: Path, command: Sequence[str]) -> list[StepRow]:
    """Measure every step at every size, one process after the other.

    Parameters
    ----------
    folder : Path
        Where generated ratings are kept between the steps.
    command : Sequence[str]
        Arguments of Python that, followed by ``--point STEP:RATINGS``, print a row as the last line of their output.

    Returns
    -------
    list[StepRow]
        By size, then by step; a step that failed has a row with ``error``.
    """
    rows = []
    for ratings in sorted(settings.sizes):
        for step in STEPS:
            with phase(f"{step} {ratings:,} ratings", ticking=True):
                rows.append(_in_a_process(settings, command, step, ratings))
            if rows[-1].error:
                logger.warning("%s %s: %s", step, f"{ratings:,}", rows[-1].error)
        rmtree(folder / str(ratings), ignore_errors=True)
    rmtree(folder, ignore_errors=True)
    return rows


def measure_step(settings: BenchRatingsSettings, folder: Path, step: str, ratings: int) -> StepRow:
    """Measure one step in this process; what it reads was left in the folder by the step before."""
    master = f"local[{settings.cores}]"
    with job_session(f"bench {step}", master=master, driver_memory=settings.driver_memory) as spark:
        row = _unmeasured(settings, provenance(spark), step, ratings)
        _warm_up(spark, settings, folder / WARM_UP, step)
        try:
            began = time.perf_counter()
            with PeakMemory() as memory:
                seconds = _RUNS[step](spark, settings, folder / str(ratings), ratings)
        except Exception as fault:
            return replace(row, error=first_sentence(fault))
        return replace(
            row,
            seconds=seconds,
            job_seconds=time.perf_counter() - began,
            driver_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            peak_memory_mb=memory.megabytes,
        )


def _warm_up(spark: SparkSession, settings: BenchRatingsSettings, folder: Path, step: str) -> None:
    """Do the same with few ratings: what a first run loads and compiles takes seconds at every size."""
    for each in STEPS[: STEPS.index(step) + 1]:
        _RUNS[each](spark, settings, folder, WARM_UP_RATINGS)


def _generate(spark: SparkSession, settings: BenchRatingsSettings, folder: Path, ratings: int) -> float:
    asked = GenerateSettings(users=_users(ratings), items=ITEMS, ratings=ratings, seed=settings.seed)
    output = RatingsFolder(spark, str(folder / GENERATE), GENERATED_FILES, overwrite=True)
    return float(generate(spark, asked, asked_ratings(spark, asked), output)["seconds"])


def _check(spark: SparkSession, settings: BenchRatingsSettings, folder: Path, ratings: int) -> float:
    began = time.perf_counter()
    asked = CheckSettings(ratings=str(folder / GENERATE))
    output = RatingsFolder(spark, str(folder / CHECK), CHECKED_FILES, overwrite=True)
    write_checked(spark, asked, check(spark, asked, output), output)
    return time.perf_counter() - began


def _partition(spark: SparkSession, settings: BenchRatingsSettings, folder: Path, ratings: int) -> float:
    asked = PartitionSettings(ratings=str(folder / GENERATE))
    output = str(folder / PARTITION)
    read = read_input(spark, asked, output, overwrite=True)
    return partition(read, asked, output, overwrite=True)[1]


_RUNS = {GENERATE: _generate, CHECK: _check, PARTITION: _partition}


def _users(ratings: int) -> int:
    return ratings // RATINGS_PER_USER


def _unmeasured(settings: BenchRatingsSettings, where: Provenance, step: str, ratings: int) -> StepRow:
    return StepRow(
        step=step,
        ratings=ratings,
        users=_users(ratings),
        items=ITEMS,
        driver_heap=settings.driver_memory,
        started_at=utc_now(),
        **vars(where),
    )


def _in_a_process(settings: BenchRatingsSettings, command: Sequence[str], step: str, ratings: int) -> StepRow:
    point = [sys.executable, *command, "--point", f"{step}:{ratings}"]
    ended = subprocess.run(point, stdout=subprocess.PIPE, text=True)
    lines = ended.stdout.splitlines()
    if ended.returncode == 0 and lines:
        return from_json(StepRow, lines[-1])
    where = Provenance(f"local[{settings.cores}]", settings.cores, software_versions(), git_commit(PACKAGE))
    fault = f"its process ended with exit code {ended.returncode} before it was measured"
    return replace(_unmeasured(settings, where, step, ratings), error=fault)
