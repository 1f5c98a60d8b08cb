"""The random split: decided pair by pair, and the count of test rows that no model can predict."""

import math

import pytest
from pyspark.sql import functions as F

from spark_mf.data.splitting import cold_counts, mark_random, random_split

PAIRS = 20_000


@pytest.fixture(scope="module")
def ratings(spark):
    """Every (user, item) pair once, 200 users × 100 items, with the rating u + i/1000."""
    pair = F.col("id")
    return (
        spark.range(PAIRS, numPartitions=3)
        .select(
            (pair / 100).cast("int").alias("user"),
            (pair % 100).cast("int").alias("item"),
            (pair / 1000).cast("float").alias("rating"),
        )
        .cache()
    )


def pairs(frame):
    return {(row.user, row.item) for row in frame.select("user", "item").collect()}


def test_sides_are_disjoint_and_complete(ratings):
    train, test = random_split(ratings, 0.3, seed=1)
    assert train.schema == test.schema == ratings.schema
    trained, tested = pairs(train), pairs(test)
    assert len(trained | tested) == len(trained) + len(tested) == PAIRS


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.999])
def test_fraction_is_binomial(ratings, fraction):
    _, test = random_split(ratings, fraction, seed=1)
    deviation = math.sqrt(PAIRS * fraction * (1 - fraction))
    assert abs(test.count() - PAIRS * fraction) < 5 * deviation


def test_partitions_order_and_id_width_change_nothing(ratings):
    expected = pairs(random_split(ratings, 0.2, seed=-3)[1])
    shuffled = ratings.repartition(7).orderBy(F.desc("rating"))
    wide = ratings.withColumn("user", F.col("user").cast("long"))
    for same in (shuffled, wide):
        assert pairs(random_split(same, 0.2, seed=-3)[1]) == expected


def test_duplicates_stay_together(ratings):
    twice = ratings.unionByName(ratings.withColumn("rating", F.col("rating") + 1))
    train, test = random_split(twice, 0.4, seed=5)
    assert train.count() + test.count() == 2 * PAIRS
    assert not pairs(train) & pairs(test)


def test_seeds_are_independent(ratings):
    """Two seeds agree on a pair by chance only: 0.2² of the pairs are in both test sets."""
    first, second, third = (pairs(random_split(ratings, 0.2, seed)[1]) for seed in (0, 1, 2**32))
    for left, right in ((first, second), (first, third)):
        assert abs(len(left & right) - PAIRS * 0.04) < 5 * math.sqrt(PAIRS * 0.04 * 0.96)


def test_sides_do_not_follow_users(ratings):
    """Each user's 100 pairs are split alike: the sizes vary as 200 binomial draws do."""
    _, test = random_split(ratings, 0.5, seed=9)
    sizes = [row["count"] for row in test.groupBy("user").count().collect()]
    assert len(sizes) == 200
    variance = sum((size - 50) ** 2 for size in sizes) / 200
    assert 25 * (1 - 5 * math.sqrt(2 / 200)) < variance < 25 * (1 + 5 * math.sqrt(2 / 200))


def test_string_ids_and_other_names(spark):
    named = spark.createDataFrame([(f"u{n}", f"i{n}") for n in range(40)], "reader string, book string")
    train, test = random_split(named, 0.5, 0, user_col="reader", item_col="book")
    assert train.count() + test.count() == 40
    assert 0 < test.count() < 40


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_fraction_outside_its_range(ratings, fraction):
    with pytest.raises(ValueError, match=f"test_fraction is {fraction}; give a number above 0 and below 1"):
        random_split(ratings, fraction, 0)


def test_bad_seed_and_column(ratings):
    with pytest.raises(ValueError, match=f"seed is {2**63}; give an integer"):
        random_split(ratings, 0.1, 2**63)
    with pytest.raises(
        ValueError, match="ratings has no column movieId; it has user, item, rating: name the id columns"
    ):
        random_split(ratings, 0.1, 0, item_col="movieId")


def test_cold_counts(spark):
    schema = "user int, item int"
    train = spark.createDataFrame([(1, 10), (1, 11), (2, 10)], schema)
    test = spark.createDataFrame([(1, 10), (2, 11), (3, 10), (3, 10), (1, 12), (4, 13)], schema)
    assert cold_counts(train, test) == 4  # (3, 10) twice, (1, 12), (4, 13)
    assert cold_counts(train.limit(0), test) == 6
    renamed = train.withColumnRenamed("user", "u"), test.withColumnRenamed("user", "u")
    assert cold_counts(*renamed, user_col="u") == 4
    with pytest.raises(ValueError, match="train has no column user; it has u, item"):
        cold_counts(renamed[0], test)


def marks(frame):
    return {(row.user, row.item): row.split for row in frame.select("user", "item", "split").collect()}


def test_validation_rows_lie_beside_the_test_rows(ratings):
    alone = marks(mark_random(ratings, test_fraction=0.2, seed=4))
    beside = marks(mark_random(ratings, test_fraction=0.2, validation_fraction=0.1, seed=4))
    assert {pair for pair in alone if alone[pair] == "test"} == {pair for pair in beside if beside[pair] == "test"}
    assert set(alone.values()) == {"train", "test"}
    validation = sum(side == "validation" for side in beside.values())
    assert abs(validation - PAIRS * 0.1) < 5 * math.sqrt(PAIRS * 0.1 * 0.9)


@pytest.mark.parametrize("fraction", [-0.1, 0.75, float("nan")])
def test_validation_fraction_outside_its_range(ratings, fraction):
    with pytest.raises(ValueError, match=f"validation_fraction is {fraction}; give a number from 0 to below 0.75"):
        mark_random(ratings, test_fraction=0.25, validation_fraction=fraction, seed=0)
