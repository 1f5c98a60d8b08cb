"""Half-step kernels: regularized least squares for every row of a rating block, the other side's factors fixed.

Row r minimises

    Σ_p (w_p (x_p·u)² − 2 targets[p] x_p·u) + uᵀ shared u + penalty[r] uᵀ diag(scale) u − 2 uᵀ prior[r]

over indptr[r] ≤ p < indptr[r+1], with x_p = fixed[indices[p]] and w_p = weights[p]. With weights of 1 and targets that
are the ratings this is Σ (targets[p] − x_p·u)² + penalty[r]·‖u‖² (Zhou et al. 2008, "Large-scale parallel collaborative
filtering for the Netflix prize", eq. 4). The minimum solves the normal equations A u = b with

    A = Σ w_p x_p x_pᵀ + shared + penalty[r]·diag(scale),    b = Σ targets[p] x_p + prior[r].

All kernels share their arguments:

- indptr int64[rows+1], indices int32[nnz]: the block's ratings in CSR
- targets float32[nnz]: the rating times its weight (0 where the weight is 0), or what else b adds up
- weights float32[nnz] ≥ 0, or None for weights of 1
- fixed float32[n, width], C order: the other side's factors
- shared float32[tiles, tiles], the result of `pad_shared`: the part of A that all rows have in common, such as a Gram
  matrix of the whole side; or None
- penalty float32[rows] ≥ 0, scale float32[width] ≥ 0 or None for ones: the diagonal that regularizes a row
- prior float32[rows, width], or None for zeros
- solved float32[rows, width]: written for begin ≤ row < end
- begin, end: the rows to solve, so that threads share a block
- losses float64[rows], or None: written for each solved row, its objective without the term of penalty and scale. This
  takes no further pass over the ratings: the minimum of uᵀA u − 2bᵀu is −bᵀu, and a step of a line search lowers it
  by length·‖residual‖².

Optional arguments that are None cost nothing: numba compiles the kernels without the branches that use them. The
kernels trust their caller. The plain twins with the same signatures are in `reference/least_squares.py`.
"""

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.linalg.errors import products, set_errors, set_scores, subtract_scores
from spark_mf.kernels.linalg.normal_equations import (
    CHUNK,
    add_gram,
    add_weighted_rows,
    factorize,
    gather,
    padded,
    substitute,
)
from spark_mf.kernels.linalg.simd import LANES, TILE_COLUMNS, row_dots

#: A matrix is singular in a direction in which it is this much smaller than in another one.
ROUNDING = np.float32(1e-6)

#: float32 values that a second-level cache holds while conjugate gradients revisit a row's gathered factors.
CACHED_VALUES = 2048 * 64


