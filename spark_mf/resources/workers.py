"""Check of the workers' Python and its packages, by one small job per session."""

import json
import logging
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple
from weakref import WeakKeyDictionary

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_mf.resources.engine_selection import task_slots
from spark_mf.resources.limits import runs_in_driver
from spark_mf.runtime.jobs import job_description
from spark_mf.runtime.refusal import is_refusal

logger = logging.getLogger("spark_mf")

#: Packages that the tasks of fits and recommendations import.
PACKAGES = ("numba", "numpy", "pyarrow", "scipy", "spark_mf")
#: Packages whose functions or arrays are sent between the driver and the workers.
CROSSING = ("numba", "numpy", "pyarrow", "spark_mf")
#: Setting that names another interpreter for the Python tasks of DataFrames.
SQL_PYTHON = "spark.sql.execution.pyspark.python"

_OTHER_PYTHON = re.compile(r"PYTHON_VERSION_MISMATCH.*?worker[^:]*: (\d+\.\d+).*?driver[^:]*: (\d+\.\d+)", re.DOTALL)
_NO_PROGRAM = re.compile(r'Cannot run program "([^"]+)"')
# Spark quotes the output of a worker that could not start between these two lines.
_WORKERS_WORDS = re.compile(r"Error from python worker:\s*(.*?)(?:PYTHONPATH was:|\Z)", re.DOTALL)
_WORKERS_FAULT = re.compile(r"(\w*(?:Error|Exception): [^\n)]+)\)?$", re.MULTILINE)
_FAULT = re.compile(r"(?:^|: )(?:\w+\.)*(\w*(?:Error|Exception): .+)$", re.MULTILINE)

_ON_A_CLUSTER = (
    "Install the same environment on every machine or in every container and name its python in PYSPARK_PYTHON or "
    "spark.pyspark.python, or send it as an archive made by conda-pack, by --archives env.tar.gz#env with "
    "spark.pyspark.python=./env/bin/python and, in client mode, spark.pyspark.driver.python=python."
)

_OTHERS_WARNED = (
    "The workers have other versions than the driver: %s. Results may differ in their last digits, and calls of "
    "functions that one side lacks fail."
)

# Contexts whose workers passed the check: the checked programs, and the hosts at the time of the check.
_checked: "WeakKeyDictionary[SparkContext, dict[str, frozenset[str]]]" = WeakKeyDictionary()
_checking = threading.Lock()


class Probe(NamedTuple):
    """The Python and the packages that a task found in its worker."""

    executable: str
    python: str
    versions: tuple[tuple[str, str], ...]
    """Package and version of the packages that can be imported."""
    lacking: tuple[str, ...]
    """Packages that cannot be imported."""


def require_workers(session: SparkSession, *, runs_sql: bool = False) -> None:
    """Raise an error unless the workers have the required packages, by a small job once per session.

    The check is repeated once there are executors on further hosts. Concurrent threads wait for it.

    Parameters
    ----------
    session : SparkSession
        Must be running.
    runs_sql : bool
        Whether the tasks are those of a DataFrame, for which `SQL_PYTHON` may name another interpreter.

    Raises
    ------
    RuntimeError
        If a worker cannot be started, lacks a package, or has a version that is incompatible with the driver's. The
        message has the interpreter, the fault, and the setting to change.
    """
    context = session.sparkContext
    other = session.conf.get(SQL_PYTHON, None) if runs_sql else None
    program = other or context.pythonExec
    with _checking:
        checked = _checked.setdefault(context, {})
        if program in checked and executor_hosts(context) <= checked[program]:
            return
        is_local = runs_in_driver(context.master or "")
        way_out = _way_out(program, is_local=is_local, is_sqls_own=bool(other))
        # At least two tasks on a cluster, as further executors may still register.
        tasks = 1 if is_local else max(2, task_slots(context))
        try:
            with job_description(context, "check the workers' Python"):
                probes = _probe_sql(session, tasks) if other else _probe_tasks(context, tasks)
        except (Py4JJavaError, PySparkException) as error:
            got = (is_local and _asked(program)) or program
            raise RuntimeError(f"{workers_fault(_message(error), got)} {way_out}") from error
        require_packages(probes, way_out)
        require_versions(probes, {name: import_module(name).__version__ for name in CROSSING}, way_out)
        checked[program] = executor_hosts(context)


def executor_hosts(context: SparkContext) -> frozenset[str]:
    """Return the hosts of the driver and all executors; an empty set if the platform refuses the call."""
    try:
        found = str(context._jsc.sc().getExecutorMemoryStatus().keySet().mkString(","))
    except Py4JError as error:
        if not is_refusal(error):
            raise
        return frozenset()
    return frozenset(address.rpartition(":")[0] for address in found.split(","))


def require_packages(probes: Iterable[Probe], way_out: str) -> None:
    """Raise a RuntimeError, whose message ends with `way_out`, if workers lack packages."""
    for probe in sorted(probes):
        if probe.lacking:
            raise RuntimeError(
                f"The workers' Python must have {listed(PACKAGES)}, got {probe.executable} (Python {probe.python}), "
                f"which lacks {listed(probe.lacking)}. {way_out}"
            )


