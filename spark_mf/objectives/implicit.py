"""The objective of implicit feedback: squared errors of the preferences of all pairs, plus regularization."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_mf.blocks.csr import RatingBlock, row_sums
from spark_mf.kernels.linalg.errors import weighted_products
from spark_mf.kernels.linalg.gram import gram_matrix
from spark_mf.kernels.objective import Counts, penalty_sum
from spark_mf.objectives.base import FloatSums, ProductObjective
from spark_mf.objectives.explicit import SMALLEST_SHARE
from spark_mf.objectives.regularization import Regularization, SideName
from spark_mf.solvers.base import Factors, Losses, RowProblem, in_threads


@dataclass(frozen=True, slots=True)
class GramSums:
    """The Gram matrix of some or all rows of a side.

    Attributes
    ----------
    gram : float64[rank, rank]
    """

    gram: NDArray[np.float64]

    def __add__(self, other: "GramSums") -> "GramSums":
        """Return the total of both sums."""
        return GramSums(self.gram + other.gram)

    def to_array(self) -> NDArray[np.float64]:
        """Return the sums as float64[rank²]."""
        return self.gram.reshape(-1)

    @classmethod
    def from_array(cls, sums: NDArray[np.float64]) -> "GramSums":
        """Return the sums from what `to_array` returned."""
        rank = math.isqrt(sums.size)
        return cls(sums.reshape(rank, rank))


#: Approximate number of users in the sample whose recall is measured.
VALIDATION_USERS = 2000
#: Length of the lists of recommendations whose recall is measured.
RECALL_AT = 10


@dataclass(frozen=True, slots=True)
class ImplicitLoss(FloatSums):
    """Sums over some or all rows of a model.

    Attributes
    ----------
    errors : float
        Weighted squared errors of the preferences, over the pairs of all users in the rows and all items.
    penalty : float
        Σ penalty·‖x‖² over rows of both sides.
    recall : float
        Sum of the recall of the sampled users.
    recall_users : float
        Number of the sampled users that have validation ratings.
    """

    errors: float = 0.0
    penalty: float = 0.0
    recall: float = 0.0
    recall_users: float = 0.0


@dataclass(frozen=True, slots=True)
class ImplicitObjective(ProductObjective):
    """Weighted squared errors of the preferences of all pairs, plus regularization.

    Without `unobserved_weight`, the objective of pyspark's ALS with ``implicitPrefs=True`` (Hu, Koren and Volinsky
    2008, "Collaborative filtering for implicit feedback datasets", eq. 3):

        Σ_all pairs c (p − u·v)² + penalties,    c = 1 + α|r|, p = 1 if r > 0 else 0; r = 0 for pairs without a rating

    With it, that of iALS (Rendle, Krichene, Zhang and Koren 2022, "Revisiting the performance of iALS on item
    recommendation benchmarks", eq. 2 and 9):

        Σ_{r > 0} (1 − u·v)² + α₀ Σ_all pairs (u·v)² + penalties

    The number of ratings that weighs the penalty of a row counts ratings > 0 only. The weight of a rating multiplies
    what the rating adds to the errors of an unrated pair, w (c (p − u·v)² − (u·v)²) or w (1 − u·v)², and counts as that
    many ratings in the penalty.

    Attributes
    ----------
    regularization : Regularization
    alpha : float
        α of the confidence; not used with `unobserved_weight`.
    unobserved_weight : float or None
        α₀.
    nonnegative : bool
        Whether the factors are constrained to be >= 0.
    n_validation : float
        Number of validation ratings of known users and items, or the sum of their weights.
    sample_step : int
        Every how many users one belongs to the sample whose recall is measured.
    """

    regularization: Regularization
    alpha: float
    unobserved_weight: float | None = None
    nonnegative: bool = False
    n_validation: float = 0
    sample_step: int = 1

    def problem(self, ratings: RatingBlock, fixed: Factors, sums: Any, side: SideName) -> RowProblem:
        """Return the least-squares problem of a block's rows (Hu, Koren and Volinsky 2008, eq. 4)."""
        positive = ratings.values > 0
        counts = _positive_counts(ratings, positive)
        gram = sums.gram if self.unobserved_weight is None else self.unobserved_weight * sums.gram
        weights, targets = self._weights(ratings, positive)
        return RowProblem(
            indptr=ratings.indptr,
            indices=ratings.indices,
            targets=targets,
            fixed=fixed,
            penalty=self.regularization.penalties(side, counts),
            weights=weights,
            shared=gram.astype(np.float32),
            nonnegative=self.nonnegative,
        )

    def side_sums(self, factors: Factors) -> GramSums:
        """Return the Gram matrix of some rows, which stands for all pairs in the other side's half-step."""
        return GramSums(gram_matrix(factors))

    def penalty_loss(self, problem: RowProblem, solved: Factors) -> ImplicitLoss:
        """Return the penalty of the rows of a solved problem."""
        return ImplicitLoss(penalty=penalty_sum(problem.penalty, solved))

    def loss(
        self,
        problem: RowProblem,
        training: RatingBlock,
        validation: RatingBlock,
        solved: Factors,
        measured: Factors,
        n_threads: int,
        losses: Losses | None = None,
    ) -> ImplicitLoss:
        """Return the loss of the rows of a solved block, by a pass over the block's ratings unless `losses` are known.

        The pairs without a rating are not visited: their part of the loss is Σ uᵀ G u = ⟨UᵀU, G⟩. The parameters are
        those of `ExplicitObjective.loss`; `measured` must be the fixed factors of the problem.
        """
        assert problem.shared is not None
        constant = float(problem.targets.sum(dtype=np.float64))
        errors = constant + (np.nan if losses is None else float(losses.sum()))
        if not abs(errors) > SMALLEST_SHARE * constant:
            csr = (problem.indptr, problem.indices, problem.targets, problem.weights, measured, solved)
            parts = in_threads(problem.indptr, n_threads, lambda begin, end: weighted_products(*csr, begin, end))
            errors = constant + float(sum(parts)) + float((gram_matrix(solved) * problem.shared).sum())
        recall = self._recall(training, validation, solved, measured) if self.n_validation else np.empty(0)
        return ImplicitLoss(
            errors=errors,
            penalty=penalty_sum(problem.penalty, solved),
            recall=float(recall.sum()),
            recall_users=float(recall.size),
        )

    def metrics(self, loss: ImplicitLoss) -> dict[str, float | None]:
        """Return the objective, and the validation recall, None without validation ratings.

        The RMSE of ratings has no meaning for a model of preferences.
        """
        return {
            "objective": self.regularization.objective(loss.errors, loss.penalty),
            "validation_recall": loss.recall / loss.recall_users if loss.recall_users else None,
        }

    def _recall(
        self, training: RatingBlock, validation: RatingBlock, solved: Factors, items: Factors
    ) -> NDArray[np.float64]:
        """Return the recall of each user of the sample that has positive validation ratings."""
        found = []
        for row in np.flatnonzero(training.rows % self.sample_step == 0):
            held_out = slice(validation.indptr[row], validation.indptr[row + 1])
            relevant = validation.indices[held_out][validation.values[held_out] > 0]
            if relevant.size:
                seen = training.indices[training.indptr[row] : training.indptr[row + 1]]
                found.append(recall(items @ solved[row], seen, relevant))
        return np.array(found)

    def _weights(
        self, ratings: RatingBlock, positive: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
        """Return what the ratings add to the matrix and to the right-hand side of the normal equations."""
        if self.unobserved_weight is not None:
            ones = positive.astype(np.float32)
            if ratings.weights is None:
                return None if positive.all() else ones, ones
            return ones * ratings.weights, ones * ratings.weights
        weights = np.float32(self.alpha) * np.abs(ratings.values)
        targets = np.where(positive, 1 + weights, np.float32(0))
        return (weights, targets) if ratings.weights is None else (weights * ratings.weights, targets * ratings.weights)


def _positive_counts(ratings: RatingBlock, positive: NDArray[np.bool_]) -> Counts:
    """Return the number of positive ratings of each row of a block, or the sum of their weights."""
    if ratings.weights is not None:
        return row_sums(ratings.indptr, ratings.weights * positive)
    return np.diff(np.concatenate([[0], np.cumsum(positive)])[ratings.indptr])


def recall(
    scores: NDArray[np.float32], seen: NDArray[np.int32], relevant: NDArray[np.int32], k: int = RECALL_AT
) -> float:
    """Return the recall of the k items with the highest scores: hits / min(k, number of relevant items).

    Parameters
    ----------
    scores : float32[n_items]
        Overwritten at `seen`.
    seen : int32[n]
        Items that are not recommended.
    relevant : int32[m]
        Items that should be recommended, at least one.
    k : int
    """
    scores[seen] = -np.inf
    relevant = np.unique(relevant)
    k = min(k, scores.size)
    top = np.argpartition(-scores, k - 1)[:k]
    return float(np.isin(top, relevant).sum() / min(k, relevant.size))
