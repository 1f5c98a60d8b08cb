"""Params that all estimators share, and their validation.

Names, defaults and docs of Params that pyspark's ALS has come from pyspark's own mixins, which are plain `Params`
classes. This module declares the Params that pyspark lacks, and the ones whose meaning differs from pyspark's docs.
"""

from typing import Any, Self, TypeVar

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasCheckpointInterval,
    HasIntermediateStorageLevel,
    HasMaxIter,
    HasRegParam,
    HasSeed,
    HasValidationIndicatorCol,
    HasWeightCol,
)
from pyspark.ml.recommendation import _ALSParams as _SparkALSParams

from spark_mf.params.checks import (
    require_above_zero,
    require_at_least_zero,
    require_choice,
    require_positive,
    require_seed,
)
from spark_mf.params.model import _ALSModelParams, validate_model_params
from spark_mf.params.storage_levels import STORAGE_LEVELS

T = TypeVar("T")

_BLOCK_NUMBERS = ("numUserBlocks", "numItemBlocks")
REGULARIZATIONS = ("weighted", "plain", "mean", "frequency")


class _FactorizationParams(
    _ALSModelParams,
    HasMaxIter,
    HasRegParam,
    HasCheckpointInterval,
    HasSeed,
    HasIntermediateStorageLevel,
    HasValidationIndicatorCol,
    HasWeightCol,
):
    """Params that all estimators share, with pyspark's names where pyspark has them."""

    rank = _SparkALSParams.rank
    numUserBlocks: Param[int] = Param(
        Params._dummy(),
        "numUserBlocks",
        "number of user blocks (>= 1). If it is not set, the fit chooses the number from the number of ratings and the "
        "task slots of the session.",
        typeConverter=TypeConverters.toInt,
    )
    numItemBlocks: Param[int] = Param(
        Params._dummy(),
        "numItemBlocks",
        "number of item blocks (>= 1). If it is not set, the fit chooses the number from the number of ratings and the "
        "task slots of the session.",
        typeConverter=TypeConverters.toInt,
    )
    checkpointInterval: Param[int] = Param(
        Params._dummy(),
        "checkpointInterval",
        "number of iterations between two checkpoints, and in one barrier stage of engine 'ring' (>= 1), or -1 for all "
        "iterations.",
        typeConverter=TypeConverters.toInt,
    )
    ratingCol = _SparkALSParams.ratingCol
    finalStorageLevel = _SparkALSParams.finalStorageLevel
    userRegParam: Param[float] = Param(
        Params._dummy(),
        "userRegParam",
        "regularization parameter of the user factors (>= 0). If it is not set, it is regParam.",
        typeConverter=TypeConverters.toFloat,
    )
    itemRegParam: Param[float] = Param(
        Params._dummy(),
        "itemRegParam",
        "regularization parameter of the item factors (>= 0). If it is not set, it is regParam.",
        typeConverter=TypeConverters.toFloat,
    )
    weightCol: Param[str] = Param(
        Params._dummy(),
        "weightCol",
        "name of the column of weights (>= 0). A rating of weight w counts as w ratings in the objective, in the "
        "metrics and wherever numbers of ratings weight the regularization; with 0, the row is ignored. If it is not "
        "set, all weights are 1.",
        typeConverter=TypeConverters.toString,
    )
    regularization: Param[str] = Param(
        Params._dummy(),
        "regularization",
        "how the regularization parameters weight the squared norms of the factors against the squared errors. "
        "'weighted': the norm of a row counts once per rating of the row (ALS-WR, pyspark's ALS); 'plain': it counts "
        "once; 'mean': it counts once, and the objective has the mean of the squared errors instead of their sum; "
        "'frequency': it counts (number of ratings)^regExponent times, where unobserved pairs of implicit feedback "
        "count unobservedWeight each.",
        typeConverter=TypeConverters.toString,
    )
    regExponent: Param[float] = Param(
        Params._dummy(),
        "regExponent",
        "exponent of the number of ratings in regularization 'frequency' (>= 0). If it is not set, it is 1.",
        typeConverter=TypeConverters.toFloat,
    )
    engine: Param[str] = Param(
        Params._dummy(),
        "engine",
        "how the tasks of a fit exchange factors. 'ring': from worker to worker, in barrier stages; 'broadcast' (ALS, "
        "GD) or 'stages' (SGD): through the driver, in ordinary stages; 'auto': 'ring' if it can run.",
        typeConverter=TypeConverters.toString,
    )
    ringTimeout: Param[float] = Param(
        Params._dummy(),
        "ringTimeout",
        "timeout in seconds (> 0) after which a silent worker of the ring counts as lost and Spark retries the stage.",
        typeConverter=TypeConverters.toFloat,
    )
    checkpointDir: Param[str] = Param(
        Params._dummy(),
        "checkpointDir",
        "directory on any Hadoop file system to which the fit writes a checkpoint every checkpointInterval iterations, "
        "and from which a fit with the same ratings and Params resumes. If it is not set, there are no checkpoints.",
        typeConverter=TypeConverters.toString,
    )
    initialModel: Param[str] = Param(
        Params._dummy(),
        "initialModel",
        "path of a saved model of the same rank whose factors are the initial factors (warm start). Users and items "
        "that it does not know get random initial factors.",
        typeConverter=TypeConverters.toString,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # pyspark's default seed differs between Python processes; results with default Params should not.
        self._setDefault(
            rank=10,
            ratingCol="rating",
            checkpointInterval=10,
            finalStorageLevel="MEMORY_AND_DISK",
            regularization="weighted",
            engine="auto",
            ringTimeout=60.0,
            seed=0,
        )

    def _setDefault(self, **values: Any) -> Self:
        # pyspark's mixin, and the metadata of estimators saved by earlier versions, have a default of 10 blocks.
        return super()._setDefault(**{name: value for name, value in values.items() if name not in _BLOCK_NUMBERS})

    def getRank(self) -> int:
        """Return the number of factors of each user and item."""
        return self.getOrDefault(self.rank)

    def getNumUserBlocks(self) -> int | None:
        """Return the number of user blocks; None if the fit chooses it."""
        return self._given(self.numUserBlocks)

    def getNumItemBlocks(self) -> int | None:
        """Return the number of item blocks; None if the fit chooses it."""
        return self._given(self.numItemBlocks)

    def getValidationIndicatorCol(self) -> str | None:  # type: ignore[override]
        """Return the name of the boolean column that marks validation rows; None if there is none."""
        return self._given(self.validationIndicatorCol)

    def getRatingCol(self) -> str:
        """Return the name of the column of ratings."""
        return self.getOrDefault(self.ratingCol)

    def getFinalStorageLevel(self) -> str:
        """Return the storage level of the model's factors."""
        return self.getOrDefault(self.finalStorageLevel)

    def getWeightCol(self) -> str | None:  # type: ignore[override]
        """Return the name of the column of weights; None if all weights are 1."""
        return self._given(self.weightCol) or None

    def getRegularization(self) -> str:
        """Return how squared norms are weighted: "weighted", "plain", "mean" or "frequency"."""
        return self.getOrDefault(self.regularization)

    def getUserRegParam(self) -> float:
        """Return the regularization parameter of the user factors, which is regParam if it is not set."""
        return self._or_reg_param(self.userRegParam)

    def getItemRegParam(self) -> float:
        """Return the regularization parameter of the item factors, which is regParam if it is not set."""
        return self._or_reg_param(self.itemRegParam)

    def getRegExponent(self) -> float:
        """Return the exponent of regularization "frequency"."""
        exponent = self._given(self.regExponent)
        return 1.0 if exponent is None else exponent

    def _or_reg_param(self, param: Param[float]) -> float:
        value = self._given(param)
        return self.getOrDefault(self.regParam) if value is None else value

    def getEngine(self) -> str:
        """Return how the tasks of a fit exchange factors."""
        return self.getOrDefault(self.engine)

    def getRingTimeout(self) -> float:
        """Return the timeout in seconds after which a silent worker of the ring counts as lost."""
        return self.getOrDefault(self.ringTimeout)

    def getCheckpointDir(self) -> str | None:
        """Return the directory of the fit's checkpoints; None if there are none."""
        return self._given(self.checkpointDir)

    def getInitialModel(self) -> str | None:
        """Return the path of the model that the fit starts from; None if there is none."""
        return self._given(self.initialModel)

    def _given(self, param: Param[T]) -> T | None:
        """Return the value of a Param without a default, or None if it is not set."""
        return self.getOrDefault(param) if self.isDefined(param) else None

    def setRank(self, value: int | None) -> Self:
        """Set the number of factors of each user and item."""
        return self._set(rank=value)

    def setMaxIter(self, value: int | None) -> Self:
        """Set the number of iterations."""
        return self._set(maxIter=value)

    def setRegParam(self, value: float | None) -> Self:
        """Set the regularization parameter λ."""
        return self._set(regParam=value)

    def setNumUserBlocks(self, value: int | None) -> Self:
        """Set the number of user blocks."""
        return self._set(numUserBlocks=value)

    def setNumItemBlocks(self, value: int | None) -> Self:
        """Set the number of item blocks."""
        return self._set(numItemBlocks=value)

    def setRatingCol(self, value: str | None) -> Self:
        """Set the name of the column of ratings."""
        return self._set(ratingCol=value)

    def setIntermediateStorageLevel(self, value: str | None) -> Self:
        """Set the storage level of the blocks of ratings."""
        return self._set(intermediateStorageLevel=value)

    def setFinalStorageLevel(self, value: str | None) -> Self:
        """Set the storage level of the model's factors."""
        return self._set(finalStorageLevel=value)

    def setSeed(self, value: int | None) -> Self:
        """Set the seed of the initial factors."""
        return self._set(seed=value)

    def setValidationIndicatorCol(self, value: str | None) -> Self:
        """Set the boolean column that marks validation rows."""
        return self._set(validationIndicatorCol=value)

    def setWeightCol(self, value: str | None) -> Self:
        """Set the name of the column of weights."""
        return self._set(weightCol=value)

    def setRegularization(self, value: str | None) -> Self:
        """Set how squared norms are weighted: "weighted", "plain", "mean" or "frequency"."""
        return self._set(regularization=value)

    def setUserRegParam(self, value: float | None) -> Self:
        """Set the regularization parameter of the user factors; None for regParam."""
        return self._set(userRegParam=value)

    def setItemRegParam(self, value: float | None) -> Self:
        """Set the regularization parameter of the item factors; None for regParam."""
        return self._set(itemRegParam=value)

    def setRegExponent(self, value: float | None) -> Self:
        """Set the exponent of regularization "frequency"."""
        return self._set(regExponent=value)

    def setNumBlocks(self, value: int | None) -> Self:
        """Set both numUserBlocks and numItemBlocks."""
        return self._set(numUserBlocks=value, numItemBlocks=value)

    def setCheckpointInterval(self, value: int | None) -> Self:
        """Set the number of iterations between checkpoints, and in one barrier stage of the ring; -1 for all."""
        return self._set(checkpointInterval=value)

    def setEngine(self, value: str | None) -> Self:
        """Set how the tasks of a fit exchange factors."""
        return self._set(engine=value)

    def setRingTimeout(self, value: float | None) -> Self:
        """Set the timeout in seconds after which a silent worker of the ring counts as lost."""
        return self._set(ringTimeout=value)

    def setCheckpointDir(self, value: str | None) -> Self:
        """Set the directory of the fit's checkpoints."""
        return self._set(checkpointDir=value)

    def setInitialModel(self, value: str | None) -> Self:
        """Set the path of the saved model that the fit starts from."""
        return self._set(initialModel=value)


class _HasEarlyStopping(Params):
    """The Param of early stopping."""

    earlyStoppingPatience: Param[int] = Param(
        Params._dummy(),
        "earlyStoppingPatience",
        "number of consecutive iterations or epochs without an improvement after which the fit stops (>= 0); 0 "
        "disables early stopping. It monitors the validation RMSE, or the validation recall of implicit feedback. SGD "
        "counts improvements of more than tol, and monitors the training RMSE if there are no validation rows and "
        "tol > 0.",
        typeConverter=TypeConverters.toInt,
    )

    def getEarlyStoppingPatience(self) -> int:
        """Return the number of iterations or epochs without improvement after which the fit stops."""
        return self.getOrDefault(self.earlyStoppingPatience)

    def setEarlyStoppingPatience(self, value: int | None) -> Self:
        """Set the number of iterations or epochs without improvement after which the fit stops; 0 disables the rule."""
        return self._set(earlyStoppingPatience=value)


class _HasInitStd(Params):
    """The Param of estimators whose initial factors are normally distributed."""

    initStd: Param[float] = Param(
        Params._dummy(),
        "initStd",
        "standard deviation of the initial factors (>= 0). With 0 all factors of a row stay equal to each other.",
        typeConverter=TypeConverters.toFloat,
    )

    def getInitStd(self) -> float:
        """Return the standard deviation of the initial factors."""
        return self.getOrDefault(self.initStd)

    def setInitStd(self, value: float | None) -> Self:
        """Set the standard deviation of the initial factors."""
        return self._set(initStd=value)


def validate_factorization_params(instance: _FactorizationParams, engines: tuple[str, ...]) -> None:
    """Raise an error unless every shared Param has a valid value; runs no Spark job.

    Raises
    ------
    ValueError
        If a value is outside its range or choices.
    """
    value = instance.getOrDefault
    require_positive("rank", value(instance.rank))
    for param in (instance.numUserBlocks, instance.numItemBlocks):
        if instance.isDefined(param):
            require_positive(param.name, value(param))
    require_positive("blockSize", value(instance.blockSize))
    require_seed(value(instance.seed))
    if value(instance.maxIter) < 0:
        raise ValueError(f"maxIter must be >= 0, got {value(instance.maxIter)}.")
    require_at_least_zero("regParam", value(instance.regParam))
    require_at_least_zero("userRegParam", instance.getUserRegParam())
    require_at_least_zero("itemRegParam", instance.getItemRegParam())
    require_at_least_zero("regExponent", instance.getRegExponent())
    interval = value(instance.checkpointInterval)
    if interval < 1 and interval != -1:
        raise ValueError(f"checkpointInterval must be >= 1, or -1 for a single interval, got {interval}.")
    require_above_zero("ringTimeout", value(instance.ringTimeout))
    require_choice("regularization", value(instance.regularization), REGULARIZATIONS)
    if instance.isDefined(instance.regExponent) and value(instance.regularization) != "frequency":
        raise ValueError(
            f"regExponent must be set with regularization='frequency' only, got {instance.getRegExponent():g} with "
            f"{value(instance.regularization)!r}."
        )
    require_choice("engine", value(instance.engine), engines)
    intermediate = tuple(name for name in STORAGE_LEVELS if name != "NONE")
    require_choice("intermediateStorageLevel", value(instance.intermediateStorageLevel), intermediate)
    require_choice("finalStorageLevel", value(instance.finalStorageLevel), tuple(STORAGE_LEVELS))
    validate_model_params(instance)
