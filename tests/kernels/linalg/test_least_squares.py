"""The half-step kernels against their float64 twins, and against least squares worked out otherwise."""

from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spark_mf.kernels.linalg import errors
from spark_mf.kernels.linalg import least_squares as fast
from spark_mf.kernels.linalg.minimum_norm import solve_minimum_norm
from spark_mf.kernels.reference import least_squares as plain
from spark_mf.solvers.base import Terms

# Alice, Bob and Carol on five films with three features each; a rating of 0 means not seen.
FILMS = np.array(
    [[0.95, 1, 0.05, 0.05, 0.05], [0.10, 0.20, 0.80, 0.95, 0.15], [0.85, 0.90, 0.30, 0.70, 0.95]], np.float32
).T.copy()
SEEN = np.array([[5, 4, 2, 3, 2], [0, 5, 1, 4, 0], [4, 0, 1, 5, 0]], np.float32)

SHAPES = st.tuples(
    st.integers(0, 2**32 - 1),  # seed
    st.integers(1, 200),  # rank
    st.lists(st.integers(0, 300), min_size=1, max_size=6),  # ratings of each row
    st.integers(1, 40),  # columns: few, so that a row often has the same one twice
)


TERMS = ("weights", "shared", "scale", "prior")
DESCENTS = {"cg": True, "gd": False}


class Problem:
    """Random ratings of rows of given lengths, with a penalty that keeps every row well-conditioned.

    Of the optional terms of the objective it has those that are named.
    """

    def __init__(self, shape: tuple[int, int, list[int], int], terms: Collection[str] = ()) -> None:
        seed, rank, lengths, n_columns = shape
        rng = np.random.default_rng(seed)
        self.indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.indices = rng.integers(0, n_columns, self.indptr[-1]).astype(np.int32)
        self.values = rng.uniform(0.5, 5, self.indptr[-1]).astype(np.float32)
        self.fixed = (rng.standard_normal((n_columns, rank)) / np.sqrt(rank)).astype(np.float32)
        self.penalty = (0.1 * np.maximum(lengths, 1)).astype(np.float32)
        self.start = rng.standard_normal((len(lengths), rank)).astype(np.float32)
        self.n_rows = len(lengths)
        weights = rng.uniform(0, 3, self.values.size) * (rng.random(self.values.size) > 0.2)
        side = rng.standard_normal((2 * rank, rank)) / rank
        made = {
            "weights": weights.astype(np.float32),
            "shared": fast.pad_shared((side.T @ side).astype(np.float32)),
            "scale": rng.uniform(0.5, 2, rank).astype(np.float32),
            "prior": rng.standard_normal((len(lengths), rank)).astype(np.float32),
        }
        self.weights, self.shared, self.scale, self.prior = (made[name] if name in terms else None for name in TERMS)
        self.targets = self.values if self.weights is None else self.values * self.weights

    @property
    def terms(self) -> Terms:
        """What the solvers' kernels take before `solved`."""
        regularization = (self.shared, self.penalty, self.scale, self.prior)
        return self.indptr, self.indices, self.targets, self.weights, self.fixed, *regularization

    @property
    def csr(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.indptr, self.indices, self.values


def csr_of(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(dense)))]).astype(np.int64)
    return indptr, columns.astype(np.int32), dense[rows, columns].astype(np.float32)


def solved_by(module, problem: Problem) -> np.ndarray:
    solved, failed = np.full_like(problem.start, 7), np.zeros(problem.n_rows, np.uint8)
    module.solve_cholesky(*problem.terms, solved, failed, 0, problem.n_rows)
    assert not failed.any()
    return solved


#: Without optional terms and with all of them: every further combination is compiled once more.
COMBINATIONS = [(), TERMS]


@pytest.mark.parametrize("terms", COMBINATIONS, ids=lambda terms: "+".join(terms) or "none")
@given(SHAPES)
@example((0, 1, [1], 1))
@example((1, 200, [300, 0, 1, 64, 65], 40))
@example((2, 64, [63, 64, 128], 30))
def test_cholesky_equals_its_twin(terms, shape):
    problem = Problem(shape, terms)
    np.testing.assert_allclose(solved_by(fast, problem), solved_by(plain, problem), rtol=2e-4, atol=2e-5)


