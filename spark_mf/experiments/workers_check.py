"""Whether a cluster's workers can do a job's work: found out by one small job of Spark's, before the long ones."""

import logging
import platform
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext

from spark_mf.engine.choice import task_slots
from spark_mf.engine.jobs import described

logger = logging.getLogger("spark_mf")

#: What the tasks of fits import.
PACKAGES = ("spark_mf", "numba", "numpy", "pyarrow", "scipy")
#: Of these, the ones whose functions and arrays cross between the driver and the workers.
CROSSING = ("spark_mf", "numba", "numpy", "pyarrow")
#: The setting, in seconds, of how long a job waits for its first executor.
EXECUTOR_TIMEOUT = "spark.spark_mf.executorTimeout"
_DEFAULT_TIMEOUT = "300"
_WORD_AFTER, _PAUSE = 15.0, 0.2

_OTHER_PYTHON = re.compile(r"PYTHON_VERSION_MISMATCH.*?worker[^:]*: (\d+\.\d+).*?driver[^:]*: (\d+\.\d+)", re.DOTALL)
_NO_PROGRAM = re.compile(r'Cannot run program "([^"]+)"')
_FAULT = re.compile(r"(?:^|: )(?:\w+\.)*(\w*(?:Error|Exception): .+)$", re.MULTILINE)

_TWO_WAYS = (
    "let the workers' machines or containers have the same environment and name its python in spark.pyspark.python, or "
    "send it as an archive that conda-pack made, by --archives env.tar.gz#env with "
    "spark.pyspark.python=./env/bin/python and, in client mode, spark.pyspark.driver.python=python"
)


def check_workers(context: SparkContext) -> None:
    """Run a task in every slot there is that imports what fits need, and compare versions with the driver's.

    Other versions of `CROSSING` than those that `require_versions` refuses are warned of in one line.

    Raises
    ------
    ValueError, TimeoutError
        When `EXECUTOR_TIMEOUT` is no time, or no executor has come in it.
    RuntimeError
        When a worker cannot be started, lacks a package or has a version that does not do; one sentence with the way
        out.
    """
    packages = PACKAGES

    # A function in a function is sent whole: one that workers had to import would tell nothing where they cannot.
    def versions(tasks: Iterable[int]) -> list[tuple[str, str | None]]:
        from importlib import import_module

        list(tasks)
        found: list[tuple[str, str | None]] = []
        for package in packages:
            try:
                found.append((package, str(import_module(package).__version__)))
            except ImportError as error:
                found.append((error.name or f"{package} that can be imported ({error})", None))
        return found

    # More than one, as executors may still be coming.
    slots = max(2, task_slots(context))
    try:
        with described(context, "check the workers' Python"), executors_awaited(context):
            found = context.parallelize(range(slots), slots).mapPartitions(versions).distinct().collect()
    except Py4JJavaError as error:
        raise RuntimeError(workers_fault(str(error.java_exception.getMessage()))) from error
    require_packages([package for package, version in found if version is None])
    require_versions(
        [(package, version) for package, version in found if version is not None],
        {package: import_module(package).__version__ for package in CROSSING},
    )


def require_packages(lacking: Sequence[str]) -> None:
    """Refuse workers that lack packages; RuntimeError in one sentence."""
    if lacking:
        named = ", ".join(sorted(lacking))
        raise RuntimeError(f"the workers' Python has no {named}: {_TWO_WAYS}.")


