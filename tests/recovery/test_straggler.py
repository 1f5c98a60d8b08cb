"""A member of the ring that takes much longer than the others, and longer than they may be silent."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import DataFrame

from spark_mf import ALS, SGD
from tests.recovery.losses import Losses, is_gone, timed
from tests.same_model import assert_same_model

pytestmark = pytest.mark.slow

TIMEOUT, LONGER = 3.0, 8.0
SHARED: dict[str, Any] = {"rank": 3, "maxIter": 3, "seed": 7, "numUserBlocks": 2, "engine": "ring"}


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(ALS(numItemBlocks=2, ringTimeout=TIMEOUT, **SHARED), id="ALS"),
        pytest.param(SGD(numItemBlocks=5, optimizer="momentum", ringTimeout=TIMEOUT, **SHARED), id="SGD"),
    ],
)
def test_a_member_that_works_on_is_waited_for(
    estimator: Any, ratings: DataFrame, losses: Losses, record_property: Callable[[str, object], None]
):
    estimator.fit(ratings)  # warms up
    undisturbed, seconds = timed(estimator, ratings)
    losses.inflict(lambda: time.sleep(LONGER), exchange=4)
    disturbed, longer = timed(estimator, ratings)
    record_property("seconds lost", longer - seconds)
    assert_same_model(disturbed, undisturbed)
    assert longer > LONGER  # it was slow indeed
    assert not is_gone(losses.pid, 0.1)
    assert [losses.entered(position) for position in range(2)] == [1, 1]
    assert not losses.was_noticed