def inner_steps(module, name: str, problem: Problem, steps: int, tolerance: float = 0.0) -> np.ndarray:
    solved = problem.start.copy()
    module.descend(*problem.terms, solved, steps, tolerance, DESCENTS[name], 0, problem.n_rows)
    return solved


@pytest.mark.parametrize("name", sorted(DESCENTS))
@pytest.mark.parametrize("terms", COMBINATIONS, ids=lambda terms: "+".join(terms) or "none")
@given(SHAPES, st.integers(1, 5))
@example((0, 1, [1], 1), 3)
@example((3, 100, [2000, 5], 40), 3)  # more ratings than the cache holds at this width: XᵀX is formed
def test_inner_steps_equal_their_twin(terms, name, shape, steps):
    problem = Problem(shape, terms)
    found, expected = (inner_steps(module, name, problem, steps) for module in (fast, plain))
    # Rounding errors are relative to the largest factor of a row.
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-4 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", ["cholesky", *sorted(DESCENTS)])
@pytest.mark.parametrize("terms", COMBINATIONS, ids=lambda terms: "+".join(terms) or "none")
@given(SHAPES)
@example((0, 1, [1], 1))
@example((3, 100, [2000, 5], 40))  # more ratings than the cache holds at this width: XᵀX is formed
@settings(deadline=None, max_examples=40)
def test_the_losses_of_solved_rows_equal_their_twins(terms, name, shape):
    """Both are uᵀA u − 2bᵀu without the penalty, which the twin computes from A and b."""
    problem = Problem(shape, terms)
    rows, found = [], []
    for module in (fast, plain):
        solved, losses = problem.start.copy(), np.full(problem.n_rows, np.nan)
        if name == "cholesky":
            failed = np.zeros(problem.n_rows, np.uint8)
            module.solve_cholesky(*problem.terms, solved, failed, 0, problem.n_rows, losses)
        else:
            module.descend(*problem.terms, solved, 3, 0.0, DESCENTS[name], 0, problem.n_rows, losses)
        rows.append(solved)
        found.append(losses)
    # An error of float32 is relative to the terms that were added up.
    sizes = np.array([loss_terms(problem, row, rows[1][row]) for row in range(problem.n_rows)])
    assert (np.abs(found[0] - found[1]) <= 1e-4 * sizes + 1e-4).all()


def loss_terms(problem: Problem, row: int, u: np.ndarray) -> float:
    """The sum of the absolute values of the terms of a row's loss."""
    matrix, right = plain.normal_equations(*problem.terms, row)
    u, start = np.abs(u.astype(float)), np.abs(problem.start[row].astype(float))
    return float(max(x @ np.abs(matrix) @ x + 2 * np.abs(right) @ x for x in (u, start)))


@pytest.mark.parametrize("terms", COMBINATIONS, ids=lambda terms: "+".join(terms) or "none")
@given(SHAPES, st.floats(1e-6, 1e-3))
@example((0, 1, [1], 1), 1e-3)
@example((3, 100, [2000, 5, 0], 40), 1e-4)
def test_a_gradient_step_equals_its_twin(terms, shape, length):
    problem = Problem(shape, terms)
    results = [problem.start.copy(), problem.start.copy()]
    for module, solved in zip((fast, plain), results, strict=True):
        module.gradient_step(*problem.terms, solved, length, 0, problem.n_rows)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("terms", [(), ("weights",)], ids=["none", "weights"])
