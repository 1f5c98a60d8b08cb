"""Tests of stopping rules and learning rate schedules."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.exchange.stopping import CONVERGED, DIVERGED, FINISHED, NOT_IMPROVED, FitProgress, StoppingRules
from spark_mf.objectives.explicit import ExplicitObjective, SquaredLoss
from spark_mf.objectives.regularization import Regularization

RULES = StoppingRules(max_iterations=100, decay=0.5)
OBJECTIVE = ExplicitObjective(Regularization.equal(0.1, "weighted", 4), n_validation=1)


def after(
    progress: FitProgress,
    loss: SquaredLoss,
    rules: StoppingRules = RULES,
    objective: ExplicitObjective = OBJECTIVE,
    change: float | None = None,
) -> FitProgress:
    """The progress after an iteration with this loss."""
    return progress.after(objective.metrics(loss), loss.is_finite, change, rules)


def steps(objectives: list[float], **rules) -> list[float]:
    """The step of each epoch, whose objectives these are, and of the one after them."""
    progress, found = FitProgress(), []
    for value in objectives:
        found.append(progress.step)
        progress = after(progress, SquaredLoss(value, 1.0, 0.0), replace(RULES, **rules))
    return [*found, progress.step]


def ended(validation: list[float], **rules) -> tuple[int, str | None, int | None]:
    """The iteration that a fit ends with when these are its validation RMSEs, why, and its best iteration."""
    progress = FitProgress()
    for rmse in validation:
        progress = after(progress, SquaredLoss(1.0, rmse**2, 0.0), replace(RULES, **rules))
        if progress.end:
            break
    return progress.iteration, progress.end, progress.best_iteration


def test_schedules_by_hand():
    assert steps([9, 9, 9]) == [1, 1, 1, 1]
    assert steps([9, 9, 9], schedule="exponential") == [1, 0.5, 0.25, 0.125]
    assert steps([9, 9, 9], schedule="inverse") == [1, 1 / 1.5, 1 / 2, 1 / 2.5]
    assert steps([9, 8, 8.5, 8], schedule="boldDriver") == pytest.approx([1, 1, 1.05, 0.525, 0.55125])


def test_penalties_count_for_the_bold_driver():
    rules = replace(RULES, schedule="boldDriver")
    progress = after(after(FitProgress(), SquaredLoss(9.0, 1.0, 0.0), rules), SquaredLoss(8.0, 1.0, 2.0), rules)
    assert (progress.objective, progress.step) == (10.0, 0.5)


def test_ends_after_patience_without_improvement_and_knows_the_best_iteration():
    assert ended([3, 2, 2.5, 2.1, 2.2, 1], patience=3) == (5, NOT_IMPROVED, 2)
    assert ended([3, 2, 2.5, 2.1, 1.9, 1.8], patience=3) == (6, None, 6)
    assert ended([3, 2.95, 2.91, 2.89], patience=3, improvement_tol=0.1) == (4, None, 4)
    assert ended([3, 2.95, 2.91, 2.90], patience=3, improvement_tol=0.1) == (4, NOT_IMPROVED, 1)
    assert ended([1, 2, 3, 4, 5, 6], patience=0) == (6, None, 1)
    assert ended([3, 2, 1], max_iterations=2) == (2, FINISHED, 2)


def test_watches_training_ratings_where_there_are_none_for_validation():
    objective, rules = replace(OBJECTIVE, n_validation=0), replace(RULES, patience=1)
    progress = after(FitProgress(), SquaredLoss(4.0, 0.0, 0.0), rules, objective)
    assert (progress.best, progress.end) == (1.0, None)
    assert after(progress, SquaredLoss(4.0, 0.0, 0.0), rules, objective).end == NOT_IMPROVED


def test_ends_once_the_product_changes_by_less_than_the_tolerance():
    rules, loss = replace(RULES, change_tol=0.5, max_iterations=2), SquaredLoss(1.0, 1.0, 0.0)
    assert after(FitProgress(), loss, rules, change=0.5).end is None
    assert after(FitProgress(), loss, rules, change=0.4).end == CONVERGED
    assert after(FitProgress(iteration=1), loss, rules, change=0.4).end == CONVERGED
    assert after(FitProgress(iteration=1), loss, rules, change=0.6).end == FINISHED
    assert after(FitProgress(), loss, RULES, change=0.0).end is None


def test_a_fit_that_ran_all_its_iterations_may_get_more_and_no_other_may():
    finished = FitProgress(iteration=3, step=0.5, best=1.0, best_iteration=2, end=FINISHED)
    assert finished.resumed() == replace(finished, end=None)
    for end in (CONVERGED, NOT_IMPROVED):
        assert replace(finished, end=end).resumed().end == end


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("place", range(3))
def test_a_sum_that_is_not_finite_ends_it_at_once(bad, place):
    sums = [1.0, 1.0, 1.0]
    sums[place] = bad
    first = after(FitProgress(), SquaredLoss(1.0, 1.0, 0.0))
    progress = after(first, SquaredLoss(*sums))
    assert (progress.end, progress.iteration, progress.best_iteration) == (DIVERGED, 2, 1)
    assert not progress.is_best


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.integers(1, 5))
def test_the_best_iteration_is_the_first_lowest(validation, patience):
    iteration, _, best = ended(validation, patience=patience)
    lowest = validation.index(min(validation[:iteration])) + 1
    assert best == lowest
    assert iteration - lowest <= patience


def test_knows_whether_the_last_iteration_raised_the_objective():
    """The first one cannot have; an equal objective is no rise."""
    progress, found = FitProgress(), []
    for value in (9.0, 8.0, 8.0, 8.5, 7.0):
        progress = after(progress, SquaredLoss(value, 1.0, 0.0))
        found.append(progress.descended)
    assert found == [False, True, True, False, True]
