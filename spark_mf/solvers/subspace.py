"""The solver of iALS++: exact steps in blocks of coordinates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spark_mf.kernels.linalg.minimum_norm import solve_minimum_norm
from spark_mf.kernels.linalg.subspace import solve_subspace
from spark_mf.solvers.base import CpuSolver, Factors, Losses, RowProblem, in_threads


@dataclass(frozen=True, slots=True)
class SubspaceSolver(CpuSolver):
    """ALS's solver "subspace": minimise over each block of `size` coordinates in turn, from a row's previous factors.

    A row with a block whose matrix is singular, or too close to it for float32, gets the exact solution of the whole
    row instead, with minimum norm, as with the solver "cholesky".

    Attributes
    ----------
    size : int
        Coordinates of a block, from 1 to the rank.
    """

    size: int
    needs_previous: ClassVar[bool] = True
    alternates: ClassVar[bool] = True

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int, losses: Losses | None = None) -> None:
        """Improve the rows in `solved` by one sweep over their blocks of coordinates, in place."""
        self._require_supported(problem)
        arguments, failed = problem.arguments(), np.zeros(problem.n_rows, np.uint8)
        sweep = (*arguments, solved, failed, self.size)
        in_threads(problem.indptr, n_threads, lambda begin, end: solve_subspace(*sweep, begin, end))
        solve_minimum_norm(*arguments, solved, np.flatnonzero(failed))
