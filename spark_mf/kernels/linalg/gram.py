"""Gram matrices of factor matrices."""

import numpy as np
from numpy.typing import NDArray

#: Rows that are multiplied in float32 before their sum is added in float64.
_ROWS = 2048


def gram_matrix(factors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return FᵀF of factors float32[rows, width], float64[width, width]."""
    total = np.zeros((factors.shape[1], factors.shape[1]))
    for start in range(0, len(factors), _ROWS):
        part = factors[start : start + _ROWS]
        total += part.T @ part
    return total
