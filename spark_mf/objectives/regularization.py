"""Regularization: the penalty of each row of both sides."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.objective import Counts, objective, row_penalties, row_shares

SideName = Literal["user", "item"]


@dataclass(frozen=True, slots=True)
class Regularization:
    """Σ_u w_u·λ_user·‖u‖² + Σ_i w_i·λ_item·‖v‖², with row weights w that `kind` selects.

    Attributes
    ----------
    kind : str
        "weighted", "plain", "mean" or "frequency"; `spark_mf.kernels.objective.row_penalties` has the formulas.
    userRegParam, itemRegParam : float
        λ ≥ 0 of each side.
    n_ratings : float
        |Ω|, the number of training ratings, or the sum of their weights.
    exponent : float
        ν of "frequency".
    unobserved : (float, float)
        What "frequency" adds to the number of ratings of a user and of an item: α₀ times the size of the other side.
    """

    kind: str
    userRegParam: float
    itemRegParam: float
    n_ratings: float
    exponent: float = 1.0
    unobserved: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def equal(cls, regParam: float, kind: str, n_ratings: float) -> "Regularization":
        """Return the regularization with the same λ on both sides."""
        return cls(kind, regParam, regParam, n_ratings)

    def reg_param(self, side: SideName) -> float:
        """Return λ of a side."""
        return self.userRegParam if side == "user" else self.itemRegParam

    def penalties(self, side: SideName, counts: Counts) -> NDArray[np.float32]:
        """Return the weight of ‖u‖² of each row against the row's squared errors, float32[rows].

        Parameters
        ----------
        side : "user" or "item"
        counts : int64[rows] or float64[rows]
            Numbers of ratings of the rows, or the sums of their weights.
        """
        more = self.unobserved[side == "item"]
        return row_penalties(counts, self.reg_param(side), self.kind, self.n_ratings, self.exponent, more)

    def shares(self, side: SideName, counts: Counts) -> NDArray[np.float32]:
        """Return the share of λ‖u‖² that each rating of a row carries, float32[rows]; the ratings carry all of it."""
        return row_shares(counts, self.kind, self.n_ratings, self.exponent, self.unobserved[side == "item"])

    def objective(self, errors: float, penalties: float) -> float:
        """Return the objective from the errors and the penalties of all rows."""
        return objective(errors, penalties, self.kind, self.n_ratings)
