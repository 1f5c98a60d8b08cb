"""The Spark session of a job: the one of spark-submit, or a local one."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from py4j.clientserver import ClientServer
from py4j.java_gateway import JavaGateway
from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from spark_mf.cli.preflight import require_java
from spark_mf.cli.quiet_stderr import quiet_stderr
from spark_mf.cli.starting import require_event_log, require_master, start_fault
from spark_mf.cli.workers_check import check_workers
from spark_mf.resources.limits import runs_in_driver

_GIB = 2**30
_CONF_FOLDERS = (
    Path(__file__).parents[2] / "conf",
    Path(__file__).parents[1] / "conf",
)  # checkout, installed
_THREAD_COUNTS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LOCAL_CONF = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
}


def local_session(
    app_name: str,
    *,
    master: str | None = None,
    driver_memory: str | None = None,
    extra_conf: Mapping[str, str] | None = None,
) -> SparkSession:
    """Start the session of a job, or return the one that is running.

    Settings of spark-submit and spark-defaults.conf take precedence over the defaults of this module, and `master` and
    `extra_conf` over both. The default master is ``local[*]``. The caller stops the session.

    Parameters
    ----------
    app_name : str
        Name of the application in Spark's UI and logs.
    master : str, optional
        A master URL that overrides the configured one.
    driver_memory : str, optional
        Heap of the driver, such as ``"4g"``; by default `default_driver_memory`. Under spark-submit the driver is
        already running, and its ``--driver-memory`` applies instead.
    extra_conf : mapping of str to str, optional
        Spark settings by name.

    Raises
    ------
    ValueError
        If `driver_memory` is not a Spark size, or the master URL is invalid.
    NotADirectoryError, PermissionError
        If the event log cannot be written.
    RuntimeError
        If there is no suitable Java, SPARK_REMOTE is set, Spark does not start, or the Python of a cluster's workers
        lacks a required package.
    ConnectionError
        If no master of a standalone cluster accepts a connection.
    TimeoutError
        If a cluster provides no executor; see `spark_mf.cli.workers_check.EXECUTOR_TIMEOUT`.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    remote = os.environ.get("SPARK_REMOTE")
    if remote is not None:
        raise RuntimeError(
            f"SPARK_REMOTE must not be set, because the jobs need a classic session with RDDs and broadcasts, got "
            f"{remote!r}. Unset it, or use spark-submit with the cluster's master."
        )
    if driver_memory is not None and not re.fullmatch(r"[1-9]\d*[kmgt]", driver_memory, re.IGNORECASE):
        raise ValueError(
            f"driver_memory must be an integer and a unit, k, m, g or t, such as '4g', got {driver_memory!r}."
        )
    require_java()
    gateway = SparkContext._gateway or _start_jvm(driver_memory)
    conf = SparkConf(_jvm=gateway.jvm).setAppName(app_name)
    for name, value in (extra_conf or {}).items():
        conf.set(name, value)
    if master is not None:
        conf.setMaster(master)
    for name, value in _defaults(conf).items():
        conf.setIfMissing(name, value)
    if _is_local(conf):
        # Otherwise Spark starts the first python3 on PATH, which may belong to another environment.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return _start(conf, gateway)


def _start(conf: SparkConf, gateway: JavaGateway | ClientServer) -> SparkSession:
    """Start Spark. On a cluster, first check that a master answers, and then that the workers have the packages."""
    master = conf.get("spark.master", "")
    require_master(master)
    require_event_log(conf)
    try:
        context = SparkContext(conf=conf, gateway=gateway)
    except Py4JJavaError as error:
        raise RuntimeError(start_fault(conf, error)) from error
    session = SparkSession.builder.getOrCreate()
    # Local workers start immediately, and every fit checks their packages.
    if not runs_in_driver(context.master or ""):
        try:
            check_workers(session)
        except BaseException:
            session.stop()
            raise
    return session


def default_driver_memory() -> str:
    """Return half of the machine's memory, at most 8 GiB, as a Spark size; Python needs the rest."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{max(1, min(8, total // 2 // _GIB))}g"


def _defaults(conf: SparkConf) -> dict[str, str]:
    """Return values for settings that neither the user nor the cluster has set."""
    # Kernels use one thread per core of a task.
    threads = conf.get("spark.task.cpus", "1")
    defaults = {f"spark.executorEnv.{name}": os.environ.get(name, threads) for name in _THREAD_COUNTS}
    if "NUMBA_CACHE_DIR" in os.environ:
        defaults["spark.executorEnv.NUMBA_CACHE_DIR"] = os.environ["NUMBA_CACHE_DIR"]
    defaults["spark.sql.execution.arrow.pyspark.enabled"] = "true"
    # With TCP the worker of each task waits about 40 ms for data of the JVM; with these sockets it does not.
    defaults["spark.python.unix.domain.socket.enabled"] = "true"
    # The largest value disables the limit, whose check measures the whole batch again for every added row.
    defaults["spark.sql.execution.arrow.maxBytesPerBatch"] = str(2**31 - 1)
    if _is_local(conf):
        defaults |= _LOCAL_CONF
    return defaults


def _is_local(conf: SparkConf) -> bool:
    return conf.get("spark.master", "local[*]").startswith("local")


def _start_jvm(driver_memory: str | None) -> JavaGateway | ClientServer:
    """Start the driver's JVM, or connect to the one that spark-submit has started."""
    if "SPARK_CONF_DIR" not in os.environ and "SPARK_HOME" not in os.environ:
        os.environ["SPARK_CONF_DIR"] = str(next(folder for folder in _CONF_FOLDERS if folder.is_dir()))
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)  # Spark's start script uses it to find Spark
    conf = SparkConf(loadDefaults=False)
    # Spark's progress bar of stages would overwrite the progress of the job.
    conf.set("spark.ui.showConsoleProgress", "false")
    if driver_memory is not None:
        conf.set("spark.driver.memory", driver_memory)
    else:
        # Unlike the setting, this variable does not override spark.driver.memory in spark-defaults.conf.
        os.environ.setdefault("SPARK_DRIVER_MEMORY", default_driver_memory())
    with quiet_stderr() as stderr:
        return launch_gateway(conf, popen_kwargs={"stderr": stderr})
