"""The Params that ALS and GD share: the estimators that improve all rows of a side, block by block."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters

from spark_mf.params.factorization import (
    _FactorizationParams,
    require_at_least_zero,
    validate_factorization_params,
)

ENGINES = ("auto", "broadcast", "ring")


class _AlternatingParams(_FactorizationParams):
    """Params of every estimator whose iterations improve all users and all items."""

    tol: Param[float] = Param(
        Params._dummy(),
        "tol",
        "the fit ends after an iteration that changed the product of the factors, the predictions of all users for "
        "all items, by less than this in Frobenius norm, in the ratings' unit (≥ 0); 0 for never.",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(tol=0.0)

    def getTol(self) -> float:
        """Return the change of the product of the factors below which the fit ends."""
        return self.getOrDefault(self.tol)

    def setTol(self, value: float | None) -> Self:
        """Set the change of the product of the factors below which the fit ends; 0 for never."""
        return self._set(tol=value)


def validate_alternating_params(instance: _AlternatingParams) -> None:
    """Refuse every value of these and of the shared Params that a fit cannot use, before any Spark job.

    Raises
    ------
    ValueError
        For a value outside its range or choices; the sentence names the Param, the value and what is allowed.
    """
    validate_factorization_params(instance, ENGINES)
    require_at_least_zero("tol", instance.getTol(), "change of the factors' product")
