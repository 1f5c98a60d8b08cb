"""Standard error of the JVM and the Python workers without known harmless lines, which no logging setting removes."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_NOTES = (
    b"Using incubator modules: jdk.incubator.vector",  # where Spark's vectorised linear algebra sits
    b": JNI_OnLoad: dlopen(",  # no native BLAS or LAPACK: Spark's own Java code takes over
)
# Spark closes the socket of a worker that had nothing to do for a minute; by Unix domain sockets the worker's farewell
# then fails and prints this traceback. Lines of several workers may interleave.
_FAREWELL = (b'/pyspark/daemon.py", line ', b"BrokenPipeError: [Errno 32] Broken pipe")
_TRACEBACK = b"Traceback (most recent call last):"


def without_notes(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines except those that are known to be harmless."""
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
    """Provide a file descriptor whose lines go to this process's stderr, filtered by `without_notes`."""
    reading, writing = os.pipe()

    def pass_on() -> None:
        with os.fdopen(reading, "rb") as lines:
            for line in without_notes(lines):
                os.write(2, line)

    threading.Thread(target=pass_on, name="jvm-stderr", daemon=True).start()
    try:
        yield writing
    finally:
        os.close(writing)  # the JVM holds its own copy, and the thread ends with it
