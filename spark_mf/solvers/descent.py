"""Iterative solvers: steps with exact line search, and steps of a given length."""

from dataclasses import dataclass
from typing import ClassVar

from spark_mf.kernels.linalg.least_squares import descend, gradient_step
from spark_mf.solvers.base import CpuSolver, Factors, RowProblem, in_threads


@dataclass(frozen=True, slots=True)
class LineSearchSolver(CpuSolver):
    """ALS's solvers "cg" and "gd": steps with exact line search from a row's previous factors.

    Attributes
    ----------
    conjugate : bool
        Whether the directions are conjugate ("cg"), else they are the residuals ("gd").
    steps : int
        The most steps that a row takes in a half-step.
    tolerance : float
        A row takes no further step once its gradient is at most this times as long as at first; 0 for never.
    """

    conjugate: bool
    steps: int
    tolerance: float
    needs_previous: ClassVar[bool] = True
    alternates: ClassVar[bool] = True

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int) -> None:
        """Take the steps from what `solved` holds."""
        self._require_supported(problem)
        arguments = (*problem.arguments(), solved, self.steps, self.tolerance, self.conjugate)
        in_threads(problem.indptr, n_threads, lambda begin, end: descend(*arguments, begin, end))


@dataclass(frozen=True, slots=True)
class GradientStepSolver(CpuSolver):
    """GD's step on all parameters at once: each row moves by −`length` times the gradient of its objective."""

    length: float
    needs_previous: ClassVar[bool] = True
    alternates: ClassVar[bool] = False

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int) -> None:
        """Take the step from what `solved` holds."""
        self._require_supported(problem)
        arguments = (*problem.arguments(), solved, self.length)
        in_threads(problem.indptr, n_threads, lambda begin, end: gradient_step(*arguments, begin, end))
