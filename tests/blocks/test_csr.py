"""Tests of rating blocks: construction, packing, and errors."""

import pickle
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spark_mf.blocks.csr import RatingBlock, join_blocks, pack, unpack

STARS = [0.5 * k for k in range(1, 11)]
SPECIAL = [-0.0, 0.0, float(np.float32(1e-45)), -float(np.float32(1e-45)), 3.4028234663852886e38]


def int32(*values):
    return np.array(values, np.int32)


def float32(*values):
    return np.array(values, np.float32)


def example_block():
    return RatingBlock.from_triples(
        rows=int32(10, 20, 40), local_rows=int32(2, 0, 2), columns=int32(7, 5, 6), values=float32(1, 2, 3)
    )


def assert_same_block(block, expected):
    assert (block.weights is None) == (expected.weights is None)
    names = ["rows", "indptr", "indices", "values"] + ["weights"] * (block.weights is not None)
    for name in names:
        array, wanted = getattr(block, name), getattr(expected, name)
        assert array.dtype == wanted.dtype, name
        assert array.tobytes() == wanted.tobytes(), name


@st.composite
def blocks(draw):
    n_rows = draw(st.integers(0, 8))
    n = draw(st.integers(0, 40)) if n_rows else 0
    n_columns = draw(st.sampled_from([1, 2**16, 2**16 + 1, 2**24, 2**24 + 1, 2**31 - 1]))
    value = draw(
        st.sampled_from(
            [
                st.sampled_from(STARS),
                st.sampled_from(SPECIAL),
                st.floats(width=32, allow_nan=False),
            ]
        )
    )
    return RatingBlock.from_triples(
        rows=np.sort(draw(arrays.arrays(np.int32, n_rows, elements=st.integers(0, 2**31 - 1)))),
        local_rows=draw(arrays.arrays(np.int32, n, elements=st.integers(0, max(n_rows - 1, 0)))),
        columns=draw(arrays.arrays(np.int32, n, elements=st.integers(0, n_columns - 1))),
        values=draw(arrays.arrays(np.float32, n, elements=value)),
        weights=draw(st.none() | arrays.arrays(np.float32, n, elements=value)),
    )


def test_from_triples_sorts_by_row():
    block = example_block()

    assert block.indptr.tolist() == [0, 1, 1, 3]
    assert block.indices.tolist() == [5, 7, 6]
    assert block.values.tolist() == [2, 1, 3]
    assert (block.n_rows, block.n_ratings) == (3, 3)
    assert block.nbytes == 3 * 4 + 4 * 8 + 3 * 4 + 3 * 4


@given(blocks())
def test_unpack_restores_every_bit(block):
    assert_same_block(unpack(pack(block)), block)


def test_weights_follow_their_ratings():
    block = RatingBlock.from_triples(
        int32(10, 20, 40), int32(2, 0, 2), int32(7, 5, 6), float32(1, 2, 3), weights=float32(0.1, 0.2, 0.3)
    )
    assert block.values.tolist() == [2, 1, 3]
    assert block.weights is not None
    assert block.weights.tolist() == float32(0.2, 0.1, 0.3).tolist()
    np.testing.assert_allclose(block.row_weights(), [0.2, 0, 0.4], rtol=1e-6)
    assert block.total_weight == pytest.approx(0.6)
    assert example_block().row_weights().tolist() == [1, 0, 2]
    assert example_block().total_weight == 3
    assert block.nbytes == example_block().nbytes + 3 * 4


def test_joined_blocks_keep_their_weights():
    rows = np.arange(4, dtype=np.int32)
    parts = [
        RatingBlock.from_triples(rows[2:], int32(0, 1), int32(5, 6), float32(1, 2), weights=float32(0.5, 0.25)),
        RatingBlock.from_triples(rows[:2], int32(), int32(), float32()),
        RatingBlock.from_triples(rows[:2], int32(1), int32(7), float32(3), weights=float32(4)),
    ]
    joined = join_blocks(rows, rows, parts)
    assert joined.weights is not None
    assert list(zip(joined.indices.tolist(), joined.weights.tolist(), strict=True)) == [(7, 4), (5, 0.5), (6, 0.25)]


def test_packed_blocks_without_weights_do_not_change():
    """Folders of partitioned ratings store their checksum; this one was computed by version 0.1."""
    assert zlib.crc32(pack(example_block())) == 3621853388


@pytest.mark.parametrize("n_distinct", [256, 257])
@pytest.mark.parametrize("largest", [2**16 - 1, 2**16, 2**24 - 1, 2**24, 2**31 - 1])
def test_unpack_at_the_limits_of_each_form(largest, n_distinct):
    rng = np.random.default_rng(largest + n_distinct)
    values = rng.integers(0, 2**31, n_distinct, np.uint32).view(np.float32)
    block = RatingBlock(int32(3, 4), np.array([0, 300, 600]), np.full(600, largest, np.int32), np.resize(values, 600))

    assert_same_block(unpack(pack(block)), block)


@pytest.mark.parametrize(
    ("largest", "n_distinct", "bytes_a_rating"),
    [(65_535, 256, 3), (65_536, 256, 4), (2**24 - 1, 256, 4), (2**24, 256, 5), (65_535, 257, 6)],
)
def test_a_packed_rating_takes_few_bytes(largest, n_distinct, bytes_a_rating):
    n = 100_000
    values = np.resize(np.arange(n_distinct, dtype=np.float32), n)
    block = RatingBlock(int32(0), np.array([0, n]), np.full(n, largest, np.int32), values)

    overhead = len(pack(block)) - n * bytes_a_rating

    assert 0 < overhead <= 40 + 256 * 4 + 6 * 8


