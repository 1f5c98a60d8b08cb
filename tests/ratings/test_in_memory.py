"""Tests that fits of ratings laid out in memory give the model of a fit of the DataFrame."""

from typing import Any

import pytest

from spark_mf import ALS, GD, SGD, lay_out_ratings
from tests.low_rank import low_rank
from tests.same_model import assert_same_model

BLOCKS: dict[str, Any] = {"numUserBlocks": 2, "numItemBlocks": 3}


@pytest.fixture(scope="module")
def ratings(spark):
    table = low_rank(30, 20, 2, observed=0.4)
    table["held_out"] = (table.user * 7 + table.item) % 9 == 0
    table["held_out"] &= (table.user - table.item) % 20 != 0
    return spark.createDataFrame(table).cache()


@pytest.fixture(scope="module")
def laid_out(ratings):
    handle = lay_out_ratings(ratings, validationIndicatorCol="held_out", seed=3, **BLOCKS)
    yield handle
    handle.unpersist()


@pytest.mark.parametrize(
    "estimator",
    [
        ALS(engine="ring", solver="cg"),
        ALS(engine="broadcast"),
        GD(engine="broadcast"),
        SGD(engine="ring"),
        SGD(engine="stages"),
    ],
    ids=lambda estimator: f"{type(estimator).__name__}-{estimator.getEngine()}",
)
def test_fits_of_shared_ratings_are_fits_of_the_dataframe(ratings, laid_out, estimator):
    estimator = estimator.copy().setParams(rank=3, maxIter=2, seed=3, validationIndicatorCol="held_out")
    expected = estimator.copy().setParams(**BLOCKS).fit(ratings)
    found = estimator.fit(laid_out)
    assert_same_model(found, expected)
    assert found.summary.coldValidationRatings == expected.summary.coldValidationRatings


def test_a_grid_of_fewer_user_blocks_joins_those_that_are_there(spark, ratings):
    handle = lay_out_ratings(ratings, seed=3, numUserBlocks=4, numItemBlocks=4)
    try:
        model = SGD(rank=2, maxIter=1, seed=3).fit(handle)
        assert model.userFactors.count() == 30
        assert ALS(rank=2, maxIter=1).fit(handle).summary.users == 30
    finally:
        handle.unpersist()


def test_nothing_stays_in_storage_once_released(spark, ratings):
    def persistent():
        return set(spark.sparkContext._jsc.getPersistentRDDs().keys())

    before = persistent()
    handle = lay_out_ratings(ratings, **BLOCKS)
    layouts = persistent() - before
    assert layouts
    ALS(rank=2, maxIter=1).fit(handle)
    assert layouts <= persistent()
    handle.unpersist()
    assert not layouts & persistent()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"numUserBlocks": 7}, r"^numUserBlocks must be 2, the blocks of the laid-out ratings, got 7\. "),
        ({"numItemBlocks": 2}, r"^numItemBlocks must be 3, .* got 2\. Leave it unset\.$"),
    ],
)
def test_other_blocks_are_refused(laid_out, params, sentence):
    with pytest.raises(ValueError, match=sentence):
        ALS(**params).fit(laid_out)


def test_validation_rows_that_there_are_not_are_refused(ratings):
    handle = lay_out_ratings(ratings, **BLOCKS)
    with pytest.raises(ValueError, match=r"^validationIndicatorCol must not be set for ratings .* got 'held_out'\. "):
        ALS(validationIndicatorCol="held_out").fit(handle)
    handle.unpersist()


def test_what_is_no_dataframe_is_refused():
    with pytest.raises(TypeError, match=r"^dataset must be a Spark DataFrame, got a list"):
        lay_out_ratings([(1, 2, 3.0)])  # type: ignore[arg-type]
