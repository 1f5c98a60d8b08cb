"""A fit on the ring that loses a member in the midst of a stage gives the model of an undisturbed one."""

import os
import signal
from typing import Any

import pytest
from pyspark.sql import DataFrame

from spark_mf import ALS, SGD
from tests.recovery.losses import Losses, is_gone
from tests.same_model import assert_same_model

SHARED: dict[str, Any] = {"rank": 3, "maxIter": 3, "seed": 7, "numUserBlocks": 2, "engine": "ring", "ringTimeout": 2.0}
ESTIMATORS = {
    "ALS": ALS(numItemBlocks=2, **SHARED),
    "SGD": SGD(numItemBlocks=5, optimizer="momentum", stepSize=0.005, validationIndicatorCol="held_out", **SHARED),
}


@pytest.fixture(scope="module", params=ESTIMATORS)
def estimator(request: pytest.FixtureRequest) -> Any:
    return ESTIMATORS[request.param]


@pytest.fixture(scope="module")
def undisturbed(estimator: Any, ratings: DataFrame) -> Any:
    return estimator.fit(ratings)


@pytest.mark.parametrize(
    ("sent", "notice"),
    [
        pytest.param(signal.SIGKILL, "broke: it was closed at the other end", id="killed"),
        pytest.param(signal.SIGSTOP, "was silent for 2 s", id="stopped", marks=pytest.mark.slow),
    ],
)
def test_a_lost_worker_changes_nothing(
    estimator: Any, undisturbed: Any, ratings: DataFrame, losses: Losses, sent: int, notice: str
):
    losses.inflict(lambda: os.kill(os.getpid(), sent), exchange=4)
    disturbed = estimator.fit(ratings)
    assert is_gone(losses.pid)
    assert [losses.entered(position) for position in range(2)] == [2, 2]
    assert "(position 1)" in losses.noticed
    assert notice in losses.noticed
    assert_same_model(disturbed, undisturbed)
