"""A driver that is killed between two stages; another one goes on with what it saved."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

from spark_mf import ALS, SGD
from spark_mf.fitting.checkpoint import CHECKPOINT
from tests.recovery.standalone import PATIENCE, PROJECT
from tests.same_model import assert_same_model

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parent / "fit.py"
#: Many short stages, so that there is time to kill between two.
SHARED: dict[str, Any] = {
    "rank": 3,
    "maxIter": 8,
    "seed": 7,
    "checkpointInterval": 2,
    "engine": "ring",
    "validationIndicatorCol": "held_out",
    "numUserBlocks": 2,
}


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(SGD(numItemBlocks=5, optimizer="momentum", schedule="boldDriver", **SHARED), id="SGD"),
        pytest.param(ALS(numItemBlocks=2, **SHARED), id="ALS"),
    ],
)
def test_another_driver_goes_on(estimator: Any, ratings: DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    ratings.write.parquet(str(tmp_path / "ratings"))
    ratings = ratings.sparkSession.read.parquet(str(tmp_path / "ratings"))  # in the same order for all
    undisturbed = estimator.fit(ratings)
    saves = tmp_path / "checkpoint"
    estimator = estimator.copy().setCheckpointDir(str(saves))
    estimator.save(str(tmp_path / "estimator"))

    fit_and_kill(type(estimator).__name__, tmp_path, saves / "iteration-2" / CHECKPOINT)
    done = max(int(path.parent.name.partition("-")[2]) for path in saves.glob(f"iteration-*/{CHECKPOINT}"))
    assert 2 <= done < 8
    saved = json.loads((saves / f"iteration-{done}" / CHECKPOINT).read_text())
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="spark_mf"):
        model = estimator.fit(ratings)
    assert f"Resuming after {done} of 8 iterations from the checkpoint {saves}/iteration-{done}." in caplog.messages
    assert [record.progress.step for record in caplog.records if hasattr(record, "progress")] == [*range(done + 1, 9)]
    assert [record.seconds for record in model.summary.history[:done]] == [each["seconds"] for each in saved["history"]]
    assert_same_model(model, undisturbed)


def fit_and_kill(name: str, folder: Path, saved: Path) -> None:
    """Run the program until a file is there, and kill its Python and its JVM."""
    with (folder / "output").open("wb") as output:
        command = [sys.executable, str(PROGRAM), name, str(folder)]
        program = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            start_new_session=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + PATIENCE
        while not saved.exists() and program.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL, (folder / "output").read_text()
    assert saved.parent.parent.exists(), (folder / "output").read_text()
