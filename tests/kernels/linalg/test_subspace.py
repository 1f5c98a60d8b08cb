"""The kernel of iALS++ against its float64 twin, the exact solution, and the objective that it decreases."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spark_mf.kernels.linalg import subspace as fast
from spark_mf.kernels.linalg.least_squares import CACHED_VALUES
from spark_mf.kernels.reference import least_squares
from spark_mf.kernels.reference import subspace as plain
from spark_mf.solvers.base import RowProblem
from spark_mf.solvers.cholesky import CholeskySolver
from spark_mf.solvers.subspace import SubspaceSolver
from tests.kernels.linalg.test_least_squares import COMBINATIONS, FILMS, SHAPES, Problem, csr_of, solved_by

SIZES = st.integers(1, 130)
every_term = pytest.mark.parametrize("terms", COMBINATIONS, ids=lambda terms: "+".join(terms) or "none")


def swept(module, problem: Problem, size: int, sweeps: int = 1) -> np.ndarray:
    solved, failed = problem.start.copy(), np.zeros(problem.n_rows, np.uint8)
    size = min(size, solved.shape[1])
    for _ in range(sweeps):
        module.solve_subspace(*problem.terms, solved, failed, size, 0, problem.n_rows)
    assert not failed.any()
    return solved


def objectives(problem: Problem, solved: np.ndarray) -> np.ndarray:
    """uᵀA u − 2 bᵀu of each row in float64."""
    values = []
    for row, u in enumerate(solved.astype(np.float64)):
        matrix, right = least_squares.normal_equations(*problem.terms, row)
        values.append(u @ matrix @ u - 2 * right @ u)
    return np.array(values)


@every_term
@given(SHAPES, SIZES)
@example((0, 1, [1], 1), 1)
@example((1, 200, [300, 0, 1, 64, 65], 40), 64)
@example((1, 200, [300, 0, 1, 64, 65], 40), 33)
@example((2, 64, [63, 64, 128], 30), 16)
@example((3, 7, [5, 0], 3), 2)
def test_a_sweep_equals_its_twin(terms, shape, size):
    problem = Problem(shape, terms)
    results = [swept(module, problem, size) for module in (fast, plain)]
    np.testing.assert_allclose(results[0], results[1], rtol=5e-4, atol=5e-5)


@every_term
@given(SHAPES)
@example((0, 1, [1], 1))
@example((1, 200, [300, 0, 1, 64, 65], 40))
def test_one_block_of_all_coordinates_gives_the_exact_solution(terms, shape):
    problem = Problem(shape, terms)
    exact = solved_by(least_squares, problem)
    np.testing.assert_allclose(swept(fast, problem, shape[1]), exact, rtol=5e-4, atol=5e-5)


@every_term
@given(SHAPES, SIZES)
def test_the_objective_never_rises(terms, shape, size):
    problem = Problem(shape, terms)
    before, after = objectives(problem, problem.start), objectives(problem, swept(fast, problem, size))
    assert (after <= before + 1e-4 * np.maximum(np.abs(before), 1)).all()


@every_term
def test_many_sweeps_give_the_exact_solution(terms):
    problem = Problem((5, 40, [80, 0, 40, 200], 30), terms)
    exact = solved_by(least_squares, problem)
    np.testing.assert_allclose(swept(fast, problem, 16, 300), exact, rtol=1e-3, atol=1e-4)


@every_term
def test_rows_with_more_ratings_than_the_buffer_has_rows_are_gathered_twice(terms):
    size = 64
    capacity = CACHED_VALUES // size
    problem = Problem((6, 100, [capacity, capacity + 1, 2 * capacity + 70], 500), terms)
    results = [swept(module, problem, size) for module in (fast, plain)]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-3, atol=1e-4)


@given(SHAPES, SIZES, st.data())
def test_rows_do_not_depend_on_how_threads_share_the_block(shape, size, data):
    problem = Problem(shape)
    cut = data.draw(st.integers(0, problem.n_rows))
    parts, failed = problem.start.copy(), np.zeros(problem.n_rows, np.uint8)
    for begin, end in ((0, cut), (cut, problem.n_rows)):
        fast.solve_subspace(*problem.terms, parts, failed, min(size, shape[1]), begin, end)
    np.testing.assert_array_equal(parts, swept(fast, problem, size))


@pytest.mark.parametrize("module", [fast, plain], ids=["kernel", "twin"])
def test_a_sweep_worked_out_by_hand(module):
    """One film with the features (1, 2), rated 10, λ = 1, from u = (0, 0): A = [[2, 2], [2, 5]] and b = (10, 20).

    The first coordinate becomes 10/2 = 5, and the second one (20 − 2·5)/5 = 2.
    """
    solved, failed = np.zeros((1, 2), np.float32), np.zeros(1, np.uint8)
    csr = np.array([0, 1]), np.array([0], np.int32), np.array([10], np.float32)
    film, penalty = np.array([[1, 2]], np.float32), np.ones(1, np.float32)
    module.solve_subspace(*csr, None, film, None, penalty, None, None, solved, failed, 1, 0, 1)
    np.testing.assert_allclose(solved, [[5, 2]], rtol=1e-6)


def test_rows_with_a_singular_block_fail_and_stay():
    """One rating cannot determine a block of two factors, but it can determine a block of one."""
    indptr, indices, values = csr_of(np.array([[5, 0, 0, 0, 0], [5, 4, 3, 2, 1]], np.float32))
    none = np.zeros(2, np.float32)
    for size, expected in ((2, [1, 0]), (1, [0, 0])):
        solved, failed = np.full((2, 3), 7, np.float32), np.zeros(2, np.uint8)
        fast.solve_subspace(indptr, indices, values, None, FILMS, None, none, None, None, solved, failed, size, 0, 2)
        np.testing.assert_array_equal(failed, expected)
        assert (solved[failed == 1] == 7).all()
        assert (solved[failed == 0] != 7).any(axis=1).all()


def row_problem(problem: Problem, penalty: np.ndarray) -> RowProblem:
    return RowProblem(problem.indptr, problem.indices, problem.targets, problem.fixed, penalty)


def test_the_solver_gives_failed_rows_the_minimum_norm_solution():
    """Without a penalty, rows with fewer ratings than coordinates of a block get what the exact solver gives them."""
    problem = Problem((3, 12, [0, 3, 200, 5], 150))
    unregularized = row_problem(problem, np.zeros(4, np.float32))
    ours, exact = problem.start.copy(), problem.start.copy()
    SubspaceSolver(8).solve(unregularized, ours, 1)
    CholeskySolver().solve(unregularized, exact, 1)
    np.testing.assert_allclose(ours[[0, 1, 3]], exact[[0, 1, 3]], rtol=1e-5, atol=1e-6)
    assert (ours[0] == 0).all()
    assert not np.allclose(ours[2], exact[2], rtol=1e-3)


def test_threads_of_the_solver_give_the_same_rows():
    problem = Problem((4, 20, [30, 0, 50, 7, 90, 1], 40))
    one, three = problem.start.copy(), problem.start.copy()
    for solved, n_threads in ((one, 1), (three, 3)):
        SubspaceSolver(6).solve(row_problem(problem, problem.penalty), solved, n_threads)
    np.testing.assert_array_equal(three, one)


def test_the_solver_refuses_nonnegative_problems():
    problem = RowProblem(*csr_of(FILMS.T.copy()), FILMS, np.ones(3, np.float32), nonnegative=True)
    with pytest.raises(ValueError, match=r"^solver must support nonnegative factors, got SubspaceSolver\."):
        SubspaceSolver(2).solve(problem, np.ones((3, 3), np.float32), 1)