@given(SHAPES)
def test_squared_error_equals_its_twin(terms, shape):
    problem = Problem(shape, terms)
    arguments = (*problem.csr, problem.weights, problem.fixed, problem.start, 0, problem.n_rows)
    assert errors.squared_error(*arguments) == pytest.approx(plain.squared_error(*arguments), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("terms", COMBINATIONS, ids=lambda terms: "+".join(terms) or "none")
@given(SHAPES)
def test_weighted_products_equal_their_twin(terms, shape):
    problem = Problem(shape, terms)
    arguments = (problem.indptr, problem.indices, problem.targets, problem.weights, problem.fixed, problem.start)
    found, expected = (module.weighted_products(*arguments, 0, problem.n_rows) for module in (errors, plain))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-2)


@given(SHAPES, st.data())
def test_rows_do_not_depend_on_how_threads_share_the_block(shape, data):
    problem = Problem(shape)
    cut = data.draw(st.integers(0, problem.n_rows))
    parts = np.full_like(problem.start, 7)
    failed = np.zeros(problem.n_rows, np.uint8)
    for begin, end in ((0, cut), (cut, problem.n_rows)):
        fast.solve_cholesky(*problem.terms, parts, failed, begin, end)
    np.testing.assert_array_equal(parts, solved_by(fast, problem))


@pytest.mark.parametrize(("name", "steps"), [("cg", 40), ("gd", 400)])
def test_enough_steps_give_the_exact_solution(name, steps):
    problem = Problem((5, 12, [80, 40, 200], 30))
    np.testing.assert_allclose(inner_steps(fast, name, problem, steps), solved_by(plain, problem), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(DESCENTS))
def test_long_rows_take_the_formed_matrix_to_the_same_result(name):
    """A row just below and one just above the cache's capacity are solved in two ways."""
    rank = 64
    capacity = fast.CACHED_VALUES // rank
    problem = Problem((6, rank, [capacity, capacity + 1], 500))
    results = [inner_steps(module, name, problem, 3) for module in (fast, plain)]
    np.testing.assert_allclose(results[0], results[1], rtol=5e-3, atol=5e-4)


def residual_norms(problem: Problem, solved: np.ndarray) -> np.ndarray:
    """‖Xᵀ(r − X u) − penalty·u‖ of each row in float64."""
    norms = []
    for row, u in enumerate(solved.astype(np.float64)):
        ratings = slice(problem.indptr[row], problem.indptr[row + 1])
        x, r = problem.fixed[problem.indices[ratings]].astype(np.float64), problem.values[ratings]
        norms.append(np.linalg.norm(x.T @ (r - x @ u) - problem.penalty[row] * u))
    return np.array(norms)


@pytest.mark.parametrize("module", [fast, plain], ids=["kernel", "twin"])
@pytest.mark.parametrize("name", sorted(DESCENTS))
def test_a_row_ends_with_the_first_step_that_is_near_enough(module, name):
    problem = Problem((8, 6, [30, 90, 10, 200], 40))
    steps = [inner_steps(module, name, problem, count) for count in range(60)]
    norms = np.array([residual_norms(problem, each) for each in steps])
    ended = inner_steps(module, name, problem, 59, 0.03)
    needed = (norms <= 0.03 * norms[0]).argmax(axis=0)
    assert (needed > 0).all()
    assert len(set(needed)) > 1
    np.testing.assert_array_equal(ended, [steps[count][row] for row, count in enumerate(needed)])


def test_a_line_search_worked_out_by_hand():
    """One film with the features (1, 2), rated 10, λ = 1, from u = (0, 0): the residual is (10, 20), its squared length
    500; A = [[2, 2], [2, 5]] makes gᵀA g = 3000, so the step has length 1/6 and ends at (5/3, 10/3), the minimum
    (the second residual is 0). From (1, 0) instead: g = (9·1 − 1, 9·2) = (8, 18), gᵀg = 388, gᵀA g = 2324."""
    csr = np.array([0, 1]), np.array([0], np.int32), np.array([10], np.float32)
    film, penalty = np.array([[1, 2]], np.float32), np.ones(1, np.float32)
    for start, expected in (([0, 0], [5 / 3, 10 / 3]), ([1, 0], [1 + 388 / 2324 * 8, 388 / 2324 * 18])):
        for module in (fast, plain):
            solved = np.array([start], np.float32)
            module.descend(*csr, None, film, None, penalty, None, None, solved, 1, 0.0, False, 0, 1)
            np.testing.assert_allclose(solved[0], expected, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(DESCENTS))
