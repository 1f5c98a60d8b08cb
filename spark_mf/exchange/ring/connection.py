"""TCP helpers of the ring: addresses, listening sockets, and reading and writing of whole messages."""

import ipaddress
import socket
from collections.abc import Sequence


class RingError(RuntimeError):
    """The ring is broken; the message has the member, its position and the cause."""


def format_address(host: str, port: int) -> str:
    """Return "host:port", with brackets around an IPv6 host."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port".

    Raises
    ------
    ValueError
        If the address does not have that form.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"address must have the form host:port, or [host]:port for IPv6, got {address!r}.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def listen(host: str, reached_from: Sequence[str] = ()) -> socket.socket:
    """Return a socket that listens on a free port of one address of this machine.

    Parameters
    ----------
    host : str
        Host name or address of this machine.
    reached_from : sequence of str
        Hosts of the other members. If `host` cannot be bound, or resolves to the loopback address on this machine only,
        the socket listens on the address of the route to them.

    Raises
    ------
    OSError
        If no address of this machine can be bound.
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
    """Return this machine's address on the route to `host`; connecting a datagram socket sends nothing."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


def read_into(connection: socket.socket, target: memoryview) -> None:
    """Fill `target`, a view of bytes, from a connection.

    Raises
    ------
    TimeoutError
        If no byte arrives within the socket's timeout.
    EOFError
        If the other side has closed the connection.
    OSError
        If the connection is broken.
    """
    while target:
        count = connection.recv_into(target)
        if not count:
            raise EOFError("it was closed at the other end")
        target = target[count:]


def write_all(connection: socket.socket, *parts: memoryview) -> None:
    """Send views of bytes one after another, without concatenating them.

    Raises
    ------
    TimeoutError
        If no byte can be sent within the socket's timeout.
    OSError
        If the connection is broken.
    """
    waiting = [part for part in parts if part]
    while waiting:
        count = connection.sendmsg(waiting)
        while waiting and count >= len(waiting[0]):
            count -= len(waiting.pop(0))
        if count:
            waiting[0] = waiting[0][count:]
