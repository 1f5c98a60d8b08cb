"""One half-step inside one task: solve every row of one block, the other side's factors fixed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pyspark import TaskContext

from spark_mf.blocks.csr import RatingBlock
from spark_mf.engine.layout import LaidOutBlock
from spark_mf.kernels.least_squares import solve_cg, solve_cholesky, squared_error
from spark_mf.kernels.minimum_norm import solve_minimum_norm
from spark_mf.kernels.objective import penalty_sum, row_penalties


@dataclass(frozen=True, slots=True)
class Subproblem:
    """What every half-step of a fit shares: the objective, and how rows are solved."""

    rank: int
    regParam: float
    regularization: str
    n_ratings: int
    solver: str
    innerSteps: int

    @property
    def needs_previous(self) -> bool:
        """Whether the solver starts from a row's factors of the iteration before."""
        return self.solver != "cholesky"


@dataclass(frozen=True, slots=True)
class SolvedBlock:
    """A half-step's result for one block.

    Attributes
    ----------
    number : the block
    factors : float32[rows, rank], in the order of the block's rows
    penalties : Σ penalty·‖u‖² over the rows
    squared_error, validation_squared_error : Σ e² over the block's ratings, after the half-step
    """

    number: int
    factors: NDArray[np.float32]
    penalties: float
    squared_error: float
    validation_squared_error: float


def solve_block(
    block: LaidOutBlock,
    fixed: NDArray[np.float32],
    previous: NDArray[np.float32] | None,
    problem: Subproblem,
    with_errors: bool,
) -> SolvedBlock:
    """Solve the rows of a block.

    Parameters
    ----------
    block : LaidOutBlock
    fixed : float32[n, rank], the other side's factors
    previous : float32[m, rank], this side's factors so far, where an iterative solver starts; else None
    problem : Subproblem
    with_errors : also sum the squared errors, which costs one more pass over the ratings
    """
    training = block.training
    penalty = row_penalties(np.diff(training.indptr), problem.regParam, problem.regularization, problem.n_ratings)
    csr = (training.indptr, training.indices, training.values)
    if previous is not None:
        solved = previous[training.rows]  # a copy
        _in_threads(
            training,
            lambda first, last: solve_cg(*csr, fixed, penalty, solved, problem.innerSteps, first, last),
        )
    else:
        solved = np.empty((training.n_rows, problem.rank), np.float32)
        failed = np.zeros(training.n_rows, np.uint8)
        _in_threads(training, lambda first, last: solve_cholesky(*csr, fixed, penalty, solved, failed, first, last))
        solve_minimum_norm(*csr, fixed, penalty, solved, np.flatnonzero(failed))
    return SolvedBlock(
        block.number,
        solved,
        penalty_sum(penalty, solved),
        _squared_error(training, fixed, solved) if with_errors else np.nan,
        _squared_error(block.validation, fixed, solved) if with_errors else np.nan,
    )


def _squared_error(ratings: RatingBlock, fixed: NDArray[np.float32], solved: NDArray[np.float32]) -> float:
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
