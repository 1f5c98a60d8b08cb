"""The same configuration on a cluster, on one machine's cores and in a single process."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark_mf import ALSModel, SGDModel
from spark_mf.kernels.reference import sgd as plain
from tests.recovery.on_cluster import EVERY_WAY
from tests.recovery.programs import started
from tests.same_model import assert_same_model
from tests.test_als import one_process_als
from tests.test_sgd import one_process

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kept(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of the models that a cluster of two executors fitted, beside the ratings, and how."""
    folder: Path = tmp_path_factory.mktemp("kept")
    table.to_parquet(folder / "ratings.parquet")
    with started(folder, "kept", {"spark.master": "local-cluster[2,1,1024]"}) as running:
        return folder, running.outcome()


@pytest.mark.parametrize("name", EVERY_WAY)
def test_a_cluster_gives_the_model_of_local_cores_in_every_bit(
    spark: SparkSession, kept: tuple[Path, dict[str, Any]], name: str
):
    folder, fitted = kept
    assert fitted[name] == {"engine": name.rpartition("-")[2], "executors": 2}
    model = (ALSModel if name.startswith("ALS") else SGDModel).load(str(folder / name))
    assert_same_model(model, EVERY_WAY[name].fit(spark.read.parquet(str(folder / "ratings.parquet"))))


@pytest.mark.parametrize("name", EVERY_WAY)
def test_a_cluster_gives_the_predictions_of_a_single_process(
    spark: SparkSession, kept: tuple[Path, dict[str, Any]], table: pd.DataFrame, name: str
):
    """NumPy in float64, to the rounding of a cluster's float32: 0.001, where ratings are about 3.5."""
    folder, _ = kept
    training = table[~table.held_out]
    if name.startswith("ALS"):
        u, v = one_process_als(training, EVERY_WAY[name])
        expected = np.einsum("ij,ij->i", u[table.user], v[table.item])
        model: Any = ALSModel.load(str(folder / name))
    else:
        one = one_process(training, EVERY_WAY[name], plain.train, np.float64)
        expected = np.einsum("ij,ij->i", one.U[table.user], one.V[table.item]) + one.bu[table.user] + one.bi[table.item]
        expected += training.rating.astype(np.float64).mean()
        model = SGDModel.load(str(folder / name))
        assert model.summary.bestIteration == EVERY_WAY[name].getMaxIter()
    predicted = model.transform(spark.createDataFrame(table)).select("user", "item", "prediction").toPandas()
    matched = table.assign(expected=expected).merge(predicted, on=["user", "item"])
    assert len(matched) == len(table)
    np.testing.assert_allclose(matched.prediction, matched.expected, atol=1e-3)
