"""Ratings that a model of a known rank reproduces exactly."""

import numpy as np
import pandas as pd


def low_rank(users: int, items: int, rank: int, seed: int = 0, observed: float = 0.5) -> pd.DataFrame:
    """Ratings u·v of known factors, without noise, at random places; every user and item has one."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(0.5, 1.5, (users, rank)), rng.uniform(0.5, 1.5, (items, rank))
    seen = rng.random((users, items)) < observed
    seen[np.arange(users), np.arange(users) % items] = True
    seen[np.arange(items) % users, np.arange(items)] = True
    user, item = np.nonzero(seen)
    ratings = np.einsum("ij,ij->i", u[user], v[item]).astype(np.float32)
    return pd.DataFrame({"user": user.astype(np.int32), "item": item.astype(np.int32), "rating": ratings})
