"""The training summary of a fit: its history and counts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class IterationRecord:
    """One iteration (ALS: both half-steps; GD: one step; SGD: one epoch)."""

    iteration: int
    """Counted from 1."""
    seconds: float
    """Wall-clock seconds of this iteration, without the set-up phase of the fit."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Values by name; a metric that is absent or None was not computed.

    "objective"
        The objective of the summary's `regularization`. ALS and GD: after the iteration. SGD: the squared error of each
        rating just before its update, and the penalty at the end of the epoch.
    "train_rmse"
        Root mean squared error of the training ratings, measured at the same time as the objective.
    "validation_rmse"
        Root mean squared error after the iteration of the validation rows whose user and item have training ratings.
    "validation_recall"
        For implicit feedback, the mean recall@10 of a sample of about 2,000 users after the iteration: the number of a
        user's validation items among the 10 unseen items with the highest scores, divided by min(10, their number).
    "step_size"
        SGD's learning rate of the factors in this epoch.
    "product_change"
        ‖U Vᵀ − U₀ V₀ᵀ‖_F of the factors after and before the iteration, in the unit of the ratings; computed if `tol`
        of ALS or GD is positive.
    """
    kernel_seconds: float | None = None
    """Total seconds of all tasks in the kernels, including the evaluation; None if it was not measured. The rest of the
    tasks' time is overhead of communication and waiting."""

    @property
    def objective(self) -> float | None:
        """The objective; None if it was not computed."""
        return self.metrics.get("objective")

    @property
    def train_rmse(self) -> float | None:
        """The training RMSE; None if it was not computed."""
        return self.metrics.get("train_rmse")

    @property
    def validation_rmse(self) -> float | None:
        """The validation RMSE; None if it was not computed."""
        return self.metrics.get("validation_rmse")

    @property
    def validation_recall(self) -> float | None:
        """The validation recall; None except for implicit feedback with validation rows."""
        return self.metrics.get("validation_recall")

    @property
    def step_size(self) -> float | None:
        """The learning rate of the factors; None except for SGD."""
        return self.metrics.get("step_size")

    @property
    def product_change(self) -> float | None:
        """The change of U Vᵀ; None if it was not computed."""
        return self.metrics.get("product_change")

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a flat JSON object that has the metrics beside the other fields."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "metrics"}
        return own | dict(self.metrics)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "IterationRecord":
        """Return the record from the result of `to_dict`.

        Raises
        ------
        TypeError
            If a field is missing, or a metric is not a number.
        """
        own = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        metrics = {name: value for name, value in values.items() if name not in own}
        for name, value in metrics.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise TypeError(f"{name} must be a number or null, got {value!r}.")
        return cls(**own, metrics=metrics)


@dataclass(frozen=True)
class TrainingSummary:
    """History and counts of one fit, saved and loaded with its model."""

    history: tuple[IterationRecord, ...]
    setupSeconds: float
    """Wall-clock seconds from the call of `fit` to the first iteration."""
    totalSeconds: float
    """Wall-clock seconds of the whole `fit`."""
    users: int
    """Number of distinct users of the training ratings."""
    items: int
    """Number of distinct items of the training ratings."""
    ratings: int
    """Number of training ratings."""
    validationRatings: int
    """Number of rows that `validationIndicatorCol` marks, including the cold ones."""
    coldValidationRatings: int
    """Number of validation rows whose user or item has no training rating; the RMSE excludes them."""
    duplicates: int
    """Number of training rows that repeat the (user, item) pair of another row."""
    regParam: float
    regularization: str
    solver: str
    """The solver of ALS, "gd" for GD, or the optimizer of SGD."""
    engine: str = "broadcast"
    """The engine of the fit: "broadcast", "ring" or "stages"."""
    bestIteration: int | None = None
    """The iteration whose factors the model has, counted from 1; None for the last one."""
    stoppedEarly: bool = False
    """Whether a stopping rule ended the fit: early stopping, or convergence by `tol` (ALS, GD)."""
    biasRegParam: float | None = None
    """Regularization parameter of the biases; None for a model without biases."""

    @property
    def totalIterations(self) -> int:
        """Number of completed iterations."""
        return len(self.history)

    def metricHistory(self, name: str) -> list[float | None]:
        """Return the values of a metric in `IterationRecord.metrics`, one per iteration."""
        return [record.metrics.get(name) for record in self.history]

    def to_json(self) -> str:
        """Return the summary as one line of JSON, with null for absent values; the inverse of `from_json`."""
        own = asdict(self) | {"history": [record.to_dict() for record in self.history]}
        return json.dumps(own, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "TrainingSummary":
        """Return the summary that `to_json` wrote, in this or an earlier version.

        Raises
        ------
        ValueError
            If the text is not such a summary.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            history = tuple(IterationRecord.from_dict(record) for record in found.pop("history"))
            return cls(history=history, **found)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"text must be a training summary, got {text[:60]!r} ({error}). Pass the result of to_json()."
            ) from error
