"""Compiled loops of stochastic gradient descent over the tiles of a cell.

All of them take, as `sgd.train` does, the arrays of the cell, with None for no weights, `order` int32[…] with the tiles
to visit, the rows of both sides (float32[n, stride] each, updated in place) and the shares of the penalty of each row,
float32[n]. They trust their caller.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from spark_mf.kernels.jit import kernel
from spark_mf.kernels.sgd.simd_rows import (
    add_gradient,
    apply_adagrad,
    apply_adam,
    apply_momentum,
    apply_sgd,
    dot,
    prefetch_row,
    step_item_first,
    step_together,
)
from spark_mf.kernels.sgd.update import OPTIMIZERS

#: Rows are asked for this many ratings before they are used: items lie scattered in memory.
AHEAD = 10

_SGD, _MOMENTUM, _ADAGRAD = map(OPTIMIZERS.index, ("sgd", "momentum", "adagrad"))


@cache
def descender(width: int, n_factors: int, item_first: bool) -> Callable[..., float]:
    """Compile the plain step of one rating at a time, for rows of `width` lanes and no state.

    A kernel of its own for each width has no loops over lanes, which makes it a third faster and takes 0.3 s
    to compile. The arguments are those of `step_item_first`.
    """

    @kernel()
    def descend(  # type: ignore[no-untyped-def]
        cell_rows, cell_columns, values, weights, starts, order, users, items, user_share, item_share, mean, lanes
    ):
        """Step both rows of each rating; return Σ weight·e² (float64), each e from just before its step."""
        total = 0.0
        for tile in order:
            part = slice(starts[tile], starts[tile + 1])
            rows, columns, targets = cell_rows[part], cell_columns[part], values[part]
            if rows.size == 0:
                continue
            row, column = np.int64(rows[0]), np.int64(columns[0])
            product = dot(users, row * width, items, column * width, width)
            for p in range(rows.size):
                if p + AHEAD < rows.size:
                    prefetch_row(users, np.int64(rows[p + AHEAD]) * width, width)
                    prefetch_row(items, np.int64(columns[p + AHEAD]) * width, width)
                u, v = row * width, column * width
                error = targets[p] - mean - product
                share, other_share = user_share[row], item_share[column]
                if weights is None:
                    total += np.float64(error) * np.float64(error)
                else:
                    weight = weights[starts[tile] + p]
                    total += np.float64(weight) * np.float64(error) * np.float64(error)
                    error, share, other_share = weight * error, weight * share, weight * other_share
                # The next rating's product comes before this one's step, to fill the time until the error is
                # known, and is taken again where they share a row.
                following = min(p + 1, rows.size - 1)
                next_row, next_column = np.int64(rows[following]), np.int64(columns[following])
                product = dot(users, next_row * width, items, next_column * width, width)
                if item_first:
                    step_item_first(users, u, items, v, n_factors, width, error, share, other_share, lanes)
                else:
                    step_together(users, u, items, v, n_factors, width, error, share, other_share, lanes)
                if next_row == row or next_column == column:
                    product = dot(users, next_row * width, items, next_column * width, width)
                row, column = next_row, next_column
        return total

    return descend


@kernel()
def new_marks(n_rows, batch_size, width):  # type: ignore[no-untyped-def]
    """Return arrays of a batch on one side: the position of each row in the batch, the inverse, and the gradients."""
    places, touched = np.full(n_rows, -1, np.int32), np.empty(batch_size, np.int32)
    return places, touched, np.zeros((batch_size, width), np.float32)


# The two that follow are inlined because passing a dozen arrays costs several times what they do for one rating.


@kernel(forceinline=True)
def add_gradients(  # type: ignore[no-untyped-def]
    start, stop, own_rows, other_rows, errors, weights, own, others, share, penalty, places, touched, gradients
):
    """Sum the gradients of ratings start ≤ p < stop by row of one side, in fresh marks; return how many rows.

    `errors` are the errors from `start` on, times their weights.
    """
    width = penalty.size
    count = 0
    for p in range(start, stop):
        row = np.int64(own_rows[p])
        if places[row] < 0:
            places[row] = count
            touched[count] = row
            count += 1
        place, other = np.int64(places[row]) * width, np.int64(other_rows[p]) * others.shape[1]
        error, part = errors[p - start], share[row]
        if weights is not None:
            part *= weights[p]
        add_gradient(gradients, place, own, row * own.shape[1], others, other, width, error, part, penalty)
    return count


@kernel(forceinline=True)
def apply_gradients(optimizer, rows, steps, settings, count, places, touched, gradients):  # type: ignore[no-untyped-def]
    """Apply the optimizer, a position in OPTIMIZERS, once to each touched row, and make the marks fresh again."""
    width = steps.size
    for i in range(count):
        row = np.int64(touched[i])
        places[row] = -1
        at = row * rows.shape[1]
        if optimizer == _SGD:
            apply_sgd(rows, at, gradients, i * width, width, steps, settings)
        elif optimizer == _MOMENTUM:
            apply_momentum(rows, at, gradients, i * width, width, steps, settings)
        elif optimizer == _ADAGRAD:
            apply_adagrad(rows, at, gradients, i * width, width, steps, settings)
        else:
            apply_adam(rows, at, gradients, i * width, width, steps, settings)


@kernel()
def optimize(  # type: ignore[no-untyped-def]
    cell_rows,
    cell_columns,
    values,
    weights,
    starts,
    order,
    users,
    items,
    user_share,
    item_share,
    mean,
    optimizer,
    item_first,
    batch_size,
    settings,
    steps,
    penalties,
):
    """Step the rows of each batch by any optimizer; return Σ weight·e² (float64), each e from the start of its batch.

    `settings` is that of `apply_adam`; `steps` and `penalties` float32[2, width] hold the step and λ of each lane,
    users' and items'.
    """
    width = steps.shape[1]
    user_steps, item_steps = steps
    user_penalties, item_penalties = penalties
    total = 0.0
    errors = np.empty(batch_size, np.float32)
    user_marks = new_marks(users.shape[0], batch_size, width)
    item_marks = new_marks(items.shape[0], batch_size, width)
    for tile in order:
        for start in range(starts[tile], starts[tile + 1], batch_size):
            stop = min(start + batch_size, starts[tile + 1])
            for p in range(start, stop):
                if p + AHEAD < cell_rows.size:
                    prefetch_row(users, np.int64(cell_rows[p + AHEAD]) * users.shape[1], users.shape[1])
                    prefetch_row(items, np.int64(cell_columns[p + AHEAD]) * items.shape[1], items.shape[1])
                u, v = np.int64(cell_rows[p]) * users.shape[1], np.int64(cell_columns[p]) * items.shape[1]
                error = values[p] - mean - dot(users, u, items, v, width)
                squared = np.float64(error) * np.float64(error)
                if weights is not None:
                    squared *= weights[p]
                    error *= weights[p]
                errors[p - start] = error
                total += squared
            n_items = add_gradients(
                start, stop, cell_columns, cell_rows, errors, weights, items, users, item_share, item_penalties,
                *item_marks,
            )  # fmt: skip
            if item_first:
                apply_gradients(optimizer, items, item_steps, settings, n_items, *item_marks)
            n_users = add_gradients(
                start, stop, cell_rows, cell_columns, errors, weights, users, items, user_share, user_penalties,
                *user_marks,
            )  # fmt: skip
            if not item_first:
                apply_gradients(optimizer, items, item_steps, settings, n_items, *item_marks)
            apply_gradients(optimizer, users, user_steps, settings, n_users, *user_marks)
    return total


@cache
def error_summer(width: int) -> Callable[..., float]:
    """Compile the sum of squared errors for slots of `width` lanes; see `descender`."""

    @kernel()
    def squared_error(cell_rows, cell_columns, values, weights, users, items, mean, lowest, highest):  # type: ignore[no-untyped-def]
        """Return Σ weight·(value − prediction)² (float64), predictions clipped to [lowest, highest]."""
        total = 0.0
        for p in range(cell_rows.size):
            if p + AHEAD < cell_rows.size:
                prefetch_row(users, np.int64(cell_rows[p + AHEAD]) * users.shape[1], width)
                prefetch_row(items, np.int64(cell_columns[p + AHEAD]) * items.shape[1], width)
            u, v = np.int64(cell_rows[p]) * users.shape[1], np.int64(cell_columns[p]) * items.shape[1]
            prediction = mean + dot(users, u, items, v, width)
            error = np.float64(values[p] - min(max(prediction, lowest), highest))
            squared = error * error
            if weights is not None:
                squared *= weights[p]
            total += squared
        return total

    return squared_error


@kernel()
def penalty(rows, weights, rank, bias_lane, factor_penalty, bias_penalty):  # type: ignore[no-untyped-def]
    """Return Σ_r weights[r]·(λ‖u_r‖² + λ_b·b_r²) (float64); a negative `bias_lane` means no biases."""
    total = 0.0
    for r in range(rows.shape[0]):
        squares = 0.0
        for a in range(rank):
            squares += np.float64(rows[r, a]) * np.float64(rows[r, a])
        bias = np.float64(rows[r, bias_lane]) if bias_lane >= 0 else 0.0
        total += weights[r] * (factor_penalty * squares + bias_penalty * bias * bias)
    return total
