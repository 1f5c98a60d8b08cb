"""How two members make sure of each other before any array travels.

Challenge and response with HMAC-SHA256 (RFC 2104) under the fit's secret, both ways: the accepting member sends a
nonce, the connecting one answers with a nonce of its own and a proof over both, and is answered with the other's
proof. A proof also covers who speaks and what the connection is for (`Link`), so that none can be sent back, replayed,
or used by a member of an earlier attempt. The messages have fixed sizes: nothing that a stranger sends is interpreted.
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
#: Candidates that may be undecided at a time; the one that has kept silent longest makes room for another.
_MAX_CANDIDATES = 64
#: How often a waiting acceptor looks whether it should give up, in seconds.
_TICK = 0.1


@dataclass(frozen=True)
class Link:
    """One connection of the ring, as both of its ends know it beforehand."""

    secret: bytes = field(repr=False)
    context: str
    sender: int
    receiver: int
    size: int

    def proof(self, speaker: bytes, nonces: bytes) -> bytes:
        """Return what only a holder of the secret can say about this connection: 32 bytes."""
        roles = struct.pack(">7sqqq", speaker, self.sender, self.receiver, self.size)
        return hmac.digest(self.secret, nonces + roles + self.context.encode(), "sha256")


def connect(link: Link, address: str, deadline: float) -> socket.socket:
    """Connect to the receiver of `link` at "host:port", and return the socket once both sides are proved.

    `deadline` is a time of `time.monotonic`. Raises RingError when it is over, when nobody listens there, and when
    either side does not accept the other.
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
    """Waits at a listening socket for the sender of `link`; a context manager that closes all others.

    Candidates are heard at the same time. One that says something wrong, or nothing for `patience` seconds, is
    closed, and the others are waited for.
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
        """Return the right member's connection, or None as soon as `give_up` says so.

        Raises RingError when it did not come until `deadline`, a time of `time.monotonic`.
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
            "connections were refused because they did not know this fit's secret and attempt, or kept silent."
        )

    def _candidates(self) -> "list[_Candidate]":
        return [key.data for key in self._selector.get_map().values() if key.data is not None]

    def _welcome(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it has gone again
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
    """A connection whose other end has been asked for its proof and has not given it yet."""

    def __init__(self, connection: socket.socket, patient_until: float) -> None:
        self.connection, self.patient_until = connection, patient_until
        self._challenge = secrets.token_bytes(_NONCE)
        self._heard = b""
        connection.sendall(self._challenge)
        connection.setblocking(False)

    def hear(self, link: Link) -> bool | None:
        """Read what came; return whether the proof is right, or None while it is not complete."""
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
