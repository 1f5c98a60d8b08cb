"""Tests that splits do not depend on the partitions, the order of the rows, or the width of the ids."""

import math
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from spark_mf.data.splitting import mark_by_time, mark_from_column, mark_leave_out, mark_random

PAIRS = 20_000
START = datetime(2015, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def ratings(spark):
    """Every (user, item) pair once, 200 users × 100 items, with the rating u + i/1000 and a time of 50 ratings each."""
    pair = F.col("id")
    return (
        spark.range(PAIRS, numPartitions=3)
        .select(
            (pair / 100).cast("int").alias("user"),
            (pair % 100).cast("int").alias("item"),
            (pair / 1000).cast("float").alias("rating"),
            ((pair * 7919) % 400).alias("timestamp"),
        )
        .cache()
    )


def marks(frame, user="user", item="item"):
    """(user, item) → side, of rows that must agree on it."""
    sides = defaultdict(set)
    for row in frame.select(user, item, "split").collect():
        sides[row[0], row[1]].add(row[2])
    assert all(len(each) == 1 for each in sides.values())
    return {pair: each.pop() for pair, each in sides.items()}


def marked_as(side, frame, **ids):
    return {pair for pair, each in marks(frame, **ids).items() if each == side}


def rearranged(frame):
    """The same ratings in other partitions, in another order, and with wider ids."""
    yield frame.repartition(7).orderBy(F.desc("rating"))
    yield frame.coalesce(1)
    yield frame.withColumn("user", F.col("user").cast("long")).withColumn("item", F.col("item").cast("long"))


def test_random_marks_only_add_a_column(ratings):
    marked = mark_random(ratings, test_fraction=0.3, seed=1)
    assert marked.drop("split").schema == ratings.schema
    found = marks(marked)
    assert len(found) == PAIRS
    assert set(found.values()) == {"train", "test"}


def test_random_marks_stay_as_they_are_from_release_to_release(spark):
    """Results of experiments hang on these rows: the hash of a seed must never change."""
    pairs = spark.range(40).selectExpr("int(id / 10) AS user", "int(id % 10) AS item")
    assert marked_as("test", mark_random(pairs, test_fraction=0.25, seed=7)) == {
        (0, 0), (0, 7), (1, 7), (2, 0), (2, 4), (2, 7), (2, 9), (3, 0), (3, 3), (3, 5), (3, 8),
    }  # fmt: skip
    named = pairs.selectExpr("concat('u', user) AS reader", "concat('i', item) AS `the.book`")
    marked = mark_random(named, test_fraction=0.25, seed=7, user_col="reader", item_col="the.book")
    assert marked_as("test", marked, user="reader", item="`the.book`") == {
        ("u0", "i4"), ("u0", "i7"), ("u1", "i3"), ("u1", "i8"), ("u2", "i0"), ("u3", "i4"),
    }  # fmt: skip


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.999])
def test_fraction_is_binomial(ratings, fraction):
    test = marked_as("test", mark_random(ratings, test_fraction=fraction, seed=1))
    assert abs(len(test) - PAIRS * fraction) < 5 * math.sqrt(PAIRS * fraction * (1 - fraction))


def test_partitions_order_and_id_width_change_nothing(ratings):
    expected = marks(mark_random(ratings, test_fraction=0.2, validation_fraction=0.1, seed=-3))
    for same in rearranged(ratings):
        assert marks(mark_random(same, test_fraction=0.2, validation_fraction=0.1, seed=-3)) == expected


def test_seeds_are_independent(ratings):
    """Two seeds agree on a pair by chance only: 0.2² of the pairs are in both test sets."""
    first, second, third = (
        marked_as("test", mark_random(ratings, test_fraction=0.2, seed=seed)) for seed in (0, 1, 2**32)
    )
    for left, right in ((first, second), (first, third)):
        assert abs(len(left & right) - PAIRS * 0.04) < 5 * math.sqrt(PAIRS * 0.04 * 0.96)


