"""Tests of the ring in a barrier stage, and of Spark's retries after the loss of a member."""

import os
import secrets
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from spark_mf.exchange.ring.barrier import enter_ring
from spark_mf.exchange.ring.joining import RingSettings
from spark_mf.exchange.ring.ring import Ring


def run_stage(
    spark: SparkSession, members: int, work: Callable[[Ring], Any], timeout: float = 20.0, is_retried: bool = True
) -> list[Any]:
    """Run `work` as every member; Spark runs a barrier stage again only when a shuffle follows it."""
    settings = RingSettings(secrets.token_bytes(32), "fit", timeout, 1 << 20)

    def enter(records: Iterable[int]) -> Iterator[Any]:
        list(records)
        with enter_ring(settings) as ring:
            yield ring.position, work(ring)

    stage = spark.sparkContext.parallelize(range(members), members).barrier().mapPartitions(enter)
    outcomes = dict((stage.partitionBy(1) if is_retried else stage).collect())
    return [outcomes[position] for position in range(members)]


def exchange(ring: Ring) -> tuple[list[list[float]], list[list[int]]]:
    """Rotate five blocks three times and gather what each member has seen."""
    blocks = [(block, np.full(3, block, np.float32)) for block in range(ring.position, 5, ring.size)]
    seen = []
    for _ in range(15):
        block, array = blocks.pop(0) if blocks else ring.receive()
        seen.append(block)
        array += 10
        if array[0] < 10 * 3 * ring.size:
            ring.send(block, array)
    return [each.tolist() for each in ring.all_gather(np.full(ring.position, 0.5))], [sorted(seen)]


@pytest.mark.parametrize("members", [1, 2])
def test_members_of_a_barrier_stage_exchange_arrays(spark: SparkSession, members: int):
    gathered = [[0.5] * position for position in range(members)]
    assert run_stage(spark, members, exchange) == [(gathered, [sorted(3 * [0, 1, 2, 3, 4])])] * members


@pytest.mark.parametrize("loss", ["killed", "stopped"])
def test_a_stage_that_loses_a_member_runs_again_and_gives_the_result(spark: SparkSession, tmp_path: Path, loss: str):
    happened = tmp_path / "happened"

    def work(ring: Ring) -> Any:
        ring.all_gather(np.zeros(1))
        if ring.position == 1 and not happened.exists():
            happened.touch()
            os.kill(os.getpid(), signal.SIGKILL if loss == "killed" else signal.SIGSTOP)
        return exchange(ring)

    gathered: list[list[float]] = [[], [0.5]]
    assert run_stage(spark, 2, work, timeout=2.0) == [(gathered, [sorted(3 * [0, 1, 2, 3, 4])])] * 2
    assert happened.exists()


def test_the_error_of_a_member_reaches_the_driver(spark: SparkSession):
    def work(ring: Ring) -> None:
        ring.all_gather(np.zeros(1))
        if ring.position == 1:
            raise ValueError("its own error")
        ring.receive()

    with pytest.raises(Exception, match=r"its own error|the member at 127\.0\.0\.1:\d+ \(position 1\) broke"):
        run_stage(spark, 2, work, is_retried=False)
