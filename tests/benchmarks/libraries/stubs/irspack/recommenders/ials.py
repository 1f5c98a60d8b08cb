"""The part of `irspack.recommenders.ials` that the benchmark uses, as its documentation defines it."""

from enum import Enum
from types import SimpleNamespace

import numpy as np

SolverType = Enum("SolverType", ["CHOLESKY", "CG", "IALSPP"])
LossType = Enum("LossType", ["ORIGINAL", "IALSPP"])


class IALSTrainer:
    """Σ c(p − u·v)² + reg·Σ (n + alpha0·other)^nu ‖row‖², with c = alpha0 + X for entries, alpha0 for others.

    It takes exact half-steps, which other solvers approach.
    """

    def __init__(self, X, n_components, alpha0, reg, nu, loss_type, n_threads, solver_type, **others):
        assert loss_type is LossType.ORIGINAL
        assert n_threads == 2
        assert set(others) == {
            "init_std", "max_cg_steps", "ialspp_subspace_dimension", "random_seed", "prediction_time_max_cg_steps",
            "prediction_time_ialspp_iteration",
        }  # fmt: skip
        self._weights, self._alpha0, self._reg, self._nu = X.toarray(), alpha0, reg, nu
        self.core_trainer = SimpleNamespace(user=None, item=None)

    def run_epoch(self):
        core = self.core_trainer
        core.user = self._half_step(self._weights, core.item)
        core.item = self._half_step(self._weights.T, core.user)

    def _half_step(self, weights, fixed):
        rows = []
        for entries in weights:
            confidences = self._alpha0 + entries
            penalty = self._reg * ((entries > 0).sum() + self._alpha0 * len(fixed)) ** self._nu
            matrix = (fixed.T * confidences) @ fixed + penalty * np.eye(fixed.shape[1])
            rows.append(np.linalg.solve(matrix, (confidences * (entries > 0)) @ fixed))
        return np.array(rows, np.float32)
