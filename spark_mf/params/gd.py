"""The Params of the GD estimator, and the checks of its values."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters

from spark_mf.params.alternating import _AlternatingParams, validate_alternating_params
from spark_mf.params.factorization import _HasInitStd, require_above_zero, require_at_least_zero


class _GDParams(_AlternatingParams, _HasInitStd):
    """All Params of the GD estimator."""

    stepSize: Param[float] = Param(
        Params._dummy(),
        "stepSize",
        "the step, in units of 1/|Ω|: factors move by -(stepSize/|Ω|) times the gradient of Σe² + penalty (> 0).",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(maxIter=100, regParam=0.05, stepSize=10.0, initStd=0.1)

    def getStepSize(self) -> float:
        """Return the step, in units of 1/|Ω|."""
        return self.getOrDefault(self.stepSize)

    def setStepSize(self, value: float | None) -> Self:
        """Set the step, in units of 1/|Ω|."""
        return self._set(stepSize=value)


def validate_gd_params(instance: _GDParams) -> None:
    """Refuse every Param value that a fit cannot use, before any Spark job.

    Raises
    ------
    ValueError
        For a value outside its range or choices; the sentence names the Param, the value and what is allowed.
    """
    validate_alternating_params(instance)
    require_above_zero("stepSize", instance.getStepSize())
    require_at_least_zero("initStd", instance.getInitStd(), "standard deviation")
