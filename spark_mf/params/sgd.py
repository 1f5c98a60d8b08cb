"""The Params that only the SGD estimator has, and the checks of its values."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasStepSize, HasTol

from spark_mf.params.factorization import (
    _FactorizationParams,
    _HasInitStd,
    require_above_zero,
    require_at_least_zero,
    require_below_one,
    require_choice,
    require_positive,
    validate_factorization_params,
)

ENGINES = ("auto", "ring", "stages")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "adam")
SCHEDULES = ("constant", "exponential", "inverse", "boldDriver")
SIMULTANEOUS, SEQUENTIAL = "simultaneous", "sequential"


class _SGDParams(_FactorizationParams, _HasInitStd, HasStepSize, HasTol):
    """All Params of the SGD estimator."""

    stepSize: Param[float] = Param(
        Params._dummy(),
        "stepSize",
        "step of the factors in the first epoch (> 0); schedule says how it changes.",
        typeConverter=TypeConverters.toFloat,
    )
    tol: Param[float] = Param(
        Params._dummy(),
        "tol",
        "what an epoch's RMSE must be lower by than the best one so far to count as an improvement (>= 0); see "
        "earlyStoppingPatience.",
        typeConverter=TypeConverters.toFloat,
    )
    fitBias: Param[bool] = Param(
        Params._dummy(),
        "fitBias",
        "whether the model has a global mean and biases: r = mean + b_user + b_item + u·v, else r = u·v.",
        typeConverter=TypeConverters.toBoolean,
    )
    optimizer: Param[str] = Param(
        Params._dummy(),
        "optimizer",
        "how gradients change the rows that they belong to: 'sgd', 'momentum' (heavy ball), 'adagrad' or "
        "'adam'; each keeps a row's state with the row, and a row without ratings in a batch costs nothing.",
        typeConverter=TypeConverters.toString,
    )
    schedule: Param[str] = Param(
        Params._dummy(),
        "schedule",
        "how the step changes: 'constant', 'exponential', 'inverse' or 'boldDriver' (5 % more after an epoch "
        "that lowered the objective, half after one that did not).",
        typeConverter=TypeConverters.toString,
    )
    updateOrder: Param[str] = Param(
        Params._dummy(),
        "updateOrder",
        "whether a rating's user and item are both updated from their old rows ('simultaneous') or the item "
        "first and the user from the new item ('sequential').",
        typeConverter=TypeConverters.toString,
    )
    batchSize: Param[int] = Param(
        Params._dummy(),
        "batchSize",
        "ratings whose gradients are summed before the rows that they touch are updated (≥ 1).",
        typeConverter=TypeConverters.toInt,
    )
    earlyStoppingPatience: Param[int] = Param(
        Params._dummy(),
        "earlyStoppingPatience",
        "epochs in turn whose RMSE is not lower than the best one by more than tol, after which the fit ends;"
        " 0 for never. It watches the validation rows where there are any, else, if tol is above 0, the "
        "training ratings.",
        typeConverter=TypeConverters.toInt,
    )
    biasRegParam: Param[float] = Param(
        Params._dummy(),
        "biasRegParam",
        "λ of the biases (≥ 0); regParam where it is not set.",
        typeConverter=TypeConverters.toFloat,
    )
    biasStepSize: Param[float] = Param(
        Params._dummy(),
        "biasStepSize",
        "step of the biases (> 0); stepSize where it is not set.",
        typeConverter=TypeConverters.toFloat,
    )
    momentum: Param[float] = Param(
        Params._dummy(),
        "momentum",
        "part of the velocity that stays from one update of a row to the next (in [0, 1)); for optimizer 'momentum'.",
        typeConverter=TypeConverters.toFloat,
    )
    beta1: Param[float] = Param(
        Params._dummy(),
        "beta1",
        "decay of the mean of a row's gradients (in [0, 1)); for optimizer 'adam'.",
        typeConverter=TypeConverters.toFloat,
    )
    beta2: Param[float] = Param(
        Params._dummy(),
        "beta2",
        "decay of the mean of their squares (in [0, 1)); for optimizer 'adam'.",
        typeConverter=TypeConverters.toFloat,
    )
    epsilon: Param[float] = Param(
        Params._dummy(),
        "epsilon",
        "what keeps a divisor from being zero (> 0); for optimizers 'adagrad' and 'adam'.",
        typeConverter=TypeConverters.toFloat,
    )
    decay: Param[float] = Param(
        Params._dummy(),
        "decay",
        "how fast the step shrinks: the factor of each epoch (in (0, 1]) for schedule 'exponential', the rate"
        " d of 1/(1 + d·t) (≥ 0) for 'inverse'.",
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

    def getFitBias(self) -> bool:
        """Return whether the model has a global mean and biases."""
        return self.getOrDefault(self.fitBias)

    def setFitBias(self, value: bool | None) -> Self:
        """Set whether the model has a global mean and biases."""
        return self._set(fitBias=value)

    def getOptimizer(self) -> str:
        """Return the name of the optimizer."""
        return self.getOrDefault(self.optimizer)

    def setOptimizer(self, value: str | None) -> Self:
        """Set the name of the optimizer."""
        return self._set(optimizer=value)

    def getSchedule(self) -> str:
        """Return the name of the schedule of the step."""
        return self.getOrDefault(self.schedule)

    def setSchedule(self, value: str | None) -> Self:
        """Set the name of the schedule of the step."""
        return self._set(schedule=value)

    def getUpdateOrder(self) -> str:
        """Return the order in which a rating's rows are updated."""
        return self.getOrDefault(self.updateOrder)

    def setUpdateOrder(self, value: str | None) -> Self:
        """Set the order in which a rating's rows are updated."""
        return self._set(updateOrder=value)

    def getBatchSize(self) -> int:
        """Return ratings of a batch."""
        return self.getOrDefault(self.batchSize)

    def setBatchSize(self, value: int | None) -> Self:
        """Set ratings of a batch."""
        return self._set(batchSize=value)

    def getEarlyStoppingPatience(self) -> int:
        """Return epochs without improvement after which the fit ends."""
        return self.getOrDefault(self.earlyStoppingPatience)

    def setEarlyStoppingPatience(self, value: int | None) -> Self:
        """Set epochs without improvement after which the fit ends."""
        return self._set(earlyStoppingPatience=value)

    def getBiasRegParam(self) -> float:
        """Return the λ of the biases: regParam where it is not set."""
        given = self._given(self.biasRegParam)
        return self.getOrDefault(self.regParam) if given is None else given

    def setBiasRegParam(self, value: float | None) -> Self:
        """Set the λ of the biases."""
        return self._set(biasRegParam=value)

    def getBiasStepSize(self) -> float:
        """Return the step of the biases: stepSize where it is not set."""
        given = self._given(self.biasStepSize)
        return self.getOrDefault(self.stepSize) if given is None else given

    def setBiasStepSize(self, value: float | None) -> Self:
        """Set the step of the biases."""
        return self._set(biasStepSize=value)

    def getMomentum(self) -> float:
        """Return part of the velocity that stays."""
        return self.getOrDefault(self.momentum)

    def setMomentum(self, value: float | None) -> Self:
        """Set part of the velocity that stays."""
        return self._set(momentum=value)

    def getBeta1(self) -> float:
        """Return the decay of the mean of a row's gradients."""
        return self.getOrDefault(self.beta1)

    def setBeta1(self, value: float | None) -> Self:
        """Set the decay of the mean of a row's gradients."""
        return self._set(beta1=value)

    def getBeta2(self) -> float:
        """Return the decay of the mean of their squares."""
        return self.getOrDefault(self.beta2)

    def setBeta2(self, value: float | None) -> Self:
        """Set the decay of the mean of their squares."""
        return self._set(beta2=value)

    def getEpsilon(self) -> float:
        """Return what keeps a divisor from being zero."""
        return self.getOrDefault(self.epsilon)

    def setEpsilon(self, value: float | None) -> Self:
        """Set what keeps a divisor from being zero."""
        return self._set(epsilon=value)

    def getDecay(self) -> float:
        """Return how fast the step shrinks."""
        return self.getOrDefault(self.decay)

    def setDecay(self, value: float | None) -> Self:
        """Set how fast the step shrinks."""
        return self._set(decay=value)

    def setStepSize(self, value: float | None) -> Self:
        """Set the step of the factors in the first epoch."""
        return self._set(stepSize=value)

    def setTol(self, value: float | None) -> Self:
        """Set what an epoch's RMSE must be lower by to count as improvement."""
        return self._set(tol=value)


