"""Half-step kernel of iALS++: rows are improved by one Newton step for each block of coordinates in turn.

Rendle, Krichene, Zhang and Koren 2021, "iALS++: Speeding up matrix factorization with subspace optimization",
algorithm 2. With the other coordinates fixed, the objective of `least_squares` is quadratic in the coordinates π of a
block, and the step

    u_π += (A_ππ)⁻¹ (b − A u)_π

minimises it over them, so the objective never rises. For n ratings, rank k and blocks of d coordinates, the steps of a
row take O(n k d + k d²) operations, and those of `least_squares.solve_cholesky` O(n k² + k³). With `shared` there are
k² more. The errors of the row's ratings are kept up to date from block to block, so that the products with the row
are computed only once.
"""

import numpy as np

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.linalg.errors import set_errors
from spark_mf.kernels.linalg.least_squares import CACHED_VALUES, weigh
from spark_mf.kernels.linalg.normal_equations import (
    AHEAD,
    CACHE_LINE,
    CHUNK,
    add_gram,
    add_weighted_rows,
    factorize,
    padded,
    substitute,
)
from spark_mf.kernels.linalg.simd import LANES, TILE_COLUMNS, prefetch, row_dots


@kernel()
def gather_columns(fixed, indices, start, count, first, size, rows):  # type: ignore[no-untyped-def]
    """Copy `fixed[indices[start : start + count], first : first + size]` into the first rows of `rows`.

    The other columns of `rows` are set to 0.
    """
    for p in range(count):
        if start + p + AHEAD < indices.size:
            coming = np.int64(indices[start + p + AHEAD]) * fixed.shape[1] + first
            for line in range(0, size, CACHE_LINE):
                prefetch(fixed, coming + line)
        source = fixed[indices[start + p]]
        target = rows[p]
        for a in range(size):
            target[a] = source[first + a]
        for a in range(size, target.size):
            target[a] = 0.0


@kernel()
def start_errors(indices, targets, weights, fixed, start, stop, u, whole, errors):  # type: ignore[no-untyped-def]
    """Set `errors` to target − w·x·u for the ratings start ≤ p < stop, padded with 0."""
    for chunk in range(start, stop, CHUNK):
        count = min(CHUNK, stop - chunk)
        set_errors(indices, targets, weights, fixed, chunk, count, u, whole, errors[chunk - start :])


@kernel()
def accumulate_block(  # type: ignore[no-untyped-def]
    indices, weights, fixed, start, stop, first, size, errors, gram, residual, rows, weighted
):
    """Set the upper triangle of `gram` to Σ w x xᵀ and `residual` to Σ error·x, of a block's columns of x only.

    `rows` keeps these columns if it has enough rows for all ratings; otherwise it has those of the last chunk.
    """
    width = gram.shape[0]
    gram[:] = 0.0
    residual[:] = 0.0
    is_kept = stop - start <= rows.shape[0]
    for chunk in range(start, stop, CHUNK):
        count = min(CHUNK, stop - chunk)
        part = rows[chunk - start if is_kept else 0 :]
        gather_columns(fixed, indices, chunk, count, first, size, part)
        add_weighted_rows(residual, part, errors[chunk - start :], count, width)
        if weights is not None:
            for p in range(count):
                weighted[p] = part[p]
            weigh(weighted, weights, chunk, count)
            add_gram(gram, weighted, count, width)
        else:
            add_gram(gram, part, count, width)