def test_sides_do_not_follow_users(ratings):
    """Each user's 100 pairs are split alike: the sizes vary as 200 binomial draws do."""
    test = mark_random(ratings, test_fraction=0.5, seed=9).where("split = 'test'")
    sizes = [row["count"] for row in test.groupBy("user").count().collect()]
    assert len(sizes) == 200
    variance = sum((size - 50) ** 2 for size in sizes) / 200
    assert 25 * (1 - 5 * math.sqrt(2 / 200)) < variance < 25 * (1 + 5 * math.sqrt(2 / 200))


def test_validation_rows_lie_beside_the_test_rows(ratings):
    alone = mark_random(ratings, test_fraction=0.2, seed=4)
    beside = mark_random(ratings, test_fraction=0.2, validation_fraction=0.1, seed=4)
    assert marked_as("test", alone) == marked_as("test", beside)
    validation = marked_as("validation", beside)
    assert abs(len(validation) - PAIRS * 0.1) < 5 * math.sqrt(PAIRS * 0.1 * 0.9)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
@pytest.mark.parametrize("mark", [lambda *args, **kw: mark_random(*args, seed=0, **kw), mark_by_time])
def test_test_fraction_outside_its_range(ratings, mark, fraction):
    with pytest.raises(ValueError, match=f"test_fraction must be above 0 and below 1, got {fraction}"):
        mark(ratings, test_fraction=fraction)


@pytest.mark.parametrize("fraction", [-0.1, 0.75, float("nan")])
@pytest.mark.parametrize("mark", [lambda *args, **kw: mark_random(*args, seed=0, **kw), mark_by_time])
def test_validation_fraction_outside_its_range(ratings, mark, fraction):
    with pytest.raises(ValueError, match=f"validation_fraction must be >= 0 and below 0.75, .* got {fraction}"):
        mark(ratings, test_fraction=0.25, validation_fraction=fraction)


def test_bad_seed_and_column(ratings):
    with pytest.raises(ValueError, match=rf"seed must be in \[-2.*\], got {2**63}"):
        mark_random(ratings, test_fraction=0.1, seed=2**63)
    with pytest.raises(
        ValueError, match="ratings must have the columns user, movieId, got the columns user, item, rating"
    ):
        mark_random(ratings, test_fraction=0.1, seed=0, item_col="movieId")


def few_ratings(seed):
    """1 to 8 ratings of each of 150 users: few items, so that pairs repeat, and few times, so that some are equal."""
    random = np.random.default_rng(seed)
    users = np.repeat(np.arange(150), random.integers(1, 9, 150))
    others = random.integers(0, [6, 5], (len(users), 2))
    return [(int(u), int(i), int(t)) for u, (i, t) in zip(users, others, strict=True)]


def leave_out_by_hand(rows, k, validation_k):
    """How many of each user's items go to each side, and the user's items by their latest time."""
    latest: dict[int, dict[int, int]] = defaultdict(dict)
    for user, item, time in rows:
        latest[user][item] = max(time, latest[user].get(item, 0))
    sizes = {user: (k, validation_k) if len(items) > k + validation_k else (0, 0) for user, items in latest.items()}
    return sizes, latest


@pytest.mark.parametrize(("k", "validation_k", "seed"), [(1, 0, -(2**63)), (2, 1, 8)])
def test_leave_out_takes_the_latest_of_every_user(spark, k, validation_k, seed):
    rows = few_ratings(seed % 1000)
    frame = spark.createDataFrame(rows, "user int, item int, timestamp int")
    kept = {"k": k, "validation_k": validation_k, "seed": seed, "timestamp_col": "timestamp"}
    marked = mark_leave_out(frame, **kept)
    assert sorted(marked.columns) == ["item", "split", "timestamp", "user"]
    assert sorted(map(tuple, marked.select("user", "item", "timestamp").collect())) == sorted(rows)
    found = marks(marked)
    sizes, latest = leave_out_by_hand(rows, k, validation_k)
    for user, items in latest.items():
        times = {
            side: [t for i, t in items.items() if found[user, i] == side] for side in ("train", "validation", "test")
        }
        assert (len(times["test"]), len(times["validation"])) == sizes[user]
        assert times["train"]
        # Everything trained on was known before everything held out, and validation lies between.
        ordered = [times[side] for side in ("train", "validation", "test") if times[side]]
        assert all(max(before) <= min(after) for before, after in pairwise(ordered))
    shuffled = spark.createDataFrame(rows[::-1], "user long, item long, timestamp long").repartition(3)
    assert marks(mark_leave_out(shuffled, **kept)) == found


