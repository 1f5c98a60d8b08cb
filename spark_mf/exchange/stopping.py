"""Stopping rules and learning rate schedules.

Every task of a ring applies them to the same sums, so that all tasks make the same decision without the driver.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

#: Reasons why no iteration follows.
DIVERGED, CONVERGED, NOT_IMPROVED, FINISHED = "diverged", "converged", "not improved", "finished"
#: "boldDriver": factors of the learning rate after an epoch that lowered the objective, and after one that did not.
GROWTH, CUT = 1.05, 0.5


def monitored(metrics: Mapping[str, float | None]) -> float:
    """Return the value that early stopping minimises.

    It is the validation RMSE or minus the validation recall, or without validation ratings the training RMSE or the
    objective.
    """
    for name, sign in (("validation_rmse", 1), ("validation_recall", -1), ("train_rmse", 1), ("objective", 1)):
        value = metrics.get(name)
        if value is not None:
            return sign * value
    raise ValueError(f"metrics must contain a monitored metric, got {', '.join(metrics)}.")


@dataclass(frozen=True)
class StoppingRules:
    """The stopping rules and the learning rate schedule of a fit.

    Attributes
    ----------
    max_iterations : int
    change_tol : float
        The fit stops after an iteration that changes U Vᵀ by less than this in Frobenius norm; 0 disables the rule.
    patience : int
        The fit stops after this number of consecutive iterations without improvement of the monitored RMSE, i.e. the
        validation RMSE if there are validation ratings, otherwise the training RMSE; 0 disables the rule.
    improvement_tol : float
        Minimum decrease of the best RMSE so far that counts as an improvement.
    keeps_best : bool
        Whether the model has the factors of the iteration with the best monitored RMSE, or those of the last one.
    schedule : str
        Factor of the learning rate in iteration t = 0, 1, …: "constant" 1; "exponential" decay**t; "inverse"
        1/(1 + decay·t); "boldDriver" `GROWTH` times the previous factor after an iteration that lowered the objective,
        and `CUT` times after one that did not (Gemulla et al. 2011, §6.1; Battiti 1989).
    decay : float
    """

    max_iterations: int
    change_tol: float = 0.0
    patience: int = 0
    improvement_tol: float = 0.0
    keeps_best: bool = False
    schedule: str = "constant"
    decay: float = 1.0


@dataclass(frozen=True)
class FitProgress:
    """Progress of a fit after `iteration` iterations.

    Attributes
    ----------
    iteration : int
        Number of completed iterations.
    step : float
        Factor of the learning rate in the next iteration.
    objective : float or None
        Objective after the last iteration.
    best, best_iteration : float and int, or None
        The lowest monitored RMSE, and its iteration, counted from 1.
    end : str or None
        Reason why no iteration follows: `DIVERGED`, `CONVERGED`, `NOT_IMPROVED` or `FINISHED`; None if one follows.
    descended : bool
        Whether the last iteration did not raise the objective of the iteration before it; False after the first one.
    """

    iteration: int = 0
    step: float = 1.0
    objective: float | None = None
    best: float | None = None
    best_iteration: int | None = None
    end: str | None = None
    descended: bool = False

    @property
    def is_best(self) -> bool:
        """Whether the last iteration is the best so far and has finite factors."""
        return self.iteration == self.best_iteration and self.end != DIVERGED

    @property
    def stopped_early(self) -> bool:
        """Whether a stopping rule ended the fit."""
        return self.end in (CONVERGED, NOT_IMPROVED)

    def resumed(self) -> "FitProgress":
        """Return the progress with which a fit resumes: a larger maxIter continues a fit that reached maxIter."""
        return replace(self, end=None) if self.end == FINISHED else self

    def after(
        self, metrics: Mapping[str, float | None], is_finite: bool, change: float | None, rules: StoppingRules
    ) -> "FitProgress":
        """Return the progress after one more iteration.

        Parameters
        ----------
        metrics : mapping of str to float or None
            The iteration's "objective", and "train_rmse" and "validation_rmse" if the model predicts ratings.
        is_finite : bool
            Whether the factors are finite.
        change : float or None
            ‖U Vᵀ − U₀ V₀ᵀ‖_F; None if it was not computed.
        rules : StoppingRules
        """
        iteration, objective = self.iteration + 1, metrics["objective"]
        assert objective is not None
        if not is_finite or not math.isfinite(objective):
            return replace(self, iteration=iteration, objective=objective, end=DIVERGED)
        watched = monitored(metrics)
        improved = self.best is None or watched < self.best - rules.improvement_tol
        best, best_iteration = (watched, iteration) if improved else (self.best, self.best_iteration)
        end = FINISHED if iteration >= rules.max_iterations else None
        if rules.patience and best_iteration is not None and iteration - best_iteration >= rules.patience:
            end = NOT_IMPROVED
        if change is not None and change < rules.change_tol:
            end = CONVERGED
        step = self._next_step(iteration, objective, rules)
        descended = self.objective is not None and objective <= self.objective
        return FitProgress(iteration, step, objective, best, best_iteration, end, descended)

    def _next_step(self, iteration: int, objective: float, rules: StoppingRules) -> float:
        if rules.schedule == "exponential":
            return rules.decay**iteration
        if rules.schedule == "inverse":
            return 1.0 / (1.0 + rules.decay * iteration)
        if rules.schedule == "boldDriver" and self.objective is not None:
            return self.step * (GROWTH if objective < self.objective else CUT)
        return self.step
