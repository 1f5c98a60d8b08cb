"""What the ring needs of TCP: addresses, a listening port, and whole messages."""

import ipaddress
import socket
from collections.abc import Sequence


class RingError(RuntimeError):
    """The ring cannot go on; the message names the member, its position and what happened."""


def format_address(host: str, port: int) -> str:
    """Return "host:port", with brackets around an IPv6 host."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port"; raises ValueError when it is not of that form."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"the address {address!r} is not of the form host:port, or [host]:port for IPv6.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def listen(host: str, reached_from: Sequence[str] = ()) -> socket.socket:
    """Listen on a free port of this machine's address `host`, and on no other address of it.

    `reached_from` holds the hosts of the other members. Where `host` is a name that cannot be bound, or that
    means the loopback only to this machine, the address that the route to them uses is taken.

    Raises OSError when no address of this machine can be bound.
    """
    elsewhere = [other for other in reached_from if other != host]
    try:
        listener = _listen_on(host)
    except OSError:
        if not elsewhere:
            raise
        return _listen_on(_route_to(elsewhere[0]))
    if elsewhere and ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback:
        listener.close()
        return _listen_on(_route_to(elsewhere[0]))
    return listener


def _listen_on(host: str) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=64)


def _route_to(host: str) -> str:
    """Return this machine's address on the way to `host`; connecting a datagram socket sends nothing."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


def read_into(connection: socket.socket, target: memoryview) -> None:
    """Fill `target`, a view of bytes.

    Raises TimeoutError when no byte came for the socket's timeout, EOFError when the other side has closed, and
    OSError when the connection broke.
    """
    while target:
        count = connection.recv_into(target)
        if not count:
            raise EOFError("it was closed at the other end")
        target = target[count:]


def write_all(connection: socket.socket, *parts: memoryview) -> None:
    """Send views of bytes one after another, without copying them together.

    Raises TimeoutError when no byte could be sent for the socket's timeout, OSError when the connection broke.
    """
    waiting = [part for part in parts if part]
    while waiting:
        count = connection.sendmsg(waiting)
        while waiting and count >= len(waiting[0]):
            count -= len(waiting.pop(0))
        if count:
            waiting[0] = waiting[0][count:]
