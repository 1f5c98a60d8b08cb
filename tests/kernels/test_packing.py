"""Packing kernels against their NumPy twins, bit by bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spark_mf.kernels import packing
from spark_mf.kernels.reference import packing as reference

IMPLEMENTATIONS = pytest.mark.parametrize("implementation", [packing, reference], ids=["kernel", "twin"])

SMALLEST_DENORMAL = np.float32(1e-45)


def assert_same_bits(result, expected):
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result.view(np.uint32), expected.view(np.uint32))


@IMPLEMENTATIONS
def test_values_are_told_apart_by_their_bits(implementation):
    values = np.array([-0.0, 0.0, SMALLEST_DENORMAL, 0.0, -0.0], np.float32)

    table, codes = implementation.encode_values(values)

    assert_same_bits(table, np.array([-0.0, 0.0, SMALLEST_DENORMAL], np.float32))
    assert codes.dtype == np.uint8
    assert codes.tolist() == [0, 1, 2, 1, 0]
    assert_same_bits(implementation.decode_values(table, codes), values)


@given(st.integers(1, 300), st.integers(0, 2000), st.integers(0, 99))
def test_encode_values_equals_its_twin(n_distinct, n, seed):
    rng = np.random.default_rng(seed)
    some = rng.integers(0, 2**32, n_distinct, np.uint32)
    values = some[rng.integers(0, n_distinct, n)].view(np.float32)

    table, codes = packing.encode_values(values)

    wanted_table, wanted_codes = reference.encode_values(values)
    assert_same_bits(table, wanted_table)
    np.testing.assert_array_equal(codes, wanted_codes)


@IMPLEMENTATIONS
@pytest.mark.parametrize(("n_distinct", "table_size"), [(255, 255), (256, 256), (257, 0)])
def test_a_table_has_at_most_256_values(implementation, n_distinct, table_size):
    values = np.tile(np.arange(n_distinct, dtype=np.float32), 2)

    table, codes = implementation.encode_values(values)

    assert table.size == table_size
    assert codes.size == (values.size if table_size else 0)


@IMPLEMENTATIONS
def test_no_values(implementation):
    table, codes = implementation.encode_values(np.empty(0, np.float32))

    assert table.size == 0
    assert codes.size == 0


@given(arrays.arrays(np.int32, st.integers(0, 50), elements=st.integers(0, 2**24 - 1)))
def test_indices_are_split_and_joined(indices):
    low, high = packing.split_indices(indices)

    wanted_low, wanted_high = reference.split_indices(indices)
    assert (low.dtype, high.dtype) == (np.uint16, np.uint8)
    np.testing.assert_array_equal(low, wanted_low)
    np.testing.assert_array_equal(high, wanted_high)
    for implementation in (packing, reference):
        joined = implementation.join_indices(low, high)
        assert joined.dtype == np.int32
        np.testing.assert_array_equal(joined, indices)


@IMPLEMENTATIONS
def test_split_indices_by_hand(implementation):
    low, high = implementation.split_indices(np.array([0x010203, 0xFFFFFF, 0xFFFF], np.int32))

    assert low.tolist() == [0x0203, 0xFFFF, 0xFFFF]
    assert high.tolist() == [1, 255, 0]
