"""Params of the estimators whose models may have biases."""

from typing import Self

from pyspark.ml.param import Param, Params, TypeConverters

from spark_mf.params.factorization import _FactorizationParams


class _HasBiases(_FactorizationParams):
    """The Params of biases and their regularization."""

    fitBias: Param[bool] = Param(
        Params._dummy(),
        "fitBias",
        "whether the model has a global mean and biases, r = mean + b_user + b_item + u·v, or not, r = u·v.",
        typeConverter=TypeConverters.toBoolean,
    )
    biasRegParam: Param[float] = Param(
        Params._dummy(),
        "biasRegParam",
        "regularization parameter of the biases (>= 0); regParam if it is not set.",
        typeConverter=TypeConverters.toFloat,
    )

    def getFitBias(self) -> bool:
        """Return whether the model has a global mean and biases."""
        return self.getOrDefault(self.fitBias)

    def setFitBias(self, value: bool | None) -> Self:
        """Set whether the model has a global mean and biases."""
        return self._set(fitBias=value)

    def getBiasRegParam(self) -> float:
        """Return the regularization parameter of the biases; regParam if it is not set."""
        return self._or_reg_param(self.biasRegParam)

    def setBiasRegParam(self, value: float | None) -> Self:
        """Set the regularization parameter of the biases."""
        return self._set(biasRegParam=value)