def test_an_unpacked_block_does_not_hold_on_to_its_bytes():
    data = bytearray(pack(example_block()))
    block = unpack(data)

    data[:] = bytes(len(data))

    assert_same_block(block, example_block())
    assert all(array.flags.writeable for array in (block.rows, block.indptr, block.indices, block.values))


def test_unpack_reads_from_any_address():
    data = memoryview(b"x" + pack(example_block()))[1:]

    assert_same_block(unpack(data), example_block())


def test_pickling_costs_no_more_than_the_arrays():
    block = RatingBlock(
        np.arange(5000, dtype=np.int32),
        np.arange(5001, dtype=np.int64),
        np.arange(5000, dtype=np.int32),
        np.arange(5000, dtype=np.float32),
    )

    data = pickle.dumps(block, protocol=5)

    assert len(data) < block.nbytes + 1000
    assert_same_block(pickle.loads(data), block)


@pytest.mark.parametrize(("row", "n_rows"), [(-1, 3), (3, 3), (0, 0)])
def test_a_row_out_of_range_is_refused(row, n_rows):
    with pytest.raises(ValueError, match=rf"local_rows must be in \[0, {n_rows}\), got {row}\."):
        RatingBlock.from_triples(np.arange(n_rows, dtype=np.int32), int32(row), int32(0), float32(1))


def test_a_negative_column_is_refused():
    with pytest.raises(ValueError, match=r"columns must be >= 0, got -1\. Leave out ratings of unknown ids"):
        RatingBlock.from_triples(int32(0), int32(0), int32(-1), float32(1))


def test_weights_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"^weights must have the length of values, 1, got 2\.$"):
        RatingBlock.from_triples(int32(0), int32(0), int32(1), float32(1), weights=float32(1, 2))
    block = RatingBlock(int32(0), np.array([0, 1]), int32(1), float32(1), float32(1, 2))
    with pytest.raises(ValueError, match=r"^weights must have the length of values, 1, got 2\.$"):
        pack(block)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="must have the same length, got 1, 2 and 3"):
        RatingBlock.from_triples(int32(0), int32(0), int32(1, 2), float32(1, 2, 3))


def test_arrays_of_another_type_are_refused():
    with pytest.raises(TypeError, match=r"values must be a one-dimensional float32 array, got float64 of shape \(1,\)"):
        RatingBlock.from_triples(int32(0), int32(0), int32(0), np.array([1.0]))


@pytest.mark.parametrize(
    ("indptr", "indices", "message"),
    [
        ([0, 2], [1, 1], "indptr must have length 3 for 2 rows, got 2"),
        ([0, 1, 3], [1, 1], "indptr must start at 0 and end at .*, got 0 to 3 with 2 indices and 2 values"),
        ([1, 1, 2], [1, 1], "indptr must start at 0 and end at .*, got 1 to 2 with"),
        ([0, 3, 2], [1, 1], r"ratings of row 1 must be in \[0, .*\], got -1"),
        ([0, 2**32, 2**32], [1, 1], r"ratings of row 0 must be in \[0, .*\], got 4294967296"),
        ([0, 1, 2], [1, 1, 1], "with 3 indices and 2 values"),
    ],
)
def test_a_block_whose_arrays_do_not_fit_is_not_packed(indptr, indices, message):
    block = RatingBlock(int32(0, 1), np.array(indptr, np.int64), int32(*indices), float32(1, 2))

    with pytest.raises(ValueError, match=message):
        pack(block)


@pytest.mark.parametrize("data", [b"", b"short", bytes(200)])
def test_other_bytes_are_not_unpacked(data):
    with pytest.raises(ValueError, match=rf"data must be the output of pack\(\), got {len(data)} other bytes"):
        unpack(data)


@pytest.mark.parametrize("change", [-1, 1])
def test_cut_or_joined_bytes_are_not_unpacked(change):
    data = pack(example_block())
    wrong = data[:change] if change < 0 else data + bytes(change)

    with pytest.raises(ValueError, match=f"{len(data)} bytes, got {len(wrong)} bytes"):
        unpack(wrong)


def block_of(rows, local_rows, columns, values) -> RatingBlock:
    rows, local_rows, columns = (np.array(part, np.int32) for part in (rows, local_rows, columns))
    return RatingBlock.from_triples(rows, local_rows, columns, np.array(values, np.float32))


def test_joined_blocks_have_all_ratings_by_row_in_their_order():
    one = block_of([1, 4], [1, 0, 1], [7, 8, 9], [1, 2, 3])
    other = block_of([0, 2], [1, 1], [5, 6], [4, 5])
    position = np.array([0, 1, 2, -1, 3], np.int32)
    joined = join_blocks(np.array([0, 1, 2, 4], np.int32), position, [one, other])
    np.testing.assert_array_equal(joined.indptr, [0, 0, 1, 3, 5])
    np.testing.assert_array_equal(joined.indices, [8, 5, 6, 7, 9])
    np.testing.assert_array_equal(joined.values, [2, 4, 5, 1, 3])
    assert join_blocks(one.rows, position, [one]) is one
