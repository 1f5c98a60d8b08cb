"""Tests of SGD on partitioned ratings, by user and from the grid, with equal or fewer blocks."""

import logging

import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_mf import SGD, SGDModel
from spark_mf.data.generating import generate_ratings
from spark_mf.models.factors import collect_factors
from spark_mf.ratings.folder_writing import partition_ratings


@pytest.fixture(scope="module")
def marked(spark):
    ratings = generate_ratings(spark, users=90, items=50, ratings=1500, seed=1)
    held_out = F.col("user") % 7 == F.col("item") % 7
    return ratings.withColumn("split", F.when(held_out, "validation").otherwise("train")).cache()


def sgd(**params) -> SGD:
    return SGD(**{"rank": 4, "maxIter": 3, "seed": 5, **params})


@pytest.fixture(scope="module")
def from_data(marked) -> SGDModel:
    held = marked.withColumn("held", F.col("split") == "validation")
    return sgd(numUserBlocks=2, numItemBlocks=3, validationIndicatorCol="held").fit(held)


def assert_same(one: SGDModel, other: SGDModel) -> None:
    for side in ("userFactors", "itemFactors"):
        (ids, factors, biases), (other_ids, others, other_biases) = (
            collect_factors(getattr(model, side)) for model in (one, other)
        )
        assert ids.equals(other_ids)
        np.testing.assert_array_equal(factors, others)
        np.testing.assert_array_equal(biases, other_biases)


def test_a_fit_from_the_folder_is_the_fit_from_the_data(marked, from_data, tmp_path):
    folder = partition_ratings(marked, str(tmp_path / "out"), userBlocks=2, itemBlocks=3, splitCol="split", seed=5)
    from_folder = sgd().fit(folder)
    assert_same(from_data, from_folder)
    assert from_data.summary.metricHistory("validation_rmse") == from_folder.summary.metricHistory("validation_rmse")
    assert from_data.globalMean == from_folder.globalMean


def test_the_grid_alone_is_enough(marked, from_data, tmp_path):
    kept = marked.where("split = 'train'")
    folder = partition_ratings(kept, str(tmp_path / "grid"), userBlocks=2, itemBlocks=3, layouts=("grid",), seed=5)
    assert_same(from_data, sgd().fit(folder))
    with pytest.raises(ValueError, match=r"must not be set, as .* was partitioned without validation rows, got 'held'"):
        sgd(validationIndicatorCol="held").fit(folder)


def test_a_grid_has_no_validation_rows(marked, tmp_path):
    path = str(tmp_path / "grid")
    folder = partition_ratings(marked, path, userBlocks=2, itemBlocks=3, splitCol="split", layouts=("grid",))
    with pytest.raises(ValueError, match=r"as the grid of .* has no validation rows, got 'split'\. Leave it unset, or"):
        sgd(validationIndicatorCol="split").fit(folder)


def test_a_damaged_grid_is_refused(marked, tmp_path):
    """A file of another block under this one's name: every length is right, the content is not."""
    folder = partition_ratings(marked, str(tmp_path / "out"), userBlocks=2, itemBlocks=3, layouts=("grid",))
    one, other = sorted((tmp_path / "out" / "grid").glob("part-*"))
    one_bytes, other_bytes = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_bytes)
    other.write_bytes(one_bytes)
    assert sgd(maxIter=1).fit(folder).summary.ratings == 1500  # blocks are known by what is in them, not by their names
    one.write_bytes(one_bytes[:100] + bytes(len(one_bytes) - 104) + one_bytes[-4:])
    with pytest.raises(ValueError, match="must contain the ratings that were written, got another checksum"):
        sgd().fit(folder)


def test_blocks_of_a_folder_are_joined_to_as_many_as_there_are_slots(marked, tmp_path, caplog):
    folder = partition_ratings(marked, str(tmp_path / "out"), userBlocks=5, itemBlocks=7, splitCol="split", seed=5)
    with caplog.at_level(logging.WARNING, logger="spark_mf"):
        model = sgd(maxIter=2).fit(folder)
    assert model.summary.engine == "ring"
    assert not caplog.records
    stages = sgd(maxIter=2, engine="stages").fit(folder)
    assert stages.summary.engine == "stages"
    assert_same(model, stages)
    with caplog.at_level(logging.WARNING, logger="spark_mf"):
        assert sgd(maxIter=1, numUserBlocks=5).fit(folder).summary.engine == "stages"
    assert "5 user blocks need as many task slots" in caplog.text
