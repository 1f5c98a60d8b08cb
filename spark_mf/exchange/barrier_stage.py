"""A gang: the tasks of one barrier stage, which keep their records in memory and talk to each other on a ring."""

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

#: Bytes that every ring lets through, whatever its blocks are: sums over the members.
_SMALL_ARRAYS = 1 << 16
#: Seconds that a member which others have left lets them tell Spark why: of several failures it keeps the first.
_COURTESY = 0.5


class BarrierStage:
    """The members of one fit, one a partition of `records`; only they can join its ring.

    Parameters
    ----------
    records : RDD
        One record a partition, as `spark_mf.ratings.layout.one_record_each` leaves them.
    timeout : float
        Seconds of silence after which a member is given up, and with it the stage.
    largest : int
        Bytes of the largest array that members exchange.
    """

    def __init__(self, records: RDD, timeout: float, largest: int) -> None:
        self._records = records
        self._settings = RingSettings(token_bytes(32), token_hex(8), timeout, max(largest, _SMALL_ARRAYS))

    def run(self, description: str, work: Callable[[Ring, Any], T]) -> list[T]:
        """Run one barrier stage: what `work` returns for each member, in the order of their positions.

        Spark runs the whole stage again when a member is lost, so `work` starts from what it was sent.

        Raises
        ------
        RuntimeError
            When the stage failed as often as Spark tries it, with what a member failed with at last.
        TimeoutError
            When the session had no room for all members for ten time-outs of a member.
        """
        settings = self._settings

        def enter(records: Iterable[Any]) -> Iterator[tuple[int, T]]:
            # Entered first: joining takes a second, and reading the record goes on meanwhile.
            try:
                with enter_ring(settings) as ring:
                    freeze_gc()
                    # All of them are read: a worker that leaves input unread is not used again.
                    (record,) = list(records)
                    result = work(ring, record)
            except RingError:
                time.sleep(_COURTESY)
                raise
            yield ring.position, result

        entered = self._records.barrier().mapPartitions(enter)
        # Spark does not run a barrier stage again whose results go to the driver, but it does one before a shuffle.
        results = entered.partitionBy(entered.getNumPartitions(), _identity)
        context, members = self._records.context, entered.getNumPartitions()
        with job_description(context, description), _room_watched(context, description, members, settings.timeout):
            try:
                return results.values().collect()
            except Py4JJavaError as error:
                cause = member_failure(str(error.java_exception.getMessage()))
                if cause is None:
                    raise
                raise RuntimeError(f"{description} failed in every attempt that Spark makes: {cause}") from None


@contextmanager
def _room_watched(context: SparkContext, description: str, members: int, seconds: float) -> Iterator[None]:
    """Warn, every so many seconds, while the session has no room for all members; after ten times that give up.

    Spark itself waits without a word and without end.
    """
    over, gave_up = threading.Event(), threading.Event()
    tag = f"spark_mf-{token_hex(8)}"

    def watch() -> None:
        waits = 0
        with suppress(Py4JError):  # Spark has ended
            while not over.wait(seconds):
                slots = task_slots(context)
                waits = waits + 1 if slots < members else 0
                if waits >= PATIENCE:
                    gave_up.set()
                    context.cancelJobsWithTag(tag)
                elif waits:
                    logger.warning(
                        "%s waits for room: its %d tasks run at the same time, and the session has cores for %d only; "
                        "where a lost executor does not come back, end it and use fewer blocks, or ordinary stages; it "
                        "is given up after %g s",
                        description,
                        members,
                        slots,
                        PATIENCE * seconds,
                    )

    watching = threading.Thread(target=watch, name="gang-room", daemon=True)
    watching.start()
    context.addJobTag(tag)
    try:
        yield
    except Py4JJavaError:
        if not gave_up.is_set():
            raise
        raise TimeoutError(
            f"{description} was given up: for {PATIENCE * seconds:g} s the session had cores for fewer than its "
            f"{members} tasks, which run at the same time; fit again when executors are back, which goes on from the "
            "last save in checkpointDir where there is one, use fewer blocks or the engine of ordinary stages, or set "
            "a larger ringTimeout"
        ) from None
    finally:
        context.removeJobTag(tag)
        over.set()
        watching.join()


def _identity(position: int) -> int:
    return position
