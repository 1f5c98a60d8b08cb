"""Small random problems for the textbook's tests."""

import numpy as np

from spark_mf.textbook import Pairs, Ratings, Record

N, M, K = 6, 5, 2


def small_ratings(seed: int, share: float = 0.6, n: int = N, m: int = M, validation: bool = False) -> Ratings:
    """Ratings from 1 to 5 of n users and m items, a random `share` of them observed and each row and column at least
    once; with `validation` the unobserved ones held out."""
    rng = np.random.default_rng(seed)
    R = rng.uniform(1, 5, (n, m))
    observed = rng.random((n, m)) < share
    observed[np.arange(max(n, m)) % n, np.arange(max(n, m)) % m] = True
    return Ratings.from_matrix(R, observed, ~observed if validation else None)


def held_out(ratings: Ratings) -> Pairs:
    """The validation ratings, which there are."""
    assert ratings.validation is not None
    return ratings.validation


def train_rmse(record: Record) -> float:
    """The training RMSE, which explicit ratings have."""
    assert record.train_rmse is not None
    return record.train_rmse


def small_factors(seed: int, n: int = N, m: int = M, k: int = K) -> tuple[np.ndarray, np.ndarray]:
    """U and V from N(0, 1)."""
    rng = np.random.default_rng(seed + 1000)
    return rng.standard_normal((n, k)), rng.standard_normal((m, k))
