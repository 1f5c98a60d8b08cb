"""Tests of the memory limits of a session and of the errors for fits that exceed them."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark import SparkConf
from pyspark.sql import SparkSession

from spark_mf import ALS, GD, SGD
from spark_mf.resources import limits
from spark_mf.resources.limits import (
    ExecutorMemory,
    SessionMemory,
    driver_overhead,
    executor_memory,
    machine_memory,
    plan_summary,
    session_memory,
    shortfall,
)
from spark_mf.resources.memory import MIB, MemoryPlan
from tests.runtime.refusing import REFUSALS, refusing

PLAN = MemoryPlan(
    result=100 * MIB,
    driver_heap=400 * MIB,
    driver_python=500 * MIB,
    worker=300 * MIB,
    record=50 * MIB,
    cached=90 * MIB,
    members=8,
)


def executor(**of: Any) -> ExecutorMemory:
    given: dict[str, Any] = {"heap": 1024, "cores": 4, "pyspark": None, "overhead": 1200} | of
    sizes = {name: value and value * MIB for name, value in given.items() if name != "cores"}
    return ExecutorMemory(**sizes, cores=given["cores"], workers=4, is_enforced=True)


def available(
    executor: ExecutorMemory | None = None,
    *,
    result: int = 1024,
    heap: int = 1024,
    overhead: int | None = None,
    machine: int = 2100,
) -> SessionMemory:
    beside = None if overhead is None else overhead * MIB
    return SessionMemory(result * MIB, heap * MIB, beside, machine * MIB, slots=4, executor=executor)


@pytest.mark.parametrize(
    "there",
    [
        available(),
        available(executor()),
        available(result=0),
        available(executor(pyspark=3248)),
        available(executor(), machine=900),
        available(executor(), machine=1, overhead=500),
    ],
)
def test_what_just_fits_is_let_through(there: SessionMemory):
    assert shortfall("ALS", PLAN, there) is None


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        (
            available(result=99),
            "spark.driver.maxResultSize must be >= 100 MiB for the factors that ALS sends to the driver, got 99 MiB. "
            "Set it to at least 164m, or use a smaller rank.",
        ),
        (
            available(heap=399),
            "spark.driver.memory must give a heap of >= 400 MiB for the factors that ALS sends to the driver, got 399 "
            "MiB. Set it to at least 464m, or use a smaller rank.",
        ),
        (
            available(machine=2099),
            "the machine's memory must be >= 2,100 MiB for the driver and 4 Python workers of 300 MiB in ALS, got "
            "2,099 MiB. Use fewer cores, as in --master local[1], a smaller rank, or a cluster.",
        ),
        (
            available(executor(), machine=899),
            "the memory of the driver's machine must be >= 900 MiB for the driver's heap and Python in ALS, got 899 "
            "MiB. Start the driver on a larger machine, or use a smaller rank.",
        ),
        (
            available(executor(), overhead=499),
            "spark.driver.memoryOverhead must be >= 500 MiB for the driver's Python in ALS, got 499 MiB. Set it to at "
            "least 564m, or use a smaller rank.",
        ),
        (
            available(executor(heap=599)),
            "spark.executor.memory must be >= 600 MiB for ALS, got 599 MiB. Set it to at least 664m, or use more "
            "blocks.",
        ),
        (
            available(executor(overhead=1199)),
            "spark.executor.memoryOverhead must be >= 1,200 MiB for the 4 Python workers of an executor in ALS, got "
            "1,199 MiB. Set it to at least 1264m, reduce spark.executor.cores to run fewer tasks per executor, or use "
            "a smaller rank.",
        ),
        (
            available(executor(pyspark=3244)),
            "spark.executor.pyspark.memory must be >= 812 MiB per core for the address space of a Python worker in "
            "ALS, got 811 MiB (3,244 MiB for 4 cores). Set it to at least 3312m, reduce spark.executor.cores to run "
            "fewer tasks per executor, or use a smaller rank.",
        ),
    ],
    ids=[
        "result",
        "heap",
        "machine",
        "driver's machine",
        "driver's Python",
        "executor's heap",
        "overhead",
        "workers' own limit",
    ],
)
def test_a_fit_that_does_not_fit_is_refused_with_numbers_and_the_setting_that_would_do(
    there: SessionMemory, sentence: str
):
    assert shortfall("ALS", PLAN, there) == sentence


def test_the_setting_that_was_named_does():
    assert shortfall("ALS", PLAN, available(executor(overhead=1264))) is None
    assert shortfall("ALS", PLAN, available(executor(pyspark=3312))) is None
    assert shortfall("ALS", PLAN, available(heap=464)) is None
    assert shortfall("ALS", PLAN, available(executor(), overhead=564)) is None


def test_fewer_busy_workers_need_less():
    few = MemoryPlan(**vars(PLAN) | {"members": 2})
    assert shortfall("ALS", few, available(executor(overhead=600))) is None
    assert shortfall("ALS", few, available(machine=1500)) is None


def test_one_line_says_what_a_fit_needs():
    assert plan_summary("ALS", PLAN, available()) == (
        "Estimated memory of ALS: driver 400 MiB of heap and 500 MiB of Python; 4 Python workers of 300 MiB each; "
        "cached ratings 90 MiB in total, which may spill to disk."
    )
    assert "; each executor 600 MiB of heap and 4 Python workers of 300 MiB each; " in plan_summary(
        "ALS", PLAN, available(executor())
    )


@pytest.mark.parametrize(
    ("master", "settings", "overhead", "is_enforced"),
    [
        ("spark://m:7077", {}, 384, False),  # a standalone cluster keeps nothing free beside the heap
        ("spark://m:7077", {"memory": "8g"}, 819, False),
        ("spark://m:7077", {"memoryOverhead": "2g"}, 2048, True),
        ("yarn", {"memory": "8g"}, 819, True),
        ("yarn", {"memory": "8g", "memoryOverheadFactor": "0.5"}, 4096, True),
        ("yarn", {"minMemoryOverhead": "512m"}, 512, True),
        ("yarn", {"memoryOverhead": "700"}, 700, True),  # in MiB where there is no unit
        ("k8s://https://m", {"memory": "10240mb"}, 1024, True),  # as its pods have in client mode
        ("k8s://https://m", {"memoryOverheadFactor": "0.5", "memory": "4g"}, 2048, True),
    ],
)
def test_overhead_is_what_spark_takes(master: str, settings: dict[str, str], overhead: int, is_enforced: bool):
    conf = SparkConf(loadDefaults=False)
    for name, value in settings.items():
        conf.set(f"spark.executor.{name}", value)
    found = executor_memory(conf, master, 2)
    assert (found.overhead // MIB, found.is_enforced, found.cores, found.pyspark) == (overhead, is_enforced, 2, None)


SUBMITTED = {"spark.submit.deployMode": "cluster"}
# What Spark itself sets for a driver in a pod, beside the client mode that it starts it in.
IN_A_POD = {
    "spark.submit.deployMode": "client",
    "spark.kubernetes.submitInDriver": "true",
    "spark.kubernetes.memoryOverheadFactor": "0.4",
}


@pytest.mark.parametrize(
    ("master", "settings", "overhead"),
    [
        ("yarn", {}, None),
        ("yarn", {"spark.submit.deployMode": "client", "spark.driver.memoryOverhead": "2g"}, None),
        ("k8s://https://m", {"spark.submit.deployMode": "client"}, None),
        ("yarn", SUBMITTED, 384),
        ("yarn", SUBMITTED | {"spark.driver.memory": "8g"}, 819),
        ("yarn", SUBMITTED | {"spark.driver.memoryOverheadFactor": "0.5", "spark.driver.memory": "8g"}, 4096),
        ("yarn", SUBMITTED | {"spark.kubernetes.memoryOverheadFactor": "0.5", "spark.driver.memory": "8g"}, 819),
        ("yarn", SUBMITTED | {"spark.driver.minMemoryOverhead": "700m"}, 700),
        ("yarn", SUBMITTED | {"spark.driver.memoryOverhead": "2g", "spark.driver.minMemoryOverhead": "3g"}, 2048),
        ("k8s://https://m", IN_A_POD, 409),
        ("k8s://https://m", IN_A_POD | {"spark.driver.memory": "10g"}, 4096),
        ("k8s://https://m", IN_A_POD | {"spark.driver.memoryOverheadFactor": "1"}, 1024),
    ],
)
def test_overhead_of_a_driver_counts_in_cluster_mode(master: str, settings: dict[str, str], overhead: int | None):
    conf = SparkConf(loadDefaults=False)
    for name, value in settings.items():
        conf.set(name, value)
    found = driver_overhead(conf, master)
    assert (None if found is None else found // MIB) == overhead


def test_executors_of_a_driver_in_a_pod_have_what_spark_sets_there():
    conf = SparkConf(loadDefaults=False).set("spark.executor.memory", "10g")
    for name, value in IN_A_POD.items():
        conf.set(name, value)
    assert executor_memory(conf, "k8s://https://m", 2).overhead == 4 << 30


def test_cores_of_an_executor_are_those_set_or_those_that_tasks_take():
    conf = SparkConf(loadDefaults=False).set("spark.task.cpus", "3").set("spark.executor.pyspark.memory", "1048576k")
    found = executor_memory(conf, "spark://m:7077", 2)
    assert (found.cores, found.pyspark) == (6, 1024 * MIB)
    assert executor_memory(conf.set("spark.executor.cores", "8"), "spark://m:7077", 2).cores == 8


@pytest.mark.parametrize(("says", "expected"), [("max\n", None), ("1048576\n", MIB), (None, None)])
def test_a_containers_limit_counts_where_it_is_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None, expected: int | None
):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(limits, "_MEMORY_OF_A_CONTAINER", limit)
    whole = machine_memory()
    if says is not None:
        limit.write_text(says)
    assert machine_memory() == (expected or whole)


def test_a_local_session_has_no_executors(spark: SparkSession):
    there = session_memory(spark.sparkContext)
    assert there.executor is None
    assert (there.result, there.slots) == (1 << 30, 2)
    assert there.driver_heap > 1 << 30
    assert there.driver_overhead is None


@pytest.mark.parametrize("error", REFUSALS)
def test_settings_give_the_memory_if_the_platform_refuses_to(error: Exception):
    settings = {"spark.driver.memory": "3g", "spark.executor.instances": "2", "spark.executor.memory": "2g"}
    there = SimpleNamespace(getConf=lambda: settings, master="spark://cluster:7077", defaultParallelism=8)
    found = session_memory(refusing(there, error))
    assert (found.driver_heap, found.slots) == (3 << 30, 8)
    assert found.executor is not None
    assert (found.executor.workers, found.executor.heap) == (4, 2 << 30)


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> Any:
    rows = [(user, item, 1.0 + (user + item) % 5) for user in range(8) for item in range(6)]
    return spark.createDataFrame(rows, "user int, item int, rating float").coalesce(1).cache()


def test_the_need_is_logged_once_a_fit(ratings: Any, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="spark_mf"):
        ALS(rank=2, maxIter=0, seed=1, numUserBlocks=1, numItemBlocks=1).fit(ratings)
    said = [message for message in caplog.messages if "Estimated memory" in message]
    assert len(said) == 1
    assert said[0].startswith("Estimated memory of ALS: driver ")


@pytest.mark.parametrize("estimator", [ALS(), GD(), SGD()], ids=["ALS", "GD", "SGD"])
def test_a_fit_is_refused_before_ratings_are_laid_out(
    ratings: Any, estimator: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    pods = available(executor(overhead=384))
    monkeypatch.setattr(limits, "session_memory", lambda context: pods)
    monkeypatch.setattr("spark_mf.ratings.dataset.lay_out", lambda *given: pytest.fail("ratings were laid out"))
    fit = estimator.copy().setParams(numUserBlocks=2, numItemBlocks=2, rank=2, seed=1)
    name = type(estimator).__name__
    sentence = rf"must be >= 5\d\d MiB for the 2 Python workers of an executor in {name}, got 384 MiB\. Set it"
    with pytest.raises(MemoryError, match=rf"^spark\.executor\.memoryOverhead {sentence}"):
        fit.fit(ratings)
