"""Filter for harmless lines on the stderr of the JVM and the Python workers that no logging setting suppresses."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_NOTES = (
    b"Using incubator modules: jdk.incubator.vector",  # used by Spark's vectorised linear algebra
    b": JNI_OnLoad: dlopen(",  # no native BLAS or LAPACK: Spark falls back to Java code
)
# Spark closes the socket of a worker that was idle for a minute. With Unix domain sockets the worker's last message
# then fails with this traceback. Lines of several workers may be interleaved.
_FAREWELL = (b'/pyspark/daemon.py", line ', b"BrokenPipeError: [Errno 32] Broken pipe")
_TRACEBACK = b"Traceback (most recent call last):"


def without_notes(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield all lines except the known harmless ones."""
    held: list[bytes] = []
    for line in lines:
        if any(note in line for note in _NOTES):
            continue
        if line.strip() == _TRACEBACK:
            held.append(line)
        elif any(part in line for part in _FAREWELL):
            held.clear()
        else:
            yield from held
            held.clear()
            yield line
    yield from held


@contextmanager
def quiet_stderr() -> Iterator[int]:
    """Yield a file descriptor whose lines are written to this process's stderr, filtered by `without_notes`."""
    reading, writing = os.pipe()

    def pass_on() -> None:
        with os.fdopen(reading, "rb") as lines:
            for line in without_notes(lines):
                os.write(2, line)

    threading.Thread(target=pass_on, name="jvm-stderr", daemon=True).start()
    try:
        yield writing
    finally:
        os.close(writing)  # the JVM has its own copy, and the thread ends when it closes that
