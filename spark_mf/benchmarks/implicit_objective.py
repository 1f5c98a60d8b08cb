"""The objective of implicit feedback, computed from the factors of any model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame

Factors = NDArray[np.float32]

# Ratings whose rows of factors are in memory at the same time.
_CHUNK = 1 << 20


@dataclass(frozen=True)
class IndexedRatings:
    """Ratings with the positions of their users and items among the sorted ids.

    Attributes
    ----------
    users, items : int32[n]
        Positions in `user_ids` and `item_ids`.
    ratings : float32[n]
    user_ids, item_ids : int32[n_users], int32[n_items]
        Sorted; each has at least one rating.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    user_ids: NDArray[np.int32]
    item_ids: NDArray[np.int32]

    @classmethod
    def of(cls, users: NDArray[np.int32], items: NDArray[np.int32], ratings: NDArray[np.float32]) -> "IndexedRatings":
        """Return the ratings of ids, each array of the same length."""
        user_ids, user_places = np.unique(users, return_inverse=True)
        item_ids, item_places = np.unique(items, return_inverse=True)
        return cls(user_places.astype(np.int32), item_places.astype(np.int32), ratings, user_ids, item_ids)


def implicit_objective(
    ratings: IndexedRatings, user_factors: Factors, item_factors: Factors, params: Mapping[str, Any]
) -> float:
    """Return Σ c(p − u·v)² over all pairs of a user and an item, plus the penalties.

    With c = 1 + α|r|, p = 1 for r > 0 and 0 otherwise, and r = 0 for pairs without a rating (Hu, Koren and Volinsky
    2008, "Collaborative filtering for implicit feedback datasets", eq. 3). The sum of (u·v)² over all pairs is
    ⟨UᵀU, VᵀV⟩, so that pairs without a rating are not visited.

    Parameters
    ----------
    ratings : IndexedRatings
    user_factors : float32[n_users, rank]
    item_factors : float32[n_items, rank]
    params : Mapping[str, Any]
        Params of the estimator: `alpha`, `regParam` and `regularization`, "weighted" if it is missing. The numbers of
        ratings that weight the penalty are those of ratings > 0.

    Raises
    ------
    ValueError
        If the regularization is neither "weighted" nor "plain".
    """
    kind, alpha = params.get("regularization", "weighted"), params["alpha"]
    if kind not in ("weighted", "plain"):
        raise ValueError(f"regularization must be 'weighted' or 'plain', got {kind!r}.")
    errors = float((_gram(user_factors) * _gram(item_factors)).sum())
    for begin in range(0, ratings.ratings.size, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        r = ratings.ratings[part].astype(np.float64)
        rows = user_factors[ratings.users[part]], item_factors[ratings.items[part]]
        predicted = np.einsum("nk,nk->n", *rows).astype(np.float64)
        errors += float(((1 + alpha * np.abs(r)) * ((r > 0) - predicted) ** 2 - predicted**2).sum())
    penalty = 0.0
    for places, factors in ((ratings.users, user_factors), (ratings.items, item_factors)):
        norms = np.einsum("nk,nk->n", factors, factors, dtype=np.float64)
        counts = np.bincount(places[ratings.ratings > 0], minlength=len(norms))
        penalty += float(norms @ counts) if kind == "weighted" else float(norms.sum())
    return errors + params["regParam"] * penalty


def model_factors(frame: DataFrame, ids: NDArray[np.int32]) -> Factors:
    """Return the factors of the ids, float32[n, rank], from a model's frame with the columns `id` and `features`.

    Raises
    ------
    ValueError
        If the frame has other ids.
    """
    table = frame.select("id", "features").toArrow()
    order = np.argsort(table["id"].to_numpy())
    if not np.array_equal(table["id"].to_numpy()[order], ids):
        raise ValueError(f"the model must have factors of all {ids.size} ids with training ratings, got {order.size}.")
    features = table["features"].combine_chunks()
    values = pc.list_flatten(features).to_numpy().astype(np.float32)
    return values.reshape(order.size, -1)[order]


def _gram(factors: Factors) -> NDArray[np.float64]:
    return sum(
        (part.T @ part for part in np.array_split(factors.astype(np.float64), 1 + len(factors) // _CHUNK)),
        np.zeros((factors.shape[1],) * 2),
    )
