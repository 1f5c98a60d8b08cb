"""The session of the jobs: its settings, its refusals, and a console without Spark's noise."""

import os
import subprocess
import sys

import pytest
from pyspark import SparkConf
from pyspark.sql import SparkSession

from spark_mf.cli import session
from spark_mf.cli.session import default_driver_memory, local_session

QUIET_JOB = """
import sys
from pyspark.sql import Window, functions as F
from spark_mf.cli.session import local_session

spark = local_session("quiet", master="local[1]", driver_memory="512m")
ids = spark.range(10)
print(ids.withColumn("row", F.row_number().over(Window.orderBy("id"))).count())
print(spark.sparkContext.parallelize([0], 1).map(lambda _: sys.executable).first() == sys.executable)
spark.stop()
again = local_session("again", master="local[1]")
print(again.sparkContext.appName)
again.stop()
"""


@pytest.fixture
def no_session(monkeypatch):
    """Lets `local_session` act as in a process that has no session yet, short of starting a JVM."""
    monkeypatch.setattr(SparkSession, "getActiveSession", classmethod(lambda cls: None))
    monkeypatch.setattr(session, "launch_gateway", lambda *args, **kwargs: pytest.fail("a JVM was started"))


def test_workers_run_kernels_on_one_thread(spark):
    def thread_counts(_):
        yield [os.environ[name] for name in session._THREAD_COUNTS]

    assert spark.sparkContext.parallelize([0], 1).mapPartitions(thread_counts).collect() == [["1", "1", "1"]]


def test_local_session_stays_on_this_machine_and_uses_arrow(spark):
    conf = spark.sparkContext.getConf()
    assert conf.get("spark.driver.host") == "127.0.0.1"
    assert conf.get("spark.ui.enabled") == "false"
    assert spark.conf.get("spark.sql.execution.arrow.pyspark.enabled") == "true"


def test_settings_of_the_user_hold(spark, monkeypatch):
    conf = spark.sparkContext.getConf()
    conf.set("spark.task.cpus", "4").set("spark.master", "spark://cluster:7077")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    defaults = session._defaults(conf)
    assert defaults["spark.executorEnv.OMP_NUM_THREADS"] == "2"
    assert defaults["spark.executorEnv.NUMBA_NUM_THREADS"] == "4"
    assert "spark.driver.host" not in defaults


def test_the_file_of_settings_and_the_jobs_own_agree(monkeypatch):
    """What only one of them says is said here."""
    for name in (*session._THREAD_COUNTS, "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    (conf, *_), text = session._CONF_FOLDERS, "spark-defaults.conf"
    lines = [line.split(maxsplit=1) for line in (conf / text).read_text().splitlines()]
    in_file = {line[0]: line[1] for line in lines if line and not line[0].startswith("#")}
    # As Spark has it; the file says it where a cluster's own file says otherwise.
    assert in_file.pop("spark.dynamicAllocation.enabled") == "false"
    # A session that starts from Python is told on the JVM's command line.
    assert in_file.pop("spark.ui.showConsoleProgress") == "false"
    cluster = SparkConf(loadDefaults=False).setMaster("spark://cluster:7077")
    assert session._defaults(cluster) == in_file
    # On one machine, a browser and other machines have nothing to do with it.
    assert session._defaults(SparkConf(loadDefaults=False)) == in_file | session._LOCAL_CONF


def test_running_session_is_returned(spark):
    assert local_session("another name") is spark


def test_console_has_only_what_the_job_prints_and_workers_are_this_python(tmp_path):
    brief = {"SPARK_SUBMIT_OPTS"}  # the options of a JVM that lives for seconds
    environment = {name: value for name, value in os.environ.items() if "SPARK" not in name or name in brief}
    other_python = tmp_path / "python3"
    other_python.write_text("#!/bin/sh\nexit 1\n")
    other_python.chmod(0o755)
    environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    run = subprocess.run(
        [sys.executable, "-c", QUIET_JOB], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.split() == ["10", "True", "again"]


@pytest.mark.parametrize("size", ["4", "lots", "0g", "-1g", "1.5g", ""])
def test_bad_driver_memory_is_refused(no_session, size):
    with pytest.raises(ValueError, match=rf"driver_memory must be an integer and a unit, .*, got '{size}'\."):
        local_session("x", driver_memory=size)


def test_spark_connect_is_refused(no_session, monkeypatch):
    monkeypatch.setenv("SPARK_REMOTE", "sc://cluster")
    with pytest.raises(
        RuntimeError, match=r"SPARK_REMOTE must not be set, .* a classic session .*, got 'sc://cluster'"
    ):
        local_session("x")


def test_missing_java_is_told_before_anything_starts(no_session, monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="JAVA_HOME must be a folder with a program bin/java"):
        local_session("x")


@pytest.mark.parametrize(("gib", "expected"), [(1, "1g"), (4, "2g"), (15, "7g"), (64, "8g")])
def test_default_driver_memory_is_half_the_machine_and_at_most_8_gib(monkeypatch, gib, expected):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gib * 2**30 // 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    assert default_driver_memory() == expected
