"""Conformance of every objective, solver and regularization on Spark with the textbook, without a Spark session.

The same Params make an estimator of the textbook and one of Spark; the objective and the solver of the latter solve one
half-step in float32, which must be the float64 result of the textbook.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_mf import ALS
from spark_mf.blocks.csr import RatingBlock
from spark_mf.objectives.base import Objective
from spark_mf.objectives.regularization import SideName
from spark_mf.ratings.layout import BlockCounts
from spark_mf.solvers.base import Factors, RowProblem
from spark_mf.solvers.descent import GradientStepSolver
from spark_mf.textbook import ALS as TextbookALS
from spark_mf.textbook import Ratings, gradient, implicit_gradient
from spark_mf.textbook.half_steps.biases import biased_half_step
from spark_mf.textbook.implicit import validation_recall
from spark_mf.textbook.loss import row_penalties
from spark_mf.textbook.model import Parameters

USERS, ITEMS, RANK = 40, 30, 5
#: Largest difference relative to the largest entry of a solution.
TOLERANCE = 1e-4

MODELS: dict[str, dict[str, Any]] = {
    "explicit": {},
    "explicit with biases": {"fitBias": True, "biasRegParam": 0.2},
    "implicit, pyspark": {"implicitPrefs": True, "alpha": 2.0},
    "implicit, iALS": {"implicitPrefs": True, "unobservedWeight": 0.2},
}
SOLVERS: dict[str, dict[str, Any]] = {
    "cholesky": {"solver": "cholesky"},
    "cg": {"solver": "cg", "innerSteps": 4 * RANK},
    "gd": {"solver": "gd", "innerSteps": 1000},
    "nnls": {"solver": "nnls", "nonnegative": True},
    "subspace": {"solver": "subspace", "subspaceSize": 2},
}
#: Half-steps that repeat a solver until it has converged.
SWEEPS = {"subspace": 400}
REGULARIZATIONS: dict[str, dict[str, Any]] = {
    "weighted": {"regularization": "weighted", "userRegParam": 0.05, "itemRegParam": 0.1},
    "plain": {"regularization": "plain", "userRegParam": 0.4, "itemRegParam": 0.8},
    "mean": {"regularization": "mean", "userRegParam": 0.001, "itemRegParam": 0.002},
    "frequency": {"regularization": "frequency", "regExponent": 0.5, "userRegParam": 0.1, "itemRegParam": 0.3},
}
EACH_MODEL = pytest.mark.parametrize("model", MODELS)
EACH_REGULARIZATION = pytest.mark.parametrize("regularization", REGULARIZATIONS)


#: All pairs of a model and a solver that supports it.
SUPPORTED = [pair for pair in product(MODELS, SOLVERS) if pair != ("explicit with biases", "nnls")]


def params(model: str, regularization: str, solver: str = "cholesky") -> dict[str, Any]:
    """Params of both estimators."""
    return {"rank": RANK, **MODELS[model], **SOLVERS[solver], **REGULARIZATIONS[regularization]}


def random_ratings(seed: int, share: float = 1 / 3) -> Ratings:
    """Whole numbers from −1 to 5 of a third of all pairs, at least one in each row; the first user has none above 0.

    `share` is the share of all pairs.
    """
    rng = np.random.default_rng(seed)
    R = rng.integers(-1, 6, (USERS, ITEMS)).astype(np.float64)
    R[0] = np.minimum(R[0], 0)
    observed = rng.random(R.shape) < share
    observed[np.arange(USERS), np.arange(USERS) % ITEMS] = True
    return Ratings.from_matrix(R, observed, ~observed & (rng.random(R.shape) < 0.2))


def random_rows(seed: int, model: str = "explicit", nonnegative: bool = False) -> tuple[Factors, Factors]:
    """Rows of users and of items: factors, and the bias if the model has biases."""
    rng = np.random.default_rng(seed + 1000)
    width = RANK + MODELS[model].get("fitBias", False)
    U, V = (rng.standard_normal((n, width)).astype(np.float32) for n in (USERS, ITEMS))
    return (np.abs(U), np.abs(V)) if nonnegative else (U, V)


def parameters_of(model: str, ratings: Ratings, U: Factors, V: Factors) -> Parameters:
    U, V = U.astype(np.float64), V.astype(np.float64)
    if MODELS[model].get("fitBias"):
        return Parameters(U[:, :-1], V[:, :-1], U[:, -1], V[:, -1], float(ratings.values.mean()))
    return Parameters.without_biases(U, V)


@dataclass(frozen=True)
class OnSpark:
    """The objective and the solver of `spark_mf.ALS`, on blocks of all rows.

    Attributes
    ----------
    als : ALS
    ratings : Ratings
    """

    als: ALS
    ratings: Ratings

    @property
    def objective(self) -> Objective:
        assert self.ratings.validation is not None
        values = self.ratings.values
        held_out = len(self.ratings.validation)
        counts = BlockCounts(
            ratings=len(self.ratings),
            validation_ratings=held_out,
            total=float(values.sum()),
            highest=float(values.max()),
            weight=len(self.ratings),
            validation_weight=held_out,
        )
        sizes = {"users": range(USERS), "items": range(ITEMS), "ratings": len(self.ratings)}
        is_fully_observed = bool(self.ratings.observed.all())
        prepared: Any = SimpleNamespace(counts=counts, is_fully_observed=is_fully_observed, **sizes)
        return self.als._objective(prepared)

    def problem(self, side: SideName, fixed: Factors) -> RowProblem:
        """The problem of all rows of a side."""
        objective, rows, _ = self.objective.begin(fixed, None)
        return objective.problem(self.block(side), rows, objective.side_sums(fixed), side)

    def half_step(self, side: SideName, fixed: Factors, old: Factors) -> Factors:
        """The new rows of a side, converged."""
        solved, problem = old.copy(), self.problem(side, fixed)
        for _ in range(SWEEPS.get(self.als.getSolver(), 1)):
            self.als._solver(len(self.ratings)).begin(problem.fixed).solve(problem, solved, 1)
        return solved

    def metrics(self, U: Factors, V: Factors) -> dict[str, float | None]:
        """The metrics of the history, with errors from the block of users."""
        held_out = self.block("user", validation=True)
        of_items = self.objective.penalty_loss(self.problem("item", U), V)
        objective, _, measured = self.objective.begin(V, V)
        assert measured is not None
        of_users = objective.loss(self.problem("user", V), self.block("user"), held_out, U, measured, 1)
        return dict(objective.metrics(of_items + of_users))

    def block(self, side: SideName, validation: bool = False) -> RatingBlock:
        """The ratings of all rows of a side."""
        pairs = self.ratings.validation if validation else self.ratings
        assert pairs is not None
        rows, columns = (pairs.users, pairs.items) if side == "user" else (pairs.items, pairs.users)
        n = USERS if side == "user" else ITEMS
        local, indices = rows.astype(np.int32), columns.astype(np.int32)
        return RatingBlock.from_triples(np.arange(n, dtype=np.int32), local, indices, pairs.values.astype(np.float32))


def exact_half_step(als: TextbookALS, ratings: Ratings, side: SideName, fixed: Factors) -> np.ndarray:
    """The textbook's new rows of a side."""
    T, C, w_U, w_V = als.problem(ratings)
    half_step, nothing = partial(biased_half_step, als.half_step) if als.fitBias else als.half_step, np.empty(0)
    if side == "user":
        return half_step(T, C, fixed.astype(np.float64), w_U, nothing)
    return half_step(T.T, C.T, fixed.astype(np.float64), w_V, nothing)