def test_leave_out_at_random_gives_each_user_k_pairs(ratings):
    expected = marks(mark_leave_out(ratings, k=3, validation_k=2, seed=11))
    for side, size in (("test", 3), ("validation", 2), ("train", 95)):
        users = [user for (user, _), each in expected.items() if each == side]
        assert {users.count(user) for user in range(200)} == {size}
    for same in rearranged(ratings):
        assert marks(mark_leave_out(same, k=3, validation_k=2, seed=11)) == expected
    other = marked_as("test", mark_leave_out(ratings, k=3, seed=12))
    both = {pair for pair in other if expected[pair] == "test"}
    assert len(both) < 60  # 600 pairs of 20,000 twice: 18 in common are expected


def test_leave_out_keeps_string_ids_and_repeated_pairs_together(spark):
    rows = [(f"reader {u}", f"book {i}", float(n)) for u in range(20) for i in range(5) for n in range(1 + i % 2)]
    frame = spark.createDataFrame(rows, "reader string, book string, rating double")
    marked = mark_leave_out(frame, k=2, seed=0, user_col="reader", item_col="book")
    assert marked.count() == len(rows)
    test = marked_as("test", marked, user="reader", item="book")
    assert len(test) == 40


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "2"])
def test_leave_out_of_no_whole_number(ratings, k):
    with pytest.raises(ValueError, match=f"^k must be an integer of at least 1, got {k!r}"):
        mark_leave_out(ratings, k=k, seed=0)
    if k != 0:
        with pytest.raises(ValueError, match=r"validation_k must be an integer of at least 0, got "):
            mark_leave_out(ratings, k=1, validation_k=k, seed=0)


# Few and many different times, near and far apart: cuts in the first interval, and in nested ones.
TIMES = st.lists(st.one_of(st.integers(0, 5), st.integers(-(2**45), 2**45)), min_size=2, max_size=30)


