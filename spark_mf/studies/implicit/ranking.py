"""Quality of the recommendations of fitted models, measured with held-out ratings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import functions as F

from spark_mf.benchmarks.measuring import HELD_OUT, SplitRatings
from spark_mf.models.factors import factors_arrays
from spark_mf.studies.data import StudyData
from spark_mf.textbook import Model, Ratings

#: Length of the lists of recommendations.
TOP = 10
#: Most users whose recommendations are evaluated.
MOST_USERS = 5_000

Ids = NDArray[Any]
Vector = NDArray[np.floating]
Matrix = NDArray[np.floating]


def recall_and_ndcg(
    scores: Vector, seen: NDArray[np.int64], relevant: NDArray[np.int64], k: int = TOP
) -> tuple[float, float]:
    """Return recall@k and nDCG@k of the k unseen items with the highest scores of a user.

    recall@k is the number of relevant items among them, divided by the smaller of k and the number of relevant items.
    nDCG@k is Σ 1/log₂(place + 1) over the places, from 1, of the relevant items among them, divided by the sum of the
    best order (Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with gains 0 and 1).

    Parameters
    ----------
    scores : float[n_items]
    seen : int64[s]
        Positions of the items that are not recommended.
    relevant : int64[r]
        Positions of different items that should be recommended, at least one, none of which is in `seen`.
    k : int
    """
    scores = scores.copy()
    scores[seen] = -np.inf
    hits = np.isin(np.argsort(-scores, kind="stable")[:k], relevant)
    gains = 1 / np.log2(np.arange(len(hits)) + 2)
    most = min(len(hits), len(relevant))
    return float(hits.sum() / most), float(gains[hits].sum() / gains[:most].sum())


@dataclass(frozen=True, eq=False)
class PlainFactors:
    """Factors whose dot products are the predictions of a model, also of one with biases.

    Attributes
    ----------
    user_ids, item_ids : arrays of n and m
        Ascending ids.
    U, V : float[n, k] and float[m, k]
    """

    user_ids: Ids
    item_ids: Ids
    U: Matrix
    V: Matrix

    @classmethod
    def of(cls, model: Any) -> "PlainFactors":
        """Return the factors of a model of the textbook, whose ids are positions, or of one on Spark."""
        if isinstance(model, Model):
            ones_U, ones_V = np.ones((len(model.U), 1)), np.ones((len(model.V), 1))
            U = np.hstack([model.U, model.userBias[:, None] + model.globalMean, ones_U])
            V = np.hstack([model.V, ones_V, model.itemBias[:, None]])
            return cls(np.arange(len(U)), np.arange(len(V)), U, V)
        plain = model.asPlain()
        (users, U), (items, V) = (factors_arrays(side) for side in (plain.userFactors, plain.itemFactors))
        return cls(users.to_numpy(zero_copy_only=False), items.to_numpy(zero_copy_only=False), U, V)


@dataclass(frozen=True, eq=False)
class RankingTest:
    """Training and held-out ratings of some users, by which models are measured.

    Attributes
    ----------
    train, test : pandas.DataFrame
        Columns user, item and rating. Each user has training ratings.
    liked : float
        Held-out ratings of at least this value, the mean of the training ratings, are relevant.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    liked: float

    @classmethod
    def of(cls, data: StudyData) -> "RankingTest":
        """Return the ratings of all users, or of about `MOST_USERS` users if there are more."""
        if isinstance(data.ratings, Ratings):
            table = pd.DataFrame(data.ratings.to_columns())
        else:
            assert data.split is not None
            table = _ratings_of_some(data.split)
        held_out = table.pop(HELD_OUT)
        train, test = table[~held_out], table[held_out]
        return cls(train, test[test["user"].isin(train["user"])], float(train["rating"].mean()))

    def measure(self, model: Any) -> dict[str, Any]:
        """Return the values of a `RankedRow` from a model of the textbook or of Spark."""
        factors = PlainFactors.of(model)
        found = np.array(list(self._each_user(factors, lambda user: factors.V @ factors.U[user])))
        popular = self._popularity(factors)
        by_popularity = np.array(list(self._each_user(factors, lambda user: popular)))
        recall, ndcg = found.mean(axis=0)
        return {
            "recall": float(recall),
            "ndcg": float(ndcg),
            "popular_ndcg": float(by_popularity[:, 1].mean()),
            "ranked_users": len(found),
        }

    def calibrated_rmse(self, model: Any) -> float:
        """Return the test RMSE of a + b·score, where a and b minimize the squared errors of the training ratings."""
        factors = PlainFactors.of(model)
        fitted, tested = self._scores(factors, self.train), self._scores(factors, self._known(factors))
        design = np.column_stack([np.ones_like(fitted), fitted])
        a, b = np.linalg.lstsq(design, self.train["rating"].to_numpy(np.float64), rcond=None)[0]
        errors = self._known(factors)["rating"].to_numpy(np.float64) - a - b * tested
        return float(np.sqrt(np.mean(errors**2)))

    def _known(self, factors: PlainFactors) -> pd.DataFrame:
        """Return the held-out ratings of items with training ratings."""
        return self.test[self.test["item"].isin(factors.item_ids)]

    @staticmethod
    def _scores(factors: PlainFactors, pairs: pd.DataFrame) -> Vector:
        users = np.searchsorted(factors.user_ids, pairs["user"])
        items = np.searchsorted(factors.item_ids, pairs["item"])
        return np.einsum("nk,nk->n", factors.U[users], factors.V[items]).astype(np.float64)

    def _popularity(self, factors: PlainFactors) -> Vector:
        """Return the number of training ratings of each item."""
        items = np.searchsorted(factors.item_ids, self.train["item"])
        return np.bincount(items, minlength=len(factors.item_ids)).astype(np.float64)

    def _each_user(self, factors: PlainFactors, scores_of: Callable[[int], Vector]) -> Iterator[tuple[float, float]]:
        """Yield recall and nDCG of each user with a relevant item; `scores_of` takes the position of a user."""
        known = self._known(factors)
        relevant = known[known["rating"] >= self.liked].groupby("user")["item"].unique()
        seen = self.train[self.train["user"].isin(relevant.index)].groupby("user")["item"].unique()
        positions = np.searchsorted(factors.user_ids, relevant.index.to_numpy())
        # Both have the same users in the same order.
        for position, liked, trained in zip(positions, relevant, seen, strict=True):
            excluded = np.searchsorted(factors.item_ids, trained)
            wanted = np.setdiff1d(np.searchsorted(factors.item_ids, liked), excluded)
            if wanted.size:
                yield recall_and_ndcg(scores_of(position), excluded, wanted)


def _ratings_of_some(split: SplitRatings) -> pd.DataFrame:
    """Return the marked ratings of every n-th user with held-out ratings, for the smallest n with few enough users."""
    users = np.sort(split.test.select("user").distinct().toPandas()["user"].to_numpy())
    some = pd.DataFrame({"user": users[:: -(-len(users) // MOST_USERS)]})
    frame = split.test.sparkSession.createDataFrame(some, f"user {split.test.schema['user'].dataType.simpleString()}")
    return split.marked().join(F.broadcast(frame), "user").toPandas()
