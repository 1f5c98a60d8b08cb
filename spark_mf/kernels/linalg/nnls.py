"""Half-step kernel with nonnegative factors: nonnegative least squares for every row of a rating block."""

import numpy as np

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.linalg.least_squares import accumulate, regularize, squared_norm
from spark_mf.kernels.linalg.normal_equations import CHUNK, factorize, padded, substitute
from spark_mf.kernels.linalg.simd import LANES, TILE_COLUMNS

#: Exchanges of all infeasible coordinates without progress before a single one is exchanged (Kim and Park 2011, §3.2).
PATIENCE = 3
#: A negative gradient below this fraction of the sum of its terms' magnitudes is a rounding error of float32.
ROUNDING = np.float32(4e-6)


@kernel()
def solve_free(gram, right, free, n_free, matrix, u, scratch):  # type: ignore[no-untyped-def]
    """Solve the normal equations of the first `n_free` coordinates in `free`, the others being 0.

    Write the solution to `u[:n_free]`. Return False if float32 is not precise enough.
    """
    width = padded(n_free, TILE_COLUMNS)
    small = matrix[: width * width].reshape((width, width))
    small[:] = 0.0
    for a in range(n_free):
        for c in range(a, n_free):
            small[a, c] = gram[free[a], free[c]]
        u[a] = right[free[a]]
    for a in range(n_free, width):
        small[a, a] = 1.0
        u[a] = 0.0
    if not factorize(small, n_free, width, scratch):
        return False
    substitute(small, n_free, width, u, scratch)
    return True


@kernel()
def entry(gram, i, j):  # type: ignore[no-untyped-def]
    """Return an entry of a symmetric matrix of which only the upper triangle is set."""
    return gram[i, j] if i <= j else gram[j, i]


@kernel()
def mark_infeasible(gram, right, free, n_free, is_free, u, infeasible):  # type: ignore[no-untyped-def]
    """Mark free coordinates that are negative, and others whose gradient is; return their number."""
    count = 0
    for a in range(n_free):
        infeasible[free[a]] = u[a] < 0.0
        count += infeasible[free[a]]
    for i in range(is_free.size):
        if is_free[i]:
            continue
        gradient, magnitude = -right[i], abs(right[i])
        for a in range(n_free):
            term = entry(gram, i, free[a]) * u[a]
            gradient += term
            magnitude += abs(term)
        infeasible[i] = gradient < -ROUNDING * magnitude
        count += infeasible[i]
    return count


@kernel()
def pivot(gram, right, rank, is_free, infeasible, free, matrix, u, scratch):  # type: ignore[no-untyped-def]
    """Minimise uᵀ gram u − 2 rightᵀu subject to u ≥ 0 by block principal pivoting, from all coordinates free.

    Kim and Park 2011, "Fast nonnegative matrix factorization: an active-set-like method and comparisons", algorithm 2.

    Returns the number of free coordinates, whose values are in `u` in the order of `free`, or −1 if float32 is not
    precise enough or the number of exchanges reached its limit.
    """
    is_free[:] = True
    fewest, patience = rank + 1, PATIENCE
    for _ in range(10 * rank):
        n_free = 0
        for i in range(rank):
            if is_free[i]:
                free[n_free] = i
                n_free += 1
        if n_free > 0 and not solve_free(gram, right, free, n_free, matrix, u, scratch):
            return -1
        count = mark_infeasible(gram, right, free, n_free, is_free, u, infeasible)
        if count == 0:
            return n_free
        if count < fewest:
            fewest, patience = count, PATIENCE
        else:
            patience -= 1
        for i in range(rank - 1, -1, -1):
            if infeasible[i]:
                is_free[i] = not is_free[i]
                if patience < 0:  # Exchanging a single coordinate, the last one, always ends (Murty 1974).
                    break
    return -1


@kernel()
def solve_nnls(  # type: ignore[no-untyped-def]
    indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, solved, failed, begin, end, losses=None
):
    """Solve rows exactly, subject to u ≥ 0; the arguments are those of `least_squares.solve_cholesky`.

    `failed` uint8[rows] is set to 1 where float32 is not precise enough, and `solved` is left alone.
    """
    rank = fixed.shape[1]
    width = padded(rank, TILE_COLUMNS)
    rows = np.zeros((CHUNK, width), np.float32)
    factors = np.zeros(CHUNK, np.float32)
    gram = np.empty((width, width), np.float32)
    right = np.empty(width, np.float32)
    matrix = np.empty(width * width, np.float32)
    u = np.empty(width, np.float32)
    scratch = np.empty(width + LANES, np.float32)
    is_free, infeasible = np.empty(rank, np.bool_), np.empty(rank, np.bool_)
    free = np.empty(rank, np.int64)
    for row in range(begin, end):
        accumulate(indices, targets, weights, fixed, indptr[row], indptr[row + 1], gram, right, rows, factors)
        regularize(gram, right, shared, penalty, scale, prior, row, rank)
        n_free = pivot(gram, right, rank, is_free, infeasible, free, matrix, u, scratch)
        if n_free < 0:
            failed[row] = 1
            continue
        for a in range(rank):
            solved[row, a] = 0.0
        for a in range(n_free):
            solved[row, free[a]] = u[a]
        if losses is not None:
            # As without constraints, the minimum is −bᵀu: a coordinate is 0, or the gradient in it.
            losses[row] = -penalty[row] * squared_norm(solved[row], scale, rank)
            for a in range(n_free):
                losses[row] -= np.float64(right[free[a]]) * u[a]
