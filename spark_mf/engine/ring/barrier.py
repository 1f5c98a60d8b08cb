"""Joining the ring from inside a task of a Spark barrier stage."""

import socket
from dataclasses import dataclass, field

from pyspark import BarrierTaskContext

from spark_mf.engine.ring.connection import format_address, listen
from spark_mf.engine.ring.ring import Ring, join_ring


@dataclass(frozen=True)
class RingSettings:
    """What the driver tells the members of one fit.

    Attributes
    ----------
    secret : bytes that only this fit's tasks know, such as `secrets.token_bytes(32)`
    fit : the fit's name
    timeout : seconds until a silent member counts as lost
    largest : bytes of the largest array that will be sent
    """

    secret: bytes = field(repr=False)
    fit: str
    timeout: float
    largest: int


def enter_ring(settings: RingSettings) -> Ring:
    """Join the ring of the running barrier task's stage; the position is the number of the task's partition.

    The connections are those of one attempt: PySpark does not tell a task its stage's attempt, but the ids of the
    tasks differ between attempts, and all of them are part of what members prove to each other.

    Raises RingError when the neighbours cannot be joined within `settings.timeout` seconds.
    """
    task = BarrierTaskContext.get()
    hosts = [info.address.rpartition(":")[0].strip("[]") for info in task.getTaskInfos()]
    position = task.partitionId()
    listener = listen(hosts[position], reached_from=hosts)
    try:
        gathered = task.allGather(f"{_address(listener)} {task.taskAttemptId()}")
    except BaseException:
        listener.close()
        raise
    addresses, attempts = zip(*(message.split() for message in gathered), strict=True)
    context = f"{settings.fit} stage {task.stageId()} tasks {' '.join(attempts)}"
    return join_ring(addresses, position, listener, settings.secret, context, settings.timeout, settings.largest)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return format_address(host, port)
