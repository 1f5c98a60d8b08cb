"""The exact solver: Cholesky factorization of a row's normal equations."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spark_mf.kernels.linalg.fully_observed import columns_if_fully_observed, solve_fully_observed
from spark_mf.kernels.linalg.least_squares import solve_cholesky
from spark_mf.kernels.linalg.minimum_norm import solve_minimum_norm
from spark_mf.solvers.base import CpuSolver, Factors, Losses, RowProblem, in_threads


@dataclass(frozen=True, slots=True)
class CholeskySolver(CpuSolver):
    """ALS's solver "cholesky": the exact solution, with minimum norm for rank-deficient rows.

    The rows of a block in which every pair is observed share one factorization.
    """

    needs_previous: ClassVar[bool] = False
    alternates: ClassVar[bool] = True

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int, losses: Losses | None = None) -> None:
        """Write the solutions to `solved`, whose previous content is ignored."""
        self._require_supported(problem)
        if self._solve_fully_observed(problem, solved):
            return
        arguments, failed = problem.arguments(), np.zeros(problem.n_rows, np.uint8)
        in_threads(
            problem.indptr,
            n_threads,
            lambda begin, end: solve_cholesky(*arguments, solved, failed, begin, end, losses),
        )
        solve_minimum_norm(*arguments, solved, np.flatnonzero(failed))

    def _solve_fully_observed(self, problem: RowProblem, solved: Factors) -> bool:
        """Solve all rows by one factorization if every pair is observed; return whether that is so."""
        if not problem.is_ridge_regression or problem.n_rows == 0 or problem.penalty[0] == 0:
            return False
        columns = columns_if_fully_observed(problem.indptr, problem.indices, len(problem.fixed))
        if columns is None or (problem.penalty != problem.penalty[0]).any():
            return False
        solved[:] = solve_fully_observed(columns, problem.targets, problem.fixed, float(problem.penalty[0]))
        return True
