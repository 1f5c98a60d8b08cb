"""Half-step kernels: ridge least squares for every row of a rating block, the other side's factors fixed.

Row r minimises  Σ_p (values[p] − fixed[indices[p]]·u)² + penalty[r]·‖u‖²  over indptr[r] ≤ p < indptr[r+1]
(Zhou et al. 2008, "Large-scale parallel collaborative filtering for the Netflix prize", eq. 4; the weighing of λ
is the caller's, in `penalty`). All kernels share their arguments:

- indptr int64[rows+1], indices int32[nnz], values float32[nnz]: the block's ratings in CSR
- fixed float32[n, rank], C order: the other side's factors
- penalty float32[rows]: λ times what the row weighs, ≥ 0
- solved float32[rows, rank]: written for begin ≤ row < end
- begin, end: the rows to solve, so that threads share a block

They trust their caller. The plain twins with the same signatures are in `reference/least_squares.py`.
"""

import numpy as np

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.normal_equations import (
    CHUNK,
    add_gram,
    add_weighted_rows,
    factorize,
    gather,
    padded,
    substitute,
)
from spark_mf.kernels.simd import LANES, TILE_COLUMNS, row_dots

#: float32 values that a second-level cache holds while conjugate gradients revisit a row's gathered factors.
CACHED_VALUES = 2048 * 64


@kernel()
def accumulate(indices, values, fixed, start, stop, gram, right, rows, weights):  # type: ignore[no-untyped-def]
    """Set the upper triangle of `gram` to XᵀX and `right` to Xᵀr for the ratings start ≤ p < stop."""
    width = gram.shape[0]
    gram[:] = 0.0
    right[:] = 0.0
    for chunk in range(start, stop, CHUNK):
        count = min(CHUNK, stop - chunk)
        gather(fixed, indices, chunk, count, rows)
        for p in range(count):
            weights[p] = values[chunk + p]
        for p in range(count, padded(count, LANES)):
            weights[p] = 0.0
        add_gram(gram, rows, count, width)
        add_weighted_rows(right, rows, weights, count, width)


@kernel()
def solve_cholesky(indptr, indices, values, fixed, penalty, solved, failed, begin, end):  # type: ignore[no-untyped-def]
    """Solve rows exactly. `failed` uint8[rows] is set to 1 where float32 is not enough, and `solved` left alone."""
    rank = fixed.shape[1]
    width = padded(rank, TILE_COLUMNS)
    rows = np.zeros((CHUNK, width), np.float32)
    weights = np.zeros(CHUNK, np.float32)
    gram = np.empty((width, width), np.float32)
    right = np.empty(width, np.float32)
    scratch = np.empty(width + LANES, np.float32)
    for row in range(begin, end):
        accumulate(indices, values, fixed, indptr[row], indptr[row + 1], gram, right, rows, weights)
        for a in range(rank):
            gram[a, a] += penalty[row]
        for a in range(rank, width):
            gram[a, a] = 1.0
        if not factorize(gram, rank, width, scratch):
            failed[row] = 1
            continue
        substitute(gram, rank, width, right, scratch)
        for a in range(rank):
            solved[row, a] = right[a]


@kernel()
def mirror(gram):  # type: ignore[no-untyped-def]
    """Copy the upper triangle of `gram` to the lower one."""
    for i in range(gram.shape[0]):
        for j in range(i):
            gram[i, j] = gram[j, i]


@kernel()
def multiply(matrix, count, width, vector, result, dots):  # type: ignore[no-untyped-def]
    """Set `result` to XᵀX·vector for the first `count` rows X of `matrix`, which are `width` wide."""
    for p in range(0, count, LANES):
        row_dots(matrix, p * width, width, vector, 0, width, dots, p)
    for p in range(count, padded(count, LANES)):
        dots[p] = 0.0
    result[:] = 0.0
    add_weighted_rows(result, matrix, dots, count, width)


@kernel(fastmath=True)
def inner(left, right):  # type: ignore[no-untyped-def]
    """Return the inner product of two float32 vectors."""
    total = np.float32(0.0)
    for a in range(left.size):
        total += left[a] * right[a]
    return total


@kernel()
def set_errors(indices, values, fixed, start, count, u, rows, errors):  # type: ignore[no-untyped-def]
    """Gather X of `count` ratings from `start` into `rows` and set `errors` to r − X u, padded with 0."""
    width = rows.shape[1]
    gather(fixed, indices, start, count, rows)
    for p in range(0, count, LANES):
        row_dots(rows, p * width, width, u, 0, width, errors, p)
    for p in range(count):
        errors[p] = values[start + p] - errors[p]
    for p in range(count, padded(count, LANES)):
        errors[p] = 0.0


