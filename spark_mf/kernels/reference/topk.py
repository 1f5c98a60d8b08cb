"""Reference implementation of `spark_mf.kernels.topk` in plain NumPy, with the same signatures.

The selected entries are the same. Their order within a row differs between updates: a heap there, sorted here.
"""

import numpy as np
from numpy.typing import NDArray


def topk_update(
    scores: NDArray[np.float32], offset: int, values: NDArray[np.float32], indices: NDArray[np.int64]
) -> None:
    """Offer a tile of scores to the rows' selections: sort kept and offered together, keep the first n."""
    n = values.shape[1]
    columns = np.broadcast_to(np.arange(offset, offset + scores.shape[1]), scores.shape)
    is_candidate = scores > -np.inf
    all_values = np.hstack([values, np.where(is_candidate, scores, np.float32(-np.inf))])
    all_indices = np.hstack([indices, np.where(is_candidate, columns, -1)])
    topk_sort(all_values, all_indices)
    values[:] = all_values[:, :n]
    indices[:] = all_indices[:, :n]


def topk_sort(values: NDArray[np.float32], indices: NDArray[np.int64]) -> None:
    """Order each row in place: largest value first, smaller index first, free places last."""
    order = np.lexsort((indices, -values), axis=1)
    values[:] = np.take_along_axis(values, order, axis=1)
    indices[:] = np.take_along_axis(indices, order, axis=1)


def topk_products(
    sources: NDArray[np.float32], targets: NDArray[np.float32], n: int, block_size: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sort all products of each row in float64 and keep the first n; `block_size` changes nothing."""
    scores = sources.astype(np.float64) @ targets.astype(np.float64).T
    indices = np.lexsort((np.broadcast_to(np.arange(len(targets)), scores.shape), -scores), axis=1)[:, :n]
    return np.take_along_axis(scores, indices, axis=1).astype(np.float32), indices
