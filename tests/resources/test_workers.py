"""Tests of the check of the workers' Python."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from spark_mf.resources import workers
from spark_mf.resources.workers import (
    CROSSING,
    PACKAGES,
    SQL_PYTHON,
    Probe,
    require_packages,
    require_versions,
    require_workers,
    workers_fault,
)

TASK_FAILED = (
    "Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times, most recent failure: Lost task 0.3 in stage "
    "0.0 (TID 3) (10.0.0.7 executor 0): {}\n\nDriver stacktrace:"
)
OWN = {"spark_mf": "0.4.0", "numba": "0.61.0", "numpy": "2.4.1", "pyarrow": "20.0.0"}


@pytest.fixture
def asked(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lets the session be one that was not checked yet, and counts the jobs that check it."""
    tasks: list[int] = []
    probe = workers._probe_tasks

    def counted(context: SparkContext, n: int) -> set[Probe]:
        tasks.append(n)
        return probe(context, n)

    monkeypatch.setattr(workers, "_checked", WeakKeyDictionary())
    monkeypatch.setattr(workers, "_probe_tasks", counted)
    return tasks


def test_workers_are_asked_once_however_many_threads_fit(spark: SparkSession, asked: list[int]):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(require_workers, [spark] * 8))
    assert asked == [1]


def test_executors_on_further_hosts_are_asked_too(
    spark: SparkSession, asked: list[int], monkeypatch: pytest.MonkeyPatch
):
    hosts = iter([{"a"}, {"a"}, {"a", "b"}, {"a", "b"}, {"b"}])
    monkeypatch.setattr(workers, "executor_hosts", lambda context: frozenset(next(hosts)))
    for _ in range(4):
        require_workers(spark)
    assert asked == [1, 1]


def test_a_failed_check_is_made_again(spark: SparkSession, asked: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "PACKAGES", (*PACKAGES, "no_such_package", "numpy.no_such_part"))
    for _ in range(2):
        with pytest.raises(RuntimeError) as raised:
            require_workers(spark)
        assert "Python must have no_such_package, numba, numpy, numpy.no_such_part, pyarrow, " in str(raised.value)
        assert "which lacks no_such_package and numpy.no_such_part. " in str(raised.value)
    monkeypatch.setattr(workers, "PACKAGES", PACKAGES)
    require_workers(spark)
    assert asked == [1, 1, 1]


def test_what_runs_for_data_frames_is_asked_where_it_is_another_program(
    spark: SparkSession, asked: list[int], monkeypatch: pytest.MonkeyPatch
):
    spark.conf.set(SQL_PYTHON, sys.executable)
    monkeypatch.setattr(workers, "PACKAGES", ("no_such_package",))
    try:
        with pytest.raises(RuntimeError) as raised:
            require_workers(spark, runs_sql=True)
    finally:
        spark.conf.unset(SQL_PYTHON)
    assert asked == []
    assert str(raised.value).endswith(
        f"which lacks no_such_package. Unset {SQL_PYTHON}, or set it to the Python of the tasks of RDDs."
    )