def test_a_row_that_is_solved_already_stays(name):
    """Its residual is 0, which no step may divide by."""
    csr = np.array([0, 1]), np.array([0], np.int32), np.array([4], np.float32)
    solved = np.array([[2, 0]], np.float32)
    fixed, penalty = np.array([[2, 0]], np.float32), np.zeros(1, np.float32)
    fast.descend(*csr, None, fixed, None, penalty, None, None, solved, 3, 0.0, DESCENTS[name], 0, 1)
    np.testing.assert_array_equal(solved, [[2, 0]])


def test_a_gradient_step_goes_down_the_numeric_gradient():
    """The step is −length times the central differences of ‖r − X u‖² + penalty·‖u‖²."""
    problem = Problem((9, 4, [7], 10))
    x, r = problem.fixed[problem.indices].astype(np.float64), problem.values.astype(np.float64)
    start, length, h = problem.start[0].astype(np.float64), 1e-2, 1e-5

    def loss(u: np.ndarray) -> float:
        return float(((r - x @ u) ** 2).sum() + problem.penalty[0] * (u @ u))

    gradient = np.array([(loss(start + h * e) - loss(start - h * e)) / (2 * h) for e in np.eye(4)])
    solved = problem.start.copy()
    fast.gradient_step(*problem.terms, solved, length, 0, 1)
    np.testing.assert_allclose(solved[0], start - length * gradient, rtol=1e-5, atol=1e-6)


def test_the_solution_is_where_the_numeric_gradient_of_the_whole_objective_vanishes():
    """Σ w (x·u)² − 2 Σ target x·u + uᵀ shared u + penalty Σ scale u² − 2 prior·u, by central differences."""
    problem = Problem((10, 5, [40], 30), TERMS)
    weights, shared, scale, prior = problem.weights, problem.shared, problem.scale, problem.prior
    assert weights is not None
    assert shared is not None
    assert scale is not None
    assert prior is not None
    x = problem.fixed[problem.indices].astype(np.float64)

    def loss(u: np.ndarray) -> float:
        scores = x @ u
        penalty = problem.penalty[0] * (scale @ (u * u))
        return float(
            weights @ (scores * scores)
            - 2 * problem.targets @ scores
            + u @ shared[:5, :5] @ u
            + penalty
            - 2 * prior[0] @ u
        )

    u, h = solved_by(fast, problem)[0].astype(np.float64), 1e-4
    gradient = np.array([(loss(u + h * e) - loss(u - h * e)) / (2 * h) for e in np.eye(5)])
    steepest = np.array([(loss(h * e) - loss(-h * e)) / (2 * h) for e in np.eye(5)])
    assert np.linalg.norm(gradient) < 1e-5 * np.linalg.norm(steepest)


def test_alice_gets_the_least_squares_solution():
    indptr, indices, values = csr_of(SEEN)
    penalty, solved, failed = np.zeros(3, np.float32), np.zeros((3, 3), np.float32), np.zeros(3, np.uint8)
    fast.solve_cholesky(indptr, indices, values, None, FILMS, None, penalty, None, None, solved, failed, 0, 3)
    expected = np.linalg.lstsq(FILMS.astype(float), SEEN[0].astype(float))[0]
    assert not failed[0]
    np.testing.assert_allclose(solved[0], expected, rtol=1e-4)
    # The gradient of Σ e² vanishes there, and nowhere nearby is better.
    errors = SEEN[0] - FILMS @ solved[0]
    np.testing.assert_allclose(FILMS.T @ errors, 0, atol=1e-4)


def test_float32_gives_up_where_the_matrix_is_singular():
    """Two ratings of three films' features cannot determine three factors."""
    indptr, indices, values = csr_of(np.array([[5, 4, 0, 0, 0]], np.float32))
    solved, failed = np.full((1, 3), 7, np.float32), np.zeros(1, np.uint8)
    none = np.zeros(1, np.float32)
    fast.solve_cholesky(indptr, indices, values, None, FILMS, None, none, None, None, solved, failed, 0, 1)
    assert failed[0] == 1
    assert (solved == 7).all()


