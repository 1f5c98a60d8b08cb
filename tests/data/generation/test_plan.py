"""Tests of the plan of generated ratings: exact counts, bounded popularity and minimums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.data.generation.plan import given_ends, item_popularity, plan_ratings, user_counts
from spark_mf.data.generation.spec import RatingsSpec


@st.composite
def specs_with_minimums(draw):
    """Shapes of which some leave no rating beyond the minimum."""
    users, items = draw(st.integers(1, 40)), draw(st.integers(2, 40))
    ratings = draw(st.integers(1, max(1, int(0.6 * users * items))))
    return RatingsSpec(
        users,
        items,
        ratings,
        skew=draw(st.sampled_from(["long-tailed", "uniform"])),
        seed=draw(st.integers(0, 9)),
        min_user_ratings=draw(st.integers(0, ratings // users)),
        min_item_ratings=draw(st.integers(0, ratings // items)),
    )


@given(spec=specs_with_minimums())
def test_every_item_is_given_to_as_many_users_as_its_minimum(spec):
    plan = plan_ratings(spec)
    assert plan.counts.sum() == spec.ratings
    assert plan.counts.min() >= spec.min_user_ratings
    assert plan.counts.max() <= np.ceil(0.6 * spec.items)
    assert plan.given_ends[0] == 0
    sizes = np.diff(plan.given_ends)
    assert np.all((sizes >= 0) & (sizes <= plan.counts))
    rated = np.zeros((spec.users, spec.items), dtype=int)
    for user in range(spec.users):
        for place in range(plan.given_ends[user], plan.given_ends[user + 1]):
            rated[user, plan.given_order[place % spec.items]] += 1
    assert rated.max() <= 1
    assert np.all(rated.sum(axis=0) == spec.min_item_ratings)


def test_minimums_of_a_size_whose_products_need_more_than_64_bits():
    spec = RatingsSpec(100_000, 100_000, 4_000_000_000, min_item_ratings=30_000)
    counts = user_counts(spec)
    sizes = np.diff(given_ends(spec, counts))
    assert sizes.sum() == 3_000_000_000
    assert np.all(np.abs(sizes - 0.75 * counts) < 1)


@pytest.mark.parametrize(
    "shape",
    [
        (1, 2, 1),
        (3, 5, 9),
        (100, 7, 420),
        (500, 50, 10),
        (2, 100_000, 90_000),
        (138_000, 27_000, 20_000_000),
    ],
)
def test_counts_are_exact_and_bounded(shape):
    spec = RatingsSpec(*shape)
    counts = user_counts(spec)
    assert counts.sum() == spec.ratings
    assert counts.min() >= (1 if spec.ratings >= spec.users else 0)
    assert counts.max() <= np.ceil(0.6 * spec.items)
    popularity = item_popularity(spec, counts)
    assert popularity.shape == (spec.items,)
    assert popularity.min() > 0
    assert abs(popularity.sum() - 1) < 1e-9


def test_favourite_item_of_a_movielens_shape():
    """Its expected ratings, from below: chances rise as other items are taken.  MovieLens 20M: 67,310."""
    spec = RatingsSpec(138_000, 27_000, 20_000_000)
    counts = user_counts(spec)
    reached = (1 - np.exp(-counts * item_popularity(spec, counts).max())).sum()
    assert 50_000 < reached < 70_000
