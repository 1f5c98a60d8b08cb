"""Tests of the detection of columns by name."""

import pytest

from spark_mf.data.readers.column_names import choose_columns

NOTHING = {"user": None, "item": None, "rating": None, "timestamp": None}


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ("userId movieId rating timestamp", "userId movieId rating timestamp"),
        ("book_id user_id rating", "user_id book_id rating"),
        ("reviewerID asin overall reviewText unixReviewTime", "reviewerID asin overall unixReviewTime"),
        ("USER-ID ISBN Book-Rating", "USER-ID ISBN Book-Rating"),
        ("ts value product_id uid price", "uid product_id value ts"),
        ("user item stars date", "user item stars date"),
        (
            "user_id:token item_id:token rating:float timestamp:float",
            "user_id:token item_id:token rating:float timestamp:float",
        ),
        ("a:token_seq iid:token UID:TOKEN rating:float ts:float", "UID:TOKEN iid:token rating:float ts:float"),
    ],
)
def test_known_names(present, expected):
    columns, notes = choose_columns(present.split(), NOTHING, "x.csv")
    assert list(columns.values()) == expected.split()
    assert notes[0] == f"user column: {expected.split()[0]} (guessed from its name)"
    assert len(notes) == 4


def test_asked_names_come_first():
    present = ["user", "uid", "item", "rating"]
    columns, notes = choose_columns(present, {**NOTHING, "user": "uid"}, "x.csv")
    assert columns == {"user": "uid", "item": "item", "rating": "rating"}
    assert notes[0] == "user column: uid (as requested)"
    assert notes[3] == "timestamp column: none (not found)"


def test_a_column_asked_for_one_role_is_not_guessed_for_another():
    columns, _ = choose_columns(["user", "item", "value", "rating"], {**NOTHING, "timestamp": "value"}, "x.csv")
    assert columns["rating"] == "rating"


def test_an_unclear_timestamp_is_left_out():
    columns, notes = choose_columns(["user", "item", "rating", "time", "date"], NOTHING, "x.csv")
    assert "timestamp" not in columns
    assert notes[3] == "timestamp column: none (time and date are possible, choose with timestamp_col)"


@pytest.mark.parametrize(
    ("present", "asked", "message"),
    [
        (
            "a item rating",
            {},
            "The user column of x.csv must be one of a, item, rating, got no column with a known name. Name it with "
            "user_col.",
        ),
        (
            "user item rating score",
            {},
            "The rating column of x.csv must be one of user, item, rating, score, got rating and score, which could "
            "all be it. Name it with rating_col.",
        ),
        (
            "user item rating",
            {"item": "movie"},
            "item_col must be one of the columns of x.csv, which are user, item, rating, got 'movie'.",
        ),
        (
            "user item rating",
            {"item": "user", "user": "user"},
            "user_col and item_col of x.csv must be different columns, got user for both.",
        ),
    ],
)
def test_refused(present, asked, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole sentence is compared
        choose_columns(present.split(), {**NOTHING, **asked}, "x.csv")
    assert str(refusal.value) == message
