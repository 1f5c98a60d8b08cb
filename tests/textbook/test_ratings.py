"""Tests of ratings from tables: order, values and errors."""

import numpy as np
import pandas as pd
import pytest

from spark_mf.textbook import Pairs, Ratings
from tests.textbook.small import held_out

COLUMNS = {
    "user": ["bo", "al", "bo", "cy", "al", "dee"],
    "item": [70, 10, 10, 10, 70, 10],
    "rating": [3.0, 1.0, 2.0, 4.0, 5.0, 2.5],
    "held_out": [False, False, False, True, True, True],
}


class Table:
    """What the textbook needs to know of a Spark DataFrame."""

    def __init__(self, frame):
        self.frame, self.limits = frame, []

    def limit(self, rows):
        self.limits.append(rows)
        return Table(self.frame.head(rows))

    def toPandas(self):
        return self.frame


class Bare:
    def toPandas(self):
        return pd.DataFrame(COLUMNS)


@pytest.mark.parametrize("table", [COLUMNS, pd.DataFrame(COLUMNS), Table(pd.DataFrame(COLUMNS)), Bare()])
def test_a_table_is_read_in_row_major_order_of_sorted_ids(table):
    ratings = Ratings.from_columns(table)
    assert ratings.shape == (4, 2)
    assert np.asarray(ratings.user_ids).tolist() == ["al", "bo", "cy", "dee"]
    assert np.asarray(ratings.item_ids).tolist() == [10, 70]
    np.testing.assert_array_equal(ratings.users, [0, 0, 1, 1, 2, 3])
    np.testing.assert_array_equal(ratings.items, [0, 1, 0, 1, 0, 0])
    np.testing.assert_array_equal(ratings.values, [1, 5, 2, 3, 4, 2.5])
    assert ratings.validation is None


def test_rows_held_out_of_unknown_users_are_left_out():
    ratings = Ratings.from_columns(COLUMNS, validationIndicatorCol="held_out")
    assert ratings.shape == (2, 2)
    assert len(ratings) == 3
    validation = held_out(ratings)
    assert (validation.users.item(), validation.items.item(), validation.values.item()) == (0, 1, 5.0)


def test_without_rows_held_out_that_are_known_there_is_no_validation():
    columns = COLUMNS | {"held_out": [False, False, False, True, False, True]}
    assert Ratings.from_columns(columns, validationIndicatorCol="held_out").validation is None


def test_a_data_frame_is_not_fetched_beyond_what_is_taken():
    table = Table(pd.DataFrame(COLUMNS))
    Ratings.from_columns(table)
    assert table.limits == [1_000_001]


def test_other_names_of_columns():
    columns = {"u": [1, 2], "i": [3, 3], "r": [1, 2]}
    np.testing.assert_array_equal(Ratings.from_columns(columns, "u", "i", "r").matrix, [[1.0], [2.0]])


def test_matrix_and_mask_and_counts():
    ratings = Ratings.from_columns(COLUMNS)
    np.testing.assert_array_equal(ratings.matrix, [[1, 5], [2, 3], [4, 0], [2.5, 0]])
    np.testing.assert_array_equal(ratings.observed, [[1, 1], [1, 1], [1, 0], [1, 0]])
    np.testing.assert_array_equal(ratings.user_counts, [2, 2, 1, 1])
    np.testing.assert_array_equal(ratings.item_counts, [4, 2])


def test_to_columns_and_back():
    R = np.arange(1.0, 13).reshape(3, 4)
    held = np.zeros((3, 4), bool)
    held[1, 2] = held[2, 0] = True
    ratings = Ratings.from_matrix(R, ~held, held)
    again = Ratings.from_columns(ratings.to_columns(), validationIndicatorCol="held_out")
    np.testing.assert_array_equal(again.matrix, np.where(held, 0, R))
    np.testing.assert_array_equal(held_out(again).values, [7, 9])


def test_a_repeated_pair_is_kept_as_a_pair_and_refused_as_a_matrix():
    ratings = Ratings.from_columns({"user": [1, 1], "item": [2, 2], "rating": [3.0, 4.0]})
    assert len(ratings) == 2
    np.testing.assert_array_equal(ratings.user_counts, [2])
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, the whole sentence is compared
        _ = ratings.matrix
    assert str(refusal.value) == (
        "ratings must contain each (user, item) pair at most once, got 1 duplicates. "
        "Average the duplicates first, or use SGD, which accepts them."
    )


@pytest.mark.parametrize(
    ("columns", "error", "sentence"),
    [
        ([1, 2], TypeError, "ratings must be Ratings, a mapping of columns, a pandas or a Spark DataFrame, got list."),
        ({"user": [1], "item": [1]}, ValueError, "ratings must have a column 'rating', got 'user', 'item'."),
        (
            {"user": [1], "item": [1, 2], "rating": [1]},
            ValueError,
            "columns must have the same length, got user 1, item 2, rating 1. Pass one value per rating in each.",
        ),
        (
            {"user": [1.5], "item": [1], "rating": [1]},
            TypeError,
            "column 'user' must contain integers or strings without nulls, got float64.",
        ),
        (
            {"user": [1], "item": ["a", None][1:], "rating": [1]},
            TypeError,
            "column 'item' must contain integers or strings without nulls, got object.",
        ),
        (
            {"user": [1], "item": [1], "rating": [float("nan")]},
            ValueError,
            "column 'rating' must be finite, got nan. Remove such rows.",
        ),
        (
            {"user": [1], "item": [1], "rating": ["good"]},
            ValueError,
            "column 'rating' must be numeric, got <U4. Cast it to double.",
        ),
        (
            {"user": [], "item": [], "rating": []},
            ValueError,
            "ratings must contain at least one training rating, got none. Pass rows that are not held out.",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(columns, error, sentence):
    with pytest.raises(error) as refusal:
        Ratings.from_columns(columns)
    assert str(refusal.value) == sentence


def test_an_indicator_that_is_not_boolean_is_refused():
    with pytest.raises(ValueError, match=r"^column 'held_out' must be boolean, got int64\. Cast it to boolean\.$"):
        Ratings.from_columns(COLUMNS | {"held_out": [0, 1, 0, 1, 0, 1]}, validationIndicatorCol="held_out")


def test_only_held_out_rows_are_refused():
    with pytest.raises(ValueError, match="at least one training rating, got none"):
        Ratings.from_columns(COLUMNS | {"held_out": [True] * 6}, validationIndicatorCol="held_out")


def test_more_cells_than_the_textbook_takes_name_the_way_out():
    columns = {"user": np.arange(2300), "item": np.arange(2300), "rating": np.ones(2300)}
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, the whole sentence is compared
        Ratings.from_columns(columns)
    assert str(refusal.value) == (
        "users × items must be at most 5,000,000, got 2,300 users and 2,300 items. "
        "Use spark_mf.ALS, spark_mf.SGD or spark_mf.GD, which run on Spark."
    )


def test_more_ratings_than_the_textbook_takes_name_the_way_out():
    ones = np.ones(1_000_001, np.int64)
    sentence = r"ratings must have at most 1,000,000 rows, got more\. Use spark_mf.ALS, spark_mf.SGD or spark_mf.GD"
    with pytest.raises(ValueError, match=sentence):
        Ratings.from_columns({"user": ones, "item": ones, "rating": ones})
    with pytest.raises(ValueError, match=sentence):
        Ratings(ones[:1], ones[:1], ones[:1].astype(float), (2, 2), Pairs(ones, ones, ones.astype(float)))
