"""The exact solver of nonnegative factors: nonnegative least squares of a row's normal equations."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spark_mf.kernels.linalg.minimum_norm import solve_minimum_norm
from spark_mf.kernels.linalg.nnls import solve_nnls
from spark_mf.solvers.base import CpuSolver, Factors, Losses, RowProblem, in_threads


@dataclass(frozen=True, slots=True)
class NNLSSolver(CpuSolver):
    """ALS's solver "nnls": the exact solution with u >= 0, by block principal pivoting."""

    needs_previous: ClassVar[bool] = False
    alternates: ClassVar[bool] = True
    supports_nonnegative: ClassVar[bool] = True

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int, losses: Losses | None = None) -> None:
        """Write the solutions to `solved`, whose previous content is ignored."""
        arguments, failed = problem.arguments(), np.zeros(problem.n_rows, np.uint8)
        in_threads(
            problem.indptr, n_threads, lambda begin, end: solve_nnls(*arguments, solved, failed, begin, end, losses)
        )
        solve_minimum_norm(*arguments, solved, np.flatnonzero(failed), nonnegative=True)
