"""A member's two connections and their threads, which send and receive arrays in the background."""

import contextlib
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.exchange.ring.connection import RingError
from spark_mf.exchange.ring.frames import FrameError, Kind, read_frame, write_frame

Bytes = NDArray[np.uint8]

#: Number of heartbeats per timeout.
_BEATS = 4
#: Maximum time that a main thread may work without a call, in multiples of the timeout.
PATIENCE = 10


@dataclass(frozen=True)
class Neighbour:
    """A connected member."""

    connection: socket.socket
    address: str
    position: int

    def __str__(self) -> str:
        return f"the member at {self.address} (position {self.position})"


class Wire:
    """Sends to the successor and receives from the predecessor, each in its own thread.

    A failure in a thread shuts down both connections, so that the neighbours notice at once, and the next call raises
    it as a RingError.
    """

    def __init__(self, predecessor: Neighbour, successor: Neighbour, timeout: float, largest: int) -> None:
        self._predecessor, self._successor, self._timeout, self._largest = predecessor, successor, timeout, largest
        self._outgoing: queue.SimpleQueue[tuple[int, Bytes] | None] = queue.SimpleQueue()
        self._incoming: queue.SimpleQueue[tuple[int, Bytes] | None] = queue.SimpleQueue()
        self._failure: RingError | None = None
        self._unsent = 0
        self._changed = threading.Condition()  # guards the two above
        self._saying_goodbye = False
        self._last_call = time.monotonic()
        self._is_waiting = False
        self._predecessor_idle = 0.0, self._last_call  # idle seconds, and the time of that report
        for neighbour in (predecessor, successor):
            neighbour.connection.settimeout(timeout)
            # Socket buffers keep their default sizes, which the system adapts; explicit sizes have a lower limit.
            neighbour.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sender = self._start(self._send_frames)
        self._receiver = self._start(self._receive_frames)

    def send(self, tag: int, payload: Bytes) -> None:
        """Queue bytes for the successor."""
        self.alive()
        with self._changed:
            self._unsent += 1
        self._outgoing.put((tag, payload))

    def flush(self) -> None:
        """Wait until all queued bytes have been sent, so that their arrays may be modified."""
        with self._changed:
            self._changed.wait_for(lambda: self._unsent == 0 or self._failure is not None)
        self.alive()

    def receive(self) -> tuple[int, Bytes]:
        """Wait for the next array of the predecessor and return its tag and bytes."""
        self.alive()
        self._is_waiting = True
        frame = self._incoming.get()
        self._is_waiting = False
        if frame is None:
            self._incoming.put(None)
            self.alive()
            raise RingError(f"{self._predecessor} has closed the ring and sends no more arrays.")
        self._last_call = time.monotonic()
        return frame

    def alive(self) -> None:
        """Report progress of the main thread; raise the failure of a background thread."""
        self._last_call = time.monotonic()
        if self._failure is not None:
            raise RingError(str(self._failure)) from self._failure

    def close(self) -> None:
        """Send all queued arrays, wait until the predecessor has done so, and end threads and connections.

        The wait is necessary because data that arrive at a closed socket would break the predecessor's connection.
        """
        self._outgoing.put(None)
        self._sender.join()
        flushed = self._failure is None
        self._receiver.join()
        self._close_connections()
        if not flushed:
            self.alive()

    def abort(self) -> None:
        """End threads and connections at once; both neighbours see a broken connection."""
        self._fail(RingError("this member has left the ring."))
        self._sender.join()
        self._receiver.join()
        self._close_connections()

    def _close_connections(self) -> None:
        self._predecessor.connection.close()
        self._successor.connection.close()

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except RingError as error:
                self._fail(error)
            except Exception as error:  # e.g. MemoryError; the ring would hang if the thread just ended
                self._fail(RingError(f"the thread {thread.name} failed with {type(error).__name__}: {error}"))

        thread = threading.Thread(target=guarded, name=f"ring{work.__name__}", daemon=True)
        thread.start()
        return thread

    def _fail(self, error: RingError) -> None:
        with self._changed:
            if self._failure is None:
                self._failure = error
            self._changed.notify_all()
        self._incoming.put(None)
        self._outgoing.put(None)
        for neighbour in (self._predecessor, self._successor):
            with contextlib.suppress(OSError):  # not connected any more
                neighbour.connection.shutdown(socket.SHUT_RDWR)

    def _send_frames(self) -> None:
        connection = self._successor.connection
        with self._blaming(self._successor, "took no data"):
            while True:
                try:
                    frame = self._outgoing.get(timeout=self._timeout / _BEATS)
                except queue.Empty:
                    idle = self._idle_seconds()
                    # Waiting members time out later, so that the error names the member that hangs.
                    if idle < PATIENCE * self._timeout * (2 if self._is_waiting else 1):
                        write_frame(connection, Kind.HEARTBEAT, int(1000 * idle))
                    continue
                if self._failure is not None:
                    return
                if frame is None:
                    self._saying_goodbye = True  # from here on the successor may close
                    write_frame(connection, Kind.GOODBYE)
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                tag, payload = frame
                write_frame(connection, Kind.DATA, tag, payload.data)
                with self._changed:
                    self._unsent -= 1
                    self._changed.notify_all()

    def _idle_seconds(self) -> float:
        """Return the seconds since the main thread last made progress.

        For a waiting member the progress of its predecessor counts. If all members wait for each other none makes
        progress, so that a deadlocked ring times out like one with a hanging member.
        """
        now = time.monotonic()
        own = now - self._last_call
        predecessor, since = self._predecessor_idle
        return min(own, predecessor + now - since) if self._is_waiting else own

    def _receive_frames(self) -> None:
        """Read the predecessor's frames until its GOODBYE, while monitoring the connection to the successor."""
        predecessor, successor = self._predecessor.connection, self._successor.connection
        with selectors.DefaultSelector() as selector:
            selector.register(successor, selectors.EVENT_READ)
            selector.register(predecessor, selectors.EVENT_READ)
            while selector.get_map():
                is_expected = predecessor in selector.get_map()
                ready = {key.fileobj for key, _ in selector.select(self._timeout if is_expected else None)}
                with self._blaming(self._predecessor, "was silent"):
                    if is_expected and not ready:
                        raise TimeoutError
                    if predecessor in ready and not self._take_frame():
                        selector.unregister(predecessor)
                if successor in ready:
                    # A successor never sends, so its connection has ended.
                    if not self._saying_goodbye:
                        raise RingError(f"the connection to {self._successor} broke: it was closed at the other end.")
                    selector.unregister(successor)

    def _take_frame(self) -> bool:
        """Queue the predecessor's next frame; return False if it is the GOODBYE."""
        kind, tag, payload = read_frame(self._predecessor.connection, self._largest)
        self._predecessor_idle = tag / 1000 if kind is Kind.HEARTBEAT else 0.0, time.monotonic()
        if kind is Kind.DATA:
            self._incoming.put((tag, payload))
        elif kind is Kind.GOODBYE:
            self._incoming.put(None)
        return kind is not Kind.GOODBYE

    @contextlib.contextmanager
    def _blaming(self, neighbour: Neighbour, inactivity: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise RingError(f"{neighbour} {inactivity} for {self._timeout:g} s.") from error
        except (OSError, EOFError) as error:
            raise RingError(f"the connection to {neighbour} broke: {error}.") from error
        except FrameError as error:
            raise RingError(f"{neighbour} sent {error}.") from error


class Loopback:
    """The connections of a ring with a single member, which receives what it sends."""

    def __init__(self) -> None:
        self._frames: queue.SimpleQueue[tuple[int, Bytes]] = queue.SimpleQueue()

    def send(self, tag: int, payload: Bytes) -> None:
        """Queue a copy of the bytes, as another member would receive."""
        self._frames.put((tag, payload.copy()))

    def receive(self) -> tuple[int, Bytes]:
        """Return the oldest queued tag and bytes; raise a RingError if there are none, as nothing can arrive."""
        try:
            return self._frames.get_nowait()
        except queue.Empty:
            raise RingError("the ring's only member waits for an array that it has not sent.") from None

    def flush(self) -> None:
        """Do nothing, as nothing is in flight."""

    def alive(self) -> None:
        """Do nothing, as no other member waits."""

    def close(self) -> None:
        """Do nothing, as there are no connections."""

    def abort(self) -> None:
        """Do nothing, as there are no connections."""
