"""A program of its own that fits on a cluster: `on_cluster.py FOLDER FAULT [KEY=VALUE…]`, with settings of Spark's.

`FOLDER/ratings.parquet` holds the ratings. With a fault, "executor", "worker" or "network", it fits each estimator on
the ring, undisturbed and with a member that is lost so in the midst of a stage; with "none" it fits each as the
settings allow, and with "kept" each way of `EVERY_WAY`, whose models it saves as `FOLDER/NAME`. What happened is
written to `FOLDER/outcome.json`.
"""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_mf import ALS, SGD
from spark_mf.cli.session import local_session
from tests.recovery.losses import Losses, is_gone, timed
from tests.same_model import assert_same_model

SHARED: dict[str, Any] = {
    "rank": 3,
    "maxIter": 3,
    "seed": 7,
    "numUserBlocks": 2,
    "validationIndicatorCol": "held_out",
    "ringTimeout": 10.0,
}
ESTIMATORS: dict[str, Any] = {
    "ALS": ALS(numItemBlocks=2, **SHARED),
    "SGD": SGD(numItemBlocks=5, optimizer="momentum", stepSize=0.005, **SHARED),
}
_ALS, _SGD = ESTIMATORS.values()
# So that every epoch is the best so far, and a model that of its last one.
_IMPROVING: dict[str, Any] = {"schedule": "constant", "stepSize": 0.01, "biasStepSize": 0.0001, "initStd": 0.3}
#: Every way in which blocks are solved and moved; six inner steps solve three unknowns to the last digits.
EVERY_WAY: dict[str, Any] = {
    "ALS-cholesky-ring": _ALS.copy().setEngine("ring"),
    "ALS-cholesky-broadcast": _ALS.copy().setEngine("broadcast"),
    "ALS-cg-ring": _ALS.copy().setParams(engine="ring", solver="cg", innerSteps=6),
    "ALS-cg-broadcast": _ALS.copy().setParams(engine="broadcast", solver="cg", innerSteps=6),
    "SGD-ring": _SGD.copy().setParams(engine="ring", **_IMPROVING),
    "SGD-stages": _SGD.copy().setParams(engine="stages", **_IMPROVING),
}


def kill_executor(told: Path) -> None:
    """Kill the JVM that has started this worker of Python's, and leave its process id."""
    _kill(told, _parent(os.getppid()))


def kill_worker(told: Path) -> None:
    """Kill the worker of Spark's, too, that has started that JVM."""
    executor = _parent(os.getppid())
    _kill(told, _parent(executor), executor)


def cut_off(told: Path) -> None:
    """Cut this host off from the network, and leave its name; its processes live on."""
    subprocess.run(["ip", "link", "set", "eth0", "down"], check=True)
    told.write_text(subprocess.run(["ip", "netns", "identify"], check=True, capture_output=True, text=True).stdout)


FAULTS: dict[str, Callable[[Path], None]] = {"executor": kill_executor, "worker": kill_worker, "network": cut_off}


def _kill(told: Path, *pids: int) -> None:
    told.write_text(" ".join(map(str, pids)))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    time.sleep(600)  # it ends with the JVM


def _parent(pid: int) -> int:
    return int(re.findall(r"^PPid:\s+(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[0])


def executors(session: SparkSession) -> dict[str, bool]:
    """The ids of all executors that there were, and whether they are there still."""
    found = session.sparkContext._jsc.sc().statusStore().executorList(False)
    listed = [found.apply(number) for number in range(found.size())]
    return {executor.id(): executor.isActive() for executor in listed if executor.id() != "driver"}


def lose_member(name: str, ratings: DataFrame, folder: Path, fault: str) -> dict[str, Any]:
    """Fit undisturbed and with a loss; `folder/told` says, while it happens, who is lost."""
    estimator = ESTIMATORS[name].copy().setEngine("ring")
    estimator.fit(ratings)  # warms up
    undisturbed, seconds = timed(estimator, ratings)
    before = executors(ratings.sparkSession)
    folder.mkdir()
    told, lose = folder / "told", FAULTS[fault]
    with pytest.MonkeyPatch.context() as patch:
        losses = Losses(folder, patch)
        losses.inflict(lambda: lose(told), exchange=4)
        disturbed, longer = timed(estimator, ratings)
    assert_same_model(disturbed, undisturbed)
    after = executors(ratings.sparkSession)
    lost = told.read_text().strip()
    return {
        "lost": lost,
        "processes are gone": fault != "network" and all(is_gone(int(pid)) for pid in lost.split()),
        "lost executors": sum(is_there and not after[executor] for executor, is_there in before.items()),
        "new executors": len(after.keys() - before.keys()),
        "entered": [losses.entered(position) for position in range(2)],
        "noticed": losses.noticed,
        "engine": disturbed.summary.engine,
        "seconds": seconds,
        "seconds lost": longer - seconds,
    }


def fit_as_settings_allow(name: str, ratings: DataFrame) -> dict[str, Any]:
    """Fit, and return what engine was used and what was warned of."""
    warned: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warned.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("spark_mf").addHandler(handler)
    model = ESTIMATORS[name].fit(ratings)
    logging.getLogger("spark_mf").removeHandler(handler)
    return {"engine": model.summary.engine, "warned": warned, "rmse": model.summary.metricHistory("train_rmse")[-1]}


def keep(name: str, ratings: DataFrame, folder: Path) -> dict[str, Any]:
    """Fit one of `EVERY_WAY` and save the model."""
    model = EVERY_WAY[name].fit(ratings)
    model.save(str(folder / name))
    return {"engine": model.summary.engine, "executors": len(executors(ratings.sparkSession))}


def main() -> None:
    """Run as the arguments say."""
    folder, fault = Path(sys.argv[1]), sys.argv[2]
    settings = dict(argument.split("=", 1) for argument in sys.argv[3:])
    shared = {
        "spark.executor.memory": "1g",
        "spark.sql.shuffle.partitions": "4",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    session = local_session("cluster", driver_memory="1g", extra_conf=shared | settings)
    (folder / "session").touch()
    ratings = session.read.parquet(str(folder / "ratings.parquet"))
    if fault == "none":
        outcome = {name: fit_as_settings_allow(name, ratings) for name in ESTIMATORS}
    elif fault == "kept":
        outcome = {name: keep(name, ratings, folder) for name in EVERY_WAY}
    else:
        outcome = {name: lose_member(name, ratings, folder / name, fault) for name in ESTIMATORS}
    (folder / "outcome.json").write_text(json.dumps(outcome))
    session.stop()


if __name__ == "__main__":
    main()
