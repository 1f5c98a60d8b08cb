"""Mutual authentication of two members before they exchange arrays.

The members authenticate by challenge and response with HMAC-SHA256 (RFC 2104) under the fit's secret: the accepting
member sends a nonce, the connecting member answers with its own nonce and a proof over both, and receives the proof of
the accepting member. A proof also covers the speaker and the purpose of the connection (`Link`), so that it cannot be
reflected, replayed, or used by a member of an earlier attempt. Messages have fixed sizes and are never interpreted.
"""

import hmac
import secrets
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from spark_mf.exchange.ring.connection import RingError, parse_address, read_into

_NONCE = 32
_PROOF = 32
#: Maximum number of pending candidates; a further one replaces the candidate that has been silent longest.
_MAX_CANDIDATES = 64
#: Interval in seconds at which a waiting acceptor checks whether it should stop waiting.
_TICK = 0.1


@dataclass(frozen=True)
class Link:
    """The properties of a connection of the ring that both of its ends know in advance."""

    secret: bytes = field(repr=False)
    context: str
    sender: int
    receiver: int
    size: int

    def proof(self, speaker: bytes, nonces: bytes) -> bytes:
        """Return the proof of knowing the secret for this connection, 32 bytes."""
        roles = struct.pack(">7sqqq", speaker, self.sender, self.receiver, self.size)
        return hmac.digest(self.secret, nonces + roles + self.context.encode(), "sha256")


def connect(link: Link, address: str, deadline: float) -> socket.socket:
    """Connect to the receiver of `link`, and return the socket once both sides are authenticated.

    Parameters
    ----------
    link : Link
    address : str
        "host:port" of the receiver.
    deadline : float
        A time of `time.monotonic`.

    Raises
    ------
    RingError
        If the deadline has passed, no process listens at the address, or one side does not accept the other.
    """
    receiver = f"the member at {address} (position {link.receiver})"
    connection = None
    try:
        connection = socket.create_connection(parse_address(address), timeout=_remaining(deadline))
        challenge = _read(connection, _NONCE, deadline)
        nonces = challenge + secrets.token_bytes(_NONCE)
        connection.sendall(nonces[_NONCE:] + link.proof(b"connect", nonces))
        answer = _read(connection, _PROOF, deadline)
        if not hmac.compare_digest(answer, link.proof(b"accept", nonces)):
            raise RingError(f"{receiver} does not know this fit's secret, or runs another attempt of the stage.")
        return connection
    except (OSError, EOFError, RingError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, RingError):
            raise
        raise RingError(
            f"{receiver} did not let position {link.sender} join ({error}): it has ended, knows another secret, or "
            "runs another attempt of the stage."
        ) from error


class Acceptor:
    """Context manager that waits at a listening socket for the sender of `link` and closes all other connections.

    It handles several candidates at the same time, and closes those that send a wrong proof or stay silent for
    `patience` seconds.
    """

    def __init__(self, link: Link, listener: socket.socket, patience: float) -> None:
        self._link, self._listener, self._patience = link, listener, patience
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._refused = 0

    def __enter__(self) -> "Acceptor":
        return self

    def __exit__(self, *error: object) -> None:
        for candidate in self._candidates():
            candidate.connection.close()
        self._selector.close()

    def wait(self, deadline: float, give_up: Callable[[], bool]) -> socket.socket | None:
        """Return the connection of the right member, or None as soon as `give_up` returns True.

        Raises
        ------
        RingError
            If the member has not connected by `deadline`, a time of `time.monotonic`.
        """
        while time.monotonic() < deadline:
            if give_up():
                return None
            for key, _ in self._selector.select(_TICK):
                candidate = key.data
                if candidate is None:
                    self._welcome()
                    continue
                verdict = candidate.hear(self._link)
                if verdict:
                    self._selector.unregister(candidate.connection)
                    return candidate.connection
                if verdict is False:
                    self._refuse(candidate)
            for candidate in self._candidates():
                if candidate.patient_until <= time.monotonic():
                    self._refuse(candidate)
        raise RingError(
            f"position {self._link.sender} of {self._link.size} did not join in time; {self._refused} other "
            "connections were refused because they did not know this fit's secret and attempt, or stayed silent."
        )

    def _candidates(self) -> "list[_Candidate]":
        return [key.data for key in self._selector.get_map().values() if key.data is not None]

    def _welcome(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # the connection was closed before it was accepted
        try:
            candidate = _Candidate(connection, time.monotonic() + self._patience)
        except OSError:
            connection.close()
            return
        undecided = self._candidates()
        if len(undecided) >= _MAX_CANDIDATES:
            self._refuse(min(undecided, key=lambda other: other.patient_until))
        self._selector.register(connection, selectors.EVENT_READ, candidate)

    def _refuse(self, candidate: "_Candidate") -> None:
        self._selector.unregister(candidate.connection)
        candidate.connection.close()
        self._refused += 1


class _Candidate:
    """A connection whose other end has been sent a challenge and has not answered yet."""

    def __init__(self, connection: socket.socket, patient_until: float) -> None:
        self.connection, self.patient_until = connection, patient_until
        self._challenge = secrets.token_bytes(_NONCE)
        self._heard = b""
        connection.sendall(self._challenge)
        connection.setblocking(False)

    def hear(self, link: Link) -> bool | None:
        """Read available data; return whether the proof is right, or None while it is incomplete."""
        try:
            heard = self.connection.recv(_NONCE + _PROOF - len(self._heard))
            self._heard += heard
            if heard and len(self._heard) < _NONCE + _PROOF:
                return None
            nonces = self._challenge + self._heard[:_NONCE]
            if not hmac.compare_digest(self._heard[_NONCE:], link.proof(b"connect", nonces)):
                return False
            self.connection.sendall(link.proof(b"accept", nonces))
        except OSError:
            return False
        return True


def _remaining(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def _read(connection: socket.socket, size: int, deadline: float) -> bytes:
    connection.settimeout(_remaining(deadline))
    message = bytearray(size)
    read_into(connection, memoryview(message))
    return bytes(message)
