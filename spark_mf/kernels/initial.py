"""Factors to start from."""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.random import standard_normal


def unit_rows(seed: int, purpose: int, n_rows: int, rank: int) -> NDArray[np.float32]:
    """Return float32[n_rows, rank] with rows uniform on the unit sphere, as pyspark's ALS starts from.

    A row depends on (seed, purpose, its position) alone.
    """
    normals = standard_normal(seed, purpose, np.arange(n_rows, dtype=np.int64), rank)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def normal_rows(seed: int, purpose: int, n_rows: int, rank: int, deviation: float) -> NDArray[np.float32]:
    """Return float32[n_rows, rank] of normal numbers with mean 0 and a standard deviation.

    A row depends on (seed, purpose, its position) alone.
    """
    normals = standard_normal(seed, purpose, np.arange(n_rows, dtype=np.int64), rank)
    return normals * np.float32(deviation)
