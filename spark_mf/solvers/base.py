"""The interface of solvers: the problem of a block's rows, and what solves it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Factors = NDArray[np.float32]
#: What the kernels of `spark_mf.kernels.linalg.least_squares` take before `solved`.
Terms = tuple[Any, Any, Any, Any, Any, Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Regularized least squares for every row of a block, the other side's factors fixed.

    A row minimises Σ w (x·u)² − 2 Σ target·x·u + uᵀ shared u + penalty·uᵀ diag(scale) u − 2 prior·u, where x are the
    rows of `fixed` that its ratings name; `spark_mf.kernels.linalg.least_squares` has the normal equations. Fields that
    are None are absent from the objective and cost nothing.

    Attributes
    ----------
    indptr, indices : int64[rows + 1], int32[nnz]
        The block's ratings in CSR.
    targets : float32[nnz]
        The rating times its weight.
    fixed : float32[n, width], C order
    penalty : float32[rows]
        What multiplies the squared norm of each row.
    weights : float32[nnz], optional
    shared : float32[width, width], optional
        The part of the matrix that all rows have in common, such as a Gram matrix of the whole side.
    scale : float32[width], optional
        What multiplies `penalty` for each coordinate.
    prior : float32[rows, width], optional
        Penalty times prior mean of each row.
    nonnegative : bool
        Whether u must be ≥ 0. Only solvers whose `supports_nonnegative` is true take such a problem.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    targets: NDArray[np.float32]
    fixed: Factors
    penalty: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None
    shared: NDArray[np.float32] | None = None
    scale: NDArray[np.float32] | None = None
    prior: NDArray[np.float32] | None = None
    nonnegative: bool = False

    @property
    def n_rows(self) -> int:
        """Rows of the block."""
        return self.indptr.size - 1

    def arguments(self) -> Terms:
        """Return what the kernels take before `solved`."""
        return (
            self.indptr,
            self.indices,
            self.targets,
            self.weights,
            self.fixed,
            self.shared,
            self.penalty,
            self.scale,
            self.prior,
        )


class RowSolver(Protocol):
    """How the rows of a block are solved."""

    @property
    def needs_previous(self) -> bool:
        """Whether it starts from a row's factors of the iteration before."""
        ...

    @property
    def alternates(self) -> bool:
        """Whether the users' half-step starts from the items of the same iteration, else from those before it."""
        ...

    @property
    def supports_nonnegative(self) -> bool:
        """Whether it solves problems with a sign constraint."""
        ...

    def begin(self, fixed: Factors) -> "RowSolver":
        """Return the solver for the blocks of one half-step, all with the same fixed factors.

        A solver that prepares something of these factors does it here, once for all blocks of a task.
        """
        ...

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int) -> None:
        """Write the block's rows to `solved`, float32[rows, width], which holds the previous ones where needed.

        Raises
        ------
        ValueError
            When the problem has a sign constraint and the solver does not support it.
        """
        ...


class CpuSolver:
    """What solvers on the CPU share: nothing to prepare, and threads that work on ranges of rows."""

    __slots__ = ()

    supports_nonnegative = False

    def begin(self, fixed: Factors) -> Any:
        """Return the solver itself."""
        return self

    def _require_supported(self, problem: RowProblem) -> None:
        if problem.nonnegative and not self.supports_nonnegative:
            raise ValueError(
                f"solver must support nonnegative factors, got {type(self).__name__}. Use a solver that does."
            )


def in_threads(indptr: NDArray[np.int64], n_threads: int, work: Callable[[int, int], float | None]) -> list[Any]:
    """Call `work(begin, end)` on consecutive ranges of rows with about equally many ratings, one range a thread."""
    if n_threads == 1:
        return [work(0, indptr.size - 1)]
    shares = np.linspace(0, indptr[-1], n_threads + 1)[1:-1]
    cuts = [0, *np.searchsorted(indptr, shares).tolist(), indptr.size - 1]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(lambda ends: work(*ends), list(pairwise(cuts))))
