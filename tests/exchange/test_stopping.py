"""How a descent goes on: steps by each schedule, the best epoch, and when it ends."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.engine.course import DIVERGED, FINISHED, NO_BETTER, Course, EpochSums, Rules

RULES = Rules(
    epochs=100,
    schedule="constant",
    decay=0.5,
    patience=0,
    tol=0.0,
    regularization="weighted",
    n_ratings=4,
    n_validation=1,
)


def steps(objectives: list[float], **rules) -> list[float]:
    """The step of each epoch, whose objectives these are, and of the one after them."""
    course, found = Course(), []
    for value in objectives:
        found.append(course.step)
        course = course.after(EpochSums(value, 0.0, 1.0), replace(RULES, **rules))
    return [*found, course.step]


def ended(validation: list[float], **rules) -> tuple[int, str | None, int | None]:
    """The epoch that a course ends with when these are its validation RMSEs, why, and its best epoch."""
    course = Course()
    for rmse in validation:
        course = course.after(EpochSums(1.0, 0.0, rmse**2), replace(RULES, **rules))
        if course.end:
            break
    return course.epoch, course.end, course.best_epoch


def test_schedules_by_hand():
    assert steps([9, 9, 9]) == [1, 1, 1, 1]
    assert steps([9, 9, 9], schedule="exponential") == [1, 0.5, 0.25, 0.125]
    assert steps([9, 9, 9], schedule="inverse") == [1, 1 / 1.5, 1 / 2, 1 / 2.5]
    assert steps([9, 8, 8.5, 8], schedule="boldDriver") == pytest.approx([1, 1, 1.05, 0.525, 0.55125])


def test_penalties_count_for_the_bold_driver():
    rules = replace(RULES, schedule="boldDriver")
    course = Course().after(EpochSums(9.0, 0.0, 1.0), rules).after(EpochSums(8.0, 2.0, 1.0), rules)
    assert (course.objective, course.step) == (10.0, 0.5)


def test_ends_after_patience_without_improvement_and_knows_the_best_epoch():
    assert ended([3, 2, 2.5, 2.1, 2.2, 1], patience=3) == (5, NO_BETTER, 2)
    assert ended([3, 2, 2.5, 2.1, 1.9, 1.8], patience=3) == (6, None, 6)
    assert ended([3, 2.95, 2.91, 2.89], patience=3, tol=0.1) == (4, None, 4)
    assert ended([3, 2.95, 2.91, 2.90], patience=3, tol=0.1) == (4, NO_BETTER, 1)
    assert ended([1, 2, 3, 4, 5, 6], patience=0) == (6, None, 1)
    assert ended([3, 2, 1], epochs=2) == (2, FINISHED, 2)


def test_watches_training_ratings_where_there_are_none_for_validation():
    rules = replace(RULES, n_validation=0, patience=1)
    course = Course().after(EpochSums(4.0, 0.0, 0.0), rules)
    assert (course.best, course.end) == (1.0, None)
    assert course.after(EpochSums(4.0, 0.0, 0.0), rules).end == NO_BETTER


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("place", range(3))
def test_a_sum_that_is_not_finite_ends_it_at_once(bad, place):
    sums = [1.0, 1.0, 1.0]
    sums[place] = bad
    first = Course().after(EpochSums(1.0, 0.0, 1.0), RULES)
    course = first.after(EpochSums(*sums), RULES)
    assert (course.end, course.epoch, course.best_epoch) == (DIVERGED, 2, 1)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.integers(1, 5))
def test_the_best_epoch_is_the_first_lowest(validation, patience):
    epoch, _, best = ended(validation, patience=patience)
    lowest = validation.index(min(validation[:epoch])) + 1
    assert best == lowest
    assert epoch - lowest <= patience