@settings(max_examples=6)
@given(times=TIMES, percent=st.integers(1, 90))
def test_by_time_holds_out_the_fewest_latest_rows_that_reach_the_fraction(spark, times, percent):
    frame = spark.createDataFrame([(t,) for t in times], "timestamp long")
    wanted = -(-percent * len(times) // 100)
    cut = sorted(times, reverse=True)[wanted - 1]
    if cut == min(times):
        with pytest.raises(
            ValueError, match=f"share the timestamp {cut}, the earliest, so that no row is left for train"
        ):
            mark_by_time(frame, test_fraction=percent / 100)
        return
    found = [(row.timestamp, row.split) for row in mark_by_time(frame, test_fraction=percent / 100).collect()]
    assert sorted(found) == sorted((t, "test" if t >= cut else "train") for t in times)


def test_by_time_is_exact_and_in_order(ratings):
    """50 rows of each of 400 times, so that whole times give the exact fractions; 0.1 + 0.2 is not 0.3 in doubles."""
    expected = None
    for same in (ratings, *rearranged(ratings)):
        marked = mark_by_time(same, test_fraction=0.1, validation_fraction=0.2)
        ends = marked.groupBy("split").agg(F.count("*"), F.min("timestamp"), F.max("timestamp")).collect()
        assert {row[0]: tuple(row)[1:] for row in ends} == {
            "train": (14_000, 0, 279), "validation": (4_000, 280, 359), "test": (2_000, 360, 399),
        }  # fmt: skip
        expected = expected or marks(marked)
        assert marks(marked) == expected


@pytest.mark.parametrize("kind", ["timestamp", "timestamp_ntz", "date", "string", "int"])
@pytest.mark.parametrize("by", ["fraction", "cut"])
def test_times_of_every_type(spark, kind, by):
    days = spark.range(10).selectExpr("int(id) AS day", "date_add(DATE'2015-03-01', int(id)) AS timestamp")
    if kind != "int":
        typed = days.withColumn("timestamp", F.col("timestamp").cast(kind))
    else:
        typed = days.withColumn("timestamp", F.unix_timestamp(F.col("timestamp").cast("timestamp")).cast("int"))
    cut = typed.where("day = 7").collect()[0].timestamp
    how = {"test_fraction": 0.3} if by == "fraction" else {"test_from": cut}
    marked = mark_by_time(typed, **how)
    assert marked.schema["timestamp"] == typed.schema["timestamp"]
    assert {row.day for row in marked.where("split = 'test'").collect()} == {7, 8, 9}


def test_iso_strings_with_zones_are_compared_as_times(spark):
    """10:00 in Tokyo is before 09:00 in London, although its text is greater."""
    texts = ["2015-03-01T10:00:00+09:00", "2015-03-01T09:00:00Z"]
    frame = spark.createDataFrame([(text,) for text in texts], "timestamp string")
    found = {row.timestamp: row.split for row in mark_by_time(frame, test_fraction=0.5).collect()}
    assert found == {texts[0]: "train", texts[1]: "test"}


@pytest.mark.slow
def test_text_is_compared_by_its_format_and_numbers_by_their_size(spark):
    """As text, 9 comes after 10; `--duplicates last` and both splits read times by one rule."""
    frame = spark.createDataFrame(
        [(1, 1, "9/30/2019", 9.5), (1, 2, "10/1/2019", 10.25), (1, 3, "10/1/2018", -3.0)],
        "user int, item int, date string, seconds double",
    )
    for column in ("date", "seconds"):
        for marked in (
            mark_by_time(frame, timestamp_col=column, test_fraction=0.3),
            mark_leave_out(frame, k=1, seed=0, timestamp_col=column),
        ):
            assert marked_as("test", marked) == {(1, 2)}
    ambiguous = frame.where("item > 1")
    for mark in (mark_by_time, mark_leave_out):
        how = {"test_fraction": 0.3} if mark is mark_by_time else {"k": 1, "seed": 0}
        with pytest.raises(ValueError, match=r"got '10/1/2018' and '10/1/2019', and all may be US or European"):
            mark(ambiguous, timestamp_col="date", **how)
        assert marked_as("test", mark(ambiguous, timestamp_col="date", time_format="us", **how)) == {(1, 2)}
    assert marked_as("test", mark_by_time(frame, timestamp_col="seconds", test_from=9.75)) == {(1, 2)}
    with pytest.raises(ValueError, match="test_from must be a number of seconds for column seconds, got '2019-01-01'"):
        mark_by_time(frame, timestamp_col="seconds", test_from="2019-01-01")


@pytest.mark.parametrize("time", ["2015-03-01T00:00:02Z", START + timedelta(seconds=2)])
def test_a_cut_is_a_time_of_its_own(spark, time):
    frame = spark.createDataFrame([(START + timedelta(seconds=n),) for n in range(4)], "timestamp timestamp")
    assert mark_by_time(frame, test_from=time).where("split = 'test'").count() == 2


@pytest.mark.parametrize(
    ("schema", "row", "sentence"),
    [
        (
            "time string",
            "soon",
            "Column time must hold a time in every row, got none in 1 of 3 rows, such as 'soon'. Corr",
        ),
        ("time string", "964982703", r"one format, got '2015-03-01' \(ISO 8601\) and '964982703' \(a number\). Corr"),
        ("time string", None, "got none in 1 of 3 rows, such as null"),
        ("time double", float("nan"), "got none in 1 of 3 rows, such as 'NaN'. Correct or remove them. The others "),
        ("time boolean", True, "column time must hold timestamps, dates, numbers or strings, got the type boolean"),
        ("when long", 1, "timestamp_col must be a column of the ratings, got 'time' and the columns user, item, when"),
    ],
)
def test_unusable_times(spark, schema, row, sentence):
    good = {"string": "2015-03-01", "double": 1.0, "long": 1, "boolean": True}[schema.split()[1]]
    frame = spark.createDataFrame([(1, n, row if n == 2 else good) for n in range(3)], f"user int, item int, {schema}")
    with pytest.raises(ValueError, match=sentence):
        mark_by_time(frame, timestamp_col="time", test_fraction=0.1)
    with pytest.raises(ValueError, match=sentence):
        mark_leave_out(frame, k=1, seed=0, timestamp_col="time")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "Exactly one of test_fraction and test_from must be given, got test_fraction None and test_from None"),
        ({"test_fraction": 0.1, "test_from": 3}, "must be given, got test_fraction 0.1 and test_from 3"),
        ({"test_from": 3, "validation_fraction": 0.1}, "validation_fraction must be 0 with test_from, got 0.1"),
        ({"test_from": "2015-03-01"}, "test_from must be an integer for column timestamp, got '2015-03-01'"),
        ({"test_from": True}, "test_from must be an integer for column timestamp, got True"),
    ],
)
def test_cuts_that_do_not_fit(ratings, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        mark_by_time(ratings, **arguments)


def test_cuts_that_do_not_fit_times(spark):
    frame = spark.createDataFrame([(date(2015, 3, 1),)], "timestamp date")
    with pytest.raises(
        ValueError, match="test_from must be an ISO 8601 string, a date or a datetime for column timestamp, got 3"
    ):
        mark_by_time(frame, test_from=3)
    with pytest.raises(ValueError, match=r"test_from must be an ISO 8601 string, a date or .*, got 'soon'"):
        mark_by_time(frame, test_from="soon")
    with pytest.raises(ValueError, match="ratings must have at least two rows to be split, got none"):
        mark_by_time(frame.limit(0), test_fraction=0.5)


def test_times_too_equal_for_validation(spark):
    frame = spark.createDataFrame([(t,) for t in (1, 2, 2, 2)], "timestamp int")
    with pytest.raises(ValueError, match="share the timestamp 2, so that no validation row lies before the test rows"):
        mark_by_time(frame, test_fraction=0.25, validation_fraction=0.25)


@pytest.mark.parametrize(
    ("kind", "values", "sides"),
    [
        ("string", ["train", "TEST", "Validation"], ["train", "test", "validation"]),
        ("string", ["true", "FALSE"], ["test", "train"]),
        ("boolean", [True, False], ["test", "train"]),
    ],
)
def test_an_existing_column_marks(spark, kind, values, sides):
    frame = spark.createDataFrame(list(enumerate(values)), f"row int, split {kind}")
    assert [row.split for row in mark_from_column(frame, "split").orderBy("row").collect()] == sides
    renamed = mark_from_column(frame.withColumnRenamed("split", "fold.1"), "fold.1")
    assert renamed.columns == ["row", "fold.1", "split"]


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (
            "string",
            ["train", "dev", "holdout"],
            "Column fold must hold one of train, validation, test or .*, got other values in 2 of 3 rows",
        ),
        ("string", ["train", "dev", "holdout"], "such as 'dev'. Correct or remove them"),
        ("string", ["test", None], "Column fold .* in 1 of 2 rows, such as 'null'"),
        ("boolean", [True, None], "Column fold .* in 1 of 2 rows, such as 'null'"),
        ("int", [0, 1], r"Column fold must hold strings \(train, validation, test\) or booleans .*, got type int"),
    ],
)
def test_a_column_with_other_values_is_refused(spark, kind, values, sentence):
    frame = spark.createDataFrame([(value,) for value in values], f"fold {kind}")
    with pytest.raises(ValueError, match=sentence):
        mark_from_column(frame, "fold")
    with pytest.raises(ValueError, match="ratings must have the columns side, got the columns fold"):
        mark_from_column(frame, "side")
