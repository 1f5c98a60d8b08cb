"""The exact solver: Cholesky factorization of a row's normal equations."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spark_mf.kernels.linalg.least_squares import solve_cholesky
from spark_mf.kernels.linalg.minimum_norm import solve_minimum_norm
from spark_mf.solvers.base import CpuSolver, Factors, RowProblem, in_threads


@dataclass(frozen=True, slots=True)
class CholeskySolver(CpuSolver):
    """ALS's solver "cholesky": the exact solution, with minimum norm for rank-deficient rows."""

    needs_previous: ClassVar[bool] = False
    alternates: ClassVar[bool] = True

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int) -> None:
        """Write the solutions to `solved`, whose previous content is ignored."""
        self._require_supported(problem)
        arguments, failed = problem.arguments(), np.zeros(problem.n_rows, np.uint8)
        in_threads(problem.indptr, n_threads, lambda begin, end: solve_cholesky(*arguments, solved, failed, begin, end))
        solve_minimum_norm(*arguments, solved, np.flatnonzero(failed))