def test_workers_are_compared_with_the_driver(spark: SparkSession, asked: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("spark_mf.__version__", "0.0.1")
    with pytest.raises(RuntimeError, match=r"^The workers' spark_mf must .* with the driver's, which is 0\.0\.1, got "):
        require_workers(spark)


def test_local_tasks_are_one_and_those_of_a_cluster_are_in_every_slot(
    spark: SparkSession, asked: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(workers, "runs_in_driver", lambda master: False)
    monkeypatch.setattr(workers, "task_slots", lambda context: 3)
    require_workers(spark)
    assert asked == [3]


def probe(versions: dict[str, str], *lacking: str) -> Probe:
    return Probe("/opt/env/bin/python", "3.11.7", tuple((OWN | versions | {"scipy": "1.13"}).items()), lacking)


def test_the_same_versions_are_no_matter_and_others_are_not_compared(caplog: pytest.LogCaptureFixture):
    require_packages([probe({})], "")
    require_versions([probe({})], OWN, "")
    assert not caplog.messages


def test_everything_that_is_lacking_is_named():
    with pytest.raises(RuntimeError) as raised:
        require_packages([probe({}), probe({}, "numba", "scipy", "pyarrow")], "Set it.")
    assert str(raised.value) == (
        "The workers' Python must have numba, numpy, pyarrow, scipy and spark_mf, got /opt/env/bin/python (Python "
        "3.11.7), which lacks numba, pyarrow and scipy. Set it."
    )


@pytest.mark.parametrize(("package", "version"), [("spark_mf", "0.4.1"), ("numpy", "1.26.4"), ("numpy", "10.0.0")])
def test_versions_that_cannot_work_together_are_refused(package: str, version: str, caplog: pytest.LogCaptureFixture):
    with pytest.raises(RuntimeError) as raised:
        require_versions([probe({}), probe({"numba": "0.60.0", package: version})], OWN, "Set it.")
    assert str(raised.value) == (
        f"The workers' {package} must be able to work with the driver's, which is {OWN[package]}, got {version} in "
        "/opt/env/bin/python (Python 3.11.7). Set it."
    )
    assert not caplog.messages


def test_other_versions_are_warned_of_in_one_line(caplog: pytest.LogCaptureFixture):
    require_versions([probe({}), probe({"pyarrow": "18.1.0", "numpy": "2.3.9", "numba": "0.60.0"})], OWN, "")
    assert caplog.messages == [
        "The workers have other versions than the driver: numba 0.60.0 (driver: 0.61.0), numpy 2.3.9 (driver: 2.4.1), "
        "pyarrow 18.1.0 (driver: 20.0.0). Results may differ in their last digits, and calls of functions that one "
        "side lacks fail."
    ]


def test_what_crosses_is_among_what_is_imported():
    assert set(CROSSING) < set(PACKAGES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has "
            "different version: 3.12 than that in driver: 3.11, PySpark cannot run with different minor versions.",
            "The workers' Python must have the driver's minor version, 3.11, got python3, which is Python 3.12.",
        ),
        (
            'java.io.IOException: Cannot run program "/opt/env/bin/python": error=2, No such file or directory',
            "The workers' Python must be a program on their machines, got '/opt/env/bin/python'.",
        ),
        (
            "org.apache.spark.SparkException: \nError from python worker:\n  Traceback (most recent call last):\n"
            '    File "/opt/pyspark.zip/pyspark/__init__.py", line 81\n  SyntaxError: invalid syntax\nPYTHONPATH was:\n'
            "  /opt/pyspark.zip\norg.apache.spark.SparkException: EOFException occurred while reading the port",
            "got python3, which fails with: SyntaxError: invalid syntax. An executor's stderr may say more.",
        ),
        (
            "org.apache.spark.SparkException: \nError from python worker:\n  /usr/bin/python3: Error while finding "
            "module specification for 'pyspark.daemon' (ModuleNotFoundError: No module named 'pyspark')\n"
            "PYTHONPATH was:",
            "got python3, which fails with: ModuleNotFoundError: No module named 'pyspark'. An executor's",
        ),
        (
            "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)",
            "got python3, which fails with: SparkException: Python worker exited unexpectedly (crashed). An executor's",
        ),
    ],
    ids=["another minor version", "no program", "too old", "no pyspark", "crash"],
)
def test_why_no_task_could_run_is_told(words: str, sentence: str):
    assert sentence in workers_fault(TASK_FAILED.format(words), "python3")


def test_a_message_without_an_error_is_told_by_its_first_line():
    assert "which fails with: Job aborted. " in workers_fault("Job aborted\nand more", "python3")


@pytest.mark.parametrize(
    ("program", "is_local", "sentence"),
    [
        (
            "python-of-the-path",
            True,
            f"Set the environment variable PYSPARK_PYTHON, or .* to '{sys.executable}' before",
        ),
        (sys.executable, True, "Install it there, or add the folder that contains it to PYTHONPATH, before"),
        ("python3", False, "name its python in PYSPARK_PYTHON or spark.pyspark.python, or .* conda-pack, "),
    ],
)
def test_the_way_out_names_the_setting(program: str, is_local: bool, sentence: str):
    assert re.search(sentence, workers._way_out(program, is_local=is_local, is_sqls_own=False))


def test_a_program_on_this_machine_is_asked_for_its_version():
    assert workers._asked(sys.executable) == f"{sys.executable} (Python {sys.version.split()[0]})"
    assert workers._asked("/no/such/python") is None
    assert workers._asked("false") is None
