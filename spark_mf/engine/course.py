"""How a descent goes on from epoch to epoch: its step, when it ends, and which epoch was the best.

Every member of a gang decides alone, from the same sums, so all decide the same and none waits for the driver.
"""

import math
from dataclasses import dataclass, replace

from spark_mf.kernels.objective import objective

SCHEDULES = ("constant", "exponential", "inverse", "boldDriver")
GROWTH, CUT = 1.05, 0.5

DIVERGED, NO_BETTER, FINISHED = "diverged", "no better", "finished"


@dataclass(frozen=True)
class Rules:
    """What the course of a fit follows.

    Attributes
    ----------
    epochs : int
        The most that are run.
    schedule : str
        Factor of the step in epoch t = 0, 1, …: "constant" 1; "exponential" decay**t; "inverse" 1/(1 + decay·t);
        "boldDriver" 5 % more after an epoch that lowered the objective, half after one that did not (Gemulla et al.
        2011, §6.1; Battiti 1989).
    decay : float
    patience : int
        Epochs in turn without improvement after which the fit ends; 0 for never.
    tol : float
        What an epoch's RMSE must be lower by than the best one so far to count as improvement.
    regularization : str
    n_ratings, n_validation : int
        Training ratings, and validation ratings of known users and items.
    """

    epochs: int
    schedule: str
    decay: float
    patience: int
    tol: float
    regularization: str
    n_ratings: int
    n_validation: int


@dataclass(frozen=True)
class EpochSums:
    """Sums over all blocks of one epoch.

    Attributes
    ----------
    squared_error : Σ e² over training ratings, each as it was visited, just before its update
    penalties : both sides' weighted squared norms at the epoch's end
    validation_squared_error : Σ e² over validation ratings at the epoch's end
    kernel_seconds : wall-clock seconds of each task in training and validation, added up
    """

    squared_error: float
    penalties: float
    validation_squared_error: float
    kernel_seconds: float = 0.0


@dataclass(frozen=True)
class Course:
    """Where a fit stands after `epoch` epochs.

    Attributes
    ----------
    epoch : int
    step : float
        Factor of the step in the epoch to come.
    objective : float or None
        Of the last epoch.
    best, best_epoch : float and int, or None
        The lowest RMSE that was watched, and the epoch that had it, counted from 1.
    end : str or None
        Why no epoch follows: "diverged", "no better" or "finished".
    """

    epoch: int = 0
    step: float = 1.0
    objective: float | None = None
    best: float | None = None
    best_epoch: int | None = None
    end: str | None = None

    @property
    def is_best(self) -> bool:
        """Whether the last epoch is the best so far."""
        return self.epoch == self.best_epoch

    def after(self, sums: EpochSums, rules: Rules) -> "Course":
        """Return where the fit stands after one more epoch."""
        epoch = self.epoch + 1
        value = objective(sums.squared_error, sums.penalties, rules.regularization, rules.n_ratings)
        if not (math.isfinite(value) and math.isfinite(sums.validation_squared_error)):
            return replace(self, epoch=epoch, objective=value, end=DIVERGED)
        watched = watched_rmse(sums, rules)
        improved = self.best is None or watched < self.best - rules.tol
        best, best_epoch = (watched, epoch) if improved else (self.best, self.best_epoch)
        end = FINISHED if epoch >= rules.epochs else None
        if rules.patience and best_epoch is not None and epoch - best_epoch >= rules.patience:
            end = NO_BETTER
        return Course(epoch, self._following_step(epoch, value, rules), value, best, best_epoch, end)

    def _following_step(self, epoch: int, value: float, rules: Rules) -> float:
        if rules.schedule == "exponential":
            return rules.decay**epoch
        if rules.schedule == "inverse":
            return 1.0 / (1.0 + rules.decay * epoch)
        if rules.schedule == "boldDriver" and self.objective is not None:
            return self.step * (GROWTH if value < self.objective else CUT)
        return self.step


def watched_rmse(sums: EpochSums, rules: Rules) -> float:
    """The RMSE of validation ratings where there are any, else of training ratings."""
    if rules.n_validation:
        return math.sqrt(sums.validation_squared_error / rules.n_validation)
    return math.sqrt(sums.squared_error / rules.n_ratings)