def pad_shared(shared: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a symmetric matrix float32[width, width] extended by zeros to whole tiles, as the kernels require."""
    extra = padded(shared.shape[0], TILE_COLUMNS) - shared.shape[0]
    return np.pad(shared, (0, extra))


@kernel()
def weigh(rows, weights, start, count):  # type: ignore[no-untyped-def]
    """Multiply each of the first `count` rows of `rows` by the square root of its weight."""
    for p in range(count):
        root = np.sqrt(weights[start + p])
        row = rows[p]
        for a in range(row.size):
            row[a] *= root


@kernel()
def accumulate(indices, targets, weights, fixed, start, stop, gram, right, rows, factors):  # type: ignore[no-untyped-def]
    """Set the upper triangle of `gram` to Σ w x xᵀ and `right` to Σ target·x for the ratings start ≤ p < stop."""
    width = gram.shape[0]
    gram[:] = 0.0
    right[:] = 0.0
    for chunk in range(start, stop, CHUNK):
        count = min(CHUNK, stop - chunk)
        gather(fixed, indices, chunk, count, rows)
        for p in range(count):
            factors[p] = targets[chunk + p]
        for p in range(count, padded(count, LANES)):
            factors[p] = 0.0
        add_weighted_rows(right, rows, factors, count, width)
        if weights is not None:
            weigh(rows, weights, chunk, count)
        add_gram(gram, rows, count, width)


@kernel()
def regularize(gram, right, shared, penalty, scale, prior, row, rank):  # type: ignore[no-untyped-def]
    """Add what does not come from a row's ratings: to the upper triangle of `gram`, and to `right`."""
    if shared is not None:
        for a in range(rank):
            for c in range(a, rank):
                gram[a, c] += shared[a, c]
    if scale is not None:
        for a in range(rank):
            gram[a, a] += penalty[row] * scale[a]
    else:
        for a in range(rank):
            gram[a, a] += penalty[row]
    if prior is not None:
        for a in range(rank):
            right[a] += prior[row, a]


@kernel()
def solve_cholesky(  # type: ignore[no-untyped-def]
    indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, solved, failed, begin, end, losses=None
):
    """Solve rows exactly. `failed` uint8[rows] is set to 1 where float32 is not enough, and the row left alone."""
    rank = fixed.shape[1]
    width = padded(rank, TILE_COLUMNS)
    rows = np.zeros((CHUNK, width), np.float32)
    factors = np.zeros(CHUNK, np.float32)
    gram = np.empty((width, width), np.float32)
    right = np.empty(width, np.float32)
    scratch = np.empty(width + LANES, np.float32)
    constant = np.empty(width, np.float32)
    for row in range(begin, end):
        accumulate(indices, targets, weights, fixed, indptr[row], indptr[row + 1], gram, right, rows, factors)
        regularize(gram, right, shared, penalty, scale, prior, row, rank)
        for a in range(rank, width):
            gram[a, a] = 1.0
        if losses is not None:
            constant[:] = right
        if not factorize(gram, rank, width, scratch):
            failed[row] = 1
            continue
        substitute(gram, rank, width, right, scratch)
        for a in range(rank):
            solved[row, a] = right[a]
        if losses is not None:
            losses[row] = -inner(constant, right) - penalty[row] * squared_norm(right, scale, rank)


@kernel()
def mirror(gram):  # type: ignore[no-untyped-def]
    """Copy the upper triangle of `gram` to the lower one."""
    for i in range(gram.shape[0]):
        for j in range(i):
            gram[i, j] = gram[j, i]


@kernel()
def multiply(matrix, weights, start, count, width, vector, result, dots):  # type: ignore[no-untyped-def]
    """Set `result` to Σ w x xᵀ·vector for the first `count` rows x of `matrix`, which are `width` wide."""
    for p in range(0, count, LANES):
        row_dots(matrix, p * width, width, vector, 0, width, dots, p)
    if weights is not None:
        for p in range(count):
            dots[p] *= weights[start + p]
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


@kernel(fastmath=True)
def squared_norm(u, scale, rank):  # type: ignore[no-untyped-def]
    """Return uᵀ diag(scale) u in float64, without `scale` uᵀu."""
    total = 0.0
    for a in range(rank):
        square = np.float64(u[a]) * np.float64(u[a])
        if scale is not None:
            square *= scale[a]
        total += square
    return total


@kernel()
def subtract_regularization(residual, shared, ridge, scale, prior, row, u, rank, scratch):  # type: ignore[no-untyped-def]
    """Subtract from `residual` what regularizes a row: (shared + ridge·diag(scale))·u − prior[row].

    `scratch` is float32[width].
    """
    if scale is not None:
        for a in range(rank):
            residual[a] -= ridge * scale[a] * u[a]
    else:
        for a in range(u.size):
            residual[a] -= ridge * u[a]
    if shared is not None:
        for a in range(u.size):
            scratch[a] = -u[a]
        add_weighted_rows(residual, shared, scratch, u.size, u.size)
    if prior is not None:
        for a in range(rank):
            residual[a] += prior[row, a]


@kernel()
def curve(rows, weights, start, count, gram, formed, shared, ridge, scale, direction, product, dots, rank):  # type: ignore[no-untyped-def]
    """Set `product` to A·direction, without the penalty where `scale` is None, and return directionᵀ A direction."""
    width = direction.size
    if formed:
        product[:] = 0.0
        add_weighted_rows(product, gram, direction, width, width)
    else:
        multiply(rows, weights, start, count, width, direction, product, dots)
    if shared is not None:
        add_weighted_rows(product, shared, direction, width, width)
    if scale is not None:
        for a in range(rank):
            product[a] += ridge * scale[a] * direction[a]
        return inner(direction, product)
    return inner(direction, product) + ridge * inner(direction, direction)


@kernel()
def set_residual(  # type: ignore[no-untyped-def]
    indices, targets, weights, fixed, start, stop, formed, gram, shared, ridge, scale, prior, row, u, rows, dots,
    product, residual, measure,
):  # fmt: skip
    """Set `residual` to b − A u, and `gram` to Σ w x xᵀ if it is to be `formed`, else `rows` to the ratings' X.

    Returns the row's objective uᵀA u − 2bᵀu (float64) with `measure`, else 0.
    """
    width = u.size
    value = 0.0
    if formed:
        accumulate(indices, targets, weights, fixed, start, stop, gram, residual, rows, dots)
        mirror(gram)
        if measure:
            value -= inner(residual, u)
        for a in range(width):
            dots[a] = -u[a]
        add_weighted_rows(residual, gram, dots, width, width)
        if measure:
            value -= inner(residual, u)
    else:
        set_scores(indices, fixed, start, stop - start, u, rows, dots)
        if measure:
            value += products(dots, targets, weights, start, stop - start)
        subtract_scores(targets, weights, start, stop - start, dots)
        residual[:] = 0.0
        add_weighted_rows(residual, rows, dots, stop - start, width)
    if measure:
        # The regularization adds uᵀ(shared + ridge·diag(scale))u − 2 prior·u; the residual shows all but one prior·u.
        value += inner(residual, u)
    subtract_regularization(residual, shared, ridge, scale, prior, row, u, fixed.shape[1], product)
    if measure:
        value -= inner(residual, u)
        if prior is not None:
            for a in range(fixed.shape[1]):
                value -= prior[row, a] * u[a]
    return value


@kernel()
def descend(  # type: ignore[no-untyped-def]
    indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, solved, steps, tolerance, conjugate,
    begin, end, losses=None,
):  # fmt: skip
    """Improve rows by `steps` steps with exact line search on the normal equations, from what `solved` holds.

    Directions are conjugate, or without `conjugate` the residuals b − A u, which are minus half the gradient. A row
    takes fewer steps once its residual is no longer than `tolerance` (float64 ≥ 0) times what it was before the first
    step; with 0 only where nothing is left of it. It also ends at a direction in which A is singular in float32,
    because that direction consists of rounding errors.

    For most rows Σ w x xᵀ is never formed: a step costs two passes over the gathered ratings (Takács, Pilászy and Tikk
    2011, "Applications of the conjugate gradient method for implicit feedback collaborative filtering", §3). Rows with
    more ratings than a cache holds would be fetched again at each step; there the matrix is cheaper.
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
        value = set_residual(
            indices, targets, weights, fixed, start, stop, formed, gram, shared, ridge, scale, prior, row, u, rows,
            dots, product, residual, losses is not None,
        )  # fmt: skip
        direction[:] = residual
        squared = inner(residual, residual)
        enough = tolerance * tolerance * squared
        steepest = np.float32(0.0)
        for _ in range(steps):
            if squared <= enough:
                break
            curvature = curve(
                rows, weights, start, count, gram, formed, shared, ridge, scale, direction, product, dots, rank
            )
            steepness = curvature / inner(direction, direction)
            steepest = max(steepest, steepness)
            if not steepness > ROUNDING * steepest:
                break
            length = squared / curvature
            value -= np.float64(length) * np.float64(squared)
            for a in range(width):
                u[a] += length * direction[a]
            if scale is not None:
                for a in range(width):
                    residual[a] -= length * product[a]
            else:
                for a in range(width):
                    residual[a] -= length * (product[a] + ridge * direction[a])
            following = inner(residual, residual)
            ratio = following / squared if conjugate else np.float32(0.0)
            squared = following
            for a in range(width):
                direction[a] = residual[a] + ratio * direction[a]
        for a in range(rank):
            solved[row, a] = u[a]
        if losses is not None:
            losses[row] = value - ridge * squared_norm(u, scale, rank)


@kernel()
def gradient_step(indptr, indices, targets, weights, fixed, shared, penalty, scale, prior, solved, length, begin, end):  # type: ignore[no-untyped-def]
    """Move rows from what `solved` holds by −`length` times their gradient: u += 2·length·(b − A u)."""
    rank = fixed.shape[1]
    width = padded(rank, TILE_COLUMNS)
    rows = np.zeros((CHUNK, width), np.float32)
    errors = np.zeros(CHUNK, np.float32)
    u = np.zeros(width, np.float32)
    residual = np.empty(width, np.float32)
    scratch = np.empty(width, np.float32)
    factor = np.float32(2.0 * length)
    for row in range(begin, end):
        for a in range(rank):
            u[a] = solved[row, a]
        residual[:] = 0.0
        for chunk in range(indptr[row], indptr[row + 1], CHUNK):
            count = min(CHUNK, indptr[row + 1] - chunk)
            set_errors(indices, targets, weights, fixed, chunk, count, u, rows, errors)
            add_weighted_rows(residual, rows, errors, count, width)
        subtract_regularization(residual, shared, penalty[row], scale, prior, row, u, rank, scratch)
        for a in range(rank):
            solved[row, a] = u[a] + factor * residual[a]
