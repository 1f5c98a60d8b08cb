"""Tests of implicit feedback against values computed by hand, central differences and the definition of recall."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_mf.textbook import ALS, Pairs, Ratings, gradient_check, implicit_gradient, implicit_loss
from spark_mf.textbook.implicit import feedback, implicit_penalties, validation_recall
from spark_mf.textbook.model import Parameters
from tests.textbook.small import small_factors

REGULARIZATIONS = ("weighted", "plain", "mean", "frequency")
FORMS: dict[str, dict[str, Any]] = {"pyspark": {"alpha": 1.7}, "iALS": {"unobservedWeight": 0.3}}
EACH_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def counts(seed: int, n: int = 6, m: int = 5, lowest: int = 1) -> Ratings:
    """Counts from `lowest` to 5 of about half of all pairs, at least one of which is positive."""
    rng = np.random.default_rng(seed)
    R = rng.integers(lowest, 6, (n, m)).astype(float)
    R[0, 0] = 3
    observed = rng.random((n, m)) < 0.5
    observed[0, 0] = True
    observed[np.arange(max(n, m)) % n, np.arange(max(n, m)) % m] = True
    return Ratings.from_matrix(R, observed)


def test_confidence_of_a_table_by_hand():
    """c = 1 + α·f with α = 2, for the counts f of two users and three items."""
    f = np.array([[3.0, 0.0, 1.0], [0.0, 5.0, 0.0]])
    C, T, constant = feedback(f, alpha=2.0)
    np.testing.assert_array_equal(C, [[7, 1, 3], [1, 11, 1]])
    np.testing.assert_array_equal(T, [[1, 0, 1], [0, 1, 0]])
    assert constant == 0


def test_a_half_step_of_a_table_by_hand():
    """Rank 1, α = 2, λ = 1, item factors 1, 2, 1: u = Σ c p v / (Σ c v² + λ n_u)."""
    f = np.array([[3.0, 0.0, 1.0], [0.0, 5.0, 0.0]])
    ratings = Ratings.from_matrix(f, f > 0)
    V = np.array([[1.0], [2.0], [1.0]])
    als = ALS(rank=1, maxIter=1, regParam=1.0, implicitPrefs=True, alpha=2.0)
    T, C, w_U, _ = als.problem(ratings)
    np.testing.assert_array_equal(w_U, [2, 1])
    solved = als.half_step(T, C, V, w_U, np.zeros((2, 1)))
    first = (7 * 1 + 3 * 1) / (7 * 1 + 1 * 4 + 3 * 1 + 2)
    second = (11 * 2) / (1 * 1 + 11 * 4 + 1 * 1 + 1)
    np.testing.assert_allclose(solved, [[first], [second]])


def test_a_half_step_of_ials_by_hand():
    """α₀ = 0.5, λ = 1, ν = 0.5: u = Σ_pos v / (Σ_pos v² + α₀ Σ_all v² + λ √(n_u + α₀ m))."""
    f = np.array([[3.0, 0.0, 1.0], [0.0, 5.0, 0.0]])
    V = np.array([[1.0], [2.0], [1.0]])
    als = ALS(
        rank=1, regParam=1.0, implicitPrefs=True, unobservedWeight=0.5, regularization="frequency", regExponent=0.5
    )
    T, C, w_U, _ = als.problem(Ratings.from_matrix(f, f > 0))
    solved = als.half_step(T, C, V, w_U, np.zeros((2, 1)))
    first = 2 / (2 + 0.5 * 6 + np.sqrt(2 + 1.5))
    second = 2 / (4 + 0.5 * 6 + np.sqrt(1 + 1.5))
    np.testing.assert_allclose(solved, [[first], [second]])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        # Predictions 1, 2 and 3; r = 2, −1 and none; one positive rating of the user and of the first item.
        ({"alpha": 2.0}, 5 * 0**2 + 3 * 2**2 + 1 * 3**2),
        ({}, 3 * 0**2 + 2 * 2**2 + 1 * 3**2),
        ({"unobservedWeight": 0.1}, 0**2 + 0.1 * (1 + 4 + 9)),
    ],
)
def test_loss_by_hand(form, expected):
    R, observed = np.array([[2.0, -1.0, 0.0]]), np.array([[True, True, False]])
    U, V = np.array([[1.0]]), np.array([[1.0], [2.0], [3.0]])
    own = {"userRegParam": 0.1, "itemRegParam": 0.01, **form}
    factors = R, observed, U, V, 9.0
    assert implicit_loss(*factors, "weighted", **own) == pytest.approx(expected + 0.1 * 1 + 0.01 * 1)
    assert implicit_loss(*factors, "plain", **own) == pytest.approx(expected + 0.1 * 1 + 0.01 * 14)
    assert implicit_loss(*factors, "mean", **own) == pytest.approx(expected / 2 + 0.1 * 1 + 0.01 * 14)
    scale = form.get("unobservedWeight", 1.0)
    users, items = 0.1 * (1 + scale * 3) ** 2, 0.01 * ((1 + scale * 1) ** 2 * 1 + scale**2 * (4 + 9))
    assert implicit_loss(*factors, "frequency", regExponent=2.0, **own) == pytest.approx(expected + users + items)


def test_weights_count_positive_ratings_only():
    R, observed = np.array([[2.0, -1.0, 0.0, 1.0]]), np.array([[True, True, True, False]])
    w_U, w_V = implicit_penalties(np.where(observed, R, 0), observed, 0.5)
    np.testing.assert_array_equal(w_U, [0.5])
    np.testing.assert_array_equal(w_V, [0.5, 0, 0, 0])


@EACH_FORM
@pytest.mark.parametrize("regularization", REGULARIZATIONS)
def test_gradient_is_that_of_central_differences(regularization, form):
    ratings = counts(1, lowest=-2)
    own = {"userRegParam": 0.07, "itemRegParam": 1.3, "regExponent": 0.5, **form}

    def of(function):
        return lambda U, V: function(ratings.matrix, ratings.observed, U, V, 0.3, regularization, **own)

    assert gradient_check(of(implicit_loss), of(implicit_gradient), small_factors(1)).max_relative_error < 1e-7


@EACH_FORM
@pytest.mark.parametrize("seed", [1, 2])
def test_the_quadratic_is_the_objective_without_penalties(seed, form):
    ratings, (U, V) = counts(seed, lowest=-2), small_factors(seed)
    C, T, constant = feedback(ratings.matrix, **form)
    expected = implicit_loss(ratings.matrix, ratings.observed, U, V, 0.0, **form)
    assert (C * (T - U @ V.T) ** 2).sum() + constant == pytest.approx(expected, rel=1e-12)


@EACH_FORM
@pytest.mark.parametrize("order", ["users", "items"])
@pytest.mark.parametrize("regularization", REGULARIZATIONS)
def test_a_half_step_leaves_no_gradient_on_the_side_it_solved(regularization, order, form):
    ratings = counts(2, lowest=-2)
    shared: dict[str, Any] = {"regParam": 0.3, "regularization": regularization, **form}
    model = ALS(rank=2, maxIter=1, order=order, implicitPrefs=True, **shared).fit(ratings, initial=small_factors(2))
    dU, dV = implicit_gradient(ratings.matrix, ratings.observed, model.U, model.V, **shared)
    solved_last, solved_first = (dV, dU) if order == "users" else (dU, dV)
    np.testing.assert_allclose(solved_last, 0, atol=1e-11)
    assert abs(solved_first).max() > 1e-3


@EACH_FORM
@pytest.mark.parametrize("solver", ["cholesky", "gd"])
def test_the_history_has_the_objective_of_all_pairs_and_no_rmse(solver, form):
    ratings = counts(3)
    als = ALS(rank=2, maxIter=3, regParam=0.2, implicitPrefs=True, solver=solver, **form)
    model = als.fit(ratings)
    record = model.summary.history[-1]
    expected = implicit_loss(ratings.matrix, ratings.observed, model.U, model.V, 0.2, **form)
    assert record.objective == pytest.approx(expected, rel=1e-12)
    assert (record.train_rmse, record.validation_rmse, record.validation_recall) == (None, None, None)


@EACH_FORM
def test_many_steps_of_gradient_descent_are_exact(form):
    ratings, factors = counts(4), small_factors(4)
    als = ALS(rank=2, maxIter=1, implicitPrefs=True, **form)
    exact = als.fit(ratings, initial=factors)
    steps = replace(als, solver="gd", innerSteps=20_000, innerTol=1e-14).fit(ratings, initial=factors)
    np.testing.assert_allclose(steps.U, exact.U, rtol=1e-8, atol=1e-10)


@given(st.integers(0, 1000), st.sampled_from(REGULARIZATIONS), st.sampled_from(sorted(FORMS)), st.booleans())
@settings(deadline=None, max_examples=40)
def test_the_objective_never_rises(seed, regularization, form, nonnegative):
    als = ALS(
        rank=2,
        maxIter=6,
        regParam=0.1,
        regularization=regularization,
        implicitPrefs=True,
        nonnegative=nonnegative,
        **FORMS[form],
    )
    objectives = [record.objective for record in als.fit(counts(seed, lowest=-1)).summary.history]
    assert (np.diff(objectives) <= 1e-9 * objectives[0]).all()


def test_a_user_without_positive_ratings_has_factors_of_zero():
    R = np.array([[1.0, 2.0], [0.0, -1.0], [0.0, 0.0]])
    observed = np.array([[True, True], [True, True], [False, False]])
    ratings = Ratings.from_matrix(R, observed)
    for form in FORMS.values():
        for regularization in ("weighted", "plain"):
            als = ALS(rank=3, maxIter=2, implicitPrefs=True, regularization=regularization, **form)
            model = als.fit(ratings)
            np.testing.assert_allclose(model.U[1:], 0, atol=1e-12)
            assert abs(model.U[0]).max() > 0.1


@pytest.mark.parametrize("a", [0.5, 1.0, 40.0])
def test_pysparks_objective_of_equal_confidences_is_that_of_ials_with_another_target(a):
    """Σ c(p − x)² = a[Σ_pos (t − x)² + Σ_all x²/a] − |Ω|·t with t = 1 + 1/a."""
    observed = counts(5).observed
    R, (U, V), t = observed.astype(float), small_factors(5), 1 + 1 / a
    X = U @ V.T
    expected = a * (((t - X)[observed] ** 2).sum() + (X**2).sum() / a) - observed.sum() * t
    assert implicit_loss(R, observed, U, V, 0.0, alpha=a) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("regularization", ["weighted", "plain", "mean"])
@pytest.mark.parametrize("a", [0.5, 1.0, 40.0])
def test_pysparks_form_has_t_times_the_predictions_of_ials(a, regularization):
    """The worked example of docs/methods.md: α = a, λ is α₀ = 1/a, λ/(a + 1) for ratings of 1."""
    observed, t = counts(6).observed, 1 + 1 / a
    ratings, (U, V) = Ratings.from_matrix(observed.astype(float), observed), small_factors(6)
    common: dict[str, Any] = {"rank": 2, "maxIter": 5, "implicitPrefs": True, "regularization": regularization}
    pyspark = ALS(alpha=a, regParam=0.1, **common).fit(ratings, initial=(np.sqrt(t) * U, np.sqrt(t) * V))
    ials = ALS(unobservedWeight=1 / a, regParam=0.1 / (a + 1), **common).fit(ratings, initial=(U, V))
    np.testing.assert_allclose(pyspark.U, np.sqrt(t) * ials.U, rtol=1e-8)
    np.testing.assert_allclose(pyspark.U @ pyspark.V.T, t * (ials.U @ ials.V.T), rtol=1e-8)


def test_recall_by_hand():
    """Of six items, user 0 has seen item 5, user 1 has one relevant item, user 2 has none."""
    V = np.array([[6.0], [5.0], [4.0], [3.0], [2.0], [7.0]])
    users, items = np.array([0, 1, 2]), np.array([5, 0, 0])
    validation = Pairs(np.array([0, 0, 0, 1, 2]), np.array([1, 2, 4, 5, 3]), np.array([1.0, 1.0, 2.0, 1.0, 0.0]))
    ratings = Ratings(users, items, np.ones(3), (3, 6), validation)
    parameters = Parameters.without_biases(np.ones((3, 1)), V)
    # User 0 is recommended 0 and 1, of which 1 is relevant: 1/2. User 1 is recommended 5 and 1: 1/1.
    assert validation_recall(parameters, ratings, k=2) == (1 / 2 + 1) / 2
    assert validation_recall(parameters, ratings, k=3) == (2 / 3 + 1) / 2
    assert validation_recall(parameters, replace(ratings, validation=None)) is None
    dislikes = replace(ratings, validation=replace(validation, values=np.zeros(5)))
    assert validation_recall(parameters, dislikes) is None


def test_the_history_has_the_validation_recall():
    rng = np.random.default_rng(8)
    observed = rng.random((30, 20)) < 0.3
    held_out = ~observed & (rng.random((30, 20)) < 0.2)
    ratings = Ratings.from_matrix(np.ones((30, 20)), observed, held_out)
    model = ALS(rank=2, maxIter=2, implicitPrefs=True).fit(ratings)
    record = model.summary.history[-1]
    assert record.validation_rmse is None
    assert record.validation_recall == validation_recall(model, ratings)
    assert 0 < (record.validation_recall or 0) <= 1


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"implicitPrefs": True, "alpha": 0.0}, "alpha must be finite and > 0, got 0.0."),
        ({"implicitPrefs": True, "alpha": -1.0}, "alpha must be finite and > 0, got -1.0."),
        ({"implicitPrefs": True, "unobservedWeight": 0.0}, "unobservedWeight must be finite and > 0, got 0.0."),
        (
            {"unobservedWeight": 0.5},
            "unobservedWeight must be set with implicitPrefs=True only, got 0.5. Set implicitPrefs=True, or leave it "
            "unset.",
        ),
        (
            {"implicitPrefs": True, "unobservedWeight": 0.5, "alpha": 2.0},
            "alpha must not be set together with unobservedWeight, got 2. Set alpha for the objective of pyspark's "
            "ALS, or unobservedWeight for that of iALS.",
        ),
        (
            {"implicitPrefs": True, "clipPredictions": True},
            "clipPredictions must be False and clipTo None with implicitPrefs=True, got True and None. Predictions are "
            "preferences, not ratings.",
        ),
    ],
)
def test_a_setting_that_is_not_possible_is_refused(setting, sentence):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011, the whole sentence is compared
        ALS(**setting)
    assert str(refusal.value) == sentence


def test_ratings_without_a_preference_are_refused():
    ratings = Ratings.from_matrix(np.array([[0.0, -1.0]]), np.array([[True, True]]))
    sentence = r"^ratings must contain at least one value > 0 with implicitPrefs=True, got 0 as the highest\. "
    with pytest.raises(ValueError, match=sentence):
        ALS(implicitPrefs=True).fit(ratings)
