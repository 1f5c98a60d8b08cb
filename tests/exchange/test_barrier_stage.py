"""Tests of barrier stages: results, failures, and too few task slots."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from spark_mf.exchange.barrier_stage import BarrierStage
from spark_mf.exchange.ring.connection import RingError
from spark_mf.exchange.ring.ring import Ring


def test_results_come_in_the_order_of_the_records(spark: SparkSession):
    def work(ring: Ring, record: str) -> Any:
        gathered = ring.all_gather(np.array([float(record)]))
        return record, ring.position, np.concatenate(gathered).tolist()

    stage = BarrierStage(spark.sparkContext.parallelize(["7", "5"], 2), timeout=20.0, largest=8)
    assert stage.run("two members", work) == [("7", 0, [7.0, 5.0]), ("5", 1, [7.0, 5.0])]


def test_a_stage_that_fails_again_and_again_is_told_in_a_sentence(spark: SparkSession):
    def work(ring: Ring, record: int) -> None:
        raise RingError("the member at 10.0.0.7:4040 (position 0) took no data for 60 s.")

    stage = BarrierStage(spark.sparkContext.parallelize([0], 1), timeout=20.0, largest=8)
    with pytest.raises(RuntimeError) as raised:
        stage.run("SGD 1–10/20", work)
    assert str(raised.value) == (
        "SGD 1–10/20 failed in all attempts of its barrier stage: the member at 10.0.0.7:4040 (position 0) took no "
        "data for 60 s. Set a larger ringTimeout if workers are slow, or use the engine of ordinary stages if they "
        "cannot connect to each other."
    )
    assert raised.value.__suppress_context__  # no Java stack trace follows


def test_a_stage_that_waits_for_task_slots_logs_a_warning(spark: SparkSession, caplog: pytest.LogCaptureFixture):
    stage = BarrierStage(spark.sparkContext.parallelize([0, 1, 2], 3), timeout=0.2, largest=8)
    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(stage.run, "SGD 1–10/20", lambda ring, record: None)
        until = time.monotonic() + 20
        while not caplog.messages and time.monotonic() < until:
            time.sleep(0.05)
        spark.sparkContext.cancelAllJobs()
    with pytest.raises(Py4JJavaError, match="cancelled"):  # not a failure of a member, so Spark's error is raised
        fit.result()
    assert caplog.messages[0].startswith(
        "SGD 1–10/20 is waiting for task slots: it needs 3 at the same time, and the session has 2. "
    )


def test_a_stage_without_task_slots_is_aborted_and_other_jobs_continue(spark: SparkSession):
    stage = BarrierStage(spark.sparkContext.parallelize([0, 1, 2], 3), timeout=0.1, largest=8)

    def slow(each: int) -> int:
        time.sleep(3)
        return each

    others = spark.sparkContext.parallelize([7], 1).map(slow)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(others.collect)
        sentence = r"^SGD 1–10/20 was aborted after a timeout: for 1 s .* fewer than the 3 task slots"
        with pytest.raises(TimeoutError, match=sentence):
            stage.run("SGD 1–10/20", lambda ring, record: None)
        assert job.result() == [7]
    assert len(spark.sparkContext.getJobTags()) == 0


def test_an_error_in_the_making_of_the_records_is_told_as_well(spark: SparkSession):
    def fail(record: int) -> int:
        raise ValueError("a broken record")

    stage = BarrierStage(spark.sparkContext.parallelize([0], 1).map(fail), timeout=20.0, largest=8)
    sentence = r"barrier stage: ValueError: a broken record\. See Spark's log for details\.$"
    with pytest.raises(RuntimeError, match=sentence):
        stage.run("SGD 1–10/20", lambda ring, record: None)
