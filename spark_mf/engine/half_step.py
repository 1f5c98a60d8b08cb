"""One half-step inside one task: improve every row of one block, the other side's factors fixed."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from pyspark import TaskContext

from spark_mf.blocks.csr import RatingBlock
from spark_mf.ratings.layout import LaidOutBlock
from spark_mf.kernels.least_squares import gradient_step, solve_cg, solve_cholesky, solve_gd, squared_error
from spark_mf.kernels.minimum_norm import solve_minimum_norm
from spark_mf.kernels.objective import penalty_sum, row_penalties
from spark_mf.kernels.product_change import change_gram

Factors = NDArray[np.float32]

_INNER_KERNELS = {"cg": solve_cg, "gd": solve_gd}


class RowMethod(Protocol):
    """How a half-step improves rows, and what that takes."""

    @property
    def needs_previous(self) -> bool:
        """Whether it starts from a row's factors of the iteration before."""
        ...

    @property
    def alternates(self) -> bool:
        """Whether the users' half-step starts from the items of the same iteration, else from those before it."""
        ...

    def improve(self, ratings: RatingBlock, fixed: Factors, penalty: NDArray[np.float32], solved: Factors) -> None:
        """Write the rows of a block to `solved`, float32[rows, rank], which has the previous ones where needed."""
        ...


@dataclass(frozen=True, slots=True)
class ExactSolver:
    """ALS's solver "cholesky": the minimiser, and the shortest one of a row that its ratings do not determine."""

    needs_previous: ClassVar[bool] = False
    alternates: ClassVar[bool] = True

    def improve(self, ratings: RatingBlock, fixed: Factors, penalty: NDArray[np.float32], solved: Factors) -> None:
        """Write the minimisers to `solved`, whatever it holds."""
        csr = (ratings.indptr, ratings.indices, ratings.values)
        failed = np.zeros(ratings.n_rows, np.uint8)
        _in_threads(ratings, lambda first, last: solve_cholesky(*csr, fixed, penalty, solved, failed, first, last))
        solve_minimum_norm(*csr, fixed, penalty, solved, np.flatnonzero(failed))


@dataclass(frozen=True, slots=True)
class InnerSolver:
    """ALS's solvers "cg" and "gd": a row takes at most `steps` steps, fewer where `tolerance` says that it is there.

    `spark_mf.kernels.least_squares` says what they are.
    """

    name: str
    steps: int
    tolerance: float
    needs_previous: ClassVar[bool] = True
    alternates: ClassVar[bool] = True

    def improve(self, ratings: RatingBlock, fixed: Factors, penalty: NDArray[np.float32], solved: Factors) -> None:
        """Take the steps from what `solved` holds."""
        csr = (ratings.indptr, ratings.indices, ratings.values)
        take, options = _INNER_KERNELS[self.name], (self.steps, self.tolerance)
        _in_threads(ratings, lambda first, last: take(*csr, fixed, penalty, solved, *options, first, last))


@dataclass(frozen=True, slots=True)
class GradientStep:
    """A step of gradient descent on all parameters: each row moves by −`length` times its gradient of Σe² + penalty."""

    length: float
    needs_previous: ClassVar[bool] = True
    alternates: ClassVar[bool] = False

    def improve(self, ratings: RatingBlock, fixed: Factors, penalty: NDArray[np.float32], solved: Factors) -> None:
        """Take the step from what `solved` holds."""
        csr = (ratings.indptr, ratings.indices, ratings.values)
        _in_threads(ratings, lambda first, last: gradient_step(*csr, fixed, penalty, solved, self.length, first, last))


@dataclass(frozen=True, slots=True)
class Subproblem:
    """What every half-step of a fit shares: the objective, how rows are improved, and when that is enough.

    Attributes
    ----------
    estimator : the name that Spark's UI shows
    rank, regParam, regularization : the Params
    n_ratings : training ratings, all of them
    method : how rows are improved
    tol : the change of U Vᵀ below which no iteration follows; it is only computed where this is above 0
    """

    estimator: str
    rank: int
    regParam: float
    regularization: str
    n_ratings: int
    method: RowMethod
    tol: float = 0.0

    @property
    def needs_previous(self) -> bool:
        """Whether a half-step needs the factors of the iteration before."""
        return self.method.needs_previous or self.tol > 0


@dataclass(frozen=True, slots=True)
class SolvedBlock:
    """A half-step's result for one block.

    Attributes
    ----------
    number : the block
    factors : float32[rows, rank], in the order of the block's rows
    penalties : Σ penalty·‖u‖² over the rows
    squared_error, validation_squared_error : Σ e² over the block's ratings, after the half-step; 0 if not measured
    change : float64[2·rank, 2·rank], `spark_mf.kernels.product_change.change_gram` of the rows; None without tol
    seconds : wall-clock seconds that all of it took
    """

    number: int
    factors: Factors
    penalties: float
    squared_error: float
    validation_squared_error: float
    change: NDArray[np.float64] | None
    seconds: float


def solve_block(
    block: LaidOutBlock, fixed: Factors, previous: Factors | None, problem: Subproblem, measured: Factors | None
) -> SolvedBlock:
    """Improve the rows of a block.

    Parameters
    ----------
    block : LaidOutBlock
    fixed : float32[n, rank], the other side's factors
    previous : float32[m, rank], this side's factors so far; None where the problem does not need them
    problem : Subproblem
    measured : float32[n, rank]
        The other side's factors that errors of the new rows are summed with, which costs one more pass over the
        ratings; None for no errors.
    """
    began = time.perf_counter()
    training = block.training
    penalty = row_penalties(np.diff(training.indptr), problem.regParam, problem.regularization, problem.n_ratings)
    old = None if previous is None else previous[training.rows]
    solved = np.empty((training.n_rows, problem.rank), np.float32) if old is None else old.copy()
    problem.method.improve(training, fixed, penalty, solved)
    return SolvedBlock(
        number=block.number,
        factors=solved,
        penalties=penalty_sum(penalty, solved),
        squared_error=0.0 if measured is None else _squared_error(training, measured, solved),
        validation_squared_error=0.0 if measured is None else _squared_error(block.validation, measured, solved),
        change=None if old is None or not problem.tol > 0 else change_gram(solved, old),
        seconds=time.perf_counter() - began,
    )


def _squared_error(ratings: RatingBlock, fixed: Factors, solved: Factors) -> float:
    csr = (ratings.indptr, ratings.indices, ratings.values)
    return sum(_in_threads(ratings, lambda first, last: squared_error(*csr, fixed, solved, first, last)))


def _in_threads(ratings: RatingBlock, work: Callable[[int, int], float | None]) -> list:
    """Call `work(first, last)` on consecutive row ranges of about equally many ratings, one a core of the task."""
    context = TaskContext.get()
    n_threads = context.cpus() if context else 1
    shares = np.linspace(0, ratings.n_ratings, n_threads + 1)[1:-1]
    cuts = [0, *np.searchsorted(ratings.indptr, shares).tolist(), ratings.n_rows]
    ranges = list(pairwise(cuts))
    if n_threads == 1:
        return [work(*ranges[0])]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(lambda ends: work(*ends), ranges))