@kernel()
def regularize_block(gram, residual, shared, products, ridge, scale, prior, row, u, first, size):  # type: ignore[no-untyped-def]
    """Add what does not come from ratings to a block of A, upper triangle, and of b − A u.

    `products` float32[width] is scratch for the block's part of shared·u.
    """
    if shared is not None:
        width = shared.shape[0]
        for p in range(first // LANES * LANES, first + size, LANES):
            row_dots(shared, p * width, width, u, 0, width, products, p)
        for a in range(size):
            residual[a] -= products[first + a]
            for c in range(a, size):
                gram[a, c] += shared[first + a, first + c]
    for a in range(size):
        diagonal = ridge * scale[first + a] if scale is not None else ridge
        gram[a, a] += diagonal
        residual[a] -= diagonal * u[first + a]
    if prior is not None:
        for a in range(size):
            residual[a] += prior[row, first + a]


@kernel()
def update_errors(indices, weights, fixed, start, stop, first, size, step, rows, changes, errors):  # type: ignore[no-untyped-def]
    """Subtract w·x·step from the errors, x being a block's columns, which `rows` has from `accumulate_block`."""
    width = step.size
    is_kept = stop - start <= rows.shape[0]
    for chunk in range(start, stop, CHUNK):
        count = min(CHUNK, stop - chunk)
        part = rows[chunk - start if is_kept else 0 :]
        if not is_kept:
            gather_columns(fixed, indices, chunk, count, first, size, part)
        for p in range(0, count, LANES):
            row_dots(part, p * width, width, step, 0, width, changes, p)
        if weights is not None:
            for p in range(count):
                changes[p] *= weights[chunk + p]
        for p in range(count):
            errors[chunk - start + p] -= changes[p]


@kernel()
def longest_row(indptr, begin, end):  # type: ignore[no-untyped-def]
    """Return the highest number of ratings of rows begin ≤ row < end."""
    longest = 0
    for row in range(begin, end):
        longest = max(longest, indptr[row + 1] - indptr[row])
    return longest


@kernel()
def solve_subspace(  # type: ignore[no-untyped-def]
    indptr,
    indices,
    targets,
    weights,
    fixed,
    shared,
    penalty,
    scale,
    prior,
    solved,
    failed,
    size,
    begin,
    end,
):
    """Improve rows by a Newton step for each block of `size` coordinates, 1 ≤ size ≤ rank, from what `solved` holds.

    The last block has fewer coordinates if `size` does not divide the rank. `failed` uint8[rows] is set to 1 where
    float32 is not enough for a block, and `solved` left alone. The other arguments are those of `least_squares`.
    """
    rank = fixed.shape[1]
    width, block_width = padded(rank, TILE_COLUMNS), padded(size, TILE_COLUMNS)
    whole = np.zeros((CHUNK, width), np.float32)
    capacity = max(CHUNK, CACHED_VALUES // block_width // CHUNK * CHUNK)
    rows = np.zeros((capacity, block_width), np.float32)
    weighted = np.zeros((CHUNK, block_width), np.float32)
    changes = np.empty(CHUNK, np.float32)
    errors = np.empty(padded(longest_row(indptr, begin, end), CHUNK), np.float32)
    gram = np.empty((block_width, block_width), np.float32)
    step = np.empty(block_width, np.float32)
    scratch = np.empty(block_width + LANES, np.float32)
    products = np.empty(width, np.float32)
    u = np.zeros(width, np.float32)
    for row in range(begin, end):
        start, stop = indptr[row], indptr[row + 1]
        for a in range(rank):
            u[a] = solved[row, a]
        start_errors(indices, targets, weights, fixed, start, stop, u, whole, errors)
        for first in range(0, rank, size):
            count = min(size, rank - first)
            accumulate_block(indices, weights, fixed, start, stop, first, count, errors, gram, step, rows, weighted)
            regularize_block(gram, step, shared, products, penalty[row], scale, prior, row, u, first, count)
            for a in range(count, block_width):
                gram[a, a] = 1.0
            if not factorize(gram, count, block_width, scratch):
                failed[row] = 1
                break
            substitute(gram, count, block_width, step, scratch)
            for a in range(count):
                u[first + a] += step[a]
            if first + count < rank:
                update_errors(indices, weights, fixed, start, stop, first, count, step, rows, changes, errors)
        if not failed[row]:
            for a in range(rank):
                solved[row, a] = u[a]
