"""Workers that cannot do a fit's work are found out before it, in a sentence."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numba
import pyspark
import pytest
from pyspark import SparkConf
from pyspark.sql import SparkSession

import spark_mf
from spark_mf.experiments import workers_check
from spark_mf.experiments.workers_check import (
    EXECUTOR_TIMEOUT,
    check_workers,
    executor_timeout,
    executors_awaited,
    require_versions,
    workers_fault,
)

JOB = """
import sys
from spark_mf.experiments.job import job_session, one_sentence_faults

with one_sentence_faults("job"), job_session("job", master="local-cluster[1,1,1024]", driver_memory="512m"):
    print("started")
"""

OTHER_PYTHON = """
import sys
from collections import namedtuple

Version = namedtuple("Version", "major minor micro releaselevel serial")
sys.version_info = Version(3, 99, 0, "final", 0)
"""

TASK_FAILED = (
    "Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times, most recent failure: Lost task 0.3 in stage "
    "0.0 (TID 3) (10.0.0.7 executor 0): {}\n\nDriver stacktrace:"
)


@pytest.fixture
def with_executors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' session runs its tasks in the driver."""
    monkeypatch.setattr(workers_check, "has_executors", lambda context: True)


@pytest.mark.usefixtures("with_executors")
def test_workers_that_have_everything_are_let_through(spark: SparkSession):
    check_workers(spark.sparkContext)


@pytest.mark.usefixtures("with_executors")
def test_a_package_that_workers_lack_is_named_with_the_two_ways_to_carry_it(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(workers_check, "PACKAGES", ("numpy", "no_such_package", "numpy.no_such_part"))
    with pytest.raises(RuntimeError) as raised:
        check_workers(spark.sparkContext)
    assert str(raised.value) == (
        "the workers' Python has no no_such_package, numpy.no_such_part: let the workers' machines or containers have "
        "the same environment and name its python in spark.pyspark.python, or send it as an archive that conda-pack "
        "made, by --archives env.tar.gz#env with spark.pyspark.python=./env/bin/python and, in client mode, "
        "spark.pyspark.driver.python=python."
    )


OWN = {"spark_mf": "0.4.0", "numba": "0.61.0", "numpy": "2.4.1", "pyarrow": "20.0.0"}


def test_the_same_versions_are_no_matter_and_others_are_not_compared(caplog: pytest.LogCaptureFixture):
    require_versions([*OWN.items(), ("scipy", "1.13")], OWN)
    assert not caplog.messages


@pytest.mark.parametrize(("package", "version"), [("spark_mf", "0.4.1"), ("numpy", "1.26.4"), ("numpy", "10.0.0")])
def test_versions_that_cannot_work_together_are_refused(package: str, version: str, caplog: pytest.LogCaptureFixture):
    with pytest.raises(RuntimeError) as raised:
        require_versions([*OWN.items(), (package, version), ("numba", "0.60.0")], OWN)
    assert str(raised.value) == (
        f"the workers have {package} {version} and the driver has {OWN[package]}, which cannot work together: let the "
        "workers' machines or containers have the same environment and name its python in spark.pyspark.python, or "
        "send it as an archive that conda-pack made, by --archives env.tar.gz#env with "
        "spark.pyspark.python=./env/bin/python and, in client mode, spark.pyspark.driver.python=python."
    )
    assert not caplog.messages


def test_other_versions_are_warned_of_in_one_line(caplog: pytest.LogCaptureFixture):
    require_versions([*OWN.items(), ("pyarrow", "18.1.0"), ("numpy", "2.3.9"), ("numba", "0.60.0")], OWN)
    assert caplog.messages == [
        "the workers have other versions than the driver: numba 0.60.0 (driver: 0.61.0), numpy 2.3.9 (driver: 2.4.1), "
        "pyarrow 18.1.0 (driver: 20.0.0); results may differ in their last digits, and functions that one side lacks "
        "fail"
    ]


@pytest.mark.usefixtures("with_executors")
def test_workers_are_compared_with_the_driver(spark: SparkSession, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("spark_mf.__version__", "0.0.1")
    with pytest.raises(RuntimeError, match=r"^the workers have spark_mf \d.* and the driver has 0\.0\.1, which cannot"):
        check_workers(spark.sparkContext)


def test_another_python_is_told_with_both_versions():
    message = TASK_FAILED.format(
        "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different "
        "version: 3.12 than that in driver: 3.11, PySpark cannot run with different minor versions."
    )
    assert workers_fault(message) == (
        "the workers' Python is 3.12 and the driver's is 3.11, and Spark needs the same minor version: set "
        "PYSPARK_PYTHON, or spark.pyspark.python, to one that is the same on all machines, or start the driver with "
        "the workers'."
    )


def test_a_python_that_is_not_there_is_named():
    message = TASK_FAILED.format(
        'java.io.IOException: Cannot run program "/opt/env/bin/python": error=2, No such file or directory'
    )
    assert workers_fault(message) == (
        "the workers cannot run '/opt/env/bin/python' as Python: set PYSPARK_PYTHON, or spark.pyspark.python, to one "
        "that is on their machines."
    )


def test_any_other_failure_is_told_by_its_own_line():
    message = TASK_FAILED.format("org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)")
    said = workers_fault(message)
    assert "(SparkException: Python worker exited unexpectedly (crashed))" in said
    assert said.endswith(": look into an executor's stderr for more.")
    assert "(Job aborted)" in workers_fault("Job aborted\nand more")


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
        "local[2] gave no executor in 1 s: see whether its workers are up and have the cores and the memory that "
        "spark.executor.cores and spark.executor.memory ask for, ask for less, or set spark.spark_mf.executorTimeout "
        "to more seconds where jobs queue."
    )
    assert caplog.messages[0] == "local[2] has given no executor yet: the job waits for at most 1 s"


@pytest.mark.parametrize(("value", "seconds"), [(None, 300), ("20", 20), ("0.5", 0.5)])
def test_the_time_for_executors_is_a_setting(value: str | None, seconds: float):
    conf = SparkConf(loadDefaults=False)
    assert executor_timeout(conf if value is None else conf.set(EXECUTOR_TIMEOUT, value)) == seconds


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_for_executors_that_is_none_is_refused(value: str):
    with pytest.raises(ValueError, match=rf"spark\.spark_mf\.executorTimeout is '{value}': give a number of seconds"):
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
            rf"job: the workers' Python is 3\.99 and the driver's is 3\.{sys.version_info.minor}, and Spark needs .*",
        ),
        (
            {"sitecustomize.py": "import sys; sys.modules['numba'] = None"},
            r"job: the workers' Python has no numba: let the workers' machines .* conda-pack .*",
        ),
        (
            {"spark_mf/__init__.py": "__version__ = '0.0.1'"},
            rf"job: the workers have spark_mf 0\.0\.1 and the driver has {re.escape(spark_mf.__version__)}, which .*",
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
    assert f"numba 0.0.1 (driver: {numba.__version__}); " in said[0]
