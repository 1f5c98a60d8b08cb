"""Residuals of ratings: against the twin and by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels import residuals
from spark_mf.kernels.reference import residuals as twin


def test_by_hand():
    values, indices = np.array([4, 2, 5], np.float32), np.array([1, 0, 1], np.int32)
    found = residuals.subtract_offsets(values, indices, np.array([3, 3.5], np.float32))
    assert found.dtype == np.float32
    assert found.tolist() == [0.5, -1, 1.5]


@given(st.integers(0, 300), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_the_same_as_the_twin(n, columns, seed):
    rng = np.random.default_rng(seed)
    values, offsets = rng.uniform(1, 5, n).astype(np.float32), rng.standard_normal(columns).astype(np.float32)
    values.flags.writeable = False
    arguments = values, rng.integers(0, columns, n).astype(np.int32), offsets
    np.testing.assert_allclose(residuals.subtract_offsets(*arguments), twin.subtract_offsets(*arguments), atol=1e-6)
