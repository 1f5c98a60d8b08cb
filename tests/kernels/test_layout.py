"""Every layout kernel against its NumPy twin, and on answers worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spark_mf.kernels import layout
from spark_mf.kernels.reference import layout as reference

LOWEST, HIGHEST = -(2**63), 2**63 - 1

IMPLEMENTATIONS = pytest.mark.parametrize("implementation", [layout, reference], ids=["kernel", "twin"])


def assert_same(results, expected):
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result, wanted)


def read_only(array):
    array.flags.writeable = False
    return array


@IMPLEMENTATIONS
@pytest.mark.parametrize("scale", [1, 10**15], ids=["by address", "by hash"])
def test_encode_numbers_ids_in_ascending_order(implementation, scale):
    ids = np.array([7, -3, 7, 5, -3, 7], np.int64) * scale

    unique, counts, codes = implementation.encode(read_only(ids))

    assert_same(
        (unique, counts, codes),
        (
            np.array([-3, 5, 7], np.int64) * scale,
            np.array([2, 1, 3], np.int64),
            np.array([2, 0, 2, 1, 0, 2], np.int32),
        ),
    )


@given(st.lists(st.integers(LOWEST, HIGHEST) | st.integers(-9, 9) | st.sampled_from([LOWEST, HIGHEST])))
def test_encode_any_ids(ids):
    ids = np.array(ids, np.int64)

    assert_same(layout.encode(ids), reference.encode(ids))


@pytest.mark.parametrize("lowest", [LOWEST, -10, HIGHEST - 2**20 + 1])
def test_encode_by_address_at_the_ends_of_the_range(lowest):
    ids = lowest + np.array([2**20 - 1, 0, 5, 5], np.int64)

    assert_same(layout.encode(ids), reference.encode(ids))


@pytest.mark.parametrize("n_distinct", [1_983, 1_984, 1_985, 2_048, 100_000])
def test_encode_by_hash_through_growth(n_distinct):
    """The table starts with 4,096 places; ids that agree in their low bits must not pile up in it."""
    ids = np.random.default_rng(n_distinct).permutation(n_distinct).astype(np.int64) << 40
    ids = np.concatenate([ids, ids[::3]])

    assert_same(layout.encode(ids), reference.encode(ids))


def test_encode_leaves_its_input_alone():
    for scale in (1, 10**15):
        ids = np.array([3, 1, 2, 1], np.int64) * scale
        layout.encode(ids)
        np.testing.assert_array_equal(ids, np.array([3, 1, 2, 1]) * scale)


@IMPLEMENTATIONS
def test_sum_by_code(implementation):
    codes = np.array([2, 0, 2], np.int32)
    amounts = np.array([2**53, 7, 1], np.int64)

    sums = implementation.sum_by_code(codes, amounts, 4)

    assert_same([sums], [np.array([7, 0, 2**53 + 1, 0], np.int64)])


@IMPLEMENTATIONS
def test_scatter_by_block_keeps_order_inside_a_block(implementation):
    results = implementation.scatter_by_block(
        block_of_code=np.array([2, 0, 2], np.int32),
        local_row_of_code=np.array([5, 6, 7], np.int32),
        row_codes=np.array([0, 1, 2, 0], np.int32),
        column_of_code=np.array([30, 40], np.int32),
        column_codes=np.array([1, 0, 0, 0], np.int32),
        values=np.array([1, 2, 3, 4], np.float32),
        n_blocks=4,
    )

    assert_same(
        results,
        (
            np.array([0, 1, 1, 4, 4], np.int64),
            np.array([6, 5, 7, 5], np.int32),
            np.array([30, 40, 30, 30], np.int32),
            np.array([2, 1, 3, 4], np.float32),
        ),
    )


@st.composite
def ratings(draw, most_rows=12, most_columns=9):
    """Ratings of a small matrix, with empty rows and repeated pairs: rows, columns, values, their numbers."""
    n_rows = draw(st.integers(1, most_rows))
    n_columns = draw(st.integers(1, most_columns))
    n = draw(st.integers(0, 60))
    rows = draw(arrays.arrays(np.int32, n, elements=st.integers(0, n_rows - 1)))
    columns = draw(arrays.arrays(np.int32, n, elements=st.integers(0, n_columns - 1)))
    return rows, columns, np.arange(n, dtype=np.float32), n_rows, n_columns


@given(ratings(), st.integers(1, 7), st.data())
def test_scatter_by_block_equals_its_twin(matrix, n_blocks, data):
    rows, columns, values, n_rows, n_columns = matrix
    block_of_code = data.draw(arrays.arrays(np.int32, n_rows, elements=st.integers(0, n_blocks - 1)))
    arguments = (
        read_only(block_of_code),
        np.arange(n_rows, dtype=np.int32)[::-1].copy(),
        read_only(rows),
        np.arange(n_columns, dtype=np.int32) + 100,
        read_only(columns),
        read_only(values),
        n_blocks,
    )

    assert_same(layout.scatter_by_block(*arguments), reference.scatter_by_block(*arguments))


@IMPLEMENTATIONS
def test_csr_from_triples_keeps_order_inside_a_row(implementation):
    results = implementation.csr_from_triples(
        rows=np.array([3, 1, 3, 1, 1], np.int32),
        columns=np.array([8, 7, 2, 7, 0], np.int32),
        values=np.array([1, 2, 3, 4, 5], np.float32),
        n_rows=5,
    )

    assert_same(
        results,
        (
            np.array([0, 0, 3, 3, 5, 5], np.int64),
            np.array([7, 7, 0, 8, 2], np.int32),
            np.array([2, 4, 5, 1, 3], np.float32),
        ),
    )


@given(ratings())
def test_csr_from_triples_equals_its_twin(matrix):
    rows, columns, values, n_rows, _ = matrix
    arguments = (read_only(rows), read_only(columns), read_only(values), n_rows)

    assert_same(layout.csr_from_triples(*arguments), reference.csr_from_triples(*arguments))


@IMPLEMENTATIONS
def test_csr_of_no_rows(implementation):
    results = implementation.csr_from_triples(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32), 0)

    assert_same(results, (np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)))


@IMPLEMENTATIONS
def test_count_duplicates_counts_repeats_within_a_row_only(implementation):
    indptr = np.array([0, 0, 4, 6, 7], np.int64)
    indices = np.array([5, 1, 5, 5, 5, 1, 1], np.int32)

    assert implementation.count_duplicates(indptr, indices, 6) == 2


@given(ratings())
def test_count_duplicates_equals_its_twin(matrix):
    rows, columns, values, n_rows, n_columns = matrix
    indptr, indices, _ = reference.csr_from_triples(rows, columns, values, n_rows)
    expected = values.size - len(set(zip(rows.tolist(), columns.tolist(), strict=True)))

    assert layout.count_duplicates(indptr, indices, n_columns) == expected
    assert reference.count_duplicates(indptr, indices, n_columns) == expected
