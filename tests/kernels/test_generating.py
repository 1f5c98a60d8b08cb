"""The choice of items: against the NumPy twin, and against probabilities worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.kernels import generating
from spark_mf.kernels.reference import generating as generating_reference


@st.composite
def requests(draw):
    """Popularities of 1 to 60 items, and users who want from none to all of them, some of these in any case."""
    items = draw(st.integers(1, 60))
    weights = np.array(draw(st.lists(st.floats(0.01, 100), min_size=items, max_size=items)))
    cumulative = np.cumsum(weights / weights.sum())
    cumulative[-1] = 1.0
    users = draw(st.lists(st.integers(0, 2**31 - 1), max_size=6))
    counts = draw(st.lists(st.integers(0, items), min_size=len(users), max_size=len(users)))
    certain = [draw(st.lists(st.integers(0, items - 1), unique=True, max_size=count)) for count in counts]
    return (
        np.array(users, dtype=np.int64),
        np.array(counts, dtype=np.int64),
        cumulative,
        np.array([item for each in certain for item in each], dtype=np.int32),
        np.array([len(each) for each in certain], dtype=np.int64),
    )


def per_user(values, counts):
    return np.split(values, np.cumsum(counts)[:-1])[: len(counts)]


@given(seed=st.integers(-(2**63), 2**63 - 1), request=requests())
def test_kernel_equals_its_twin(seed, request):
    chosen = generating.sample_items(seed, *request)
    assert chosen.dtype == np.int32
    np.testing.assert_array_equal(chosen, generating_reference.sample_items(seed, *request))


@given(seed=st.integers(0, 5), request=requests())
def test_items_are_distinct_sorted_and_a_function_of_the_user(seed, request):
    users, counts, cumulative, given, given_counts = request
    chosen = per_user(generating.sample_items(seed, *request), counts)
    certain = per_user(given, given_counts)
    for user, count, items, certainly in zip(users, counts, chosen, certain, strict=True):
        assert len(items) == count
        assert np.all(np.diff(items) > 0)
        assert set(certainly) <= set(items) <= set(range(cumulative.shape[0]))
        alone = np.array([user]), np.array([count]), cumulative, certainly, np.array([len(certainly)])
        np.testing.assert_array_equal(items, generating.sample_items(seed, *alone))


def shares_of_pairs(padding, certain):
    """How often which two items are chosen from popularities 1/2, 1/3, 1/6, by 20,000 users.

    Items that are almost never drawn pad the request to where drawing again is the cheaper way.
    """
    weights = np.concatenate([[1 / 2, 1 / 3, 1 / 6], np.full(padding, 1e-9)])
    cumulative = np.cumsum(weights / weights.sum())
    cumulative[-1] = 1.0
    users = np.arange(20_000, dtype=np.int64)
    given = np.tile(certain, 20_000).astype(np.int32)
    given_counts = np.full(20_000, len(certain))
    chosen = generating.sample_items(3, users, np.full(20_000, 2), cumulative, given, given_counts).reshape(-1, 2)
    return {pair: np.all(chosen == pair, axis=1).mean() for pair in ((0, 1), (0, 2), (1, 2))}


@pytest.mark.parametrize("padding", [0, 40], ids=["race", "rejection"])
@pytest.mark.parametrize(
    ("certain", "expected"),
    [
        # 1/2·2/3 + 1/3·3/4, 1/2·1/3 + 1/6·3/5, 1/3·1/4 + 1/6·2/5
        ([], {(0, 1): 7 / 12, (0, 2): 4 / 15, (1, 2): 3 / 20}),
        # The other one of items 0 and 1 has the odds 1/2 to 1/3.
        ([2], {(0, 1): 0, (0, 2): 3 / 5, (1, 2): 2 / 5}),
        ([2, 0], {(0, 1): 0, (0, 2): 1, (1, 2): 0}),
    ],
)
def test_probability_of_a_pair(padding, certain, expected):
    for pair, share in shares_of_pairs(padding, certain).items():
        probability = expected[pair]
        assert abs(share - probability) <= 5 * np.sqrt(probability * (1 - probability) / 20_000)
