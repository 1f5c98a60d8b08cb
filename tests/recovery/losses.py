"""Losing a member of a ring in the midst of a stage, and what tells that it happened."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame

from spark_mf.exchange.barrier_stage import BarrierStage
from spark_mf.exchange.ring.connection import RingError
from spark_mf.exchange.ring.ring import Ring


def is_gone(pid: int, patience: float = 5.0) -> bool:
    """Whether a process has ended, or does so soon."""
    until = time.monotonic() + patience
    while True:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if "\nState:\tZ" in status:  # it has ended, and nobody has asked how
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.05)


def timed(estimator: Any, ratings: DataFrame) -> tuple[Any, float]:
    """A fitted model, and how many seconds the fit took."""
    began = time.perf_counter()
    model = estimator.fit(ratings)
    return model, time.perf_counter() - began


class Losses:
    """Makes the member at position 1 fail in the midst of a stage, and keeps what the members leave in a folder.

    The folder has a file `entered…` for each member of each attempt, `lost` with the process id of the member that was
    lost, and `noticed` with the error of a member that noticed it.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch

    def inflict(self, lose: Callable[[], None], exchange: int) -> None:
        """Call `lose` in the worker before its `exchange`-th receipt, once in all fits."""
        folder, undisturbed = self._folder, BarrierStage.run

        def run(stage: BarrierStage, description: str, work: Callable[[Ring, Any], Any]) -> list[Any]:
            def disturbed(ring: Ring, record: Any) -> Any:
                (folder / f"entered-{ring.position}-{os.getpid()}-{time.monotonic_ns()}").touch()
                receive, received = ring.receive, 0

                def receive_or_be_lost(dtype: Any = np.float32) -> tuple[int, Any]:
                    nonlocal received
                    received += 1
                    if ring.position == 1 and received == exchange and not (folder / "lost").exists():
                        (folder / "lost").write_text(str(os.getpid()))
                        lose()
                    return receive(dtype)

                ring.receive = receive_or_be_lost  # type: ignore[method-assign]
                try:
                    return work(ring, record)
                except RingError as error:
                    (folder / "noticed").write_text(str(error))
                    raise

            return undisturbed(stage, description, disturbed)

        self._monkeypatch.setattr(BarrierStage, "run", run)

    @property
    def pid(self) -> int:
        """The process that was lost."""
        return int((self._folder / "lost").read_text())

    def entered(self, position: int) -> int:
        """How often a member began with the work of a stage."""
        return len(list(self._folder.glob(f"entered-{position}-*")))

    @property
    def was_noticed(self) -> bool:
        """Whether any member found another one lost."""
        return (self._folder / "noticed").exists()

    @property
    def noticed(self) -> str:
        """What a member that was left said."""
        return (self._folder / "noticed").read_text()
