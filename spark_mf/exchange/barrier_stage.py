"""Barrier stages whose tasks keep their records in memory and exchange arrays on a ring."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from secrets import token_bytes, token_hex
from typing import Any, TypeVar

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import RDD, SparkContext

from spark_mf.exchange.ring.barrier import RingSettings, enter_ring
from spark_mf.exchange.ring.connection import RingError
from spark_mf.exchange.ring.ring import Ring
from spark_mf.exchange.ring.wire import PATIENCE
from spark_mf.exchange.stage_failure import member_failure
from spark_mf.resources.engine_selection import task_slots
from spark_mf.runtime.freeze_gc import freeze_gc
from spark_mf.runtime.jobs import job_description

logger = logging.getLogger("spark_mf")

T = TypeVar("T")

#: Lower bound of the limit on the bytes of an array, for sums over the members if blocks are small.
_SMALL_ARRAYS = 1 << 16
#: Seconds that a member waits before it reports a broken ring, so that Spark sees and reports the cause first.
_COURTESY = 0.5


class BarrierStage:
    """Barrier stages of one fit with one task, a member of the ring, per partition of `records`.

    Parameters
    ----------
    records : RDD
        One record per partition, as from `spark_mf.ratings.layout.one_record_each`.
    timeout : float
        Seconds after which a silent member counts as lost and the stage fails.
    largest : int
        Bytes of the largest array that members exchange.
    """

    def __init__(self, records: RDD, timeout: float, largest: int) -> None:
        self._records = records
        self._settings = RingSettings(token_bytes(32), token_hex(8), timeout, max(largest, _SMALL_ARRAYS))

    def run(self, description: str, work: Callable[[Ring, Any], T]) -> list[T]:
        """Run one barrier stage and return the results of its members, in the order of their positions.

        If a member is lost, Spark retries the whole stage, and `work` starts again from its broadcast input.

        Parameters
        ----------
        description : str
            Job description in Spark's UI.
        work : callable
            Called in each task with the ring and the record of its partition.

        Raises
        ------
        RuntimeError
            If all attempts of the stage fail; the message has the failure of a member in the last attempt.
        TimeoutError
            If the session has fewer task slots than members for 10·timeout seconds.
        """
        settings = self._settings

        def enter(records: Iterable[Any]) -> Iterator[tuple[int, T]]:
            # Joining takes a second and runs in the background while the record is read.
            try:
                with enter_ring(settings) as ring:
                    freeze_gc()
                    # Spark does not reuse a worker that does not read its whole input.
                    (record,) = list(records)
                    result = work(ring, record)
            except RingError:
                time.sleep(_COURTESY)
                raise
            yield ring.position, result

        entered = self._records.barrier().mapPartitions(enter)
        # Spark retries a barrier stage only if a shuffle follows it.
        results = entered.partitionBy(entered.getNumPartitions(), _identity)
        context, members = self._records.context, entered.getNumPartitions()
        with job_description(context, description), _slots_watched(context, description, members, settings.timeout):
            try:
                return results.values().collect()
            except Py4JJavaError as error:
                cause = member_failure(str(error.java_exception.getMessage()))
                if cause is None:
                    raise
                raise RuntimeError(f"{description} failed in all attempts of its barrier stage: {cause}") from None


@contextmanager
def _slots_watched(context: SparkContext, description: str, members: int, seconds: float) -> Iterator[None]:
    """Warn periodically while the session has too few task slots, and abort the job after ten periods.

    Spark itself waits silently and without a timeout.
    """
    over, timed_out = threading.Event(), threading.Event()
    tag = f"spark_mf-{token_hex(8)}"

    def watch() -> None:
        waits = 0
        with suppress(Py4JError):  # Spark has ended
            while not over.wait(seconds):
                slots = task_slots(context)
                waits = waits + 1 if slots < members else 0
                if waits >= PATIENCE:
                    timed_out.set()
                    context.cancelJobsWithTag(tag)
                elif waits:
                    logger.warning(
                        "%s is waiting for task slots: it needs %d at the same time, and the session has %d. If a lost "
                        "executor does not come back, stop the fit and use fewer blocks or the engine of ordinary "
                        "stages. The fit is aborted after %g s.",
                        description,
                        members,
                        slots,
                        PATIENCE * seconds,
                    )

    watching = threading.Thread(target=watch, name="barrier-stage-slots", daemon=True)
    watching.start()
    context.addJobTag(tag)
    try:
        yield
    except Py4JJavaError:
        if not timed_out.is_set():
            raise
        raise TimeoutError(
            f"{description} was aborted after a timeout: for {PATIENCE * seconds:g} s the session had fewer than the "
            f"{members} task slots that it needs at the same time. Fit again when lost executors are back (with "
            "checkpointDir the fit resumes from the last checkpoint), use fewer blocks or the engine of ordinary "
            "stages, or set a larger ringTimeout."
        ) from None
    finally:
        context.removeJobTag(tag)
        over.set()
        watching.join()


def _identity(position: int) -> int:
    return position
