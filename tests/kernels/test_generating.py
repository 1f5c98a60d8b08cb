"""The choice of items: against the NumPy twin, and against probabilities worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels import generating
from spark_mf.kernels.reference import generating as generating_reference


@st.composite
def requests(draw):
    """Popularities of 1 to 60 items, and users who want from none to all of them."""
    items = draw(st.integers(1, 60))
    weights = np.array(draw(st.lists(st.floats(0.01, 100), min_size=items, max_size=items)))
    cumulative = np.cumsum(weights / weights.sum())
    cumulative[-1] = 1.0
    users = draw(st.lists(st.integers(0, 2**31 - 1), max_size=6))
    counts = draw(st.lists(st.integers(0, items), min_size=len(users), max_size=len(users)))
    return np.array(users, dtype=np.int64), np.array(counts, dtype=np.int64), cumulative


@given(seed=st.integers(-(2**63), 2**63 - 1), request=requests())
def test_kernel_equals_its_twin(seed, request):
    chosen = generating.sample_items(seed, *request)
    assert chosen.dtype == np.int32
    np.testing.assert_array_equal(chosen, generating_reference.sample_items(seed, *request))


@given(seed=st.integers(0, 5), request=requests())
def test_items_are_distinct_sorted_and_a_function_of_the_user(seed, request):
    users, counts, cumulative = request
    chosen = np.split(generating.sample_items(seed, *request), np.cumsum(counts)[:-1])
    for user, count, items in zip(users, counts, chosen, strict=False):
        assert len(items) == count
        assert np.all(np.diff(items) > 0)
        assert set(items) <= set(range(cumulative.shape[0]))
        alone = generating.sample_items(seed, np.array([user]), np.array([count]), cumulative)
        np.testing.assert_array_equal(items, alone)


@pytest.mark.parametrize("padding", [0, 40], ids=["race", "rejection"])
def test_probability_of_a_pair(padding):
    """Of items with popularities 1/2, 1/3, 1/6 two are drawn: {0, 1} with 1/2·2/3 + 1/3·3/4 = 7/12,
    {0, 2} with 1/2·1/3 + 1/6·3/5 = 4/15 and {1, 2} with 1/3·1/4 + 1/6·2/5 = 3/20.

    Items that are almost never drawn pad the request to where drawing again is the cheaper way.
    """
    weights = np.concatenate([[1 / 2, 1 / 3, 1 / 6], np.full(padding, 1e-9)])
    cumulative = np.cumsum(weights / weights.sum())
    cumulative[-1] = 1.0
    users = np.arange(20_000, dtype=np.int64)
    chosen = generating.sample_items(3, users, np.full(20_000, 2), cumulative).reshape(-1, 2)
    for pair, probability in (((0, 1), 7 / 12), ((0, 2), 4 / 15), ((1, 2), 3 / 20)):
        share = np.all(chosen == pair, axis=1).mean()
        assert abs(share - probability) < 5 * np.sqrt(probability * (1 - probability) / 20_000)
