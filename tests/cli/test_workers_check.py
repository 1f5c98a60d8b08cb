"""Workers that cannot do a fit's work are found out before it, in a sentence."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pyspark
import pytest
from pyspark import SparkConf
from pyspark.sql import SparkSession

import spark_mf
from spark_mf.cli import workers_check
from spark_mf.cli.workers_check import (
    EXECUTOR_TIMEOUT,
    check_workers,
    executor_timeout,
    executors_awaited,
)

JOB = """
import sys
from spark_mf.cli.job import job_session, one_sentence_faults

with one_sentence_faults("job"), job_session("job", master="local-cluster[1,1,1024]", driver_memory="512m"):
    print("started")
"""

OTHER_PYTHON = """
import sys
from collections import namedtuple

Version = namedtuple("Version", "major minor micro releaselevel serial")
sys.version_info = Version(3, 99, 0, "final", 0)
"""


def test_the_wait_ends_with_the_check_of_the_workers(spark: SparkSession, monkeypatch: pytest.MonkeyPatch):
    checked: list[SparkSession] = []
    monkeypatch.setattr(workers_check, "has_executors", lambda context: True)
    monkeypatch.setattr(workers_check, "require_workers", checked.append)
    check_workers(spark)
    assert checked == [spark]


def test_a_cluster_that_gives_no_executor_is_given_up_after_the_time_that_is_set(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(workers_check, "has_executors", lambda context: False)
    monkeypatch.setattr(workers_check, "executor_timeout", lambda conf: 1.0)
    monkeypatch.setattr(workers_check, "_WORD_AFTER", 0.1)
    began = time.monotonic()
    waiting = spark.sparkContext.parallelize([300.0], 1).map(time.sleep)
    with pytest.raises(TimeoutError) as raised, executors_awaited(spark.sparkContext):
        waiting.collect()
    assert time.monotonic() - began < 120
    assert str(raised.value) == (
        "local[2] must provide an executor within 1 s, got none. Check that its workers are running and have the cores "
        "and memory of spark.executor.cores and spark.executor.memory, request less, or set a larger "
        "spark.spark_mf.executorTimeout if jobs queue."
    )
    assert caplog.messages[0] == "local[2] has not provided an executor yet. The job waits for at most 1 s."


def test_a_check_that_fails_because_it_was_given_up_is_told_as_that(monkeypatch: pytest.MonkeyPatch):
    given_up = threading.Event()
    context: Any = SimpleNamespace(master="yarn", getConf=dict, cancelAllJobs=given_up.set)
    monkeypatch.setattr(workers_check, "has_executors", lambda context: False)
    monkeypatch.setattr(workers_check, "executor_timeout", lambda conf: 0.1)

    def check() -> None:
        assert given_up.wait(60)
        raise RuntimeError("The workers' Python must be able to run tasks")

    with (
        pytest.raises(TimeoutError, match=r"^yarn must provide an executor within 0\.1 s, got none\. "),
        executors_awaited(context),
    ):
        check()
    with pytest.raises(RuntimeError, match="lacks numba"), executors_awaited(context):
        raise RuntimeError("lacks numba")


@pytest.mark.parametrize(("value", "seconds"), [(None, 300), ("20", 20), ("0.5", 0.5)])
def test_the_time_for_executors_is_a_setting(value: str | None, seconds: float):
    conf = SparkConf(loadDefaults=False)
    assert executor_timeout(conf if value is None else conf.set(EXECUTOR_TIMEOUT, value)) == seconds


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_for_executors_that_is_none_is_refused(value: str):
    with pytest.raises(
        ValueError, match=rf"spark\.spark_mf\.executorTimeout must be .* seconds, finite and > 0, got '{value}'"
    ):
        executor_timeout(SparkConf(loadDefaults=False).set(EXECUTOR_TIMEOUT, value))


def test_tasks_in_the_driver_are_no_executors(spark: SparkSession):
    assert not workers_check.has_executors(spark.sparkContext)


def job_with_workers(folder: Path, modules: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Start a job on a cluster of its own, whose workers' Python finds these modules, by file, before all others."""
    home, python, path = folder / "home", folder / "python", str(Path(__file__).parents[2])
    home.mkdir()
    for name in ("bin", "sbin", "jars"):  # Spark's home is where a cluster leaves its logs
        (home / name).symlink_to(Path(pyspark.__file__).parent / name)
    theirs = folder / "workers"
    for name, lines in modules.items():
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).write_text(lines)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{theirs}:$PYTHONPATH" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    own = {
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": f"{path}/conf",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYTHONPATH": path,
        "PYSPARK_PYTHON": str(python),
    }
    return subprocess.run(
        [sys.executable, "-c", JOB], cwd=folder, env=os.environ | own, capture_output=True, text=True, timeout=400
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "sentence"),
    [
        (
            {"sitecustomize.py": OTHER_PYTHON},
            rf"job: The workers' Python must have the driver's minor version, 3\.{sys.version_info.minor}, got "
            r"\S*/python, which is Python 3\.99\. Install the same environment .* conda-pack, .*",
        ),
        (
            {"sitecustomize.py": "import sys; sys.modules['numba'] = None"},
            r"job: The workers' Python must have .*, got \S*/python3? \(Python .*\), which lacks numba\. Install .*",
        ),
        (
            {"spark_mf/__init__.py": "__version__ = '0.0.1'"},
            rf"job: The workers' spark_mf must be able to work with the driver's, which is "
            rf"{re.escape(spark_mf.__version__)}, got 0\.0\.1 in .*",
        ),
    ],
    ids=["another Python", "a package missing", "another spark_mf"],
)
def test_a_job_whose_workers_cannot_do_its_work_ends_with_the_sentence(
    tmp_path: Path, modules: dict[str, str], sentence: str
):
    done = job_with_workers(tmp_path, modules)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("job: ")]
    assert len(said) == 1
    assert re.fullmatch(sentence, said[0])


@pytest.mark.slow
def test_a_job_whose_workers_have_everything_starts_and_is_warned_of_other_versions(tmp_path: Path):
    done = job_with_workers(tmp_path, {"sitecustomize.py": "import numba; numba.__version__ = '0.0.1'"})
    assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr
    said = [line for line in done.stderr.splitlines() if "other versions" in line]
    assert len(said) == 1
    assert f"numba 0.0.1 (driver: {numba.__version__}). " in said[0]