@pytest.mark.parametrize(
    ("ratings", "why"),
    [
        ([5, 4, 0, 0, 0], "fewer ratings than factors"),
        ([0, 0, 0, 0, 2], "one rating"),
        ([0, 0, 0, 0, 0], "no rating"),
        ([5, 4, 2, 3, 2], "full rank"),
    ],
)
def test_minimum_norm_is_the_pseudo_inverse(ratings, why):
    indptr, indices, values = csr_of(np.array([ratings], np.float32))
    solved = np.full((1, 3), 7, np.float32)
    none = np.zeros(1, np.float32)
    solve_minimum_norm(indptr, indices, values, None, FILMS, None, none, None, None, solved, np.array([0]))
    expected = np.linalg.pinv(FILMS[indices].astype(float)) @ values if values.size else np.zeros(3)
    np.testing.assert_allclose(solved[0], expected, rtol=1e-5, atol=1e-7, err_msg=why)


def test_minimum_norm_of_equal_films_shares_the_weight():
    """Hand-worked: features (1, 1) and rating 2 have the solutions (t, 2 - t); the shortest is (1, 1)."""
    solved = np.zeros((1, 2), np.float32)
    solve_minimum_norm(
        np.array([0, 1]),
        np.array([0], np.int32),
        np.array([2], np.float32),
        None,
        np.ones((1, 2), np.float32),
        None,
        np.zeros(1, np.float32),
        None,
        None,
        solved,
        np.array([0]),
    )
    np.testing.assert_allclose(solved, [[1, 1]], rtol=1e-6)


@pytest.mark.parametrize("terms", COMBINATIONS, ids=lambda terms: "+".join(terms) or "none")
def test_minimum_norm_with_a_penalty_solves_the_normal_equations(terms):
    problem = Problem((7, 9, [4, 30], 20), terms)
    solved = np.zeros_like(problem.start)
    solve_minimum_norm(*problem.terms, solved, np.arange(2))
    np.testing.assert_allclose(solved, solved_by(plain, problem), rtol=1e-5, atol=1e-6)


def test_rounded_factors_of_lower_rank_do_not_blow_the_solution_up():
    """Factors that span 2 of 5 dimensions up to float32 rounding have a solution as small as their span allows."""
    rng = np.random.default_rng(8)
    fixed = (rng.standard_normal((50, 2)) @ rng.standard_normal((2, 5))).astype(np.float32)
    indptr, indices = np.array([0, 50]), np.arange(50, dtype=np.int32)
    values = fixed @ np.ones(5, np.float32)
    solved, failed = np.zeros((1, 5), np.float32), np.zeros(1, np.uint8)
    none = np.zeros(1, np.float32)
    fast.solve_cholesky(indptr, indices, values, None, fixed, None, none, None, None, solved, failed, 0, 1)
    assert failed[0] == 1
    solve_minimum_norm(indptr, indices, values, None, fixed, None, none, None, None, solved, np.array([0]))
    np.testing.assert_allclose(fixed @ solved[0], values, rtol=1e-4, atol=1e-4)
    assert np.linalg.norm(solved) <= np.sqrt(5) * 1.001  # ones(5) is a solution, so the shortest is no longer


@pytest.mark.parametrize("name", sorted(DESCENTS))
def test_many_steps_on_singular_rows_stay_near_the_solution(name):
    """Without a penalty, rank 20 and 5 ratings: rounding errors must not drift along the null space of the matrix."""
    problem = Problem((2, 20, [5, 3, 12], 30))
    problem.penalty[:] = 0
    few, many = (inner_steps(fast, name, problem, steps) for steps in (30, 300))
    assert np.abs(many).max() < 50
    if name == "cg":
        np.testing.assert_allclose(many, few, rtol=1e-2, atol=1e-3)
