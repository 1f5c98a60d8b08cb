"""Tests of generated ratings: exact counts, independence of partitions, long tails and true factors."""

from typing import Any

import numpy as np
import pytest

from spark_mf.data.generating import generate_ratings, generate_with_truth, true_ratings
from spark_mf.data.generation.spec import RatingsSpec

SHAPE: dict[str, Any] = {"users": 900, "items": 400, "ratings": 20_000}


def collect(frame):
    """user int32[n], item int32[n], rating float32[n], ordered by user and item."""
    rows = frame.orderBy("user", "item").toPandas()
    return rows["user"].to_numpy(), rows["item"].to_numpy(), rows["rating"].to_numpy()


@pytest.fixture(scope="module")
def generated(spark):
    return collect(generate_ratings(spark, **SHAPE, seed=11, partitions=3))


def test_rows_are_exactly_as_many_distinct_pairs_in_range(spark, generated):
    users, items, ratings = generated
    assert (users.dtype, items.dtype, ratings.dtype) == (np.int32, np.int32, np.float32)
    assert len(ratings) == SHAPE["ratings"]
    assert len(set(zip(users, items, strict=True))) == SHAPE["ratings"]
    assert set(users) == set(range(SHAPE["users"]))
    assert items.min() >= 0
    assert items.max() < SHAPE["items"]
    assert generate_ratings(spark, **SHAPE).schema.simpleString() == "struct<user:int,item:int,rating:float>"


@pytest.mark.parametrize("partitions", [None, 1, 7])
def test_partitions_change_nothing(spark, generated, partitions):
    same = collect(generate_ratings(spark, **SHAPE, seed=11, partitions=partitions))
    for left, right in zip(same, generated, strict=True):
        np.testing.assert_array_equal(left, right)


def test_rows_of_a_seed_are_those_of_earlier_releases(generated):
    """The first rows as they were when generating was first released."""
    users, items, ratings = generated
    assert users[:4].tolist() == [0, 0, 0, 0]
    assert items[:4].tolist() == [0, 11, 13, 18]
    assert ratings[:4].tolist() == [5.0, 4.0, 3.5, 4.0]


@pytest.mark.parametrize("skew", ["long-tailed", "uniform"])
def test_minimums_hold_whatever_the_partitions(spark, skew):
    """Without minimums, each of these sets has items below 20 and the long-tailed one users below 9."""
    arguments: dict[str, Any] = {**SHAPE, "ratings": 9_000, "skew": skew, "seed": 5}
    least: dict[str, Any] = {"min_user_ratings": 9, "min_item_ratings": 20}
    plain = collect(generate_ratings(spark, **arguments))
    assert np.bincount(plain[1], minlength=400).min() < 20
    several, one = (collect(generate_ratings(spark, **arguments, **least, partitions=n)) for n in (5, 1))
    for left, right in zip(several, one, strict=True):
        np.testing.assert_array_equal(left, right)
    users, items, _ = several
    assert len(set(zip(users, items, strict=True))) == 9_000
    assert np.bincount(users, minlength=900).min() >= 9
    assert np.bincount(items, minlength=400).min() >= 20


def test_a_minimum_that_takes_all_ratings(spark):
    users, items, _ = collect(
        generate_ratings(spark, users=30, items=20, ratings=120, min_user_ratings=4, min_item_ratings=6)
    )
    assert set(np.bincount(users)) == {4}
    assert set(np.bincount(items)) == {6}
    assert len(set(zip(users, items, strict=True))) == 120


def test_popular_items_stay_popular_above_a_minimum(spark):
    _, items, _ = collect(generate_ratings(spark, **SHAPE, seed=11, min_item_ratings=5))
    sizes = np.sort(np.bincount(items))[::-1]
    assert sizes[:40].sum() > 0.35 * SHAPE["ratings"]


def test_truth_comes_with_the_same_rows(spark, generated):
    frame = generate_with_truth(spark, RatingsSpec(**SHAPE, seed=11), partitions=2)
    assert frame.schema.simpleString() == "struct<user:int,item:int,rating:float,truth:float>"
    for left, right in zip(collect(frame), generated, strict=True):
        np.testing.assert_array_equal(left, right)
    rows = frame.toPandas()
    expected = true_ratings(RatingsSpec(**SHAPE, seed=11), *(rows[c].to_numpy(np.int64) for c in ("user", "item")))
    np.testing.assert_allclose(rows["truth"], np.clip(expected, 0.5, 5), rtol=1e-6)


def test_seeds_differ(spark, generated):
    users, items, _ = collect(generate_ratings(spark, **SHAPE, seed=12))
    shared = set(zip(users, items, strict=True)) & set(zip(*generated[:2], strict=True))
    assert len(shared) < 0.3 * SHAPE["ratings"]


