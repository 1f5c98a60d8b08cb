"""Counter-based random numbers: published answers, the NumPy twin, moments, and what they depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels import random
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.reference import random as random_reference

# philox4x32-10 of the known-answer file (kat_vectors) that comes with Random123: counter, key, words.
KNOWN_ANSWERS = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]

seeds = st.integers(-(2**63), 2**63 - 1)
row_arrays = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9).map(lambda r: np.array(r, dtype=np.int64))


@pytest.mark.parametrize("module", [random, random_reference])
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_published_answers(module, counter, key, expected):
    words = module.philox4x32(*(np.uint64(w) for w in counter + key))
    assert [int(word) for word in words] == expected


@pytest.mark.parametrize("module", [random, random_reference])
def test_counter_is_row_block_purpose_and_key_is_the_seed(module):
    """The third published answer read through `uniform`: column 2·block of that row, purpose and seed."""
    (c0, c1, _, _), (k0, k1), _ = KNOWN_ANSWERS[2]
    row, seed = c1 << 32 | c0, k1 << 32 | k0
    counter = (c0, c1, 3, Purpose.SPLIT)
    words = random_reference.philox4x32(*map(np.uint64, (*counter, k0, k1)))
    drawn = module.uniform(
        seed if seed < 2**63 else seed - 2**64,
        Purpose.SPLIT,
        np.array([row], dtype=np.uint64).view(np.int64),
        8,
    )
    assert drawn[0, 6] == (int(words[0]) << 32 | int(words[1])) // 2**11 / 2**53
    assert drawn[0, 7] == (int(words[2]) << 32 | int(words[3])) // 2**11 / 2**53


@given(seed=seeds, purpose=st.integers(0, 2**32 - 1), rows=row_arrays, columns=st.integers(0, 13))
def test_kernels_equal_their_twins(seed, purpose, rows, columns):
    arguments = (seed, purpose, rows, columns)
    uniforms = random.uniform(*arguments)
    normals = random.standard_normal(*arguments)
    assert uniforms.shape == normals.shape == (rows.shape[0], columns)
    assert (uniforms.dtype, normals.dtype) == (np.float64, np.float32)
    assert uniforms.flags.c_contiguous
    assert normals.flags.c_contiguous
    np.testing.assert_array_equal(uniforms, random_reference.uniform(*arguments))
    # Two libraries' sine and cosine may differ in float64's last bit, hence seldom in float32's.
    twin = random_reference.standard_normal(*arguments)
    np.testing.assert_allclose(normals, twin, rtol=2e-7, atol=1e-12)


@pytest.mark.parametrize("draw", [random.standard_normal, random.uniform])
@given(seed=seeds, rows=row_arrays, data=st.data())
def test_a_value_depends_on_its_row_and_column_alone(draw, seed, rows, data):
    whole = draw(seed, Purpose.ITEM_FACTORS, rows, 7)
    order = np.array(data.draw(st.permutations(range(rows.shape[0]))), dtype=np.int64)
    width = data.draw(st.integers(0, 7))
    part = draw(seed, Purpose.ITEM_FACTORS, rows[order], width)
    np.testing.assert_array_equal(part, whole[order, :width])


def test_moments():
    """Each within five standard errors of its exact value, over 800,000 values."""
    rows = np.arange(100_000, dtype=np.int64)
    normals = random.standard_normal(7, Purpose.USER_FACTORS, rows, 8).astype(np.float64)
    uniforms = random.uniform(7, Purpose.USER_FACTORS, rows, 8)
    error = 1 / np.sqrt(normals.size)
    assert abs(normals.mean()) < 5 * error
    assert abs((normals**2).mean() - 1) < 5 * np.sqrt(2) * error
    assert abs((normals**3).mean()) < 5 * np.sqrt(15) * error
    assert abs((normals**4).mean() - 3) < 5 * np.sqrt(96) * error
    assert abs((np.abs(normals) > 1.959964).mean() - 0.05) < 5 * np.sqrt(0.05 * 0.95) * error
    assert abs(uniforms.mean() - 0.5) < 5 * np.sqrt(1 / 12) * error
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    share = np.histogram(uniforms, bins=20, range=(0, 1))[0] / uniforms.size
    np.testing.assert_allclose(share, 0.05, atol=5 * np.sqrt(0.05 * 0.95) * error)


def test_columns_rows_seeds_and_purposes_are_uncorrelated():
    rows = np.arange(20_000, dtype=np.int64)
    columns = [
        random.standard_normal(0, Purpose.USER_FACTORS, rows, 6),
        random.standard_normal(0, Purpose.USER_FACTORS, rows + 1, 6),
        random.standard_normal(0, Purpose.ITEM_FACTORS, rows, 6),
        random.standard_normal(1, Purpose.USER_FACTORS, rows, 6),
        random.standard_normal(2**40, Purpose.USER_FACTORS, rows, 6),
        random.standard_normal(-1, Purpose.USER_FACTORS, rows, 6),
    ]
    correlation = np.corrcoef(np.concatenate(columns, axis=1), rowvar=False)
    np.testing.assert_allclose(correlation, np.eye(36), atol=5.5 / np.sqrt(20_000))


def test_all_64_bits_of_a_seed_count():
    row = np.zeros(1, dtype=np.int64)
    bits = [0] + [1 << bit for bit in range(63)] + [-(2**63), -1, -2]
    drawn = [random.uniform(seed, Purpose.SPLIT, row, 1)[0, 0] for seed in bits]
    assert len(set(drawn)) == len(bits)


def test_purposes_differ_in_value():
    assert len({int(purpose) for purpose in Purpose}) == len(Purpose.__members__)


ROWS = np.arange(2, dtype=np.int64)


@pytest.mark.parametrize("draw", [random.standard_normal, random.uniform])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((2**63, 1, ROWS, 1), ValueError, r"seed must be in \[-2.*\], got 9223372036854775808"),
        ((-(2**63) - 1, 1, ROWS, 1), ValueError, r"seed must be in \[-2.*\], got -9223372036854775809"),
        ((1.5, 1, ROWS, 1), TypeError, r"seed must be an integer, got 1.5 \(float\)"),
        ((True, 1, ROWS, 1), TypeError, r"seed must be an integer, got True \(bool\)"),
        ((0, -1, ROWS, 1), ValueError, "purpose must be a Purpose or an integer in .*, got -1"),
        ((0, 2**32, ROWS, 1), ValueError, "purpose must be a Purpose or an integer in .*, got 4294967296"),
        ((0, 1, ROWS, -1), ValueError, "columns must be >= 0, got -1"),
        ((0, 1, ROWS.astype(np.float64), 1), TypeError, "rows must be a one-dimensional int64 array, got float64"),
        (
            (0, 1, ROWS.reshape(1, 2), 1),
            TypeError,
            "rows must be a one-dimensional int64 array, got int64 of 2 dimensions",
        ),
    ],
)
def test_bad_arguments(draw, arguments, error, message):
    with pytest.raises(error, match=message):
        draw(*arguments)


def test_rows_may_be_read_only():
    rows = np.arange(3, dtype=np.int64)
    rows.flags.writeable = False
    assert random.standard_normal(0, Purpose.SPLIT, rows, 2).shape == (3, 2)
