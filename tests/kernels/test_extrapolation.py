"""Tests of the extrapolation of factors, by hand."""

import numpy as np

from spark_mf.kernels.extrapolation import extrapolate


def test_by_hand():
    rows, previous = np.array([[1, 2], [0, 1]], np.float32), np.array([[3, 1], [0, 5]], np.float32)
    rows.flags.writeable = previous.flags.writeable = False
    found = extrapolate(rows, previous, 0.75, nonnegative=False)
    assert found.dtype == np.float32
    assert found.tolist() == [[-0.5, 2.75], [0, -2]]
    assert extrapolate(rows, previous, 0.75, nonnegative=True).tolist() == [[0, 2.75], [0, 0]]
