"""Connection of the tasks of a Spark barrier stage to a ring."""

from functools import partial

from pyspark import BarrierTaskContext

from spark_mf.exchange.ring.connection import format_address, listen
from spark_mf.exchange.ring.joining import RingSettings, join_ring
from spark_mf.exchange.ring.ring import Ring
from spark_mf.exchange.ring.wire import Loopback, Wire


def enter_ring(settings: RingSettings) -> Ring:
    """Return the ring of the running barrier task's stage; the position is the number of the task's partition.

    The function returns immediately: Spark's `allGather` of the members' addresses polls once a second, and meanwhile
    a member may unpack its blocks. The first exchange waits for the ring. It raises a RingError if another member has
    not sent its address within 10·`settings.timeout` seconds, or if connecting to the neighbours then takes more than
    `settings.timeout` seconds.
    """
    task = BarrierTaskContext.get()
    hosts = [info.address.rpartition(":")[0].strip("[]") for info in task.getTaskInfos()]
    return Ring(task.partitionId(), len(hosts), settings, partial(_meet, task, hosts, settings))


def _meet(task: BarrierTaskContext, hosts: list[str], settings: RingSettings) -> Wire | Loopback:
    """Return the connections to the neighbours in the same attempt of the stage.

    PySpark does not expose the attempt of a stage to its tasks (`attemptNumber` is always 0). As the task ids differ
    between attempts, the handshake of the members covers all of them.
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
