"""`spark_mf.kernels.sgd` in plain NumPy, in the precision of the rows it is given, rating by rating."""

import numpy as np

from spark_mf.kernels.random import Purpose
from spark_mf.kernels.reference.random import philox4x32
from spark_mf.kernels.sgd.cells import TILE_ROWS, Cell


def make_cells(indptr, rows_dense, columns, values, column_block, column_row, n_column_blocks, seed, weights=None):  # type: ignore[no-untyped-def]
    """Sort the ratings by item block, tile and random key."""
    rows = np.repeat(np.arange(rows_dense.size), np.diff(indptr))
    zero, key = np.uint64(0), np.uint64(seed % 2**64)
    low, high = key & np.uint64(0xFFFFFFFF), key >> np.uint64(32)
    users, items = rows_dense[rows].astype(np.uint64), columns.astype(np.uint64)
    words = philox4x32(users, zero, items, np.uint64(Purpose.SGD_RATING_ORDER), low, high)
    keys = np.asarray(words[0])
    n_tiles = -(-rows_dense.size // TILE_ROWS)
    cells = []
    for block in range(n_column_blocks):
        chosen = np.flatnonzero(column_block[columns] == block)
        chosen = chosen[np.lexsort((keys[chosen], rows[chosen] // TILE_ROWS))]
        starts = np.searchsorted(rows[chosen] // TILE_ROWS, np.arange(n_tiles + 1))
        cell_rows, cell_columns = rows[chosen].astype(np.int32), column_row[columns[chosen]]
        cell_weights = None if weights is None else weights[chosen]
        cells.append(Cell(cell_rows, cell_columns, values[chosen], starts.astype(np.int64), cell_weights))
    return cells


def train(cell, order, users, items, user_share, item_share, mean, update):  # type: ignore[no-untyped-def]
    """Visit the tiles of `order`, batch by batch; return Σ weight·e²."""
    width, total = update.layout.width, 0.0
    weights = np.ones_like(cell.values) if cell.weights is None else cell.weights
    for tile in order:
        for start in range(cell.starts[tile], cell.starts[tile + 1], update.batchSize):
            batch = range(start, min(start + update.batchSize, cell.starts[tile + 1]))
            errors = _errors(cell, batch, users, items, mean, width)
            total += sum(weights[p] * e * e for p, e in zip(batch, errors, strict=True))

            def gradients_of_items(batch=batch, errors=errors):  # type: ignore[no-untyped-def]
                pairs = [(cell.columns[p], cell.rows[p]) for p in batch]
                return _gradients(
                    pairs, weights[batch], errors, items, users, item_share, update.item_penalties(), width
                )

            def gradients_of_users(batch=batch, errors=errors):  # type: ignore[no-untyped-def]
                pairs = [(cell.rows[p], cell.columns[p]) for p in batch]
                return _gradients(
                    pairs, weights[batch], errors, users, items, user_share, update.user_penalties(), width
                )

            old = None if update.sequential else gradients_of_users()
            _apply(gradients_of_items(), items, update.item_steps(), update)
            _apply(gradients_of_users() if old is None else old, users, update.user_steps(), update)
    return total


def _errors(cell, batch, users, items, mean, width):  # type: ignore[no-untyped-def]
    return [cell.values[p] - mean - users[cell.rows[p], :width] @ items[cell.columns[p], :width] for p in batch]


def _gradients(pairs, weights, errors, own, other, share, penalties, width):  # type: ignore[no-untyped-def]
    """Sum −2·weight·(e·v − share·λ·u) over the ratings of each row u."""
    gradients: dict[int, np.ndarray] = {}
    for (row, partner), weight, e in zip(pairs, weights, errors, strict=True):
        gradient = -2 * weight * (e * other[partner, :width] - share[row] * penalties * own[row, :width])
        gradients[row] = gradients.get(row, 0) + gradient
    return gradients


def _apply(gradients, rows, steps, update):  # type: ignore[no-untyped-def]
    """Apply the optimizer once to each row that has a gradient.

    Polyak 1964, "Some methods of speeding up the convergence of iteration methods", eq. 9; Duchi, Hazan and
    Singer 2011, "Adaptive subgradient methods", §1.1 with a diagonal matrix; Kingma and Ba 2015, "Adam",
    algorithm 1, where t counts the updates of the row itself.
    """
    width = update.layout.width
    for row, g in gradients.items():
        x = rows[row, :width]
        first, second = rows[row, width : 2 * width], rows[row, 2 * width : 3 * width]
        if update.optimizer == "sgd":
            x -= steps * g
        elif update.optimizer == "momentum":
            first[:] = update.momentum * first - steps * g
            x += first
        elif update.optimizer == "adagrad":
            first += g * g
            x -= steps * g / (np.sqrt(first) + update.epsilon)
        else:
            weights = rows[row, 3 * width : 3 * width + 2]  # 1 − β^t of both moments
            betas = np.array([update.beta1, update.beta2])
            weights[:] = betas * weights + (1 - betas)
            first[:] = update.beta1 * first + (1 - update.beta1) * g
            second[:] = update.beta2 * second + (1 - update.beta2) * g * g
            x -= steps * (first / weights[0]) / (np.sqrt(second / weights[1]) + update.epsilon)


def squared_error(cell, users, items, mean, layout, clip=None):  # type: ignore[no-untyped-def]
    """Return Σ weight·(value − prediction)², predictions clipped to the interval `clip` if given."""
    width = layout.width
    predictions = mean + np.einsum("pa,pa->p", users[cell.rows, :width], items[cell.columns, :width])
    if clip is not None:
        predictions = predictions.clip(*clip)
    weights = 1 if cell.weights is None else cell.weights
    return float((weights * (cell.values - predictions) ** 2).sum())


def penalties(rows, weights, layout, side, regParam, biasRegParam):  # type: ignore[no-untyped-def]
    """Return Σ_r weights[r]·(λ‖u_r‖² + λ_b·b_r²)."""
    biases = layout.user_biases(rows) if side == "user" else layout.item_biases(rows)
    factors = layout.factors(rows)
    return float(weights @ (regParam * (factors**2).sum(axis=1) + biasRegParam * biases**2))
