"""Params of the GD estimator and their validation."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters

from spark_mf.params.alternating import _AlternatingParams, validate_alternating_params
from spark_mf.params.checks import require_above_zero, require_at_least_zero
from spark_mf.params.factorization import _HasInitStd


class _GDParams(_AlternatingParams, _HasInitStd):
    """All Params of the GD estimator."""

    stepSize: Param[float] = Param(
        Params._dummy(),
        "stepSize",
        "learning rate (> 0), in units of 1/|Ω|: factors move by -(stepSize/|Ω|) times the gradient of Σe² + penalty.",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(maxIter=100, regParam=0.05, stepSize=10.0, initStd=0.1)

    def getStepSize(self) -> float:
        """Return the learning rate, in units of 1/|Ω|."""
        return self.getOrDefault(self.stepSize)

    def setStepSize(self, value: float | None) -> Self:
        """Set the learning rate, in units of 1/|Ω|."""
        return self._set(stepSize=value)


def validate_gd_params(instance: _GDParams) -> None:
    """Raise an error unless every Param has a valid value; runs no Spark job.

    Raises
    ------
    ValueError
        If a value is outside its range or choices.
    """
    validate_alternating_params(instance)
    require_above_zero("stepSize", instance.getStepSize())
    require_at_least_zero("initStd", instance.getInitStd())
