"""Scores and errors of the ratings of a block, and sums over them.

The arguments are those of `spark_mf.kernels.linalg.least_squares`, and so are the plain twins' module and the rules.
"""

import numpy as np

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.linalg.normal_equations import CHUNK, gather, padded
from spark_mf.kernels.linalg.simd import LANES, row_dots


@kernel(fastmath=True)
def products(scores, targets, weights, start, count):  # type: ignore[no-untyped-def]
    """Return Σ (w s − 2·target)·s over the first `count` scores s, in float64."""
    total = 0.0
    for p in range(count):
        score = np.float64(scores[p])
        weighted = score
        if weights is not None:
            weighted *= weights[start + p]
        total += (weighted - 2.0 * targets[start + p]) * score
    return total


@kernel(fastmath=True)
def sum_of_products(left, right):  # type: ignore[no-untyped-def]
    """Return the inner product of two float32 vectors in float64."""
    total = 0.0
    for p in range(left.size):
        total += np.float64(left[p]) * np.float64(right[p])
    return total


@kernel()
def set_scores(indices, fixed, start, count, u, rows, scores):  # type: ignore[no-untyped-def]
    """Gather X of `count` ratings from `start` into `rows` and set the first `count` of `scores` to x·u."""
    width = rows.shape[1]
    gather(fixed, indices, start, count, rows)
    for p in range(0, count, LANES):
        row_dots(rows, p * width, width, u, 0, width, scores, p)


@kernel()
def set_errors(indices, targets, weights, fixed, start, count, u, rows, errors):  # type: ignore[no-untyped-def]
    """Gather X of `count` ratings from `start` into `rows` and set `errors` to target − w·x·u, padded with 0."""
    set_scores(indices, fixed, start, count, u, rows, errors)
    subtract_scores(targets, weights, start, count, errors)


@kernel()
def subtract_scores(targets, weights, start, count, errors):  # type: ignore[no-untyped-def]
    """Replace the first `count` of `errors`, the scores of ratings from `start`, by target − w·score, padded with 0."""
    if weights is not None:
        for p in range(count):
            errors[p] *= weights[start + p]
    for p in range(count):
        errors[p] = targets[start + p] - errors[p]
    for p in range(count, padded(count, LANES)):
        errors[p] = 0.0


@kernel()
def squared_error(indptr, indices, values, weights, fixed, solved, begin, end):  # type: ignore[no-untyped-def]
    """Return Σ w_p (values[p] − fixed[indices[p]]·solved[row])² over the ratings of rows begin ≤ row < end (float64).

    Unlike `targets`, `values` are not multiplied by their weights.
    """
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
            set_errors(indices, values, None, fixed, chunk, count, u, rows, errors)
            for p in range(count):
                error = np.float64(errors[p])
                if weights is not None:
                    total += weights[chunk + p] * error * error
                else:
                    total += error * error
    return total


@kernel()
def weighted_products(indptr, indices, targets, weights, fixed, solved, begin, end):  # type: ignore[no-untyped-def]
    """Return Σ_p (w_p s_p² − 2 targets[p]·s_p), s_p = fixed[indices[p]]·solved[row], over rows begin ≤ row < end.

    It is the part of the rows' objectives that depends on their ratings, in float64.
    """
    rank = fixed.shape[1]
    width = padded(rank, LANES)
    rows = np.zeros((CHUNK, width), np.float32)
    scores = np.zeros(CHUNK, np.float32)
    u = np.zeros(width, np.float32)
    total = 0.0
    for row in range(begin, end):
        for a in range(rank):
            u[a] = solved[row, a]
        for chunk in range(indptr[row], indptr[row + 1], CHUNK):
            count = min(CHUNK, indptr[row + 1] - chunk)
            set_scores(indices, fixed, chunk, count, u, rows, scores)
            total += products(scores, targets, weights, chunk, count)
    return total