def test_both_sides_have_a_long_tail(generated):
    for side, share in ((generated[0], 0.35), (generated[1], 0.4)):
        sizes = np.sort(np.bincount(side))[::-1]
        assert sizes[: len(sizes) // 10].sum() > share * SHAPE["ratings"]
    _, sizes = np.unique(generated[0], return_counts=True)
    assert sizes.max() <= 0.6 * SHAPE["items"]
    _, sizes = np.unique(generated[1], return_counts=True)
    assert 0.3 * SHAPE["users"] < sizes.max() < 0.6 * SHAPE["users"]


def test_uniform_spreads_evenly(spark):
    users, items, _ = collect(generate_ratings(spark, **SHAPE, skew="uniform"))
    assert set(np.bincount(users)) == {22, 23}
    # 50 ± 5 standard deviations of a binomial count
    sizes = np.bincount(items, minlength=SHAPE["items"])
    assert np.all(np.abs(sizes - 50) < 35)


def test_ratings_lie_on_the_scale(generated):
    _, _, ratings = generated
    assert set(ratings) <= set(np.arange(0.5, 5.01, 0.5, dtype=np.float32))
    assert abs(ratings.mean() - (0.5 + 0.7 * 4.5)) < 0.15


def test_truth_explains_all_but_the_noise(spark):
    """Without rounding and on a scale too wide to clip at, what is left of the truth is the noise itself."""
    arguments: dict[str, Any] = {
        **SHAPE,
        "noise": 1.0,
        "scale": (-20.0, 20.0),
        "step": None,
        "rank": 5,
        "seed": -4,
    }
    users, items, ratings = collect(generate_ratings(spark, **arguments))
    noise = ratings - true_ratings(RatingsSpec(**arguments), users.astype(np.int64), items.astype(np.int64))
    inside = np.abs(ratings) < 20
    deviation = noise[inside].std()
    assert inside.mean() > 0.9
    assert abs(deviation - 1) < 0.03
    assert abs(noise[inside].mean()) < 0.08


def test_rounded_ratings_are_the_truth_within_the_noise(generated):
    """Rounding to steps of 1/2 adds their variance, 1/48; the ends of the scale take some away again."""
    users, items, ratings = generated
    truth = true_ratings(RatingsSpec(**SHAPE, seed=11), users.astype(np.int64), items.astype(np.int64))
    error = np.clip(truth, 0.5, 5) - ratings
    assert 0.44 < np.sqrt(np.mean(error**2)) < np.sqrt(0.25 + 1 / 48) + 0.01
    assert np.std(truth) > 0.6


def test_without_noise_ratings_are_the_clipped_truth(spark):
    arguments: dict[str, Any] = {"users": 30, "items": 20, "ratings": 200, "noise": 0.0, "step": None}
    users, items, ratings = collect(generate_ratings(spark, **arguments))
    truth = true_ratings(RatingsSpec(**arguments), users.astype(np.int64), items.astype(np.int64))
    np.testing.assert_allclose(ratings, np.clip(truth, 0.5, 5), rtol=1e-6)


def test_true_ratings_have_low_rank():
    """Rank 3 and two biases: the matrix of all true ratings less their mean has rank 5."""
    spec = RatingsSpec(users=20, items=15, ratings=1, rank=3)
    users, items = np.divmod(np.arange(300), 15)
    matrix = true_ratings(spec, users, items).reshape(20, 15).astype(np.float64) - 3.65
    assert np.linalg.matrix_rank(matrix, tol=1e-4) == 5


def test_the_largest_step_stays_on_the_scale(spark):
    """Steps of 2 from 1 reach 3 and 5, not the scale's end 6; some of the partitions have no user."""
    frame = generate_ratings(spark, users=4, items=60, ratings=140, scale=(1, 6), step=2, noise=3, partitions=6)
    assert set(collect(frame)[2]) == {1.0, 3.0, 5.0}


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"users": 0}, ValueError, "users must be an integer from 1 to 2147483648, got 0"),
        ({"items": -3}, ValueError, "items must be an integer from 1 to .*, got -3"),
        ({"ratings": 0}, ValueError, "ratings must be an integer from 1 to .*, got 0"),
        ({"ratings": 1e5}, TypeError, "ratings must be an integer, got 100000.0 of type float"),
        ({"rank": 0}, ValueError, "rank must be an integer from 1 to 10000, got 0"),
        ({"partitions": 0}, ValueError, "partitions must be an integer from 1 to .*, got 0"),
        (
            {"ratings": 216_001},
            ValueError,
            "ratings must be at most 216000, which is 60% of all pairs of 900 users and 400 items, got 216001. Ask for",
        ),
        (
            {"min_user_ratings": 23},
            ValueError,
            "min_user_ratings must be at most 22 for 20000 ratings and 900 users, got 23, which takes 20700 ratings. "
            "Ask for more ratings, fewer users or a smaller min_user_ratings",
        ),
        (
            {"min_item_ratings": 51},
            ValueError,
            "min_item_ratings must be at most 50 for .* and 400 items, got 51, which takes 20400 ratings",
        ),
        ({"min_item_ratings": -1}, ValueError, "min_item_ratings must be an integer from 0 to .*, got -1"),
        ({"min_user_ratings": 1.5}, TypeError, "min_user_ratings must be an integer, got 1.5 of type float"),
        ({"noise": -1.0}, ValueError, "noise must be finite and >= 0, got -1.0"),
        ({"noise": float("nan")}, ValueError, "noise must be finite and >= 0, got nan"),
        ({"scale": (5, 1)}, ValueError, r"scale must be the lowest and the highest rating, .* got \(5, 1\)"),
        ({"scale": (0, float("inf"))}, ValueError, r"scale must be the lowest .* got \(0, inf\)"),
        ({"step": 0}, ValueError, "step must be above 0 and at most 4.5, .* got 0"),
        ({"step": 4.6}, ValueError, "step must be above 0 and at most 4.5, .* got 4.6"),
        ({"skew": "zipf"}, ValueError, "skew must be one of 'long-tailed', 'uniform', got 'zipf'"),
        ({"seed": 2**63}, ValueError, r"seed must be in \[-2.*\], got 9223372036854775808"),
    ],
)
def test_impossible_requests(wrong, error, message):
    """Refused before Spark is asked for anything: there is no session here."""
    session: Any = None
    with pytest.raises(error, match=message):
        generate_ratings(session, **{**SHAPE, **wrong})
