"""Tests of the complete check: errors, duplicates, k-core, and that no row is lost."""

import pytest

from spark_mf.data.checking import CheckRules, clean_ratings
from spark_mf.data.reading import read_ratings

HEADER = "user,item,rating,timestamp\n"


def write(path, *lines):
    path.write_text(HEADER + "".join(line + "\n" for line in lines))
    return str(path)


def rows(clean):
    return sorted(tuple(row) for row in clean.accepted.collect())


def rejected(clean):
    return {row["line"]: row["reason"] for row in clean.rejected.collect()}


@pytest.fixture
def repeated(tmp_path):
    """Pair (1, 1) on lines 2, 4 and 6, the latest of them line 4; (2, 2) on 5 and 7 at the same time."""
    lines = ["1,1,1,10", "1,2,2,10", "1,1,2,30", "2,2,1,5", "1,1,4,20", "2,2,4,5", "2,1,3,", "bad"]
    return write(tmp_path / "ratings.csv", *lines)


SINGLE = [(1, 2, 2.0, 10), (2, 1, 3.0, None)]


@pytest.mark.parametrize(
    ("duplicates", "expected"),
    [
        ("last", [(1, 1, 2.0, 30), (2, 2, 4.0, 5)]),
        ("mean", [(1, 1, pytest.approx(7 / 3), 30), (2, 2, 2.5, 5)]),
        ("sum", [(1, 1, 7.0, 30), (2, 2, 5.0, 5)]),
    ],
)
def test_one_row_of_a_repeated_pair_stays(spark, repeated, duplicates, expected):
    clean = clean_ratings(spark, repeated, rules=CheckRules("reject", duplicates))
    assert rows(clean) == sorted([*SINGLE, *expected])
    reasons = rejected(clean)
    assert reasons.keys() == {2, 5, 6, 9}
    assert clean.reasons[reasons[2]] == 3
    assert (clean.rows, clean.accepted_rows, clean.rejected_rows, clean.duplicates) == (8, 4, 4, 3)
    assert (clean.users.ids, clean.users.most, clean.items.median) == (2, 2, 2.0)
    clean.unpersist()


@pytest.mark.parametrize(
    "pairs",
    [
        [("30.09.2018", "01.10.2019")],
        [("9/30/2018", "10/1/2018")],
        [("978300760.0", "1046454590.0")],
        # The first is an integer, and not all are.
        [("9", "10"), ("-10", "-9.5"), ("", "-5")],
        [("2019-03-01T10:00:00+09:00", "2019-03-01T02:00:00Z"), ("", "1901-01-01")],
    ],
)
def test_the_last_is_that_of_the_latest_time(spark, tmp_path, pairs):
    """In text the older may be the greater, whichever comes first in the file."""
    lines = [f"{n},1,1,{older}\n{n},1,2,{newer}" for n, (older, newer) in enumerate(pairs)]
    lines += [f"{n},2,2,{newer}\n{n},2,1,{older}" for n, (older, newer) in enumerate(pairs)]
    clean = clean_ratings(spark, write(tmp_path / "a.csv", *lines), rules=CheckRules(duplicates="last"))
    assert [row.rating for row in clean.accepted.collect()] == [2.0] * 2 * len(pairs)
    assert clean.rejected_rows == 2 * len(pairs)
    clean.unpersist()


@pytest.mark.parametrize("kind", ["double", "timestamp", "timestamp_ntz", "date"])
def test_the_last_of_tables(spark, kind):
    times = ["-10.5", "-9.5", None] if kind == "double" else ["1969-12-30", "1969-12-31", None]
    rows = [(1, item, float(n), times[n]) for item in (1, 2) for n in ((0, 1, 2) if item == 1 else (2, 1, 0))]
    frame = spark.createDataFrame(rows, "user int, item int, rating float, time string")
    frame = frame.selectExpr("user", "item", "rating", f"cast(time as {kind}) ts").coalesce(1).cache()
    clean = clean_ratings(spark, frame, rules=CheckRules(duplicates="last"))
    assert [row.rating for row in clean.accepted.collect()] == [1.0, 1.0]
    assert clean.accepted.schema["timestamp"].dataType.simpleString() == ("timestamp" if kind == "double" else kind)
    clean.unpersist()


