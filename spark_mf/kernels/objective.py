"""The three ways to weigh λ, and the objective that each names."""

import numpy as np
from numpy.typing import NDArray


def row_penalties(
    lengths: NDArray[np.int64], regParam: float, regularization: str, n_ratings: int
) -> NDArray[np.float32]:
    """Return what λ‖u‖² weighs for each row against the row's squared errors, float32[rows].

    Parameters
    ----------
    lengths : int64[rows], ratings of each row
    regParam : float, λ ≥ 0
    regularization : "weighted" (λ n_u: Zhou et al. 2008, eq. 4), "plain" (λ) or "mean" (λ|Ω|)
    n_ratings : int, |Ω|, all training ratings
    """
    if regularization == "weighted":
        return (regParam * lengths).astype(np.float32)
    weight = regParam * n_ratings if regularization == "mean" else regParam
    return np.full(lengths.size, weight, np.float32)


def penalty_sum(penalty: NDArray[np.float32], factors: NDArray[np.float32]) -> float:
    """Return Σ_r penalty[r]·‖factors[r]‖² in float64."""
    return float(np.dot(penalty.astype(np.float64), np.einsum("ij,ij->i", factors, factors, dtype=np.float64)))


def objective(squared_error: float, penalties: float, regularization: str, n_ratings: int) -> float:
    """Return the objective of `regularization` from Σ e² and both sides' `penalty_sum`."""
    total = squared_error + penalties
    return total / n_ratings if regularization == "mean" else total


def row_shares(counts: NDArray[np.int64], regularization: str, n_ratings: int) -> NDArray[np.float32]:
    """Return the part of its row's penalty, in units of λ‖u‖², that each rating of a row carries, float32[rows].

    Parameters
    ----------
    counts : int64[rows], ratings of each row, 1 or more
    regularization : "weighted" (1), "plain" (1/n_u) or "mean" (|Ω|/n_u), so that a row's ratings together carry what
        `row_penalties` weighs
    n_ratings : int, |Ω|, all training ratings
    """
    if regularization == "weighted":
        return np.ones(counts.size, np.float32)
    return ((n_ratings if regularization == "mean" else 1) / np.maximum(counts, 1)).astype(np.float32)
