"""The part of `implicit.als` that the benchmark uses, as its documentation defines it."""

import numpy as np


class AlternatingLeastSquares:
    """Σ c(p − x·y)² + regularization·(‖X‖² + ‖Y‖²), with c and p = 1 for entries, c = 1 and p = 0 for others."""

    def __init__(self, factors, regularization, alpha, dtype, use_cg, iterations, num_threads):
        assert (alpha, dtype, use_cg, num_threads) == (1.0, np.float32, True, 2)
        self.regularization, self.iterations, self.cg_steps = regularization, iterations, 3
        self.user_factors = self.item_factors = None

    def fit(self, user_items, show_progress, callback):
        confidences = user_items.toarray()
        for iteration in range(self.iterations):
            self.user_factors = self._half_step(confidences, self.user_factors, self.item_factors)
            self.item_factors = self._half_step(confidences.T, self.item_factors, self.user_factors)
            callback(iteration, 0.25, None)

    def _half_step(self, confidences, solved, fixed):
        rows = []
        for entries, start in zip(confidences, solved, strict=True):
            weights = np.where(entries > 0, entries, 1)
            matrix = (fixed.T * weights) @ fixed + self.regularization * np.eye(fixed.shape[1])
            x, residual = start, entries @ fixed - matrix @ start
            direction = residual
            for _ in range(self.cg_steps):
                step = residual @ residual / (direction @ matrix @ direction)
                x = x + step * direction
                further = residual - step * matrix @ direction
                direction = further + (further @ further) / (residual @ residual) * direction
                residual = further
            rows.append(x)
        return np.array(rows, np.float32)
