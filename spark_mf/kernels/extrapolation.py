"""Extrapolation of factors from their last two values."""

import numpy as np
from numpy.typing import NDArray


def extrapolate(
    rows: NDArray[np.float32], previous: NDArray[np.float32], coefficient: float, nonnegative: bool
) -> NDArray[np.float32]:
    """Return x + β(x − x₀), or its nonnegative part max(0, x + β(x − x₀)).

    Each operation is rounded on its own, so that all members of a ring compute the same rows.

    Parameters
    ----------
    rows, previous : float32[n, width]
        The rows x and their values x₀ in the previous iteration.
    coefficient : float
        β.
    nonnegative : bool
        Whether negative entries become 0.

    Returns
    -------
    float32[n, width]
    """
    found = rows - previous
    found *= np.float32(coefficient)
    found += rows
    return np.maximum(found, 0, out=found) if nonnegative else found
