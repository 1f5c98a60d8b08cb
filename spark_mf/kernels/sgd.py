"""Stochastic gradient descent on cells of ratings."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.reference import sgd as reference
from spark_mf.kernels.sgd_cells import TILE_ROWS, Cell, make_cells
from spark_mf.kernels.sgd_layout import OPTIMIZERS, Lanes, Update

__all__ = [
    "OPTIMIZERS",
    "TILE_ROWS",
    "Cell",
    "Lanes",
    "Update",
    "make_cells",
    "penalties",
    "squared_error",
    "train",
]


def train(
    cell: Cell,
    order: NDArray[np.int32],
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    user_share: NDArray[np.float32],
    item_share: NDArray[np.float32],
    mean: float,
    update: Update,
) -> float:
    """Update `users` and `items` in place, tile by tile; return Σ e²."""
    return float(reference.train(cell, order, users, items, user_share, item_share, mean, update))  # type: ignore[arg-type]


def squared_error(
    cell: Cell,
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    mean: float,
    lanes: Lanes,
    clip: tuple[float, float] | None = None,
) -> float:
    """Σ (value − prediction)² of the cell's ratings."""
    return reference.squared_error(cell, users, items, mean, lanes, clip)  # type: ignore[arg-type]


def penalties(
    rows: NDArray[np.float32],
    share_counts: NDArray[np.float32],
    lanes: Lanes,
    side: Literal["user", "item"],
    regParam: float,
    biasRegParam: float,
) -> float:
    """Σ_r share_counts[r]·(λ‖u_r‖² + λ_b·b_r²)."""
    return reference.penalties(rows, share_counts, lanes, side, regParam, biasRegParam)  # type: ignore[arg-type]
