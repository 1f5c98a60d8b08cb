"""Tests of the presets, which must have the published sizes."""

import numpy as np
import pytest

from spark_mf.data.generation.plan import plan_ratings
from spark_mf.data.generation.presets import PRESETS, shape_in_words


@pytest.mark.parametrize(
    ("name", "shape", "scale"),
    [
        ("ml-100k", (943, 1_682, 100_000), (1, 5, 1)),
        ("ml-1m", (6_040, 3_706, 1_000_209), (1, 5, 1)),
        ("ml-25m", (162_541, 59_047, 25_000_095), (0.5, 5, 0.5)),
        ("netflix", (480_189, 17_770, 100_480_507), (1, 5, 1)),
        ("textbook", (100, 60, 1_200), (1, 5, None)),
    ],
)
def test_shapes_and_scales_are_the_published_ones(name, shape, scale):
    spec = PRESETS[name]
    assert (spec.users, spec.items, spec.ratings) == shape
    assert (*spec.scale, spec.step) == scale


def test_the_textbook_is_dense_even_and_of_rank_4():
    spec = PRESETS["textbook"]
    assert (spec.rank, spec.noise, spec.skew) == (4, 0.25, "uniform")
    assert spec.ratings == 0.2 * spec.users * spec.items


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_planned(name):
    spec = PRESETS[name]
    plan = plan_ratings(spec)
    assert plan.counts.sum() == spec.ratings
    assert plan.counts.min() >= spec.min_user_ratings
    assert plan.given_ends[-1] == spec.items * spec.min_item_ratings
    assert np.all(np.diff(plan.cumulative) > 0)


def test_shapes_in_words():
    assert shape_in_words(PRESETS["textbook"]) == "100 × 60, 1,200 ratings, 1–5, rank 4, noise 0.25, uniform"
    assert shape_in_words(PRESETS["ml-25m"]) == (
        "162,541 × 59,047, 25,000,095 ratings, 0.5–5 by 0.5, rank 8, noise 0.75, at least 20 a user, at least 1 an item"
    )
