"""Spark session of a job: that of spark-submit, or else a local one."""

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

    Settings of spark-submit and spark-defaults.conf take precedence over the defaults set here, and `master` and
    `extra_conf` over everything. Without any master it is ``local[*]``. The caller stops the session.

    Parameters
    ----------
    app_name : str
        Name of the application in Spark's web pages and logs.
    master : str | None
        A master URL that overrides the configured one.
    driver_memory : str | None
        Heap of the driver, such as ``"4g"``; by default `default_driver_memory`. Under spark-submit the driver is
        already running, and its ``--driver-memory`` applies instead.
    extra_conf : Mapping[str, str] | None
        Spark settings by name.

    Raises
    ------
    ValueError
        When `driver_memory` is not a Spark size, or the master is not an address.
    NotADirectoryError, PermissionError
        When the event log cannot be written.
    RuntimeError
        When there is no Java that Spark can use, the environment asks for Spark Connect, Spark does not start, or the
        Python of a cluster's workers lacks what fits need.
    ConnectionError
        When no master of a standalone cluster answers.
    TimeoutError
        When a cluster provides no executor; see `spark_mf.cli.workers_check.EXECUTOR_TIMEOUT`.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    remote = os.environ.get("SPARK_REMOTE")
    if remote is not None:
        raise RuntimeError(
            f"SPARK_REMOTE is {remote!r}, but the jobs of spark_mf need a classic session with RDDs and "
            "broadcasts: unset SPARK_REMOTE, or use spark-submit with the cluster's master."
        )
    if driver_memory is not None and not re.fullmatch(r"[1-9]\d*[kmgt]", driver_memory, re.IGNORECASE):
        raise ValueError(
            f"driver_memory is {driver_memory!r}; write a whole number and a unit, k, m, g or t, as in '4g'."
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
        # Otherwise the workers are the first python3 on PATH, which need not be that of the environment.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return _start(conf, gateway)


def _start(conf: SparkConf, gateway: JavaGateway | ClientServer) -> SparkSession:
    """Start Spark; on a cluster, check first that a master answers, and then what the workers have installed."""
    master = conf.get("spark.master", "")
    require_master(master)
    require_event_log(conf)
    try:
        context = SparkContext(conf=conf, gateway=gateway)
    except Py4JJavaError as error:
        raise RuntimeError(start_fault(conf, error)) from error
    session = SparkSession.builder.getOrCreate()
    # On this machine workers come at once, and fits check what they have.
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
    # Kernels use one thread a task, or as many as a task has cores.
    threads = conf.get("spark.task.cpus", "1")
    defaults = {f"spark.executorEnv.{name}": os.environ.get(name, threads) for name in _THREAD_COUNTS}
    if "NUMBA_CACHE_DIR" in os.environ:
        defaults["spark.executorEnv.NUMBA_CACHE_DIR"] = os.environ["NUMBA_CACHE_DIR"]
    defaults["spark.sql.execution.arrow.pyspark.enabled"] = "true"
    # By TCP, the worker of every task spends some 40 ms waiting in reads from the JVM; by these sockets it does not.
    defaults["spark.python.unix.domain.socket.enabled"] = "true"
    # The limit's largest value turns it off: checking it measures the batch anew for every row that is added to it.
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
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)  # Spark's start script looks for itself with it
    conf = SparkConf(loadDefaults=False)
    # A session started from Python shows Spark's bar of stages, which would overwrite the job's own progress.
    conf.set("spark.ui.showConsoleProgress", "false")
    if driver_memory is not None:
        conf.set("spark.driver.memory", driver_memory)
    else:
        # Weaker than spark.driver.memory in spark-defaults.conf, as a default should be.
        os.environ.setdefault("SPARK_DRIVER_MEMORY", default_driver_memory())
    with quiet_stderr() as stderr:
        return launch_gateway(conf, popen_kwargs={"stderr": stderr})
