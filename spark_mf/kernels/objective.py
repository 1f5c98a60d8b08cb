"""The ways to weigh λ, and the objective that each names."""

import numpy as np
from numpy.typing import NDArray

#: Numbers of ratings, or sums of their weights.
Counts = NDArray[np.int64] | NDArray[np.float64]


def row_penalties(
    counts: Counts,
    regParam: float,
    regularization: str,
    n_ratings: float,
    exponent: float = 1.0,
    unobserved: float = 0.0,
) -> NDArray[np.float32]:
    """Return the weight of ‖u‖² of each row against the row's squared errors, float32[rows].

    Parameters
    ----------
    counts : int64[rows] or float64[rows]
        Numbers of ratings of the rows, or the sums of their weights.
    regParam : float
        λ ≥ 0.
    regularization : str
        "weighted": λ n_u (Zhou et al. 2008, eq. 4); "plain": λ; "mean": λ|Ω|; "frequency": λ (n_u + `unobserved`)^ν
        (Rendle, Krichene, Zhang and Koren 2022, "Revisiting the performance of iALS on item recommendation
        benchmarks", eq. 9).
    n_ratings : float
        |Ω|, the number of training ratings, or the sum of their weights.
    exponent : float
        ν of "frequency".
    unobserved : float
        Weighted number of unobserved pairs of a row, for "frequency".
    """
    if regularization == "weighted":
        return (regParam * counts).astype(np.float32)
    if regularization == "frequency":
        return (regParam * (counts + unobserved) ** exponent).astype(np.float32)
    weight = regParam * n_ratings if regularization == "mean" else regParam
    return np.full(counts.size, weight, np.float32)


def penalty_sum(
    penalty: NDArray[np.float32], factors: NDArray[np.float32], scale: NDArray[np.float32] | None = None
) -> float:
    """Return Σ_r penalty[r]·Σ_a scale[a]·factors[r, a]² in float64, with ones for a `scale` of None."""
    if scale is None:
        norms = np.einsum("ij,ij->i", factors, factors, dtype=np.float64)
    else:
        norms = np.einsum("ij,ij,j->i", factors, factors, scale, dtype=np.float64)
    return float(np.dot(penalty.astype(np.float64), norms))


def objective(errors: float, penalties: float, regularization: str, n_ratings: float) -> float:
    """Return the objective of `regularization` from the sum of errors and both sides' `penalty_sum`."""
    total = errors + penalties
    return total / n_ratings if regularization == "mean" else total


def row_shares(
    counts: Counts,
    regularization: str,
    n_ratings: float,
    exponent: float = 1.0,
    unobserved: float = 0.0,
) -> NDArray[np.float32]:
    """Return the part of its row's penalty, in units of λ‖u‖², that each rating of a row carries, float32[rows].

    The ratings of a row together carry its `row_penalties`: each of them 1 with "weighted", the n_u-th part otherwise.
    The parameters are those of `row_penalties`; rows have ratings.
    """
    if regularization == "weighted":
        return np.ones(counts.size, np.float32)
    if regularization == "frequency":
        return ((counts + unobserved) ** exponent / counts).astype(np.float32)
    return ((n_ratings if regularization == "mean" else 1) / counts).astype(np.float32)
