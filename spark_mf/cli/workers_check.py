"""Check that a cluster provides executors, and that their Python has the packages that fits need."""

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

#: Setting for the time in seconds that a job waits for its first executor.
EXECUTOR_TIMEOUT = "spark.spark_mf.executorTimeout"
_DEFAULT_TIMEOUT = "300"
_WORD_AFTER, _PAUSE = 15.0, 0.2


def check_workers(session: SparkSession) -> None:
    """Wait for the first executor, and check the workers' packages, which fits then do not check again.

    Raises
    ------
    ValueError
        If `EXECUTOR_TIMEOUT` is not a number of seconds.
    TimeoutError
        If no executor registers in time.
    RuntimeError
        As `spark_mf.resources.workers.require_workers`.
    """
    with executors_awaited(session.sparkContext):
        require_workers(session)


@contextmanager
def executors_awaited(context: SparkContext) -> Iterator[None]:
    """Cancel the job in the body and raise a TimeoutError if no executor registers within `EXECUTOR_TIMEOUT`.

    Spark itself waits forever for cores that a cluster does not provide. The body must run a job, because under
    dynamic allocation Spark requests executors only for running jobs.
    """
    seconds = executor_timeout(context.getConf())
    over, gave_up = threading.Event(), threading.Event()

    def watch() -> None:
        began, is_warned = time.monotonic(), False
        with suppress(Py4JError):  # Spark has ended
            while not has_executors(context) and not over.wait(_PAUSE):
                waited = time.monotonic() - began
                if waited >= seconds:
                    gave_up.set()
                    context.cancelAllJobs()  # repeatedly, as the job may not have been submitted yet
                elif waited >= _WORD_AFTER and not is_warned:
                    is_warned = True
                    logger.warning(
                        "%s has not provided an executor yet. The job waits for at most %g s.", context.master, seconds
                    )

    watching = threading.Thread(target=watch, name="executors-awaited", daemon=True)
    watching.start()
    try:
        yield
    except (Py4JJavaError, RuntimeError):
        if not gave_up.is_set():
            raise
        raise TimeoutError(
            f"{context.master} must provide an executor within {seconds:g} s, got none. Check that its workers are "
            "running and have the cores and memory of spark.executor.cores and spark.executor.memory, request less, or "
            f"set a larger {EXECUTOR_TIMEOUT} if jobs queue."
        ) from None
    finally:
        over.set()
        watching.join()


def executor_timeout(conf: SparkConf) -> float:
    """Return `EXECUTOR_TIMEOUT` in seconds; raise a ValueError unless it is finite and > 0."""
    value = conf.get(EXECUTOR_TIMEOUT, _DEFAULT_TIMEOUT) or _DEFAULT_TIMEOUT
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{EXECUTOR_TIMEOUT} must be a number of seconds, finite and > 0, got {value!r}.")
    return seconds


def has_executors(context: SparkContext) -> bool:
    """Return whether tasks can run outside the driver."""
    # The driver is in the list as well.
    return bool(context._jsc.sc().getExecutorMemoryStatus().size() > 1)
