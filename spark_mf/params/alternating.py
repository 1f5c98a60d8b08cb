"""Params that ALS and GD share, and their validation."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters

from spark_mf.params.checks import require_at_least_zero, require_patience
from spark_mf.params.factorization import _FactorizationParams, _HasEarlyStopping, validate_factorization_params

ENGINES = ("auto", "broadcast", "ring")


class _AlternatingParams(_FactorizationParams, _HasEarlyStopping):
    """Params of the estimators whose iterations update all users and all items."""

    tol: Param[float] = Param(
        Params._dummy(),
        "tol",
        "convergence tolerance (>= 0): the fit stops after an iteration that changes the product of the factors, i.e. "
        "the predictions of all users for all items, by less than this in Frobenius norm. 0 disables it.",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(tol=0.0, earlyStoppingPatience=0)

    def getTol(self) -> float:
        """Return the change of the product of the factors below which the fit stops."""
        return self.getOrDefault(self.tol)

    def setTol(self, value: float | None) -> Self:
        """Set the change of the product of the factors below which the fit stops; 0 disables it."""
        return self._set(tol=value)


def validate_alternating_params(instance: _AlternatingParams) -> None:
    """Raise an error unless every Param of ALS and GD has a valid value; runs no Spark job.

    Raises
    ------
    ValueError
        If a value is outside its range or choices.
    """
    validate_factorization_params(instance, ENGINES)
    require_at_least_zero("tol", instance.getTol())
    require_patience(instance.getEarlyStoppingPatience())
    if instance.getEarlyStoppingPatience() and instance.getValidationIndicatorCol() is None:
        raise ValueError(
            f"validationIndicatorCol must be set with earlyStoppingPatience={instance.getEarlyStoppingPatience()}, got "
            "none. Name a boolean column that marks validation rows, or use earlyStoppingPatience=0."
        )