def require_versions(probes: Iterable[Probe], own: Mapping[str, str], way_out: str) -> None:
    """Raise an error if packages of workers are incompatible with the driver's; warn if their versions differ.

    Parameters
    ----------
    probes : iterable of Probe
        Distinct results of the workers.
    own : mapping of str to str
        The driver's version of each package to compare.
    way_out : str
        How to fix the error, a sentence.

    Raises
    ------
    RuntimeError
        If the version of spark_mf differs, as tasks call functions by name, or the major version of NumPy differs, as
        pickled arrays refer to NumPy's modules by name.
    """
    others = set()
    for probe in sorted(probes):
        for package, version in probe.versions:
            if own.get(package, version) == version:
                continue
            others.add((package, version))
            is_numpys_major = package == "numpy" and version.split(".")[0] != own[package].split(".")[0]
            if package == "spark_mf" or is_numpys_major:
                raise RuntimeError(
                    f"The workers' {package} must be able to work with the driver's, which is {own[package]}, got "
                    f"{version} in {probe.executable} (Python {probe.python}). {way_out}"
                )
    if others:
        named = ", ".join(f"{package} {version} (driver: {own[package]})" for package, version in sorted(others))
        logger.warning(_OTHERS_WARNED, named)


def workers_fault(message: str, program: str) -> str:
    """Return why no task could run, given Spark's error message and the Python program that Spark starts."""
    missing = _NO_PROGRAM.search(message)
    if missing:
        return f"The workers' Python must be a program on their machines, got {missing[1]!r}."
    other = _OTHER_PYTHON.search(message)
    if other:
        return (
            f"The workers' Python must have the driver's minor version, {other[2]}, got {program}, "
            f"which is Python {other[1]}."
        )
    words = _WORKERS_WORDS.search(message)
    faults = (words and _WORKERS_FAULT.findall(words[1])) or _FAULT.findall(message)
    reason = faults[0] if faults else message.strip().splitlines()[0]
    own = ".".join(map(str, sys.version_info[:2]))
    return (
        f"The workers' Python must be able to run tasks of Python {own}, got {program}, which fails with: "
        f"{reason.rstrip('.')}. An executor's stderr may say more."
    )


def listed(names: Sequence[str]) -> str:
    """Return names joined as "a, b and c"."""
    *first, last = sorted(names)
    return f"{', '.join(first)} and {last}" if first else last


def _probe_tasks(context: SparkContext, tasks: int) -> set[Probe]:
    """Return the probes of the workers that run tasks of RDDs."""
    probe = _probing()

    def probe_one(numbers: Iterable[int]) -> list[str]:
        list(numbers)
        return [probe()]

    return set(map(_probe_of, context.parallelize(range(tasks), tasks).mapPartitions(probe_one).collect()))


def _probe_sql(session: SparkSession, tasks: int) -> set[Probe]:
    """Return the probes of the workers that run tasks of DataFrames, by a function that does not need Arrow."""
    probe = _probing()
    found = F.udf(lambda number: probe(), "string", useArrow=False)
    return {_probe_of(text) for (text,) in session.range(0, tasks, 1, tasks).select(found("id")).collect()}


def _probing() -> Callable[[], str]:
    """Return a function that describes the worker in which it runs, as JSON.

    A nested function is pickled by value, so that it also runs in workers that cannot import this package.
    """
    packages = PACKAGES

    def probe() -> str:
        import json
        import platform
        import sys
        from importlib import import_module

        versions, lacking = [], []
        for package in packages:
            try:
                versions.append((package, str(import_module(package).__version__)))
            except ModuleNotFoundError as error:
                lacking.append(error.name or package)
            except Exception as error:  # importing a broken package may raise any exception
                lacking.append(f"a working {package} ({error})")
        return json.dumps([sys.executable, platform.python_version(), versions, lacking])

    return probe


def _probe_of(text: str) -> Probe:
    executable, python, versions, lacking = json.loads(text)
    return Probe(executable, python, tuple(map(tuple, versions)), tuple(lacking))


def _message(error: Py4JJavaError | PySparkException) -> str:
    return str(error.java_exception.getMessage()) if isinstance(error, Py4JJavaError) else str(error)


def _asked(program: str) -> str | None:
    """Return the path and version of a Python on this machine by running it; None if that fails."""
    code = "import sys; print('%s (Python %d.%d.%d)' % ((sys.executable,) + tuple(sys.version_info[:3])))"
    try:
        run = subprocess.run([program, "-c", code], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() or None


def _way_out(program: str, *, is_local: bool, is_sqls_own: bool) -> str:
    """Return how to make the workers use another Python than `program`."""
    if is_sqls_own:
        return f"Unset {SQL_PYTHON}, or set it to the Python of the tasks of RDDs."
    if not is_local:
        return _ON_A_CLUSTER
    if shutil.which(program) == sys.executable:  # the driver's Python itself, whose search path differs in the workers
        return "Install it there, or add the folder that contains it to PYTHONPATH, before the Spark session starts."
    return (
        f"Set the environment variable PYSPARK_PYTHON, or spark.pyspark.python for spark-submit, to {sys.executable!r} "
        "before the Spark session starts."
    )
