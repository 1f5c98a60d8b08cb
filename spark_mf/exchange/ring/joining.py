"""How a member gets its two connections."""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from spark_mf.exchange.ring.handshake import Acceptor, Link, connect
from spark_mf.exchange.ring.wire import Neighbour, Wire

#: What a connection may take at most to prove itself, in seconds.
_HANDSHAKE_SECONDS = 5.0


@dataclass(frozen=True)
class RingSettings:
    """What the driver tells the members of one fit.

    Attributes
    ----------
    secret : bytes that only this fit's tasks know, such as `secrets.token_bytes(32)`
    fit : the fit's name
    timeout : seconds until a silent member counts as lost, and that joining may take
    largest : bytes of the largest array that will be sent; a frame that announces more is refused
    """

    secret: bytes = field(repr=False)
    fit: str
    timeout: float
    largest: int


def join_ring(
    addresses: Sequence[str], position: int, listener: socket.socket, settings: RingSettings, attempt: str
) -> Wire:
    """Connect the member at `position`, one of two or more, with its neighbours.

    Parameters
    ----------
    addresses : "host:port" of all members in order of position
    listener : the socket that listens at the own one; it is closed as soon as the right member has connected
    attempt : the same for all members and different in every attempt of the stage, so that one that is left over
        from an earlier attempt cannot join

    Raises RingError when the neighbours cannot be joined within `settings.timeout` seconds.
    """
    size = len(addresses)
    before, after = (position + 1) % size, (position - 1) % size
    context = f"{settings.fit} {attempt}"
    deadline = time.monotonic() + settings.timeout
    incoming = Link(settings.secret, context, before, position, size)
    outgoing = Link(settings.secret, context, position, after, size)
    with listener, ThreadPoolExecutor(1, "ring-join") as pool:
        # Both at once: every member waits for the one before it to answer.
        connecting = pool.submit(connect, outgoing, addresses[after], deadline)
        with Acceptor(incoming, listener, min(settings.timeout, _HANDSHAKE_SECONDS)) as acceptor:
            try:
                accepted = acceptor.wait(deadline, lambda: connecting.done() and bool(connecting.exception()))
            except BaseException:
                if not connecting.exception():
                    connecting.result().close()
                raise
        if accepted is None:
            raise connecting.exception() or AssertionError("it is only given up when connecting failed")
        listener.close()  # nobody else is let in
        try:
            connected = connecting.result()
        except BaseException:
            accepted.close()
            raise
    predecessor = Neighbour(accepted, addresses[before], before)
    return Wire(predecessor, Neighbour(connected, addresses[after], after), settings.timeout, settings.largest)
