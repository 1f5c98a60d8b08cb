"""One row's normal equations, (XᵀX + penalty·I) u = Xᵀr, in float32: build, factorize, solve.

The matrices are `width` wide, the rank rounded up to whole tiles; the padding is an identity, so that it
never mixes with the rank. Only the upper triangle of a Gram matrix or Cholesky factor means anything.
"""

import numpy as np

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.linalg.simd import (
    LANES,
    TILE_COLUMNS,
    TILE_ROWS,
    add_rows,
    add_tile,
    prefetch,
    row_dots,
    scale,
    subtract_tile,
)

#: Ratings gathered at a time: rows and Gram matrix of rank 64 then share a 32 KiB first-level cache.
CHUNK = 64

#: Factor rows to be gathered are asked for this many rows before they are copied: they lie scattered in memory.
AHEAD = 8
CACHE_LINE = 16  # float32 values

#: A pivot below this fraction of its diagonal entry means that float32 has lost four of its seven digits.
SAFE_PIVOT = np.float32(1e-4)


@kernel(inline="always")
def padded(rank: int, multiple: int) -> int:
    """Return `rank` rounded up to a multiple of `multiple`."""
    return (rank + multiple - 1) // multiple * multiple


@kernel()
def gather(fixed, indices, start, count, rows):  # type: ignore[no-untyped-def]
    """Copy `fixed[indices[start : start + count]]` (float32, rank wide) into the first rows of `rows`."""
    rank = fixed.shape[1]
    for p in range(count):
        if start + p + AHEAD < indices.size:
            coming = np.int64(indices[start + p + AHEAD]) * rank
            for line in range(0, rank, CACHE_LINE):
                prefetch(fixed, coming + line)
        source = fixed[indices[start + p]]
        target = rows[p]
        for a in range(rank):
            target[a] = source[a]


@kernel()
def add_gram(gram, rows, count, width):  # type: ignore[no-untyped-def]
    """Add `rows[:count]ᵀ rows[:count]` to the upper triangle of `gram` (float32[width, width])."""
    for j in range(0, width, TILE_COLUMNS):
        for i in range(0, j + TILE_COLUMNS, TILE_ROWS):
            add_tile(gram, width, rows, 0, width, count, i, j)


@kernel()
def add_weighted_rows(total, rows, weights, count, width):  # type: ignore[no-untyped-def]
    """Add `weights[:count] @ rows[:count]` to `total`; weights from count to a multiple of LANES must be 0."""
    for p in range(0, count, LANES):
        add_rows(total, 0, rows, p * width, width, weights, p, width)


@kernel()
def factorize(gram, rank, width, scratch):  # type: ignore[no-untyped-def]
    """Replace the upper triangle of `gram` by R with RᵀR = gram (blocked, right-looking Cholesky).

    Returns False where a pivot shows that float32 is not enough (or the matrix not positive definite);
    `gram` is then spoilt. `scratch` is float32[width + LANES].
    """
    for p in range(rank):
        scratch[LANES + p] = gram[p, p]
    for first in range(0, rank, LANES):
        after = first + LANES
        for p in range(first, min(after, rank)):
            aligned = p // LANES * LANES
            for r in range(LANES):
                scratch[r] = -gram[first + r, p] if first + r < p else np.float32(0.0)
            add_rows(gram, p * width + aligned, gram, first * width + aligned, width, scratch, 0, width - aligned)
            pivot = gram[p, p]
            if not pivot > SAFE_PIVOT * scratch[LANES + p]:
                return False
            scale(gram, p * width + aligned, width - aligned, np.float32(1.0) / np.sqrt(pivot))
        for j in range(after // TILE_COLUMNS * TILE_COLUMNS, width, TILE_COLUMNS):
            for i in range(after // TILE_ROWS * TILE_ROWS, j + TILE_COLUMNS, TILE_ROWS):
                subtract_tile(gram, width, gram, first * width, width, LANES, i, j)
    return True


@kernel()
def substitute(factor, rank, width, right, scratch):  # type: ignore[no-untyped-def]
    """Solve RᵀR x = right in place for the R of `factorize`, by blocks of LANES rows."""
    for first in range(0, rank, LANES):
        after = first + LANES
        for p in range(first, after):
            solution = right[p] / factor[p, p]
            right[p] = solution
            scratch[p - first] = -solution
            for j in range(p + 1, after):
                right[j] -= solution * factor[p, j]
        add_rows(right, after, factor, first * width + after, width, scratch, 0, width - after)
    for first in range((rank - 1) // LANES * LANES, -1, -LANES):
        after = first + LANES
        row_dots(factor, first * width + after, width, right, after, width - after, scratch, 0)
        for p in range(after - 1, first - 1, -1):
            total = right[p] - scratch[p - first]
            for j in range(p + 1, after):
                total -= factor[p, j] * right[j]
            right[p] = total / factor[p, p]
