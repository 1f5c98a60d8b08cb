"""Tests of joining: only members of the same fit and attempt are accepted."""

import socket
import struct
import threading
import time
from typing import Any

import numpy as np
import pytest

from spark_mf.exchange.ring.connection import RingError, listen, parse_address
from spark_mf.exchange.ring.handshake import Acceptor, Link, connect


def exchange(rings: Any, addresses: list[str], position: int, listener: socket.socket, **how: Any) -> list[Any]:
    with rings.enter(addresses, position, listener, **how) as ring:
        return [array.tolist() for array in ring.all_gather(np.array([position]))]


def two_members(rings: Any, first: dict[str, Any], second: dict[str, Any]) -> list[Any]:
    listeners, addresses = rings.listen(2)
    return rings.outcomes(
        lambda: exchange(rings, addresses, 0, listeners[0], **first),
        lambda: exchange(rings, addresses, 1, listeners[1], **second),
    )


def test_a_wrong_secret_is_refused_on_both_sides(rings: Any):
    outcomes = two_members(
        rings, {"settings": rings.settings(timeout=1)}, {"settings": rings.settings(timeout=1, secret=bytes(32))}
    )
    for position, outcome in enumerate(outcomes):
        assert isinstance(outcome, RingError)
        assert f"position {1 - position}" in str(outcome)
        assert "another secret" in str(outcome)


def test_a_member_of_an_earlier_attempt_is_refused(rings: Any):
    outcomes = two_members(
        rings,
        {"settings": rings.settings(timeout=1), "attempt": "attempt 2"},
        {"settings": rings.settings(timeout=1), "attempt": "attempt 1"},
    )
    assert all(isinstance(outcome, RingError) and "another attempt" in str(outcome) for outcome in outcomes)


def test_a_missing_member_is_named_when_the_time_is_over():
    link = Link(bytes(32), "", 1, 0, 2)
    listener = listen("127.0.0.1")
    stranger = socket.create_connection(listener.getsockname())
    with listener, stranger, Acceptor(link, listener, 0.1) as acceptor:
        with pytest.raises(RingError, match=r"position 1 of 2 did not join in time; 1 other connections were refused"):
            acceptor.wait(time.monotonic() + 0.5, lambda: False)
        assert len(stranger.recv(64)) == 32  # it was asked for its proof,
        assert stranger.recv(64) == b""  # and closed


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n" * 10, b"\0" * 64, b"\x80\x04"], ids=["http", "64", "2"])
def test_garbage_is_refused_and_the_right_members_still_join(rings: Any, garbage: bytes):
    listeners, addresses = rings.listen(2)
    stranger = socket.create_connection(listeners[0].getsockname())
    stranger.sendall(garbage)
    stranger.shutdown(socket.SHUT_WR)
    outcomes = rings.outcomes(
        lambda: exchange(rings, addresses, 0, listeners[0]),
        lambda: exchange(rings, addresses, 1, listeners[1]),
    )
    assert outcomes == [[[0], [1]]] * 2
    stranger.close()


def test_silent_strangers_block_nobody(rings: Any):
    listeners, addresses = rings.listen(2)
    strangers = [socket.create_connection(listeners[0].getsockname()) for _ in range(10)]
    # One stranger after another would take up the whole time.
    settings = rings.settings(timeout=4)
    outcomes = rings.outcomes(
        lambda: exchange(rings, addresses, 0, listeners[0], settings=settings),
        lambda: exchange(rings, addresses, 1, listeners[1], settings=settings),
    )
    assert outcomes == [[[0], [1]]] * 2
    for stranger in strangers:
        stranger.close()


def test_more_strangers_than_are_heard_at_a_time_make_room_for_the_right_one():
    link = Link(bytes(32), "", 1, 0, 2)
    with listen("127.0.0.1") as listener, Acceptor(link, listener, 60) as acceptor:
        strangers = []
        accepted: list[socket.socket | None] = []
        deadline = time.monotonic() + 30
        waiting = threading.Thread(target=lambda: accepted.append(acceptor.wait(deadline, lambda: False)))
        waiting.start()
        for _ in range(100):
            strangers.append(socket.create_connection(listener.getsockname()))
            strangers[-1].recv(32)  # it has been accepted
        host, port = listener.getsockname()
        with connect(link, f"{host}:{port}", deadline):
            waiting.join()
        assert accepted[0] is not None
        accepted[0].close()
        for stranger in strangers:
            stranger.close()