def test_times_that_cannot_be_read_are_faults_of_their_rows(spark, tmp_path):
    """They do not keep the others from being understood, and the fault of another field comes first."""
    path = write(tmp_path / "a.csv", "1,1,1,13.2.2019", "1,2,x,noon", "1,3,1,31.2.2019", "1,4,1,1.2.2019", "1,5,1, ")
    with pytest.raises(
        ValueError, match=r"2 of 5 .*\(1 × rating is not a number, 1 × timestamp is not a time \(European dates"
    ):
        clean_ratings(spark, path)
    clean = clean_ratings(spark, path, rules=CheckRules("reject"))
    assert rejected(clean) == {3: "rating is not a number", 4: "timestamp is not a time (European dates, D.M.YYYY)"}
    assert sorted((row.item, str(row.timestamp)[:10]) for row in clean.accepted.collect()) == [
        (1, "2019-02-13"),
        (4, "2019-02-01"),
        (5, "None"),
    ]
    assert clean.source.notes[-1] == "timestamp: European dates, D.M.YYYY (guessed: 13.2.2019 can be nothing else)"
    clean.unpersist()


def test_duplicates_are_kept_or_refused(spark, repeated):
    clean = clean_ratings(spark, repeated, rules=CheckRules("reject", "keep"))
    assert (clean.accepted_rows, clean.rejected_rows, clean.duplicates) == (7, 1, 3)
    with pytest.raises(
        ValueError, match=r"one rating of each user and item, got 3 rows that repeat .*, such as user 1 and"
    ):
        clean_ratings(spark, repeated, rules=CheckRules("reject", "error"))
    with pytest.raises(ValueError, match="1 of 8 rows of"):
        clean_ratings(spark, repeated, rules=CheckRules("fail", "error"))


def test_the_last_file_holds_where_times_do_not_decide(spark, tmp_path):
    for name, rating in (("b.csv", 2), ("c.csv", 3), ("a.csv", 1)):
        (tmp_path / name).write_text(f"user,item,rating\nx,y,{rating}\n")
    clean = clean_ratings(spark, tmp_path, rules=CheckRules(duplicates="last"))
    assert rows(clean) == [("x", "y", 3.0)]
    assert clean.rejected_rows == 2


def test_a_sum_that_is_not_finite_is_rejected_whole(spark, tmp_path):
    path = write(tmp_path / "a.csv", "1,1,3e38,1", "1,1,3e38,2", "1,2,1,1")
    clean = clean_ratings(spark, path, rules=CheckRules(duplicates="sum"))
    assert rows(clean) == [(1, 2, 1.0, 1)]
    assert clean.reasons == {"the sum of the ratings of its user and item is not finite": 2}


def test_equal_hashes_are_no_duplicates(spark, tmp_path, monkeypatch):
    """With a hash that is the same for all strings every row is a suspect, and only true repeats are rejected."""
    from pyspark.sql import functions as F

    monkeypatch.setattr("spark_mf.data.checks.survey.F.xxhash64", lambda column: F.length(column).cast("bigint"))
    path = write(tmp_path / "a.csv", "a,b,1,1", "c,d,2,1", "a,b,3,2", "e,f,4,1")
    clean = clean_ratings(spark, path, rules=CheckRules(duplicates="last"))
    assert rows(clean) == [("a", "b", 3.0, 2), ("c", "d", 2.0, 1), ("e", "f", 4.0, 1)]
    assert (clean.duplicates, clean.rejected_rows) == (1, 1)