@kernel()
def descend(indptr, indices, values, fixed, penalty, solved, steps, tolerance, conjugate, begin, end):  # type: ignore[no-untyped-def]
    """Improve rows by steps with exact line search on the normal equations, from what `solved` holds.

    Directions are conjugate or, without `conjugate`, the residuals. For most rows XᵀX is never formed: a step costs
    two passes over the gathered ratings (Takács, Pilászy and Tikk 2011, "Applications of the conjugate gradient
    method for implicit feedback collaborative filtering", §3). Rows with more ratings than a cache holds would be
    fetched anew at each step; there XᵀX is cheaper.
    """
    rank = fixed.shape[1]
    width = padded(rank, TILE_COLUMNS)
    capacity = max(CHUNK, CACHED_VALUES // width)
    rows = np.zeros((capacity, width), np.float32)
    dots = np.zeros(max(capacity, width), np.float32)
    gram = np.empty((width, width), np.float32)
    u = np.zeros(width, np.float32)
    residual = np.empty(width, np.float32)
    direction = np.empty(width, np.float32)
    product = np.empty(width, np.float32)
    for row in range(begin, end):
        start, stop = indptr[row], indptr[row + 1]
        count, ridge = stop - start, penalty[row]
        formed = count > capacity
        for a in range(rank):
            u[a] = solved[row, a]
        if formed:
            accumulate(indices, values, fixed, start, stop, gram, residual, rows, dots)
            mirror(gram)
            for a in range(width):
                dots[a] = -u[a]
            add_weighted_rows(residual, gram, dots, width, width)
        else:
            set_errors(indices, values, fixed, start, count, u, rows, dots)
            residual[:] = 0.0
            add_weighted_rows(residual, rows, dots, count, width)
        for a in range(width):
            residual[a] -= ridge * u[a]
            direction[a] = residual[a]
        squared = inner(residual, residual)
        enough = tolerance * tolerance * squared
        for _ in range(steps):
            if squared <= enough:
                break
            if formed:
                product[:] = 0.0
                add_weighted_rows(product, gram, direction, width, width)
            else:
                multiply(rows, count, width, direction, product, dots)
            curvature = inner(direction, product) + ridge * inner(direction, direction)
            if not curvature > 0.0:
                break
            length = squared / curvature
            for a in range(width):
                u[a] += length * direction[a]
                residual[a] -= length * (product[a] + ridge * direction[a])
            following = inner(residual, residual)
            ratio = following / squared if conjugate else np.float32(0.0)
            squared = following
            for a in range(width):
                direction[a] = residual[a] + ratio * direction[a]
        for a in range(rank):
            solved[row, a] = u[a]


@kernel()
def solve_cg(indptr, indices, values, fixed, penalty, solved, steps, tolerance, begin, end):  # type: ignore[no-untyped-def]
    """Improve rows by `steps` conjugate-gradient steps, from what `solved` holds.

    A row takes fewer once its residual Xᵀ(r − X u) − penalty·u, which is minus half the gradient, is no longer than
    `tolerance` (float64 ≥ 0) times what it was before the first step; with 0 only where nothing is left of it.
    """
    descend(indptr, indices, values, fixed, penalty, solved, steps, tolerance, True, begin, end)


@kernel()
def solve_gd(indptr, indices, values, fixed, penalty, solved, steps, tolerance, begin, end):  # type: ignore[no-untyped-def]
    """Improve rows by `steps` steps of steepest descent with exact line search, as `solve_cg` otherwise."""
    descend(indptr, indices, values, fixed, penalty, solved, steps, tolerance, False, begin, end)


@kernel()
def gradient_step(indptr, indices, values, fixed, penalty, solved, length, begin, end):  # type: ignore[no-untyped-def]
    """Move rows from what `solved` holds by −`length` times their gradient: u += 2·length·(Xᵀ(r − X u) − penalty·u)."""
    rank = fixed.shape[1]
    width = padded(rank, TILE_COLUMNS)
    rows = np.zeros((CHUNK, width), np.float32)
    errors = np.zeros(CHUNK, np.float32)
    u = np.zeros(width, np.float32)
    residual = np.empty(width, np.float32)
    factor = np.float32(2.0 * length)
    for row in range(begin, end):
        for a in range(rank):
            u[a] = solved[row, a]
        residual[:] = 0.0
        for chunk in range(indptr[row], indptr[row + 1], CHUNK):
            count = min(CHUNK, indptr[row + 1] - chunk)
            set_errors(indices, values, fixed, chunk, count, u, rows, errors)
            add_weighted_rows(residual, rows, errors, count, width)
        for a in range(rank):
            solved[row, a] = u[a] + factor * (residual[a] - penalty[row] * u[a])


@kernel()
def squared_error(indptr, indices, values, fixed, solved, begin, end):  # type: ignore[no-untyped-def]
    """Return Σ (values[p] − fixed[indices[p]]·solved[row])² over the ratings of rows begin ≤ row < end (float64)."""
    rank = fixed.shape[1]
    width = padded(rank, LANES)
    rows = np.zeros((CHUNK, width), np.float32)
    errors = np.zeros(CHUNK, np.float32)
    u = np.zeros(width, np.float32)
    total = 0.0
    for row in range(begin, end):
        for a in range(rank):
            u[a] = solved[row, a]
        for chunk in range(indptr[row], indptr[row + 1], CHUNK):
            count = min(CHUNK, indptr[row + 1] - chunk)
            set_errors(indices, values, fixed, chunk, count, u, rows, errors)
            for p in range(count):
                error = np.float64(errors[p])
                total += error * error
    return total
