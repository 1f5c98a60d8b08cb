"""Runs `on_cluster.py` as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.recovery.standalone import settings_arguments, spark_environment, spark_home

PROGRAM = Path(__file__).parent / "on_cluster.py"
PATIENCE = 600.0


class Running:
    """A program that was started, and the folder that it leaves its outcome in."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def output(self) -> str:
        """What it has written so far."""
        return (self._folder / "output").read_text(errors="replace")

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def outcome(self) -> dict[str, Any]:
        """Wait for its end, and return what it found."""
        code = self._process.wait(timeout=PATIENCE)
        assert code == 0, self.output()[-5000:]
        return json.loads((self._folder / "outcome.json").read_text())


@contextmanager
def started(
    folder: Path, fault: str, settings: Mapping[str, str], address: str = "127.0.0.1", command: Sequence[str] = ()
) -> Iterator[Running]:
    """Start the program, on a host of its own if a command says so, and end it at last.

    Parameters
    ----------
    folder : Path
        With `ratings.parquet`.
    fault : str
        As the program takes it.
    settings : mapping
        Of Spark.
    address : str
        Of the host it runs on.
    command : sequence of str
        What begins a command on that host.
    """
    own = {"SPARK_LOCAL_IP": address, "SPARK_LOCAL_HOSTNAME": "localhost" if address == "127.0.0.1" else address}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, sys.executable, str(PROGRAM), str(folder), fault, *settings_arguments(settings)],
            env=spark_environment(spark_home(folder)) | own,
            start_new_session=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(process, folder)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
