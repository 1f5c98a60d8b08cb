"""The ring: its members' two exchanges, rotate (`send` and `receive`) and all-gather, of arrays as raw bytes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import TracebackType

import numpy as np
from numpy.typing import DTypeLike, NDArray

from spark_mf.exchange.ring.connection import RingError
from spark_mf.exchange.ring.joining import RingSettings
from spark_mf.exchange.ring.wire import PATIENCE, Loopback, Wire


class Ring:
    """One member's place on the ring: arrays come from position a+1 and go to position a−1, modulo the size.

    `send` returns at once and a thread of its own receives ahead, so that a block travels while another is worked
    on; kernels must release the GIL for it. A member of which the next one hears nothing for `timeout` seconds is
    lost: heartbeats keep the ring up as long as the main thread calls `send`, `receive` or `alive` at least
    every 10·`timeout` seconds, or waits in `receive` for a member that does.

    `join` is called in the background, so that a member may prepare its work meanwhile; `joined` and the first
    exchange wait for it, and raise what it raised, or RingError after 10·`timeout` seconds.

    Used as a context manager. Leaving it normally sends what is queued, waits until the others have too, and
    closes; leaving it by an exception breaks the ring, which the neighbours notice at once. Every call raises
    RingError once the ring is broken; the message names the member and what happened.
    """

    def __init__(self, position: int, size: int, settings: RingSettings, join: Callable[[], Wire | Loopback]) -> None:
        self.position, self.size = position, size
        self._largest, self._patience = settings.largest, PATIENCE * settings.timeout
        self._joining: Future[Wire | Loopback] = Future()
        threading.Thread(target=self._join, args=(join,), name="ring-join", daemon=True).start()

    def _join(self, join: Callable[[], Wire | Loopback]) -> None:
        try:
            self._joining.set_result(join())
        except BaseException as error:
            self._joining.set_exception(error)

    def __enter__(self) -> "Ring":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._wire().close()
        else:
            # When it has not even joined, the error must not wait for that: it is what ends the others' waiting.
            self._joining.add_done_callback(_abort)

    def joined(self) -> None:
        """Wait until the ring is joined, so that what is timed afterwards does not contain it."""
        self._wire()

    def _wire(self) -> Wire | Loopback:
        if not wait([self._joining], self._patience).done:
            # Spark itself would wait for a year for a member that hangs before it has told its address.
            raise RingError(f"another member did not come to the ring for {self._patience:g} s.")
        return self._joining.result()

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
        self._wire().send(tag, array.reshape(-1).view(np.uint8))

    def receive(self, dtype: DTypeLike = np.float32) -> tuple[int, NDArray]:
        """Return tag and array [n] of what position a+1 sent next; the array is the caller's to change."""
        tag, payload = self._wire().receive()
        try:
            return tag, payload.view(dtype)
        except ValueError as error:
            raise RingError(f"{payload.size} bytes were received, which is no array of {np.dtype(dtype)}.") from error

    def all_gather(self, array: NDArray) -> list[NDArray]:
        """Return the arrays of all members in order of position: the own one as it is, the others as [n].

        Lengths may differ, dtypes may not. All members call it at the same point of their exchanges. Afterwards all
        of these arrays are the caller's to change.
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
        self._wire().flush()
        return arrays

    def alive(self) -> None:
        """Say, in the midst of long work, that this member makes progress; raises RingError when the ring is broken."""
        if self._joining.done():
            self._wire().alive()


def _abort(joining: "Future[Wire | Loopback]") -> None:
    if not joining.exception():
        joining.result().abort()
