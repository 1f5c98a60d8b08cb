"""Training summary of a fit: history and counts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class IterationRecord:
    """One iteration (ALS: both half-steps), step (GD) or epoch (SGD: one pass over the ratings)."""

    iteration: int
    """Counted from 1."""
    seconds: float
    """Wall-clock seconds of this iteration alone, without set-up."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Values by name; a name that is absent, or None, was not computed.

    "objective"
        The minimised objective of the stated `regularization`. ALS and GD: after the iteration. SGD: the squared errors
        as each rating was visited in the epoch, just before its update, and the penalty of the factors at its end.
    "train_rmse"
        Root mean squared error over the training ratings, measured as the objective is.
    "validation_rmse"
        Root mean squared error after the iteration over the validation rows whose user and item were trained.
    "step_size"
        SGD's step of the factors in this epoch.
    "product_change"
        ‖U Vᵀ − U₀ V₀ᵀ‖_F of the factors after and before the iteration, in the ratings' unit, where `tol` of ALS or GD
        is above 0.
    """
    kernel_seconds: float | None = None
    """Seconds of all tasks together in the arithmetic of the iteration, its evaluation included; the rest of a task is
    spent on bringing it what it works on. None where not measured."""

    @property
    def objective(self) -> float | None:
        """The objective; None where not computed."""
        return self.metrics.get("objective")

    @property
    def train_rmse(self) -> float | None:
        """The training RMSE; None where not computed."""
        return self.metrics.get("train_rmse")

    @property
    def validation_rmse(self) -> float | None:
        """The validation RMSE; None where not computed."""
        return self.metrics.get("validation_rmse")

    @property
    def step_size(self) -> float | None:
        """The step of the factors; None but for SGD."""
        return self.metrics.get("step_size")

    @property
    def product_change(self) -> float | None:
        """The change of U Vᵀ; None where not computed."""
        return self.metrics.get("product_change")

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a flat JSON object, the metrics beside the other fields."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "metrics"}
        return own | dict(self.metrics)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "IterationRecord":
        """Return the record whose `to_dict` this is.

        Raises
        ------
        TypeError
            When a field is missing or a metric is not a number.
        """
        own = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        metrics = {name: value for name, value in values.items() if name not in own}
        for name, value in metrics.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise TypeError(f"{name} must be a number or null, got {value!r}.")
        return cls(**own, metrics=metrics)


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
    """Validation rows whose user or item has no training rating; no RMSE includes them."""
    duplicates: int
    """Training rows that repeat an earlier row's (user, item) pair."""
    regParam: float
    regularization: str
    solver: str
    """ALS's solver of a row, "cholesky", "cg" or "gd"; "gd" for GD, and for SGD the name of its optimizer."""
    engine: str = "broadcast"
    """How factors reached the blocks: "broadcast", "ring" or "stages"."""
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

    def metricHistory(self, name: str) -> list[float | None]:
        """Return a metric of each iteration, in order, by its name in `IterationRecord.metrics`."""
        return [record.metrics.get(name) for record in self.history]

    def to_json(self) -> str:
        """Return the summary as one line of JSON; absent values are null. `from_json` is its inverse."""
        own = asdict(self) | {"history": [record.to_dict() for record in self.history]}
        return json.dumps(own, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "TrainingSummary":
        """Return the summary that `to_json` wrote, in this or an earlier version.

        Raises
        ------
        ValueError
            When the text is not such a summary.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            history = tuple(IterationRecord.from_dict(record) for record in found.pop("history"))
            return cls(history=history, **found)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"text must be a training summary, got {text[:60]!r} ({error}). Pass what to_json() returned."
            ) from error
