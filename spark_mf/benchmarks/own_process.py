"""Points that are measured each in a process of its own, and their rows, which a killed run does not lose."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from spark_mf.benchmarks.rows import ResultRow, read_rows
from spark_mf.cli.output import ROWS, OutputFolder

R = TypeVar("R", bound=ResultRow)

#: The error of a row whose point's process was killed.
INTERRUPTED = "the process of this point ended before it was measured"


def run_point(command: Sequence[str], point: str, environment: Mapping[str, str] | None = None) -> int:
    """Have a point measured by Python with ``command --point POINT``; its exit code.

    Whoever ends this process by SIGTERM ends the point's, too. Called in the main thread.
    """
    with subprocess.Popen(
        [sys.executable, *command, "--point", point], env={**os.environ, **(environment or {})}
    ) as process:

        def end(number: int, _: object) -> NoReturn:
            process.terminate()
            raise SystemExit(128 + number)

        before = signal.signal(signal.SIGTERM, end)
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)


def recorded_rows(folder: OutputFolder, row_type: type[R]) -> list[R]:
    """Return the rows that the folder holds so far."""
    return read_rows(folder.path / ROWS, row_type) if (folder.path / ROWS).exists() else []


def record_row(folder: OutputFolder, row: R, order: Callable[[R], Any]) -> None:
    """Put a row into the folder's, in the place of one of the same label, sorted by ``order``."""
    rows = {each.label: each for each in recorded_rows(folder, type(row))} | {row.label: row}
    in_order: list[R] = sorted(rows.values(), key=order)
    folder.finish(in_order)
