"""Fits on a cluster of two executors with a core each, every one a JVM with Python workers of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.recovery.programs import started

pytestmark = pytest.mark.slow

ESTIMATORS = ("ALS", "SGD")


@pytest.fixture(scope="module")
def run(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Runs the program on a cluster of its own, and returns what happened."""

    def run(fault: str, **settings: str) -> dict[str, Any]:
        folder: Path = tmp_path_factory.mktemp("cluster")
        table.to_parquet(folder / "ratings.parquet")
        with started(folder, fault, {"spark.master": "local-cluster[2,1,1024]"} | settings) as running:
            return running.outcome()

    return run


@pytest.fixture(scope="module")
def losses(run: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return run("executor")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_executor_that_is_killed_changes_nothing(
    losses: dict[str, Any], name: str, record_property: Callable[[str, object], None]
):
    """That both models are the same in every bit was asserted by the program."""
    happened = losses[name]
    record_property("seconds lost", happened["seconds lost"])
    assert happened["engine"] == "ring"
    assert happened["processes are gone"]
    assert happened["lost executors"] == 1
    assert happened["new executors"] == 1
    assert happened["entered"] == [2, 2]


@pytest.fixture(scope="module")
def encrypted(run: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    settings = {
        "spark.authenticate": "true",
        "spark.authenticate.secret": "known",
        "spark.network.crypto.enabled": "true",
    }
    return run("none", **settings)


@pytest.mark.parametrize(("name", "engine"), [("ALS", "broadcast"), ("SGD", "stages")])
def test_where_the_network_is_encrypted_ordinary_stages_run(encrypted: dict[str, Any], name: str, engine: str):
    happened = encrypted[name]
    assert happened["engine"] == engine
    assert happened["warned"] == [
        f"Using engine={engine!r}, which is slower than the ring, because spark.network.crypto.enabled is true and the "
        "connections of the ring are not encrypted. Set it to false if encryption is not required."
    ]
    assert 0 < happened["rmse"] < 2
