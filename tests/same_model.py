"""Assertions that two models, or their factors, are the same."""

from typing import Any

import numpy as np

from spark_mf.models.factors import collect_factors


def assert_same_model(one: Any, other: Any) -> None:
    """Fail unless two models are the same in every bit, and came about by the same iterations."""
    assert_same_factors(one, other)
    assert [step.metrics for step in one.summary.history] == [step.metrics for step in other.summary.history]
    assert one.summary.bestIteration == other.summary.bestIteration


def assert_same_factors(one: Any, other: Any) -> None:
    """Fail unless the ids, factors and biases of two models are the same in every bit."""
    for side in ("userFactors", "itemFactors"):
        mine, theirs = collect_factors(getattr(one, side)), collect_factors(getattr(other, side))
        assert mine.ids == theirs.ids
        np.testing.assert_array_equal(mine.factors, theirs.factors, err_msg=side)
        np.testing.assert_array_equal(mine.biases, theirs.biases, err_msg=side)
