"""The interface of solvers and the problem that they solve."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.linalg.least_squares import pad_shared

Factors = NDArray[np.float32]
#: float64[rows]: the objective of each row without its penalty, Σ w (x·u)² − 2 Σ target·x·u + uᵀ shared u − 2 prior·u.
Losses = NDArray[np.float64]
#: The leading arguments of the kernels in `spark_mf.kernels.linalg.least_squares`.
Terms = tuple[Any, Any, Any, Any, Any, Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Regularized least squares for every row of a block, with the factors of the other side fixed.

    A row u minimises Σ w (x·u)² − 2 Σ target·x·u + uᵀ shared u + penalty·uᵀ diag(scale) u − 2 prior·u, where x are the
    rows of `fixed` that belong to its ratings; `spark_mf.kernels.linalg.least_squares` has the normal equations. Terms
    whose field is None are absent from the objective.

    Attributes
    ----------
    indptr, indices : int64[rows + 1], int32[nnz]
        The block's ratings in CSR.
    targets : float32[nnz]
        The rating times its weight.
    fixed : float32[n, width], C order
    penalty : float32[rows]
        Factor of the squared norm of each row.
    weights : float32[nnz], optional
    shared : float32[width, width], optional
        Part of the matrix that all rows share, such as a Gram matrix of the whole side.
    scale : float32[width], optional
        Factor of `penalty` for each coordinate.
    prior : float32[rows, width], optional
        Penalty times prior mean of each row.
    nonnegative : bool
        Whether u must be >= 0. Only solvers whose `supports_nonnegative` is True accept such a problem.
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
        """Number of rows of the block."""
        return self.indptr.size - 1

    @property
    def is_ridge_regression(self) -> bool:
        """Whether the only terms are the ratings, each of weight 1, and the penalty."""
        optional = (self.weights, self.shared, self.scale, self.prior)
        return not self.nonnegative and all(term is None for term in optional)

    def arguments(self) -> Terms:
        """Return the arguments of the kernels before `solved`."""
        return (
            self.indptr,
            self.indices,
            self.targets,
            self.weights,
            self.fixed,
            None if self.shared is None else pad_shared(self.shared),
            self.penalty,
            self.scale,
            self.prior,
        )


class RowSolver(Protocol):
    """Solver of the rows of a block."""

    @property
    def needs_previous(self) -> bool:
        """Whether it starts from the factors of a row in the previous iteration."""
        ...

    @property
    def alternates(self) -> bool:
        """Whether the users' half-step uses the items of the same iteration, or those of the previous one."""
        ...

    @property
    def supports_nonnegative(self) -> bool:
        """Whether it solves problems with a nonnegativity constraint."""
        ...

    def begin(self, fixed: Factors) -> "RowSolver":
        """Return the solver for the blocks of one half-step, all with the same fixed factors.

        Solvers can precompute here what depends on these factors only, once for all blocks of a task.
        """
        ...

    def solve(self, problem: RowProblem, solved: Factors, n_threads: int, losses: Losses | None = None) -> None:
        """Write the solution to `solved`, float32[rows, width], which has the previous rows if they are needed.

        If `losses` is given, a solver that knows the loss of a row without another pass over its ratings writes it
        there, and otherwise leaves the entry as it is.

        Raises
        ------
        ValueError
            If the problem has a nonnegativity constraint and the solver does not support it.
        """
        ...


class CpuSolver:
    """Base class of solvers that run on the CPU, with threads that work on ranges of rows."""

    __slots__ = ()

    supports_nonnegative: ClassVar[bool] = False

    def begin(self, fixed: Factors) -> Any:
        """Return the solver itself."""
        return self

    def _require_supported(self, problem: RowProblem) -> None:
        if problem.nonnegative and not self.supports_nonnegative:
            raise ValueError(
                f"solver must support nonnegative factors, got {type(self).__name__}. Use a solver that does."
            )


def in_threads(indptr: NDArray[np.int64], n_threads: int, work: Callable[[int, int], float | None]) -> list[Any]:
    """Call `work(begin, end)` on consecutive ranges of rows with similar numbers of ratings, one per thread."""
    if n_threads == 1:
        return [work(0, indptr.size - 1)]
    shares = np.linspace(0, indptr[-1], n_threads + 1)[1:-1]
    cuts = [0, *np.searchsorted(indptr, shares).tolist(), indptr.size - 1]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(lambda ends: work(*ends), list(pairwise(cuts))))
