"""Residuals of the ratings of a block, which a model with biases fits its factors to."""

import numpy as np

from spark_mf.kernels.jit import kernel


@kernel()
def subtract_offsets(values, indices, offsets):  # type: ignore[no-untyped-def]
    """Return values[p] − offsets[indices[p]] for each rating p.

    Parameters
    ----------
    values : float32[nnz]
    indices : int32[nnz]
        The block's columns.
    offsets : float32[n]
        What the prediction of every rating of a column contains: the global mean and the bias of the column.

    Returns
    -------
    float32[nnz]
    """
    residuals = np.empty(values.size, np.float32)
    for p in range(values.size):
        residuals[p] = values[p] - offsets[indices[p]]
    return residuals
