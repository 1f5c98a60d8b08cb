"""`spark_mf.kernels.linalg.product_change` with the product itself."""

import numpy as np
from numpy.typing import NDArray


def change_gram(new: NDArray[np.float32], old: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return XᵀX of X = [new − old, old], one row's outer product at a time."""
    rows = np.hstack([new.astype(np.float64) - old, old])
    return sum((np.outer(row, row) for row in rows), start=np.zeros((rows.shape[1],) * 2))


def product_change(new_users: np.ndarray, old_users: np.ndarray, new_items: np.ndarray, old_items: np.ndarray) -> float:
    """Return ‖U Vᵀ − U₀ V₀ᵀ‖_F from the factors, float64."""
    return float(np.linalg.norm(new_users @ new_items.T - old_users @ old_items.T))
