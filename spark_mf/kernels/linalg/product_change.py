"""Change of the product U Vᵀ in an iteration, from Gram matrices, without forming the n_users × n_items product."""

import math

import numpy as np
from numpy.typing import NDArray

#: Rows that are widened to float64 at a time.
_CHUNK = 4096


def change_gram(new: NDArray[np.float32], old: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return XᵀX of X = [new − old, old], float64[2·rank, 2·rank].

    Parameters
    ----------
    new, old : float32[rows, rank]
        Some rows of one side's factors after and before an iteration. The Gram matrices of further rows add up.
    """
    rank = new.shape[1]
    gram = np.zeros((2 * rank, 2 * rank))
    for first in range(0, len(new), _CHUNK):
        before = old[first : first + _CHUNK].astype(np.float64)
        both = np.hstack([new[first : first + _CHUNK] - before, before])
        gram += both.T @ both
    return gram


def product_change(users: NDArray[np.float64], items: NDArray[np.float64]) -> float:
    """Return ‖U Vᵀ − U₀ V₀ᵀ‖_F from the `change_gram` of all users and of all items.

    With D = U − U₀ and E = V − V₀ the difference is [D, U₀]·[V, E]ᵀ, so its square is the sum over the entries of
    [D, U₀]ᵀ[D, U₀] ∘ [V, E]ᵀ[V, E]. Small changes are never the difference of large numbers, as they are in
    ‖U Vᵀ‖² − 2⟨U Vᵀ, U₀ V₀ᵀ⟩ + ‖U₀ V₀ᵀ‖².

    The sum is rounded once, whatever the order, so that members of a ring with the same matrices get the same number.
    """
    rank = len(items) // 2
    of_changes, mixed, of_old = items[:rank, :rank], items[:rank, rank:], items[rank:, rank:]
    # V = E + V₀, so the sums are the Gram matrix of [V, E]. They and the product are the same on every machine, which
    # a matrix product by BLAS is not.
    of_new = of_changes + mixed + mixed.T + of_old
    squares = users * np.block([[of_new, of_changes + mixed.T], [of_changes + mixed, of_changes]])
    if not np.isfinite(squares).all():
        return math.nan
    return math.sqrt(max(0.0, math.fsum(squares.ravel().tolist())))
