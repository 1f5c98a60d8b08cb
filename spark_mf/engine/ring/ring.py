"""The ring: its members' two exchanges, rotate (`send` and `receive`) and all-gather, of arrays as raw bytes."""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spark_mf.engine.ring.connection import RingError
from spark_mf.engine.ring.handshake import Link, accept, connect
from spark_mf.engine.ring.wire import Loopback, Neighbour, Wire

#: What a connection may take at most to prove itself, in seconds.
_HANDSHAKE_SECONDS = 5.0


class Ring:
    """One member's place on the ring: arrays come from position a+1 and go to position a−1, modulo the size.

    `send` returns at once and a thread of its own receives ahead, so that a block travels while another is worked
    on; kernels must release the GIL for it. A member of which the next one hears nothing for `timeout` seconds is
    lost: heartbeats keep the ring up as long as the main thread calls `send`, `receive` or `alive` at least
    every 10·`timeout` seconds.

    Used as a context manager. Leaving it normally sends what is queued, waits until the others have too, and
    closes; leaving it by an exception breaks the ring, which the neighbours notice at once. Every call raises
    RingError once the ring is broken; the message names the member and what happened.
    """

    def __init__(self, position: int, size: int, largest: int, wire: Wire | Loopback) -> None:
        self.position, self.size = position, size
        self._largest, self._wire = largest, wire

    def __enter__(self) -> "Ring":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._wire.close()
        else:
            self._wire.abort()

    def send(self, tag: int, array: NDArray) -> None:
        """Hand a C-contiguous array of numbers to position a−1; it must not be changed any more.

        `tag` is any 64-bit integer that says what the array is. Raises ValueError for an array that cannot be sent.
        """
        if not array.flags.c_contiguous or array.dtype.hasobject:
            raise ValueError(
                f"an array of dtype {array.dtype} and strides {array.strides} cannot be sent: only C-contiguous "
                "numbers can; use np.ascontiguousarray."
            )
        if array.nbytes > self._largest:
            raise ValueError(
                f"an array of {array.nbytes} bytes cannot be sent: the ring was joined with largest={self._largest}."
            )
        self._wire.send(tag, array.reshape(-1).view(np.uint8))

    def receive(self, dtype: DTypeLike = np.float32) -> tuple[int, NDArray]:
        """Return tag and array [n] of what position a+1 sent next; the array is the caller's to change."""
        tag, payload = self._wire.receive()
        try:
            return tag, payload.view(dtype)
        except ValueError as error:
            raise RingError(f"{payload.size} bytes were received, which is no array of {np.dtype(dtype)}.") from error

    def all_gather(self, array: NDArray) -> list[NDArray]:
        """Return the arrays of all members in order of position: the own one as it is, the others as [n].

        Lengths may differ, dtypes may not. The array must not be changed before all have received it, nor may
        arrays of `send` be under way.
        """
        arrays = [array] * self.size
        if self.size > 1:
            self.send(self.position, array)
        for hop in range(1, self.size):
            origin = (self.position + hop) % self.size
            tag, arrays[origin] = self.receive(array.dtype)
            if tag != origin:
                raise RingError(f"the array of position {origin} was expected, and one with tag {tag} came.")
            if hop < self.size - 1:
                self.send(tag, arrays[origin])
        return arrays

    def alive(self) -> None:
        """Say, in the midst of long work, that this member makes progress; raises RingError when the ring is broken."""
        self._wire.alive()


def join_ring(
    addresses: Sequence[str],
    position: int,
    listener: socket.socket,
    secret: bytes,
    context: str,
    timeout: float,
    largest: int,
) -> Ring:
    """Take the place `position` among the members that listen at `addresses` ("host:port", in order of position).

    Parameters
    ----------
    listener : the socket listening at the own address; it is closed as soon as the right member has connected
    secret : of this fit; only its holders can join
    context : names fit and attempt; the same for all members, and different in every attempt
    timeout : seconds until a silent member counts as lost, and that joining may take
    largest : bytes of the largest array; a frame that announces more is refused

    Raises RingError when the neighbours cannot be joined in time.
    """
    size = len(addresses)
    if size == 1:
        listener.close()
        return Ring(position, size, largest, Loopback())
    before, after = (position + 1) % size, (position - 1) % size
    deadline = time.monotonic() + timeout
    incoming, outgoing = Link(secret, context, before, position, size), Link(secret, context, position, after, size)
    with listener, ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(connect, outgoing, addresses[after], deadline)
        try:
            accepted = accept(
                incoming,
                listener,
                deadline,
                patience=min(timeout, _HANDSHAKE_SECONDS),
                give_up=lambda: connecting.done() and connecting.exception() is not None,
            )
        except BaseException:
            if connecting.exception() is None:
                connecting.result().close()
            raise
        listener.close()
        try:
            connected = connecting.result()
        except RingError:
            if accepted is not None:
                accepted.close()
            raise
    assert accepted is not None  # it only gives up when connecting failed
    wire = Wire(
        Neighbour(accepted, addresses[before], before), Neighbour(connected, addresses[after], after), timeout, largest
    )
    return Ring(position, size, largest, wire)
