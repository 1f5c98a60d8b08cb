"""Tests of the closed form for blocks in which every pair is observed."""

from dataclasses import replace

import numpy as np
import pytest

from spark_mf.kernels.linalg.fully_observed import columns_if_fully_observed
from spark_mf.kernels.reference.least_squares import normal_equations
from spark_mf.solvers import cholesky
from spark_mf.solvers.base import RowProblem
from spark_mf.solvers.cholesky import CholeskySolver

ROWS, COLUMNS, RANK = 12, 9, 4


@pytest.fixture
def problem() -> RowProblem:
    """Every row has every column once, in an order of its own."""
    rng = np.random.default_rng(0)
    return RowProblem(
        indptr=np.arange(ROWS + 1, dtype=np.int64) * COLUMNS,
        indices=np.concatenate([rng.permutation(COLUMNS) for _ in range(ROWS)]).astype(np.int32),
        targets=rng.standard_normal(ROWS * COLUMNS).astype(np.float32),
        fixed=rng.standard_normal((COLUMNS, RANK)).astype(np.float32),
        penalty=np.full(ROWS, 0.3, np.float32),
    )


def row_by_row(problem: RowProblem) -> np.ndarray:
    return np.array([np.linalg.solve(*normal_equations(*problem.arguments(), row)) for row in range(ROWS)])


def solved(problem: RowProblem) -> np.ndarray:
    rows = np.empty((ROWS, RANK), np.float32)
    CholeskySolver().solve(problem, rows, n_threads=1)
    return rows


def test_the_closed_form_is_the_solution_of_every_row(problem, monkeypatch):
    monkeypatch.setattr(cholesky, "solve_cholesky", None)  # No row may be solved by itself.
    np.testing.assert_allclose(solved(problem), row_by_row(problem), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", ["one pair twice", "one penalty differs", "no penalty", "weights", "one pair less"])
def test_other_blocks_are_solved_row_by_row(problem, monkeypatch, change):
    monkeypatch.setattr(cholesky, "solve_fully_observed", None)
    penalty, indices = problem.penalty.copy(), problem.indices.copy()
    if change == "one pair twice":
        indices[0] = indices[1]
        problem = replace(problem, indices=indices)
    elif change == "one penalty differs":
        penalty[3] = 0.4
        problem = replace(problem, penalty=penalty)
    elif change == "no penalty":
        problem = replace(problem, penalty=np.zeros(ROWS, np.float32))
    elif change == "weights":
        problem = replace(problem, weights=np.ones(problem.targets.size, np.float32))
    else:
        indptr = problem.indptr.copy()
        indptr[-1] -= 1
        problem = replace(problem, indptr=indptr, indices=indices[:-1], targets=problem.targets[:-1])
    np.testing.assert_allclose(solved(problem), row_by_row(problem), rtol=1e-3, atol=1e-4)


def test_a_block_without_ratings_is_not_fully_observed():
    nothing = np.empty(0, np.int32)
    assert columns_if_fully_observed(np.zeros(1, np.int64), nothing, 5) is None
    assert columns_if_fully_observed(np.zeros(3, np.int64), nothing, 0) is None
