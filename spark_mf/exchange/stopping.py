"""When a fit ends, and how its step changes from one iteration to the next.

Every task of a ring decides alone, from the same sums, so all tasks decide the same and none waits for the driver.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

#: Why no iteration follows.
DIVERGED, CONVERGED, NOT_IMPROVED, FINISHED = "diverged", "converged", "not improved", "finished"
#: Factors of the step after an epoch that lowered the objective, and after one that did not ("boldDriver").
GROWTH, CUT = 1.05, 0.5


@dataclass(frozen=True)
class StoppingRules:
    """The rules that a fit follows.

    Attributes
    ----------
    max_iterations : int
    change_tol : float
        The fit ends after an iteration that changed U Vᵀ by less than this in Frobenius norm; 0 for never.
    patience : int
        The fit ends after so many iterations in a row without improvement of the watched RMSE; 0 for never. The
        validation RMSE is watched where there is one, else the training RMSE.
    improvement_tol : float
        The watched RMSE improves where it is lower than the best one so far by more than this.
    keeps_best : bool
        Whether the model has the factors of the iteration with the best watched RMSE, else those of the last one.
    schedule : str
        Factor of the step in iteration t = 0, 1, …: "constant" 1; "exponential" decay**t; "inverse" 1/(1 + decay·t);
        "boldDriver" `GROWTH` times the last one after an iteration that lowered the objective, `CUT` times after one
        that did not (Gemulla et al. 2011, §6.1; Battiti 1989).
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
    """Where a fit stands after `iteration` iterations.

    Attributes
    ----------
    iteration : int
    step : float
        Factor of the step in the next iteration.
    objective : float or None
        Of the last iteration.
    best, best_iteration : float and int, or None
        The lowest watched RMSE, and the iteration that had it, counted from 1.
    end : str or None
        Why no iteration follows: `DIVERGED`, `CONVERGED`, `NOT_IMPROVED` or `FINISHED`; None where one does.
    """

    iteration: int = 0
    step: float = 1.0
    objective: float | None = None
    best: float | None = None
    best_iteration: int | None = None
    end: str | None = None

    @property
    def is_best(self) -> bool:
        """Whether the last iteration is the best so far, and its factors can be kept."""
        return self.iteration == self.best_iteration and self.end != DIVERGED

    @property
    def stopped_early(self) -> bool:
        """Whether a stopping rule ended the fit."""
        return self.end in (CONVERGED, NOT_IMPROVED)

    def resumed(self) -> "FitProgress":
        """Return the progress of a fit that was saved: one that ran all its iterations may get more of them."""
        return replace(self, end=None) if self.end == FINISHED else self

    def after(
        self, metrics: Mapping[str, float | None], is_finite: bool, change: float | None, rules: StoppingRules
    ) -> "FitProgress":
        """Return where the fit stands after one more iteration.

        Parameters
        ----------
        metrics : mapping
            With "objective", "train_rmse" and "validation_rmse" of the iteration.
        is_finite : bool
            Whether its factors are.
        change : float or None
            ‖U Vᵀ − U₀ V₀ᵀ‖_F; None where it was not computed.
        rules : StoppingRules
        """
        iteration, objective = self.iteration + 1, metrics["objective"]
        assert objective is not None
        if not is_finite or not math.isfinite(objective):
            return replace(self, iteration=iteration, objective=objective, end=DIVERGED)
        watched = metrics["train_rmse"] if metrics["validation_rmse"] is None else metrics["validation_rmse"]
        assert watched is not None
        improved = self.best is None or watched < self.best - rules.improvement_tol
        best, best_iteration = (watched, iteration) if improved else (self.best, self.best_iteration)
        end = FINISHED if iteration >= rules.max_iterations else None
        if rules.patience and best_iteration is not None and iteration - best_iteration >= rules.patience:
            end = NOT_IMPROVED
        if change is not None and change < rules.change_tol:
            end = CONVERGED
        step = self._next_step(iteration, objective, rules)
        return FitProgress(iteration, step, objective, best, best_iteration, end)

    def _next_step(self, iteration: int, objective: float, rules: StoppingRules) -> float:
        if rules.schedule == "exponential":
            return rules.decay**iteration
        if rules.schedule == "inverse":
            return 1.0 / (1.0 + rules.decay * iteration)
        if rules.schedule == "boldDriver" and self.objective is not None:
            return self.step * (GROWTH if objective < self.objective else CUT)
        return self.step
