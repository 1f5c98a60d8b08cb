"""Fits on a cluster of two executors with a core each, every one a JVM with Python workers of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyspark
import pytest

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parent / "on_cluster.py"
ESTIMATORS = ("ALS", "SGD")


@pytest.fixture(scope="module")
def run(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Runs the program on a cluster of its own, and returns what happened."""

    def run(*settings: str) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("cluster")
        table.to_parquet(folder / "ratings.parquet")
        home = folder / "home"
        home.mkdir()
        for name in ("bin", "sbin", "jars"):  # Spark's home is where a cluster leaves its logs
            (home / name).symlink_to(Path(pyspark.__file__).parent / name)
        environment = {
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_HOSTNAME": "localhost",
            "PYTHONPATH": str(PROGRAM.parents[2]),
            "PYSPARK_PYTHON": sys.executable,
        }
        with (folder / "output").open("wb") as output:
            program = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(folder / "ratings.parquet"), str(folder), *settings],
                env=os.environ | environment,
                start_new_session=True,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            code = program.wait(timeout=400)
        finally:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
        assert code == 0, (folder / "output").read_text()[-5000:]
        return json.loads((folder / "outcome.json").read_text())

    return run


@pytest.fixture(scope="module")
def losses(run: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return run()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_executor_that_is_killed_changes_nothing(losses: dict[str, Any], name: str):
    """That both models are the same in every bit was asserted by the program."""
    happened = losses[name]
    assert happened["engine"] == "ring"
    assert happened["executor is gone"]
    assert happened["lost executors"] == 1
    assert happened["new executors"] == 1
    assert happened["entered"] == [2, 2]


@pytest.fixture(scope="module")
def encrypted(run: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return run("spark.authenticate=true", "spark.authenticate.secret=known", "spark.network.crypto.enabled=true")


@pytest.mark.parametrize(("name", "engine"), [("ALS", "broadcast"), ("SGD", "stages")])
def test_where_the_network_is_encrypted_ordinary_stages_run(encrypted: dict[str, Any], name: str, engine: str):
    happened = encrypted[name]
    assert happened["engine"] == engine
    assert happened["warned"] == [
        f"engine={engine!r} is used, which is slower than the ring: spark.network.crypto.enabled is true and the "
        "ring's connections are not encrypted: set it to false if they need not be"
    ]
    assert 0 < happened["rmse"] < 2