def core(pairs, user_least, item_least):
    """The k-core, by removing one user or item at a time."""
    pairs = set(pairs)
    while True:
        users, items = [u for u, _ in pairs], [i for _, i in pairs]
        few = [p for p in pairs if users.count(p[0]) < user_least or items.count(p[1]) < item_least]
        if not few:
            return pairs
        pairs.remove(few[0])


def test_users_and_items_with_too_few_ratings(spark, tmp_path):
    """A chain of which each link falls when the one before has fallen, and a block that stays."""
    chain = [(n, n) for n in range(10, 16)] + [(n + 1, n) for n in range(10, 16)]
    block = [(u, i) for u in range(3) for i in range(3)]
    pairs = sorted(set(chain + block + [(50, 0), (0, 60)]))
    path = write(tmp_path / "a.csv", *(f"{u},{i},1,1" for u, i in pairs), "0,0,x,1")
    clean = clean_ratings(spark, path, rules=CheckRules("reject", min_user_ratings=2, min_item_ratings=2))
    assert {row[:2] for row in rows(clean)} == core(pairs, 2, 2) == set(block)
    assert clean.rows == len(pairs) + 1
    assert clean.rejected_rows == len(chain) + 3
    assert (clean.users.least, clean.items.least) == (3, 3)
    assert set(clean.reasons) == {
        "rating is not a number",
        "its user has fewer than 2 usable ratings",
        "its item has fewer than 2 usable ratings",
    }


def test_nothing_may_be_left(spark, tmp_path):
    clean = clean_ratings(
        spark, write(tmp_path / "a.csv", "1,1,1,1", "x"), rules=CheckRules("reject", min_item_ratings=9)
    )
    assert (clean.rows, clean.accepted_rows, clean.rejected_rows, clean.users.ids) == (2, 0, 2, 0)
    assert rows(clean) == []
    with pytest.raises(ValueError, match="must have at least one row of ratings, got none"):
        clean_ratings(spark, spark.range(0).selectExpr("id user", "id item", "id rating"))


def test_partitions_without_rows(spark, tmp_path):
    frame = spark.range(3).selectExpr("id user", "id item", "1.0f rating").repartition(5)
    frame.write.parquet(str(tmp_path / "t"))
    (tmp_path / "t" / "user=9").mkdir()
    empty = spark.range(0).selectExpr("id user", "id item", "1.0f rating")
    empty.write.parquet(str(tmp_path / "e"))
    for part in (tmp_path / "e").glob("*.parquet"):
        part.rename(tmp_path / "t" / part.name)
    (tmp_path / "t" / "user=9").rmdir()
    assert rows(clean_ratings(spark, tmp_path / "t")) == [(n, n, 1.0) for n in range(3)]
    assert read_ratings(spark, tmp_path / "t").rows == 3


def test_files_that_change_while_they_are_read(spark, tmp_path, monkeypatch):
    from spark_mf.data import checking

    path = write(tmp_path / "a.csv", "1,1,1,1", "2,1,1,1")
    real = checking.survey
    monkeypatch.setattr(checking, "survey", lambda ratings, rows: real(ratings.where("user = 1"), rows))
    with pytest.raises(
        RuntimeError, match=r"must not change while it is read, got 2 rows of which 1 were accepted and 0 rej"
    ):
        clean_ratings(spark, path)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"on_bad": "skip"}, "on_bad must be one of fail, reject, got 'skip'."),
        ({"duplicates": "first"}, "duplicates must be one of error, keep, last, mean, sum, got 'first'."),
        (
            {"min_rating": 5, "max_rating": 1},
            "min_rating must be at most max_rating, got min_rating 5 and max_rating 1. Exchange them.",
        ),
        ({"min_item_ratings": 0}, "min_item_ratings must be at least 1, got 0. Use 1 for no minimum."),
    ],
)
def test_rules_that_make_no_sense(rules, message):
    with pytest.raises(ValueError, match=r"\.$") as refusal:
        CheckRules(**rules)
    assert str(refusal.value) == message
