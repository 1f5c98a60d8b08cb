"""Log messages and Spark job descriptions for the phases of a job."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from pyspark.sql import SparkSession

from spark_mf.runtime.jobs import job_description

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_SIGNS = 5.0


@contextmanager
def phase(name: str, *, ticking: bool = False) -> Iterator[None]:
    """Log the start, end and duration of a phase, and give its Spark jobs the phase's name as description.

    Parameters
    ----------
    name : str
        Name of the phase, such as ``"pyspark.ALS, 10 blocks: fitting"``.
    ticking : bool
        Whether to log the elapsed time every few seconds, for work that does not report progress itself.
    """
    logger.info("%s ...", name)
    start = time.perf_counter()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(_SECONDS_BETWEEN_SIGNS):
            logger.info("%s, %.0f s", name, time.perf_counter() - start)

    ticker = threading.Thread(target=tick, name="phase-ticker", daemon=True)
    if ticking:
        ticker.start()
    session = SparkSession.getActiveSession()
    try:
        with job_description(session.sparkContext, name) if session else nullcontext():
            yield
    finally:
        done.set()
        if ticking:
            ticker.join()
    logger.info("%s: done in %.1f s", name, time.perf_counter() - start)
