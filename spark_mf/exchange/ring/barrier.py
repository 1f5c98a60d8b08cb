"""Joining the ring from inside a task of a Spark barrier stage."""

from functools import partial

from pyspark import BarrierTaskContext

from spark_mf.exchange.ring.connection import format_address, listen
from spark_mf.exchange.ring.joining import RingSettings, join_ring
from spark_mf.exchange.ring.ring import Ring
from spark_mf.exchange.ring.wire import Loopback, Wire


def enter_ring(settings: RingSettings) -> Ring:
    """Join the ring of the running barrier task's stage; the position is the number of the task's partition.

    It returns at once: Spark takes a second to exchange the members' addresses (its `allGather` looks for the answer
    once a second), and meanwhile a member may unpack its blocks. The first exchange waits for the ring, and raises
    RingError when another member has not told its address within 10·`settings.timeout` seconds, or the neighbours
    could not be joined within `settings.timeout` seconds of it.
    """
    task = BarrierTaskContext.get()
    hosts = [info.address.rpartition(":")[0].strip("[]") for info in task.getTaskInfos()]
    return Ring(task.partitionId(), len(hosts), settings, partial(_meet, task, hosts, settings))


def _meet(task: BarrierTaskContext, hosts: list[str], settings: RingSettings) -> Wire | Loopback:
    """Join the members of the same attempt.

    PySpark does not tell a task which attempt of its stage it belongs to (`attemptNumber` is always 0), but the ids
    of the tasks differ between attempts, and all of them are part of what the members prove to each other.
    """
    if len(hosts) == 1:
        return Loopback()
    position = task.partitionId()
    listener = listen(hosts[position], reached_from=hosts)
    try:
        host, port = listener.getsockname()[:2]
        gathered = task.allGather(f"{format_address(host, port)} {task.taskAttemptId()}")
        addresses, ids = zip(*(message.split() for message in gathered), strict=True)
        return join_ring(addresses, position, listener, settings, f"stage {task.stageId()} tasks {' '.join(ids)}")
    finally:
        listener.close()
