"""Tests of the split ratings of a comparison, counted by hand."""

import pytest

from spark_mf.benchmarks.compare import load_ratings
from spark_mf.benchmarks.compare_settings import CompareSettings
from spark_mf.benchmarks.report import comparison_report
from spark_mf.cli.commands.partition import PartitionSettings

# User 3 and item 12 have one rating each.
RATINGS = """userId,movieId,rating,timestamp,fold
1,10,4.0,100,train
1,11,3.5,300,test
2,10,3.0,200,Train
2,11,1.0,100,train
2,12,5.0,400,TEST
3,10,2.0,300,validation
"""


@pytest.fixture
def ratings(tmp_path):
    file = tmp_path / "ratings.csv"
    file.write_text(RATINGS)
    return str(file)


def rows_of(frame):
    return {(row.user, row.item) for row in frame.collect()}


@pytest.mark.parametrize(
    ("asked", "train", "test", "cold", "how"),
    [
        (
            {"split": "time", "test_fraction": 0.4},  # the 3rd latest of 6 is at 300, as is another
            {(1, 10), (2, 10), (2, 11)},
            {(1, 11), (2, 12), (3, 10)},
            2,
            "the latest of all",
        ),
        (
            {"split": "leave-out", "leave_out": 1, "timestamp_col": "timestamp"},
            {(1, 10), (2, 10), (2, 11), (3, 10)},
            {(1, 11), (2, 12)},
            1,
            "the items of each user left out, 1 each, the latest; 1 of 3 users have too few ratings and give none",
        ),
        (
            {"split": "column", "split_col": "fold"},
            {(1, 10), (2, 10), (2, 11)},
            {(1, 11), (2, 12)},
            1,
            "as column fold says, which marks 1 others for validation: not used here",
        ),
    ],
)
def test_each_split_holds_out_its_rows_and_says_how(spark, ratings, asked, train, test, cold, how):
    data = load_ratings(spark, CompareSettings(ratings=ratings, **asked))
    assert rows_of(data.train) == train
    assert rows_of(data.test) == test
    assert data.train.columns == data.test.columns == ["user", "item", "rating"]
    assert (data.ratings, data.test_ratings) == (len(train | test), len(test))
    assert (data.cold_test_ratings, data.split) == (cold, how)


def test_leaving_out_without_times_is_random(spark, ratings):
    data = load_ratings(spark, CompareSettings(ratings=ratings, split="leave-out", leave_out=1, seed=5))
    assert sorted(user for user, _ in rows_of(data.test)) == [1, 2]
    assert data.split is not None
    assert "1 each, drawn at random with seed 5; 1 of 3 users" in data.split


def test_a_split_by_time_needs_times(spark, tmp_path):
    file = tmp_path / "ratings.csv"
    file.write_text("user,item,rating\n1,2,3\n1,3,4\n")
    with pytest.raises(ValueError, match=r"--split time requires a column of times, and none of .* was recognized"):
        load_ratings(spark, CompareSettings(ratings=str(file), split="time"))


@pytest.mark.slow
def test_times_are_read_where_the_split_goes_by_them(spark, tmp_path):
    """Elsewhere, dates that may be US or European are nobody's trouble."""
    file = tmp_path / "ratings.csv"
    file.write_text("user,item,rating,date\n1,2,3,2/1/2019\n1,3,4,1/2/2019\n2,2,4,1/1/2019\n")
    with pytest.raises(ValueError, match="and all may be US or European dates"):
        load_ratings(spark, CompareSettings(ratings=str(file), split="time", test_fraction=0.3))
    for time_format, latest in (("us", (1, 2)), ("european", (1, 3))):
        asked = CompareSettings(ratings=str(file), split="time", test_fraction=0.3, time_format=time_format)
        assert rows_of(load_ratings(spark, asked).test) == {latest}
    by_chance = CompareSettings(ratings=str(file), split="leave-out", leave_out=1)
    assert load_ratings(spark, by_chance).ratings == 3
    assert PartitionSettings(ratings=str(file)).options().timestamp_col == ""


def test_the_report_says_how_the_rows_were_split(make_row):
    row = make_row(ratings=10, test_ratings=3, cold_test_ratings=1, split="the latest of all")
    assert "7 training and 3 test rows, the latest of all; 1 of the test rows are cold" in comparison_report([row])
