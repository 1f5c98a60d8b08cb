"""Small fits that are disturbed on the way, and what tells that they were."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_mf.engine.gang import Gang
from spark_mf.engine.ring.connection import RingError
from spark_mf.engine.ring.ring import Ring


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    """2,000 ratings of 100 users and 60 items, a tenth of them held out."""
    rng = np.random.default_rng(11)
    user, item = np.divmod(rng.permutation(100 * 60)[:2000], 60)
    u, v = rng.normal(0, 0.6, (100, 2)), rng.normal(0, 0.6, (60, 2))
    rating = (3.5 + (u[user] * v[item]).sum(axis=1) + rng.normal(0, 0.3, 2000)).astype(np.float32)
    ids = {"user": user.astype(np.int32), "item": item.astype(np.int32)}
    return pd.DataFrame({**ids, "rating": rating, "held_out": rng.random(2000) < 0.1})


@pytest.fixture(scope="session")
def ratings(spark: SparkSession, table: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(table).cache()


def is_gone(pid: int, patience: float = 5.0) -> bool:
    """Whether a process has ended, or does so soon."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


class Losses:
    """Makes the member at position 1 fail in the midst of a stage, and keeps what the members leave in a folder.

    The folder has a file `entered…` for each member of each attempt, `lost` with the process id of the member that was
    lost, and `noticed` with the error of a member that noticed it.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch

    def inflict(self, lose: Callable[[], None], exchange: int) -> None:
        """Call `lose` in the worker before its `exchange`-th receipt, once in all fits."""
        folder, undisturbed = self._folder, Gang.run

        def run(gang: Gang, description: str, work: Callable[[Ring, Any], Any]) -> list[Any]:
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

            return undisturbed(gang, description, disturbed)

        self._monkeypatch.setattr(Gang, "run", run)

    @property
    def pid(self) -> int:
        """The process that was lost."""
        return int((self._folder / "lost").read_text())

    def entered(self, position: int) -> int:
        """How often a member began with the work of a stage."""
        return len(list(self._folder.glob(f"entered-{position}-*")))

    @property
    def noticed(self) -> str:
        """What a member that was left said."""
        return (self._folder / "noticed").read_text()


@pytest.fixture
def losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Losses:
    folder = tmp_path / "losses"
    folder.mkdir()
    return Losses(folder, monkeypatch)
