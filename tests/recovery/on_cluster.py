"""A program of its own that fits on a cluster: `on_cluster.py ratings.parquet FOLDER [KEY=VALUE…]`.

Without settings it fits each estimator on the ring, twice: undisturbed, and with an executor that is killed in the
midst of a stage. With settings of Spark's it fits each as they allow. What happened is written to
`FOLDER/outcome.json`.
"""

import json
import logging
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_mf import ALS, SGD
from spark_mf.experiments.session import local_session
from tests.recovery.losses import Losses, is_gone
from tests.same_model import assert_same_model

SHARED: dict[str, Any] = {"rank": 3, "maxIter": 3, "seed": 7, "numUserBlocks": 2, "validationIndicatorCol": "held_out"}
ESTIMATORS: dict[str, Any] = {
    "ALS": ALS(numItemBlocks=2, **SHARED),
    "SGD": SGD(numItemBlocks=5, optimizer="momentum", stepSize=0.005, **SHARED),
}


def kill_executor(killed: Path) -> None:
    """Kill the JVM that has started this worker, and leave its process id."""
    daemon = Path(f"/proc/{os.getppid()}/status").read_text()
    executor = int(re.findall(r"^PPid:\s+(\d+)$", daemon, re.MULTILINE)[0])
    killed.write_text(str(executor))
    os.kill(executor, signal.SIGKILL)
    time.sleep(600)  # it ends with the JVM


def executors(session: SparkSession) -> dict[str, bool]:
    """The ids of all executors that there were, and whether they are there still."""
    found = session.sparkContext._jsc.sc().statusStore().executorList(False)
    listed = [found.apply(number) for number in range(found.size())]
    return {executor.id(): executor.isActive() for executor in listed if executor.id() != "driver"}


def lose_executor(name: str, ratings: DataFrame, folder: Path) -> dict[str, Any]:
    """Fit undisturbed and with a loss."""
    estimator = ESTIMATORS[name].copy().setEngine("ring")
    undisturbed = estimator.fit(ratings)
    before = executors(ratings.sparkSession)
    folder.mkdir()
    killed = folder / "killed"
    with pytest.MonkeyPatch.context() as patch:
        losses = Losses(folder, patch)
        losses.inflict(lambda: kill_executor(killed), exchange=4)
        disturbed = estimator.fit(ratings)
    assert_same_model(disturbed, undisturbed)
    after = executors(ratings.sparkSession)
    return {
        "executor is gone": is_gone(int(killed.read_text())),
        "lost executors": sum(is_there and not after[executor] for executor, is_there in before.items()),
        "new executors": len(after.keys() - before.keys()),
        "entered": [losses.entered(position) for position in range(2)],
        "engine": disturbed.summary.engine,
    }


def fit_as_settings_allow(name: str, ratings: DataFrame) -> dict[str, Any]:
    """Fit, and return what engine was used and what was warned of."""
    warned: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warned.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("spark_mf").addHandler(handler)
    model = ESTIMATORS[name].fit(ratings)
    logging.getLogger("spark_mf").removeHandler(handler)
    return {"engine": model.summary.engine, "warned": warned, "rmse": model.summary.trainRmseHistory[-1]}


def main() -> None:
    """Run as the arguments say."""
    path, folder = sys.argv[1], Path(sys.argv[2])
    settings = dict(argument.split("=", 1) for argument in sys.argv[3:])
    shared = {
        "spark.executor.memory": "1g",
        "spark.sql.shuffle.partitions": "4",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    session = local_session(
        "cluster", master="local-cluster[2,1,1024]", driver_memory="1g", extra_conf=shared | settings
    )
    ratings = session.read.parquet(path)
    if settings:
        outcome = {name: fit_as_settings_allow(name, ratings) for name in ESTIMATORS}
    else:
        outcome = {name: lose_executor(name, ratings, folder / name) for name in ESTIMATORS}
    (folder / "outcome.json").write_text(json.dumps(outcome))
    session.stop()


if __name__ == "__main__":
    main()