def relative_difference(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize(("model", "solver"), SUPPORTED)
@EACH_REGULARIZATION
def test_a_half_step_is_the_textbooks(model, solver, regularization, side):
    ratings = random_ratings(1)
    U, V = random_rows(1, model, nonnegative=solver == "nnls")
    fixed, old = (V, U) if side == "user" else (U, V)
    exact = "nnls" if solver == "nnls" else "cholesky"
    expected = exact_half_step(TextbookALS(**params(model, regularization, exact)), ratings, side, fixed)
    solved = OnSpark(ALS(**params(model, regularization, solver)), ratings).half_step(side, fixed, old)
    assert relative_difference(solved, expected) < TOLERANCE


@pytest.mark.parametrize("model", ["explicit", "implicit, pyspark", "implicit, iALS"])
@pytest.mark.parametrize("solver", ["cholesky", "nnls"])
def test_the_products_after_some_iterations_are_the_textbooks(model, solver):
    ratings, own = random_ratings(6), params(model, "weighted", solver)
    textbook, on_spark = TextbookALS(**own, maxIter=4), OnSpark(ALS(**own), ratings)
    initial = textbook.draw(np.random.default_rng(6), ratings.shape)
    fitted = textbook.fit(ratings, initial=initial)
    U, V = (factors.astype(np.float32) for factors in initial)
    for _ in range(4):
        V = on_spark.half_step("item", U, V)
        U = on_spark.half_step("user", V, U)
    assert relative_difference(U @ V.T, fitted.U @ fitted.V.T) < 10 * TOLERANCE
    assert on_spark.metrics(U, V)["objective"] == pytest.approx(fitted.summary.history[-1].objective, rel=1e-5)


@EACH_MODEL
@EACH_REGULARIZATION
@pytest.mark.parametrize("side", ["user", "item"])
def test_a_half_step_of_a_fully_observed_matrix_is_the_textbooks(model, regularization, side):
    ratings, (U, V) = random_ratings(1, share=1.0), random_rows(1, model)
    assert ratings.observed.all()
    fixed, old = (V, U) if side == "user" else (U, V)
    own = params(model, regularization)
    expected = exact_half_step(TextbookALS(**own), ratings, side, fixed)
    assert relative_difference(OnSpark(ALS(**own), ratings).half_step(side, fixed, old), expected) < TOLERANCE


@EACH_MODEL
@EACH_REGULARIZATION
def test_the_objective_is_the_textbooks(model, regularization):
    ratings, (U, V) = random_ratings(2), random_rows(2, model)
    own = params(model, regularization)
    metrics = OnSpark(ALS(**own), ratings).metrics(U, V)
    expected = TextbookALS(**own).objective(ratings, parameters_of(model, ratings, U, V))
    assert metrics["objective"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("model", ["implicit, pyspark", "implicit, iALS"])
def test_the_validation_recall_is_the_textbooks(model):
    ratings, (U, V) = random_ratings(3), random_rows(3)
    found = OnSpark(ALS(**params(model, "weighted")), ratings).metrics(U, V)
    expected = validation_recall(Parameters.without_biases(U, V), ratings)
    assert found["validation_recall"] == pytest.approx(expected)
    assert "train_rmse" not in found


@EACH_MODEL
@EACH_REGULARIZATION
@pytest.mark.parametrize("side", ["user", "item"])
def test_a_gradient_step_has_the_gradient_of_the_textbook(model, regularization, side):
    """The textbook's gradient is compared with central differences in tests/textbook."""
    ratings, (U, V) = random_ratings(4), random_rows(4, model)
    own = params(model, regularization)
    fixed, old = (V, U) if side == "user" else (U, V)
    moved, length = old.copy(), 1e-3
    GradientStepSolver(length).solve(OnSpark(ALS(**own), ratings).problem(side, fixed), moved, 1)

    names = ("regularization", "userRegParam", "itemRegParam", "regExponent", "alpha", "unobservedWeight")
    p = parameters_of(model, ratings, U, V)
    biases = {"userBias": p.userBias, "itemBias": p.itemBias, "globalMean": p.globalMean, "biasRegParam": 0.2}
    function: Any = implicit_gradient if own.get("implicitPrefs") else gradient
    options = {name: own[name] for name in names if name in own} | (biases if own.get("fitBias") else {})
    gradients = function(ratings.matrix, ratings.observed, p.U, p.V, 0.0, **options)
    # The problems of half-steps are in the sum form. With biases, there are the gradients of U, V, b_u and b_i.
    scale = len(ratings) if regularization == "mean" else 1
    expected = np.column_stack(gradients[0 if side == "user" else 1 :: 2]) * scale
    assert relative_difference((old - moved) / length, expected) < 1e-3


@EACH_REGULARIZATION
@pytest.mark.parametrize("side", ["user", "item"])
def test_the_shares_of_sgd_add_up_to_the_penalties_of_the_textbook(regularization, side):
    ratings, own = random_ratings(5), REGULARIZATIONS[regularization]
    counts = ratings.user_counts if side == "user" else ratings.item_counts
    objective: Any = OnSpark(ALS(**params("explicit", regularization)), ratings).objective
    expected = row_penalties(counts, own[f"{side}RegParam"], regularization, own.get("regExponent"))
    np.testing.assert_allclose(objective.regularization.penalties(side, counts), expected, rtol=1e-6)
    shares = objective.regularization.shares(side, counts)
    np.testing.assert_allclose(own[f"{side}RegParam"] * shares * counts, expected, rtol=1e-6)


@given(
    st.integers(0, 1000),
    st.sampled_from([pair for pair in SUPPORTED if pair[1] in ("cholesky", "nnls")]),
    st.sampled_from(sorted(REGULARIZATIONS)),
)
@settings(deadline=None, max_examples=60)
def test_the_objective_never_rises_over_exact_half_steps(seed, pair, regularization):
    model, solver = pair
    on_spark = OnSpark(ALS(**params(model, regularization, solver)), random_ratings(seed))
    U, V = random_rows(seed, model, nonnegative=solver == "nnls")
    objectives = [on_spark.metrics(U, V)["objective"]]
    for _ in range(3):
        V = on_spark.half_step("item", U, V)
        objectives.append(on_spark.metrics(U, V)["objective"])
        U = on_spark.half_step("user", V, U)
        objectives.append(on_spark.metrics(U, V)["objective"])
    values = np.array(objectives, np.float64)
    assert (np.diff(values) <= 1e-5 * values[:-1]).all()


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"solver": "cg", "nonnegative": True}, "solver must be 'cholesky' or 'nnls' with nonnegative=True, got 'cg'."),
        ({"solver": "gd", "nonnegative": True}, "solver must be 'cholesky' or 'nnls' with nonnegative=True, got 'gd'."),
        ({"solver": "nnls"}, "nonnegative must be True with solver='nnls', got False."),
        (
            {"fitBias": True, "solver": "nnls", "nonnegative": True},
            "fitBias must be False with nonnegative=True, got T",
        ),
        ({"fitBias": True, "implicitPrefs": True}, "fitBias must be False with implicitPrefs=True, got True."),
    ],
)
def test_combinations_that_are_not_in_the_table_are_refused(own, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        ALS(**own)._validate()