def require_versions(found: Iterable[tuple[str, str]], own: Mapping[str, str]) -> None:
    """Refuse workers whose packages cannot work with the driver's, and warn of those that are only not the same.

    Parameters
    ----------
    found : iterable of (package, version)
        Of the workers; they may be of several kinds.
    own : mapping
        The driver's version of each package that is compared.

    Raises
    ------
    RuntimeError
        For another version of spark_mf, whose tasks call functions by name, or another major version of NumPy, whose
        arrays are read by the names of its modules; one sentence with both versions and the way out.
    """
    others = sorted((package, version) for package, version in found if own.get(package, version) != version)
    for package, version in others:
        is_numpys_major = package == "numpy" and version.split(".")[0] != own[package].split(".")[0]
        if package == "spark_mf" or is_numpys_major:
            raise RuntimeError(
                f"the workers have {package} {version} and the driver has {own[package]}, which cannot work together: "
                f"{_TWO_WAYS}."
            )
    if others:
        named = ", ".join(f"{package} {version} (driver: {own[package]})" for package, version in others)
        logger.warning(
            "the workers have other versions than the driver: %s; results may differ in their last digits, and "
            "functions that one side lacks fail",
            named,
        )


def workers_fault(message: str) -> str:
    """Return a sentence on why no task could run, with the way out, from Spark's message of the failed job."""
    other = _OTHER_PYTHON.search(message)
    if other:
        return (
            f"the workers' Python is {other[1]} and the driver's is {other[2]}, and Spark needs the same minor "
            "version: set PYSPARK_PYTHON, or spark.pyspark.python, to one that is the same on all machines, or start "
            "the driver with the workers'."
        )
    program = _NO_PROGRAM.search(message)
    if program:
        return (
            f"the workers cannot run {program[1]!r} as Python: set PYSPARK_PYTHON, or spark.pyspark.python, to one "
            "that is on their machines."
        )
    faults = _FAULT.findall(message)
    reason = faults[0] if faults else message.strip().splitlines()[0]
    return (
        f"the workers cannot run Python {platform.python_version()} tasks ({reason.rstrip('.')}): look into an "
        "executor's stderr for more."
    )


@contextmanager
def executors_awaited(context: SparkContext) -> Iterator[None]:
    """Give the job inside up when no executor comes in the time that `EXECUTOR_TIMEOUT` says, by a TimeoutError.

    Spark itself waits without end for cores that a cluster does not give. The job must be under way meanwhile: under
    dynamic allocation Spark asks for no executor without one.
    """
    seconds = executor_timeout(context.getConf())
    over, gave_up = threading.Event(), threading.Event()

    def watch() -> None:
        began, is_said = time.monotonic(), False
        with suppress(Py4JError):  # Spark has ended
            while not has_executors(context) and not over.wait(_PAUSE):
                waited = time.monotonic() - began
                if waited >= seconds:
                    gave_up.set()
                    context.cancelAllJobs()  # again and again: the job may not have been submitted yet
                elif waited >= _WORD_AFTER and not is_said:
                    is_said = True
                    logger.warning(
                        "%s has given no executor yet: the job waits for at most %g s", context.master, seconds
                    )

    watching = threading.Thread(target=watch, name="executors-awaited", daemon=True)
    watching.start()
    try:
        yield
    except Py4JJavaError:
        if not gave_up.is_set():
            raise
        raise TimeoutError(
            f"{context.master} gave no executor in {seconds:g} s: see whether its workers are up and have the cores "
            "and the memory that spark.executor.cores and spark.executor.memory ask for, ask for less, or set "
            f"{EXECUTOR_TIMEOUT} to more seconds where jobs queue."
        ) from None
    finally:
        over.set()
        watching.join()


def executor_timeout(conf: SparkConf) -> float:
    """Return the seconds that `EXECUTOR_TIMEOUT` says; ValueError for what is no number above 0."""
    value = conf.get(EXECUTOR_TIMEOUT, _DEFAULT_TIMEOUT) or _DEFAULT_TIMEOUT
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{EXECUTOR_TIMEOUT} is {value!r}: give a number of seconds above 0.")
    return seconds


def has_executors(context: SparkContext) -> bool:
    """Whether tasks can run anywhere but in the driver."""
    # The driver is in the list, too.
    return bool(context._jsc.sc().getExecutorMemoryStatus().size() > 1)
