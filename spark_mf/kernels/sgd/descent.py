"""Stochastic gradient descent on the cells of a grid of rating blocks.

The model is r̂ = μ + b_u + b_i + u·v, and a rating's part of the objective e² plus its rows' shares of the penalty,
so that with e = r − r̂ its gradient with respect to u is −2(e·v − share_u·λ·u), and alike for v and for the biases
with their own λ and step (Koren, Bell and Volinsky 2009, "Matrix factorization techniques for recommender
systems", which leaves out the 2). A row's share is 1 where λ weighs each rating, 1/n for a row of n ratings where
it weighs each row, and |Ω|/n where the mean of e² over all ratings Ω is minimised. The weight of a rating multiplies
its part of the objective, and n and |Ω| are sums of weights.

`RowLayout` lays rows out, `make_cells` ratings, and `Update` describes a step. The functions trust their caller. Their
twins are in `reference/sgd.py`.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.row_layout import RowLayout
from spark_mf.kernels.sgd import steps as sgd_steps
from spark_mf.kernels.sgd.cells import Cell
from spark_mf.kernels.sgd.update import OPTIMIZERS, SLOT_LANES, Update


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
    """Visit tiles and step the rows of their ratings, in place.

    One thread gives the same result every time. Threads may share the rows without locks, each with other
    tiles, as the interpreter's lock is not held (Niu, Recht, Ré and Wright 2011, "Hogwild!"); an update may then
    be lost or seen by half.

    Parameters
    ----------
    cell : the ratings
    order : int32[…], the tiles to visit, any part of them in any order; batches end with their tile
    users, items : float32[n, stride] and float32[m, stride], C order, of the layout `update.layout`; updated
    user_share, item_share : float32[n] and float32[m], the share of its row's penalty that each rating carries
    mean : μ
    update : the step

    Returns
    -------
    Σ e² over the ratings visited, times their weights, each e as it was just before its update; not finite after
    divergence
    """
    layout = update.layout
    steps = np.stack([update.user_steps(), update.item_steps()])
    penalties = np.stack([update.user_penalties(), update.item_penalties()])
    ratings = (cell.rows, cell.columns, cell.values, cell.weights, cell.starts)
    data = (*ratings, order, users, items, user_share, item_share)
    if update.optimizer == "sgd" and update.batchSize == 1:
        descend = sgd_steps.descender(layout.width, layout.rank // SLOT_LANES * SLOT_LANES, update.sequential)
        doubled = np.concatenate([2 * steps, 2 * steps * penalties]).astype(np.float32)
        return descend(*data, np.float32(mean), doubled)
    longest = int(np.diff(cell.starts).max(initial=1))  # a larger batch would only reserve memory
    return sgd_steps.optimize(
        *data,
        np.float32(mean),
        OPTIMIZERS.index(update.optimizer),
        update.sequential,
        min(update.batchSize, longest),
        np.array([update.momentum, update.beta1, update.beta2, update.epsilon], np.float32),
        steps.astype(np.float32),
        penalties.astype(np.float32),
    )


def squared_error(
    cell: Cell,
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    mean: float,
    layout: RowLayout,
    clip: tuple[float, float] | None = None,
) -> float:
    """Return Σ weight·(value − prediction)² over the cell's ratings, in float64.

    Parameters
    ----------
    cell, users, items, mean : as for `train`; nothing is written
    layout : the rows' layout
    clip : the lowest and highest prediction, or None to take predictions as they are
    """
    lowest, highest = (-np.inf, np.inf) if clip is None else clip
    limits = np.float32(lowest), np.float32(highest)
    return sgd_steps.error_summer(layout.width)(
        cell.rows, cell.columns, cell.values, cell.weights, users, items, np.float32(mean), *limits
    )


def penalties(
    rows: NDArray[np.float32],
    share_counts: NDArray[np.float32],
    layout: RowLayout,
    side: Literal["user", "item"],
    regParam: float,
    biasRegParam: float,
) -> float:
    """Return Σ_r share_counts[r]·(λ‖u_r‖² + λ_b·b_r²) over a side's rows, in float64.

    Parameters
    ----------
    rows : float32[n, stride]
    share_counts : float32[n], what each row weighs: its ratings times the share that each of them carries
    layout : the rows' layout
    side : whether the rows are users' or items'
    regParam, biasRegParam : λ and λ_b
    """
    bias_lane = layout.user_bias_lane if side == "user" else layout.item_bias_lane
    return sgd_steps.penalty(rows, share_counts, layout.rank, bias_lane if layout.bias else -1, regParam, biasRegParam)
