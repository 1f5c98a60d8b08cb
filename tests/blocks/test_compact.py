"""Tests that compact arrays are restored exactly and have the documented sizes."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spark_mf.blocks.compact import compact_indices, compact_values, restore_indices, restore_values


@given(hnp.arrays(np.int32, st.integers(0, 50), elements=st.integers(0, 2**31 - 1)), st.sampled_from([9, 16, 24, 31]))
def test_indices_come_back(indices, bits):
    indices = indices & np.int32(2**bits - 1)
    back = restore_indices(compact_indices(indices))
    assert back.dtype == np.int32
    np.testing.assert_array_equal(back, indices)


@given(hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32)))
def test_values_come_back_in_every_bit(values):
    back = restore_values(compact_values(values))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.view(np.uint32), values.view(np.uint32))


@pytest.mark.parametrize(
    ("largest", "bytes_each"), [(0, 2), (2**16 - 1, 2), (2**16, 3), (2**24 - 1, 3), (2**24, 4), (2**31 - 1, 4)]
)
def test_bytes_of_an_index(largest, bytes_each):
    indices = np.array([0, largest, 1], np.int32)
    parts = compact_indices(indices)
    assert sum(part.nbytes for part in parts) == 3 * bytes_each
    np.testing.assert_array_equal(restore_indices(parts), indices)


def test_bytes_of_values_and_values_of_too_many_kinds():
    stars = np.tile(np.arange(1, 11, dtype=np.float32), 100)
    table, codes = compact_values(stars)
    assert (table.size, codes.nbytes) == (10, 1000)
    many = np.arange(257, dtype=np.float32)
    assert compact_values(many)[0] is many
    np.testing.assert_array_equal(restore_values(compact_values(many)), many)


def test_no_rating():
    assert restore_indices(compact_indices(np.empty(0, np.int32))).shape == (0,)
    assert restore_values(compact_values(np.empty(0, np.float32))).shape == (0,)


def test_what_is_restored_can_be_compacted_again_from_slices():
    """A piece is a slice of its chunk's arrays, and pickled as such."""
    values = np.array([1, 2, 1, 5, 4, 2], np.float32)[1:5]
    parts = pickle.loads(pickle.dumps(compact_values(values)))
    np.testing.assert_array_equal(restore_values(parts), values)
