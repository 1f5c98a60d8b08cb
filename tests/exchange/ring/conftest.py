"""Fixtures of rings whose members are threads, on the loopback."""

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from spark_mf.exchange.ring.connection import format_address, listen
from spark_mf.exchange.ring.joining import RingSettings, join_ring
from spark_mf.exchange.ring.ring import Ring
from spark_mf.exchange.ring.wire import Loopback


class Rings:
    """Members of one fit; what a test does not set suits all."""

    secret = bytes(range(32))
    largest = 1 << 20

    def settings(self, timeout: float = 20.0, secret: bytes = secret) -> RingSettings:
        return RingSettings(secret, "fit", timeout, self.largest)

    def listen(self, size: int) -> tuple[list[socket.socket], list[str]]:
        """Return listening sockets and their addresses, in order of position."""
        listeners = [listen("127.0.0.1") for _ in range(size)]
        return listeners, [format_address(*each.getsockname()) for each in listeners]

    def enter(
        self,
        addresses: list[str],
        position: int,
        listener: socket.socket,
        settings: RingSettings | None = None,
        attempt: str = "attempt 1",
    ) -> Ring:
        settings = settings or self.settings()
        join = partial(join_ring, addresses, position, listener, settings, attempt)
        return Ring(position, len(addresses), settings, join)

    def run(self, size: int, work: Callable[[Ring], Any], timeout: float = 20.0) -> list[Any]:
        """Run `work` as each of `size` members; return what it returned or raised, by position."""
        if size == 1:
            with Ring(0, 1, self.settings(timeout), Loopback) as ring:
                return [work(ring)]
        listeners, addresses = self.listen(size)

        def member(position: int) -> Any:
            with self.enter(addresses, position, listeners[position], self.settings(timeout)) as ring:
                return work(ring)

        return in_threads([partial(member, position) for position in range(size)])

    def outcomes(self, *works: Callable[[], Any]) -> list[Any]:
        """Call all at the same time; return what each returned or raised."""
        return in_threads(list(works))


def in_threads(works: list[Callable[[], Any]]) -> list[Any]:
    outcomes: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        try:
            outcomes[number] = works[number]()
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a member hangs"
    return outcomes


@pytest.fixture
def rings() -> Rings:
    return Rings()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("ring"):
            thread.join(5)  # one that leaves before it has joined ends in the background
            assert not thread.is_alive(), thread.name
