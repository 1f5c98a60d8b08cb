"""What the JVM and the Python workers write past all logging, without the lines that ask nothing of anybody."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_NOTES = (
    b"Using incubator modules: jdk.incubator.vector",  # where Spark's vectorised linear algebra sits
    b": JNI_OnLoad: dlopen(",  # no native BLAS or LAPACK: Spark's own Java code takes over
)
# Spark closes the socket of a worker that had nothing to do for a minute; by Unix domain sockets the worker's farewell
# then fails, and it says so by this traceback. Several workers' lines may mix.
_FAREWELL = (b'/pyspark/daemon.py", line ', b"BrokenPipeError: [Errno 32] Broken pipe")
_TRACEBACK = b"Traceback (most recent call last):"


def without_notes(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines but for those that are known to mean nothing."""
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
    """A file descriptor that passes on to this process's stderr what is written to it, `without_notes`."""
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
