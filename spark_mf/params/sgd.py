"""Params of the SGD estimator and their validation."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasStepSize, HasTol

from spark_mf.params.biases import _HasBiases
from spark_mf.params.checks import (
    require_above_zero,
    require_at_least_zero,
    require_below_one,
    require_choice,
    require_patience,
    require_positive,
)
from spark_mf.params.factorization import _HasEarlyStopping, _HasInitStd, validate_factorization_params

ENGINES = ("auto", "ring", "stages")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "adam")
SCHEDULES = ("constant", "exponential", "inverse", "boldDriver")
SIMULTANEOUS, SEQUENTIAL = "simultaneous", "sequential"


class _SGDParams(_HasBiases, _HasEarlyStopping, _HasInitStd, HasStepSize, HasTol):
    """All Params of the SGD estimator."""

    stepSize: Param[float] = Param(
        Params._dummy(),
        "stepSize",
        "learning rate of the factors in the first epoch (> 0); schedule determines how it changes.",
        typeConverter=TypeConverters.toFloat,
    )
    tol: Param[float] = Param(
        Params._dummy(),
        "tol",
        "minimum decrease of the best RMSE so far that counts as an improvement (>= 0); see earlyStoppingPatience.",
        typeConverter=TypeConverters.toFloat,
    )
    optimizer: Param[str] = Param(
        Params._dummy(),
        "optimizer",
        "update rule: 'sgd', 'momentum' (heavy ball), 'adagrad' or 'adam'. The optimizer's state of a row is stored "
        "with the row, and only rows with ratings in a batch are updated.",
        typeConverter=TypeConverters.toString,
    )
    schedule: Param[str] = Param(
        Params._dummy(),
        "schedule",
        "learning rate schedule: 'constant', 'exponential', 'inverse' or 'boldDriver' (5 % more after an epoch that "
        "lowered the objective, half after one that did not).",
        typeConverter=TypeConverters.toString,
    )
    updateOrder: Param[str] = Param(
        Params._dummy(),
        "updateOrder",
        "whether the user and the item of a rating are both updated from their old rows ('simultaneous'), or the item "
        "first and then the user from the new item ('sequential').",
        typeConverter=TypeConverters.toString,
    )
    batchSize: Param[int] = Param(
        Params._dummy(),
        "batchSize",
        "number of ratings whose gradients are summed for one update of their rows (>= 1).",
        typeConverter=TypeConverters.toInt,
    )
    biasStepSize: Param[float] = Param(
        Params._dummy(),
        "biasStepSize",
        "learning rate of the biases (> 0); stepSize if it is not set.",
        typeConverter=TypeConverters.toFloat,
    )
    momentum: Param[float] = Param(
        Params._dummy(),
        "momentum",
        "momentum coefficient, in [0, 1); for optimizer 'momentum'.",
        typeConverter=TypeConverters.toFloat,
    )
    beta1: Param[float] = Param(
        Params._dummy(),
        "beta1",
        "decay rate of the first moment of the gradients, in [0, 1); for optimizer 'adam'.",
        typeConverter=TypeConverters.toFloat,
    )
    beta2: Param[float] = Param(
        Params._dummy(),
        "beta2",
        "decay rate of the second moment of the gradients, in [0, 1); for optimizer 'adam'.",
        typeConverter=TypeConverters.toFloat,
    )
    epsilon: Param[float] = Param(
        Params._dummy(),
        "epsilon",
        "constant that keeps the denominator positive (> 0); for optimizers 'adagrad' and 'adam'.",
        typeConverter=TypeConverters.toFloat,
    )
    decay: Param[float] = Param(
        Params._dummy(),
        "decay",
        "decay of the learning rate: the factor per epoch, in (0, 1], for schedule 'exponential'; the rate d of "
        "1/(1 + d·t), >= 0, for 'inverse'.",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(
            maxIter=20,
            regParam=0.05,
            stepSize=0.015,
            tol=0.0,
            fitBias=True,
            optimizer="sgd",
            schedule="exponential",
            updateOrder=SIMULTANEOUS,
            batchSize=1,
            earlyStoppingPatience=10,
            initStd=0.01,
            momentum=0.9,
            beta1=0.9,
            beta2=0.999,
            epsilon=1e-8,
            decay=0.95,
        )

    def getOptimizer(self) -> str:
        """Return the name of the optimizer."""
        return self.getOrDefault(self.optimizer)

    def setOptimizer(self, value: str | None) -> Self:
        """Set the name of the optimizer."""
        return self._set(optimizer=value)

    def getSchedule(self) -> str:
        """Return the name of the learning rate schedule."""
        return self.getOrDefault(self.schedule)

    def setSchedule(self, value: str | None) -> Self:
        """Set the name of the learning rate schedule."""
        return self._set(schedule=value)

    def getUpdateOrder(self) -> str:
        """Return the order in which the user and the item of a rating are updated."""
        return self.getOrDefault(self.updateOrder)

    def setUpdateOrder(self, value: str | None) -> Self:
        """Set the order in which the user and the item of a rating are updated."""
        return self._set(updateOrder=value)

    def getBatchSize(self) -> int:
        """Return the number of ratings in a batch."""
        return self.getOrDefault(self.batchSize)

    def setBatchSize(self, value: int | None) -> Self:
        """Set the number of ratings in a batch."""
        return self._set(batchSize=value)

    def getBiasStepSize(self) -> float:
        """Return the learning rate of the biases; stepSize if it is not set."""
        given = self._given(self.biasStepSize)
        return self.getOrDefault(self.stepSize) if given is None else given

    def setBiasStepSize(self, value: float | None) -> Self:
        """Set the learning rate of the biases."""
        return self._set(biasStepSize=value)

    def getMomentum(self) -> float:
        """Return the momentum coefficient."""
        return self.getOrDefault(self.momentum)

    def setMomentum(self, value: float | None) -> Self:
        """Set the momentum coefficient."""
        return self._set(momentum=value)

    def getBeta1(self) -> float:
        """Return the decay rate of the first moment of the gradients."""
        return self.getOrDefault(self.beta1)

    def setBeta1(self, value: float | None) -> Self:
        """Set the decay rate of the first moment of the gradients."""
        return self._set(beta1=value)

    def getBeta2(self) -> float:
        """Return the decay rate of the second moment of the gradients."""
        return self.getOrDefault(self.beta2)

    def setBeta2(self, value: float | None) -> Self:
        """Set the decay rate of the second moment of the gradients."""
        return self._set(beta2=value)

    def getEpsilon(self) -> float:
        """Return the constant that keeps the denominator positive."""
        return self.getOrDefault(self.epsilon)

    def setEpsilon(self, value: float | None) -> Self:
        """Set the constant that keeps the denominator positive."""
        return self._set(epsilon=value)

    def getDecay(self) -> float:
        """Return the decay of the learning rate."""
        return self.getOrDefault(self.decay)

    def setDecay(self, value: float | None) -> Self:
        """Set the decay of the learning rate."""
        return self._set(decay=value)

    def setStepSize(self, value: float | None) -> Self:
        """Set the learning rate of the factors in the first epoch."""
        return self._set(stepSize=value)

    def setTol(self, value: float | None) -> Self:
        """Set the minimum decrease of the RMSE that counts as an improvement."""
        return self._set(tol=value)


def validate_sgd_params(instance: _SGDParams) -> None:
    """Raise an error unless every Param has a valid value; runs no Spark job.

    Raises
    ------
    ValueError
        If a value is outside its range or choices.
    """
    validate_factorization_params(instance, ENGINES)
    require_choice("optimizer", instance.getOptimizer(), OPTIMIZERS)
    require_choice("schedule", instance.getSchedule(), SCHEDULES)
    require_choice("updateOrder", instance.getUpdateOrder(), (SIMULTANEOUS, SEQUENTIAL))
    require_positive("batchSize", instance.getBatchSize())
    for name, step in (("stepSize", instance.getStepSize()), ("biasStepSize", instance.getBiasStepSize())):
        require_above_zero(name, step)
    require_at_least_zero("biasRegParam", instance.getBiasRegParam())
    require_at_least_zero("initStd", instance.getInitStd())
    require_at_least_zero("tol", instance.getTol())
    require_above_zero("epsilon", instance.getEpsilon())
    for name in ("momentum", "beta1", "beta2"):
        require_below_one(name, instance.getOrDefault(name))
    require_patience(instance.getEarlyStoppingPatience())
    require_at_least_zero("decay", instance.getDecay())
    if instance.getSchedule() == "exponential" and not 0 < instance.getDecay() <= 1:
        raise ValueError(f"decay must be in (0, 1] for schedule 'exponential', got {instance.getDecay()}.")