def test_a_second_connection_is_refused(rings: Any):
    listeners, addresses = rings.listen(2)
    refused: list[bool] = []

    def member(position: int) -> None:
        with rings.enter(addresses, position, listeners[position]) as ring:
            ring.all_gather(np.zeros(1))
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(parse_address(addresses[position]))
            refused.append(True)
            ring.all_gather(np.zeros(1))

    assert rings.outcomes(lambda: member(0), lambda: member(1)) == [None, None]
    assert refused == [True, True]


def test_proofs_differ_by_speaker_and_by_everything_that_a_connection_is_for():
    nonces = bytes(64)
    links = [
        Link(bytes(32), "fit attempt 1", 1, 0, 3),
        Link(bytes(31) + b"1", "fit attempt 1", 1, 0, 3),
        Link(bytes(32), "fit attempt 2", 1, 0, 3),
        Link(bytes(32), "fit attempt 1", 2, 0, 3),
        Link(bytes(32), "fit attempt 1", 1, 2, 3),
        Link(bytes(32), "fit attempt 1", 1, 0, 4),
    ]
    proofs = {link.proof(speaker, nonces) for link in links for speaker in (b"connect", b"accept")}
    proofs.add(links[0].proof(b"connect", bytes(63) + b"1"))
    assert len(proofs) == 2 * len(links) + 1
    assert {len(proof) for proof in proofs} == {32}
    assert repr(bytes(32)) not in repr(links[0]), "a secret is never printed"


def test_an_acceptor_that_does_not_know_the_secret_gets_no_data(rings: Any):
    """Somebody who listens where a member should: it can only repeat what it hears."""
    with listen("127.0.0.1") as impostor:

        def answer() -> None:
            connection, _ = impostor.accept()
            with connection:
                connection.sendall(bytes(32))
                heard = connection.recv(64, socket.MSG_WAITALL)
                connection.sendall(heard[32:])

        thread = threading.Thread(target=answer)
        thread.start()
        host, port = impostor.getsockname()
        with pytest.raises(RingError, match="does not know this fit's secret"):
            connect(Link(rings.secret, "fit", 1, 0, 2), f"{host}:{port}", time.monotonic() + 10)
        thread.join()


def impersonate(rings: Any, position: int, listeners: Any, addresses: Any, header: bytes) -> None:
    """Join rightly as `position` of two, and then send what no member would."""
    context = "fit attempt 1"
    outgoing = Link(rings.secret, context, position, 1 - position, 2)
    deadline = time.monotonic() + 10
    with connect(outgoing, addresses[1 - position], deadline) as connection:
        incoming = Link(rings.secret, context, 1 - position, position, 2)
        with Acceptor(incoming, listeners[position], 5) as acceptor:
            accepted = acceptor.wait(deadline, lambda: False)
            assert accepted is not None
            with accepted:
                connection.sendall(header)
                connection.recv(1)  # until it is closed


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (struct.pack("<Bqq", 1, 0, 1 << 50), "a frame of 1125899906842624 bytes, but only 0 to 1048576 are allowed"),
        (struct.pack("<Bqq", 1, 0, -1), "a frame of -1 bytes, but only 0 to 1048576 are allowed"),
        (struct.pack("<Bqq", 2, 0, 1), "a frame of 1 bytes, but only 0 to 0 are allowed"),
        (struct.pack("<Bqq", 99, 0, 0), "a frame of unknown kind 99"),
    ],
)
def test_a_frame_that_cannot_be_meant_is_refused_before_memory_is_taken(rings: Any, header: bytes, complaint: str):
    listeners, addresses = rings.listen(2)

    def member() -> None:
        with rings.enter(addresses, 0, listeners[0]) as ring:
            ring.receive()

    outcome, _ = rings.outcomes(member, lambda: impersonate(rings, 1, listeners, addresses, header))
    listeners[1].close()
    assert isinstance(outcome, RingError)
    assert complaint in str(outcome)
    assert f"{addresses[1]} (position 1)" in str(outcome)


@pytest.mark.parametrize("address", ["localhost", "host:", ":80", "host:http"])
def test_an_address_without_host_or_port_is_refused(address: str):
    with pytest.raises(ValueError, match=rf"^address must have the form host:port, .*, got '{address}'\.$"):
        parse_address(address)
