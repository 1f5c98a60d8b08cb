"""Tests of the mapping of ids to dense indices, and of the merge of chunks."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.blocks.ids import IdIndex
from spark_mf.kernels.layout import encode

IDS = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20), max_size=60)


def int64(*values):
    return np.array(values, np.int64)


def test_lookup_gives_positions_and_minus_one_for_unknown_ids():
    index = IdIndex(int64(-5, 0, 7, 2**63 - 1))

    dense = index.lookup(int64(7, 8, -5, 2**63 - 1, -(2**63), 7))

    assert dense.dtype == np.int32
    assert dense.tolist() == [2, -1, 0, 3, -1, 2]
    assert len(index) == 4


@given(IDS, IDS)
def test_lookup_of_any_ids(known, asked):
    index = IdIndex(np.unique(int64(*known)))
    position = {value: place for place, value in enumerate(sorted(set(known)))}

    assert index.lookup(int64(*asked)).tolist() == [position.get(value, -1) for value in asked]


@given(st.lists(IDS, max_size=5))
def test_merge_of_chunks_is_the_encoding_of_all_their_ids(chunks):
    parts = [encode(int64(*chunk))[:2] for chunk in chunks]

    index, counts = IdIndex.merge(iter(parts))

    unique, total, _ = encode(int64(*(value for chunk in chunks for value in chunk)))
    np.testing.assert_array_equal(index.ids, unique)
    np.testing.assert_array_equal(counts, total)
    assert (index.ids.dtype, counts.dtype) == (np.int64, np.int64)


def test_merge_adds_counts_beyond_the_floats():
    index, counts = IdIndex.merge([(int64(4), int64(2**53)), (int64(3, 4), int64(9, 1))])

    assert index.ids.tolist() == [3, 4]
    assert counts.tolist() == [9, 2**53 + 1]


def test_an_index_survives_pickling():
    index = pickle.loads(pickle.dumps(IdIndex(int64(1, 2))))

    assert index.lookup(int64(2)).tolist() == [1]


def test_ids_out_of_order_are_refused():
    with pytest.raises(ValueError, match=r"ids must be strictly ascending, got 3 after 8 at position 2\. Sort them"):
        IdIndex(int64(1, 8, 3))


def test_repeated_ids_are_refused():
    with pytest.raises(ValueError, match="ids must be strictly ascending, got 8 after 8 at position 2"):
        IdIndex(int64(1, 8, 8))


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        (np.array([1.0]), "float64"),
        (np.array([1], np.int32), "int32"),
        (np.zeros((2, 2), np.int64), r"int64 of shape \(2, 2\)"),
        ([1, 2], "list"),
    ],
)
def test_ids_of_another_type_are_refused(ids, found):
    with pytest.raises(TypeError, match=f"ids must be a one-dimensional int64 array, got {found}"):
        IdIndex(ids)
    with pytest.raises(TypeError, match=f"ids must be a one-dimensional int64 array, got {found}"):
        IdIndex(int64(1)).lookup(ids)


def test_a_part_with_too_few_counts_is_refused():
    with pytest.raises(ValueError, match="part 1 must have one count per id, got 2 ids and 1 counts"):
        IdIndex.merge([(int64(), int64()), (int64(1, 2), int64(1))])
