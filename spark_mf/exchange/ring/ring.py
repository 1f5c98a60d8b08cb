"""The ring of the tasks of a barrier stage: send, receive and all-gather of arrays as raw bytes."""

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
    """The ring from the view of a member at position a, which receives arrays from a+1 and sends to a−1, modulo size.

    `send` returns immediately, and a separate thread receives ahead, so that a block travels while another one is
    processed; kernels must release the GIL for that. A member counts as lost if its neighbour receives nothing from it
    for `timeout` seconds. Heartbeats keep the ring alive as long as the main thread calls `send`, `receive` or `alive`
    at least every 10·`timeout` seconds, or waits in `receive` for a member that does.

    `join` is called in the background, so that a member can prepare its work meanwhile. `joined` and the first exchange
    wait for it and raise its error, or a RingError after 10·`timeout` seconds.

    The ring is a context manager. A normal exit sends all queued arrays, waits until the other members have done so,
    and closes the connections; an exit by an exception breaks the ring, which the neighbours notice at once. Every call
    on a broken ring raises a RingError whose message has the member and the cause.
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
            # The exit does not wait for joining, because the other members wait for this member's failure.
            self._joining.add_done_callback(_abort)

    def joined(self) -> None:
        """Wait until the ring is joined, so that later timings exclude joining."""
        self._wire()

    def _wire(self) -> Wire | Loopback:
        if not wait([self._joining], self._patience).done:
            # Spark itself would wait for a year for a member that hangs before it has sent its address.
            raise RingError(f"another member did not join the ring within {self._patience:g} s.")
        return self._joining.result()

    def send(self, tag: int, array: NDArray) -> None:
        """Send a C-contiguous numeric array, which must not be modified afterwards, to position a−1.

        Parameters
        ----------
        tag : int
            Any 64-bit integer that identifies the array.
        array : ndarray

        Raises
        ------
        ValueError
            If the array is not C-contiguous and numeric, or too large.
        """
        if not array.flags.c_contiguous or array.dtype.hasobject:
            raise ValueError(
                f"array must be C-contiguous and numeric, got dtype {array.dtype} and strides {array.strides}. Use "
                "np.ascontiguousarray."
            )
        if array.nbytes > self._largest:
            raise ValueError(
                f"array must have at most {self._largest} bytes, the limit of this ring, got {array.nbytes}."
            )
        self._wire().send(tag, array.reshape(-1).view(np.uint8))

    def receive(self, dtype: DTypeLike = np.float32) -> tuple[int, NDArray]:
        """Return the tag and the one-dimensional array that position a+1 sent next; the caller may modify it."""
        tag, payload = self._wire().receive()
        try:
            return tag, payload.view(dtype)
        except ValueError as error:
            raise RingError(f"received {payload.size} bytes, which are not an array of {np.dtype(dtype)}.") from error

    def all_gather(self, array: NDArray) -> list[NDArray]:
        """Return the arrays of all members in order of position; those of other members are one-dimensional.

        Lengths may differ, but dtypes must not. All members must call this method at the same point of their exchanges.
        The caller may modify the returned arrays.
        """
        arrays = [array] * self.size
        if self.size > 1:
            self.send(self.position, array)
        for hop in range(1, self.size):
            origin = (self.position + hop) % self.size
            tag, arrays[origin] = self.receive(array.dtype)
            if tag != origin:
                raise RingError(f"expected the array of position {origin}, received one with tag {tag}.")
            if hop < self.size - 1:
                self.send(tag, arrays[origin])
        self._wire().flush()
        return arrays

    def alive(self) -> None:
        """Report progress during long work; raises a RingError if the ring is broken."""
        if self._joining.done():
            self._wire().alive()


def _abort(joining: "Future[Wire | Loopback]") -> None:
    if not joining.exception():
        joining.result().abort()
