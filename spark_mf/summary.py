"""What a fit leaves behind besides the factors: its history, as data."""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class IterationRecord:
    """One iteration (ALS: both half-steps), step (GD) or epoch (SGD: one pass over the ratings)."""

    iteration: int
    """Counted from 1."""
    seconds: float
    """Wall-clock seconds of this iteration alone, without setting up."""
    objective: float | None
    """The minimised objective of the stated `regularization`; None where not computed.

    ALS and GD: after the iteration. SGD: the squared errors as each rating was visited in the epoch, just before its
    update, and the penalty of the factors at its end.
    """
    train_rmse: float | None
    """Root mean squared error over the training ratings, SGD's running and the others' after the iteration, as the
    objective; None where not computed."""
    validation_rmse: float | None
    """The same after the iteration over the validation rows whose user and item were trained; None without such
    rows."""
    step_size: float | None = None
    """SGD's step of the factors in this epoch; None for ALS and GD."""
    product_change: float | None = None
    """‖U Vᵀ − U₀ V₀ᵀ‖_F of the factors after and before the iteration, in the ratings' unit; None where the fit had no
    tol to compare it with, and for SGD."""
    kernel_seconds: float | None = None
    """Seconds of all tasks together in the arithmetic of the iteration, its evaluation included; the rest of a task
    goes into bringing it what it works on. None where not measured."""


@dataclass(frozen=True)
class TrainingSummary:
    """History and counts of one fit. A part of the model: saved and loaded with it."""

    history: tuple[IterationRecord, ...]
    setupSeconds: float
    """Wall-clock seconds from the call of `fit` to the first iteration."""
    totalSeconds: float
    """Wall-clock seconds of the whole `fit`."""
    users: int
    """Distinct users of the training ratings; `items` likewise."""
    items: int
    ratings: int
    """Training ratings that the objective sums over."""
    validationRatings: int
    """Rows held out by `validationIndicatorCol`, cold ones included."""
    coldValidationRatings: int
    """Validation rows whose user or item has no training rating; they count in no RMSE."""
    duplicates: int
    """Training rows that repeat an earlier row's (user, item) pair."""
    regParam: float
    regularization: str
    solver: str
    """ALS's solver of a row, "cholesky", "cg" or "gd"; "gd" for GD, and for SGD the name of its optimizer."""
    engine: str = "broadcast"
    """How blocks and factors met: "broadcast", "ring" or "stages"."""
    bestIteration: int | None = None
    """The iteration whose factors the model holds, counted from 1; None for the last."""
    stoppedEarly: bool = False
    """Whether the fit ended because it no longer improved (SGD) or changed (ALS, GD), as patience and tol say."""
    biasRegParam: float | None = None
    """λ of the biases; None for a model without biases."""

    @property
    def totalIterations(self) -> int:
        """Number of iterations that were run."""
        return len(self.history)

    @property
    def objectiveHistory(self) -> list[float | None]:
        """Objective of each iteration, in order."""
        return [record.objective for record in self.history]

    @property
    def trainRmseHistory(self) -> list[float | None]:
        """Training RMSE of each iteration, in order."""
        return [record.train_rmse for record in self.history]

    @property
    def validationRmseHistory(self) -> list[float | None]:
        """Validation RMSE after each iteration, in order."""
        return [record.validation_rmse for record in self.history]

    @property
    def stepSizeHistory(self) -> list[float | None]:
        """Step size of each epoch, in order; all None but for SGD."""
        return [record.step_size for record in self.history]

    @property
    def productChangeHistory(self) -> list[float | None]:
        """Change of U Vᵀ by each iteration, in order; all None without tol."""
        return [record.product_change for record in self.history]

    def to_json(self) -> str:
        """Return the summary as one line of JSON; absent values are null. `from_json` is its inverse."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "TrainingSummary":
        """Return the summary that `to_json` wrote.

        Raises
        ------
        ValueError
            When the text is not such a summary.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            history = tuple(IterationRecord(**record) for record in fields.pop("history"))
            return cls(history=history, **fields)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no training summary ({error}): pass the text that to_json() returned") from error
