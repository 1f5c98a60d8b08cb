"""Tests of the detection of members that hang, disconnect or fail."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import numpy as np
import pytest

from spark_mf.exchange.ring import wire
from spark_mf.exchange.ring.connection import RingError
from spark_mf.exchange.ring.ring import Ring
from spark_mf.exchange.ring.wire import Loopback

#: Far more than a test takes: what is noticed in spite of it is noticed at once.
FOREVER = 1000.0

OTHER_MEMBER = """
    import sys, time
    from functools import partial
    from spark_mf.exchange.ring.connection import format_address, listen
    from spark_mf.exchange.ring.joining import RingSettings, join_ring
    from spark_mf.exchange.ring.ring import Ring

    listener = listen("127.0.0.1")
    print(format_address(*listener.getsockname()), flush=True)
    addresses = input().split()
    settings = RingSettings(bytes(range(32)), "fit", float(sys.argv[1]), 1 << 20)
    with Ring(1, 2, settings, partial(join_ring, addresses, 1, listener, settings, "attempt 1")) as ring:
        ring.receive()
        while True:
            ring.alive()
            time.sleep(0.05)
"""


@pytest.mark.parametrize(
    ("sent", "timeout", "message"),
    [(signal.SIGSTOP, 1.0, "was silent for 1 s"), (signal.SIGKILL, FOREVER, "broke")],
    ids=["stopped", "killed"],
)
def test_a_process_that_is_stopped_or_killed_is_noticed(rings: Any, sent: int, timeout: float, message: str):
    listeners, addresses = rings.listen(1)

    def wait() -> None:
        with rings.enter(addresses, 0, listeners[0], rings.settings(timeout)) as ring:
            ring.send(0, np.zeros(1))
            os.kill(other.pid, sent)
            ring.receive()

    command = [sys.executable, "-c", textwrap.dedent(OTHER_MEMBER), str(timeout)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            addresses.append(other.stdout.readline().strip())
            other.stdin.write(" ".join(addresses) + "\n")
            other.stdin.flush()
            (outcome,) = rings.outcomes(wait)
        finally:
            other.kill()
    assert isinstance(outcome, RingError)
    assert f"{addresses[1]} (position 1)" in str(outcome)
    assert message in str(outcome)


def test_a_main_thread_that_works_on_keeps_its_place_and_loses_it_when_it_hangs(rings: Any):
    timeout = 0.2

    def work(ring: Ring) -> None:
        if ring.position == 1:
            time.sleep(5 * timeout)  # without a call for five times the timeout, but heartbeats go on
            ring.send(0, np.zeros(1))
            for _ in range(12):  # the others wait for longer than a member may hang
                time.sleep(timeout)
                ring.alive()
            ring.send(1, np.zeros(1))
            time.sleep(14 * timeout)  # now it hangs
            ring.alive()
        elif ring.position == 0:
            tags = [ring.receive(np.float64)[0] for _ in range(2)]
            assert tags == [0, 1]
            ring.send(2, np.zeros(1))
            ring.receive()
        else:
            assert ring.receive(np.float64)[0] == 2
            ring.receive()

    noticing, hanging, waiting = rings.run(3, work, timeout)
    assert "(position 1) was silent for 0.2 s" in str(noticing)
    assert "broke" in str(hanging)
    assert "broke" in str(waiting)


def test_members_that_all_wait_for_each_other_do_not_wait_forever(rings: Any):
    outcomes = rings.run(3, lambda ring: ring.receive(), timeout=0.1)
    assert all(isinstance(outcome, RingError) for outcome in outcomes)
    assert any("was silent for 0.1 s" in str(outcome) for outcome in outcomes)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_member_that_fails_breaks_the_ring_for_all_at_once(rings: Any, size: int):
    def work(ring: Ring) -> None:
        ring.all_gather(np.zeros(1))
        if ring.position == 1:
            raise ValueError("its own error")
        ring.receive()

    outcomes = rings.run(size, work, FOREVER)
    assert str(outcomes.pop(1)) == "its own error"
    assert all(isinstance(outcome, RingError) and "broke" in str(outcome) for outcome in outcomes)


def test_a_member_that_only_sends_or_works_notices_as_well(rings: Any):
    def work(ring: Ring) -> None:
        ring.all_gather(np.zeros(1))
        if ring.position == 0:
            raise ValueError("its own error")
        while True:
            if ring.position == 1:
                ring.send(0, np.zeros(1))
            else:
                ring.alive()
            time.sleep(0.01)

    _, sending, working = rings.run(3, work, FOREVER)
    assert isinstance(sending, RingError)
    assert isinstance(working, RingError)


def test_an_error_before_the_ring_is_joined_waits_for_nobody(rings: Any):
    listeners, addresses = rings.listen(2)

    def fail() -> None:
        with rings.enter(addresses, 0, listeners[0], rings.settings(FOREVER)):
            raise ValueError("its own error")

    def come_later() -> None:
        with rings.enter(addresses, 1, listeners[1], rings.settings(FOREVER)) as ring:
            ring.receive()

    with pytest.raises(ValueError, match="its own error"):
        fail()
    with pytest.raises(RingError, match=r"position 0\) broke"):
        come_later()


def test_a_member_that_never_comes_is_not_waited_for_forever(rings: Any):
    came = threading.Event()

    def join() -> Loopback:
        came.wait()
        return Loopback()

    ring = Ring(0, 2, rings.settings(timeout=0.05), join)
    with pytest.raises(RingError, match=r"another member did not join the ring within 0\.5 s"):
        ring.joined()
    came.set()


def test_what_a_thread_fails_with_is_raised_by_the_next_call(rings: Any, monkeypatch: pytest.MonkeyPatch):
    def no_memory(*arguments: Any) -> None:
        raise MemoryError("no room for 7 bytes")

    monkeypatch.setattr(wire, "read_frame", no_memory)
    outcomes = rings.run(2, lambda ring: ring.all_gather(np.zeros(1)), FOREVER)
    assert all(isinstance(outcome, RingError) for outcome in outcomes)
    assert any("MemoryError: no room for 7 bytes" in str(outcome) for outcome in outcomes)
