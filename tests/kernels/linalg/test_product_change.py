"""The change of the product from Gram matrices, against the product itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels.linalg import product_change as fast
from spark_mf.kernels.reference import product_change as plain


def sides(seed: int, rows: tuple[int, int], rank: int, by: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """New and old factors of both sides, which differ by about `by`."""
    rng = np.random.default_rng(seed)
    old = [rng.standard_normal((n, rank)).astype(np.float32) for n in rows]
    return [((each + by * rng.standard_normal(each.shape)).astype(np.float32), each) for each in old]


@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(0, 30), st.integers(0, 30)), st.integers(1, 20))
def test_equals_its_twin(seed, rows, rank):
    users, items = sides(seed, rows, rank, by=0.5)
    grams = [fast.change_gram(*side) for side in (users, items)]
    for gram, side in zip(grams, (users, items), strict=True):
        np.testing.assert_allclose(gram, plain.change_gram(*side), rtol=1e-10, atol=1e-10)
    exact = plain.product_change(*(factors.astype(np.float64) for factors in (*users, *items)))
    assert fast.product_change(grams[0], grams[1]) == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_blocks_add_up_and_long_ones_are_taken_in_parts():
    (new, old), _ = sides(1, (5000, 1), 3, by=0.1)
    parts = fast.change_gram(new[:100], old[:100]) + fast.change_gram(new[100:], old[100:])
    np.testing.assert_allclose(parts, fast.change_gram(new, old), rtol=1e-12)
    np.testing.assert_allclose(parts, plain.change_gram(new, old), rtol=1e-10)


def test_a_change_far_below_the_product_is_not_rounded_away():
    """One number of 2⁻²⁰ at a product of length 1e4: from ‖UVᵀ‖² + ‖U₀V₀ᵀ‖² − 2⟨UVᵀ, U₀V₀ᵀ⟩ nothing would be left."""
    users, items = np.ones((100, 1), np.float32), np.full((100, 1), 100, np.float32)
    moved = users.copy()
    moved[7] += 2.0**-20
    change = fast.product_change(fast.change_gram(moved, users), fast.change_gram(items, items))
    assert change == pytest.approx(2.0**-20 * 100 * math.sqrt(100), rel=1e-12)


def test_the_same_factors_do_not_change():
    (users, _), (items, _) = sides(2, (20, 10), 4, by=0.0)
    assert fast.product_change(fast.change_gram(users, users), fast.change_gram(items, items)) == 0.0


def test_both_sides_count_by_hand():
    """u from 1 to 2 and v from 3 to 5: the product goes from 3 to 10."""
    users, items = (
        fast.change_gram(np.array([[new]], np.float32), np.array([[old]], np.float32)) for new, old in ((2, 1), (5, 3))
    )
    assert fast.product_change(users, items) == pytest.approx(7.0)


def test_factors_that_are_not_finite_give_no_number():
    gram = np.full((2, 2), np.inf)
    assert math.isnan(fast.product_change(gram, np.eye(2)))
