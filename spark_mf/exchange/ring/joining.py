"""Connection of a member to its two neighbours."""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from spark_mf.exchange.ring.handshake import Acceptor, Link, connect
from spark_mf.exchange.ring.wire import Neighbour, Wire

#: Maximum duration of a handshake, in seconds.
_HANDSHAKE_SECONDS = 5.0


@dataclass(frozen=True)
class RingSettings:
    """Settings that the driver sends to the members of one fit.

    Attributes
    ----------
    secret : bytes
        Known to the tasks of this fit only, such as `secrets.token_bytes(32)`.
    fit : str
        Name of the fit.
    timeout : float
        Seconds after which a silent member counts as lost, and maximum duration of joining.
    largest : int
        Bytes of the largest array; larger frames are errors.
    """

    secret: bytes = field(repr=False)
    fit: str
    timeout: float
    largest: int


def join_ring(
    addresses: Sequence[str], position: int, listener: socket.socket, settings: RingSettings, attempt: str
) -> Wire:
    """Return the connections of the member at `position`, one of two or more, to its neighbours.

    Parameters
    ----------
    addresses : sequence of str
        "host:port" of all members in order of position.
    position : int
    listener : socket
        Listens at the member's own address; it is closed as soon as the right member has connected.
    settings : RingSettings
    attempt : str
        The same for all members of an attempt of the stage, and different in every attempt, so that members of an
        earlier attempt cannot join.

    Raises
    ------
    RingError
        If connecting to the neighbours takes more than `settings.timeout` seconds.
    """
    size = len(addresses)
    before, after = (position + 1) % size, (position - 1) % size
    context = f"{settings.fit} {attempt}"
    deadline = time.monotonic() + settings.timeout
    incoming = Link(settings.secret, context, before, position, size)
    outgoing = Link(settings.secret, context, position, after, size)
    with listener, ThreadPoolExecutor(1, "ring-join") as pool:
        # In parallel, as every member waits for the answer of its predecessor.
        connecting = pool.submit(connect, outgoing, addresses[after], deadline)
        with Acceptor(incoming, listener, min(settings.timeout, _HANDSHAKE_SECONDS)) as acceptor:
            try:
                accepted = acceptor.wait(deadline, lambda: connecting.done() and bool(connecting.exception()))
            except BaseException:
                if not connecting.exception():
                    connecting.result().close()
                raise
        if accepted is None:
            raise connecting.exception() or AssertionError("wait returns None only if connecting has failed")
        listener.close()  # no further connection is accepted
        try:
            connected = connecting.result()
        except BaseException:
            accepted.close()
            raise
    predecessor = Neighbour(accepted, addresses[before], before)
    return Wire(predecessor, Neighbour(connected, addresses[after], after), settings.timeout, settings.largest)
