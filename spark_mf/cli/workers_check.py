"""Check, before the work begins, that a cluster provides executors with the packages that fits need."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from spark_mf.resources.workers import require_workers

logger = logging.getLogger("spark_mf")

#: The setting, in seconds, of how long a job waits for its first executor.
EXECUTOR_TIMEOUT = "spark.spark_mf.executorTimeout"
_DEFAULT_TIMEOUT = "300"
_WORD_AFTER, _PAUSE = 15.0, 0.2


def check_workers(session: SparkSession) -> None:
    """Wait for the first executor, and check the workers' packages as every fit does; fits do not check them again.

    Raises
    ------
    ValueError, TimeoutError
        When `EXECUTOR_TIMEOUT` is not a number of seconds, or no executor arrives in time.
    RuntimeError
        As `spark_mf.resources.workers.require_workers`.
    """
    with executors_awaited(session.sparkContext):
        require_workers(session)


@contextmanager
def executors_awaited(context: SparkContext) -> Iterator[None]:
    """Cancel the job inside, with a TimeoutError, if no executor arrives within `EXECUTOR_TIMEOUT`.

    Spark itself waits forever for cores that a cluster does not provide. The job must be running meanwhile: under
    dynamic allocation Spark requests no executor without one.
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
    except (Py4JJavaError, RuntimeError):
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
    """Return `EXECUTOR_TIMEOUT` in seconds; ValueError if it is not a number above 0."""
    value = conf.get(EXECUTOR_TIMEOUT, _DEFAULT_TIMEOUT) or _DEFAULT_TIMEOUT
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{EXECUTOR_TIMEOUT} is {value!r}: give a number of seconds above 0.")
    return seconds


def has_executors(context: SparkContext) -> bool:
    """Return whether tasks can run outside the driver."""
    # The driver is in the list, too.
    return bool(context._jsc.sc().getExecutorMemoryStatus().size() > 1)
