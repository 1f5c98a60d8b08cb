"""Ratings for small fits that are interrupted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.recovery.losses import Losses


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    """2,000 ratings of 60 items by 100 users, of which a tenth are validation rows."""
    rng = np.random.default_rng(11)
    user, item = np.divmod(rng.permutation(100 * 60)[:2000], 60)
    u, v = rng.normal(0, 0.6, (100, 2)), rng.normal(0, 0.6, (60, 2))
    rating = (3.5 + (u[user] * v[item]).sum(axis=1) + rng.normal(0, 0.3, 2000)).astype(np.float32)
    ids = {"user": user.astype(np.int32), "item": item.astype(np.int32)}
    return pd.DataFrame({**ids, "rating": rating, "held_out": rng.random(2000) < 0.1})


@pytest.fixture(scope="session")
def ratings(spark: SparkSession, table: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(table).cache()


@pytest.fixture
def losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Losses:
    folder = tmp_path / "losses"
    folder.mkdir()
    return Losses(folder, monkeypatch)
