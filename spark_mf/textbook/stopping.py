"""Rules that end a fit before its maximum number of iterations."""

import math

import numpy as np

from spark_mf.textbook.model import Record
from spark_mf.textbook.ratings import Matrix


def product_change(U: Matrix, V: Matrix, old_U: Matrix, old_V: Matrix) -> float:
    """Return ‖U Vᵀ − U₀ V₀ᵀ‖_F without forming a product of n × m.

    U Vᵀ − U₀ V₀ᵀ = (U − U₀) Vᵀ + U₀ (V − V₀)ᵀ = A Bᵀ with A = [U − U₀, U₀] and B = [V, V − V₀], and
    ‖A Bᵀ‖²_F = tr(AᵀA BᵀB), the sum of the entries of AᵀA ∘ BᵀB: 2k × 2k matrices, (n + m)(2k)² multiplications in
    place of n·m·k. ‖U Vᵀ‖² − 2⟨U Vᵀ, U₀ V₀ᵀ⟩ + ‖U₀ V₀ᵀ‖² is the same number, but between nearly equal factors its
    digits cancel; the differences are taken first here.

    Parameters
    ----------
    U, old_U : float64[n, k]
    V, old_V : float64[m, k]
    """
    A = np.hstack([U - old_U, old_U])
    B = np.hstack([V, V - old_V])
    # Rounding may leave a sum of 0 just below it.
    return math.sqrt(max(0.0, float(((A.T @ A) * (B.T @ B)).sum())))


class ProductChange:
    """End after the first iteration whose product change is below tol; 0 for never."""

    bestIteration: int | None = None

    def __init__(self, tol: float) -> None:
        self.tol = tol

    def ends_after(self, record: Record) -> bool:
        """Return whether no iteration follows."""
        return record.product_change < self.tol


class EarlyStopping:
    """End after `patience` iterations in turn that were not better than the best by more than `tol`.

    It watches the validation RMSE where there is one, and then the best iteration's parameters are kept; else, with
    tol > 0, the training RMSE.

    Parameters
    ----------
    patience : iterations, 0 for never
    tol : what an RMSE must be lower by to count as better
    """

    def __init__(self, patience: int, tol: float = 0.0) -> None:
        self.patience, self.tol = patience, tol
        self.bestIteration: int | None = None
        self._best, self._since = math.inf, 0

    def ends_after(self, record: Record) -> bool:
        """Take note of an iteration and return whether none follows."""
        has_validation = record.validation_rmse is not None
        if not has_validation and self.tol == 0:
            return False
        watched = record.train_rmse if record.validation_rmse is None else record.validation_rmse
        if watched < self._best - self.tol:
            self._best, self._since = watched, 0
            self.bestIteration = record.iteration if has_validation else None
        else:
            self._since += 1
        return 0 < self.patience <= self._since