def validate_sgd_params(instance: _SGDParams) -> None:
    """Refuse every Param value that a fit cannot use, before any Spark job.

    Raises
    ------
    ValueError
        For a value outside its range or choices; the sentence names the Param, the value and what is allowed.
    """
    validate_factorization_params(instance, ENGINES)
    require_choice("optimizer", instance.getOptimizer(), OPTIMIZERS)
    require_choice("schedule", instance.getSchedule(), SCHEDULES)
    require_choice("updateOrder", instance.getUpdateOrder(), (SIMULTANEOUS, SEQUENTIAL))
    require_positive("batchSize", instance.getBatchSize())
    for name, step in (("stepSize", instance.getStepSize()), ("biasStepSize", instance.getBiasStepSize())):
        require_above_zero(name, step)
    require_at_least_zero("biasRegParam", instance.getBiasRegParam(), "weight of a penalty")
    require_at_least_zero("initStd", instance.getInitStd(), "standard deviation")
    require_at_least_zero("tol", instance.getTol(), "difference of errors")
    require_above_zero("epsilon", instance.getEpsilon())
    for name in ("momentum", "beta1", "beta2"):
        require_below_one(name, instance.getOrDefault(name))
    patience = instance.getEarlyStoppingPatience()
    if patience < 0:
        raise ValueError(f"earlyStoppingPatience={patience} is negative: use 0 for never, or the epochs to wait")
    require_at_least_zero("decay", instance.getDecay(), "rate of decay")
    if instance.getSchedule() == "exponential" and not 0 < instance.getDecay() <= 1:
        raise ValueError(f"decay={instance.getDecay()} is no factor of schedule 'exponential': use one in (0, 1]")
