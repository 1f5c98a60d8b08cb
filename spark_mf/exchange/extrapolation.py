"""Extrapolation of the factors between half-steps, which makes ALS converge in fewer iterations."""

from dataclasses import dataclass

from spark_mf.exchange.stopping import FitProgress
from spark_mf.kernels.extrapolation import extrapolate
from spark_mf.solvers.base import Factors


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """The factors y = x + β(x − x₀), which replace the solved factors x in the next half-step.

    x₀ are the solved factors of the previous iteration. An iteration k solves the items from extrapolated users,
    extrapolates the items, and solves the users from these:

        V = argmin F(U_k−1 + β(U_k−1 − U_k−2), ·)
        V_k = V + β(V − previous V)
        U_k = argmin F(·, V_k)

    The model has the factors U_k and V_k, and the objective of an iteration is F(U_k, V_k). With adaptive restart, an
    iteration after one that raised the objective does not extrapolate (O'Donoghue and Candès 2015, "Adaptive restart
    for accelerated gradient schemes", function scheme). As an ordinary iteration from U_k and V_k, it cannot raise the
    objective again.

    Attributes
    ----------
    coefficient : float
        β in (0, 1).
    nonnegative : bool
        Whether negative entries of y become 0.
    """

    coefficient: float
    nonnegative: bool = False

    def applies_after(self, progress: FitProgress) -> bool:
        """Return whether the next iteration extrapolates; the first two do not, because no objective was compared."""
        return progress.descended

    def of(self, solved: Factors, previous: Factors) -> Factors:
        """Return the extrapolated rows, float32[n, width], of solved rows and those of the previous iteration."""
        return extrapolate(solved, previous, self.coefficient, self.nonnegative)
