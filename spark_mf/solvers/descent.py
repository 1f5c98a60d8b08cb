"""Iterative solvers: steps with exact line search, and steps of a fixed length."""

from dataclasses import dataclass
from typing import ClassVar

from spark_mf.kernels.linalg.least_squares import descend, gradient_step
from spark_mf.solvers.base import CpuSolver, Factors, Losses, RowProblem, in_threads


@dataclass(frozen=True, slots=True)
class LineSearchSolver(CpuSolver):
    """ALS's solvers "cg" and "gd": steps with exact line search from a row's previous factors.

    Attributes
    ----------
    conjugate : bool
        Whether the search directions are conjugate ("cg") or the residuals ("gd").
    steps : int
        Maximum number of steps per row and half-step.
    tolerance : float
        Relative tolerance: a row is done once the norm of its gradient is at most this fraction of its initial norm; 0
        disables it.
    """

    conjugate: bool
    steps: int
    tolerance: float
    needs_previous: ClassVar[bool] = True
    alternates: ClassVar[bool] = True

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int, losses: Losses | None = None) -> None:
        """Take steps from the rows in `solved`, in place."""
        self._require_supported(problem)
        arguments = (*problem.arguments(), solved, self.steps, self.tolerance, self.conjugate)
        in_threads(problem.indptr, n_threads, lambda begin, end: descend(*arguments, begin, end, losses))


@dataclass(frozen=True, slots=True)
class GradientStepSolver(CpuSolver):
    """GD's simultaneous step: each row moves by −`length` times the gradient of its objective."""

    length: float
    needs_previous: ClassVar[bool] = True
    alternates: ClassVar[bool] = False

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int, losses: Losses | None = None) -> None:
        """Take one step from the rows in `solved`, in place."""
        self._require_supported(problem)
        arguments = (*problem.arguments(), solved, self.length)
        in_threads(problem.indptr, n_threads, lambda begin, end: gradient_step(*arguments, begin, end))
