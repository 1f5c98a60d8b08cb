"""Tests of models whose session has stopped, and of workers with another Python, by one program."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import copy, json, os, sys
from pyspark.sql import SparkSession
from spark_mf import ALS, ALSModel

bare, folder = sys.argv[1:]
told = {}

def started(python):
    os.environ.pop("PYSPARK_PYTHON", None)
    if python is not None:
        os.environ["PYSPARK_PYTHON"] = python
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    return builder.config("spark.driver.memory", "512m").config("spark.driver.host", "127.0.0.1").getOrCreate()

def ratings(session):
    rows = [(1, 7, 3.0), (2, 7, 1.0), (2, 8, 2.0)]
    return session.createDataFrame(rows, "user int, item int, rating float").coalesce(1)

def tell(name, work):
    try:
        told[name] = repr(work())
    except Exception as error:
        told[name] = f"{type(error).__name__}: {error}"

session = started(None)
tell("fit with the PATH's python3", lambda: ALS().fit(ratings(session)))
session.stop()

session = started(sys.executable)
dataset = ratings(session)
fitted = ALS(rank=2, maxIter=1).fit(dataset)
fitted.save(folder)
tell("recommend", lambda: fitted.recommendForAllUsers(1).count())
session.stop()

def use(model, dataset):
    yield "transform", lambda: model.transform(dataset)
    yield "predict", lambda: model.predict(1, 7)
    yield "recommend", lambda: model.recommendForAllUsers(1)
    yield "recommend to some", lambda: model.recommendForItemSubset(dataset, 1)
    yield "userFactors", lambda: model.userFactors
    yield "save", lambda: model.save(folder + "-again")
    yield "deepcopy", lambda: copy.deepcopy(model).rank
    yield "unpersist", model.unpersist

for name, work in use(fitted, dataset):
    tell(f"stopped: {name}", work)
tell("stopped: fit", lambda: ALS().fit(dataset))

session = started(bare)
loaded = ALSModel.load(folder)
for name, work in use(fitted, ratings(session)):
    tell(f"restarted: {name}", work)
tell("loaded: transform", lambda: loaded.transform(ratings(session)).count())
tell("loaded: predict", lambda: loaded.predict(1, 7) > 0)
tell("loaded: recommend", lambda: loaded.recommendForAllUsers(1))
session.stop()
for name, work in use(loaded, dataset):
    tell(f"loaded and stopped: {name}", work)
print(json.dumps(told))
"""

STOPPED = (
    "RuntimeError: The model's Spark session must be running, got a stopped one. Load a saved model again with "
    "ALSModel.load(path), or fit it again in a running session."
)
USES = ("transform", "predict", "recommend", "recommend to some", "userFactors", "save")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment without any package; it is the first `python3` that the program's Spark finds."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python3"


@pytest.fixture(scope="module")
def told(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the program tells."""
    folder = tmp_path_factory.mktemp("program")
    path = str(Path(__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYSPARK")}
    environment |= {"PATH": f"{bare.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path}
    arguments = [sys.executable, "-c", PROGRAM, str(bare), str(folder / "model")]
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found: Any = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", ["fit with the PATH's python3", "loaded: recommend"])
def test_workers_without_the_packages_are_told_before_the_work(told: dict[str, str], name: str, bare: Path):
    version = sys.version.split()[0]
    assert told[name] == (
        f"RuntimeError: The workers' Python must have numba, numpy, pyarrow, scipy and spark_mf, got {bare} (Python "
        f"{version}), which lacks numba, numpy, pyarrow and scipy. Set the environment variable PYSPARK_PYTHON, or "
        f"spark.pyspark.python for spark-submit, to '{sys.executable}' before the Spark session starts."
    )


def test_predictions_need_no_python_in_the_workers(told: dict[str, str]):
    assert (told["loaded: transform"], told["loaded: predict"], told["recommend"]) == ("3", "True", "2")


@pytest.mark.parametrize("when", ["stopped", "restarted", "loaded and stopped"])
def test_a_model_whose_session_ended_says_so(told: dict[str, str], when: str):
    assert {name: told[f"{when}: {name}"] for name in USES} == dict.fromkeys(USES, STOPPED)
    rank = "2"
    assert (told[f"{when}: deepcopy"], told[f"{when}: unpersist"]) == (rank, "None")


def test_a_dataset_whose_session_ended_is_refused(told: dict[str, str]):
    assert told["stopped: fit"] == (
        "RuntimeError: The dataset's Spark session must be running, got a stopped one. Create the dataset again in a "
        "running session."
    )
