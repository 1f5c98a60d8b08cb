"""The estimators' and the model's Params, and the checks of their values.

Names, defaults and docs of everything that pyspark's ALS has come from pyspark's own mixins, which are plain
`Params` classes. Declared here is what pyspark does not have, and what means something else than pyspark's docs say.
"""

import math
from numbers import Integral
from typing import Any, Self, TypeVar

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasCheckpointInterval,
    HasIntermediateStorageLevel,
    HasMaxIter,
    HasRegParam,
    HasSeed,
    HasValidationIndicatorCol,
)
from pyspark.ml.recommendation import _ALSModelParams as _SparkALSModelParams
from pyspark.ml.recommendation import _ALSParams as _SparkALSParams

from spark_mf.params.storage_levels import STORAGE_LEVELS
from spark_mf.params.values import _OptionalParams

T = TypeVar("T")

_BLOCK_NUMBERS = ("numUserBlocks", "numItemBlocks")
COLD_START_STRATEGIES = ("nan", "drop")
REGULARIZATIONS = ("weighted", "plain", "mean")


class _ALSModelParams(_OptionalParams, _SparkALSModelParams):
    """Params that the estimator and its model share, with the setters that both have."""

    userCol: Param[str] = Param(
        Params._dummy(),
        "userCol",
        "column name for user ids: strings, or numbers of any type whose values are integers of 64 bits.",
        typeConverter=TypeConverters.toString,
    )
    itemCol: Param[str] = Param(
        Params._dummy(),
        "itemCol",
        "column name for item ids: strings, or numbers of any type whose values are integers of 64 bits.",
        typeConverter=TypeConverters.toString,
    )
    blockSize: Param[int] = Param(
        Params._dummy(),
        "blockSize",
        "number of factor rows that recommendations score at a time (>= 1). More rows take more memory.",
        typeConverter=TypeConverters.toInt,
    )
    clipPredictions: Param[bool] = Param(
        Params._dummy(),
        "clipPredictions",
        "whether predictions, and the ratings shown by recommendations, are kept within the range of the training "
        "ratings. Recommendations are ranked by the unclipped scores.",
        typeConverter=TypeConverters.toBoolean,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # pyspark's mixin leaves these to its estimator and to the JVM's model.
        self._setDefault(userCol="user", itemCol="item", coldStartStrategy="nan", clipPredictions=False)

    def getClipPredictions(self) -> bool:
        """Return whether predictions are kept within the range of the training ratings."""
        return self.getOrDefault(self.clipPredictions)

    def setClipPredictions(self, value: bool | None) -> Self:
        """Set whether predictions are kept within the range of the training ratings."""
        return self._set(clipPredictions=value)

    def setUserCol(self, value: str | None) -> Self:
        """Set the name of the column of user ids."""
        return self._set(userCol=value)

    def setItemCol(self, value: str | None) -> Self:
        """Set the name of the column of item ids."""
        return self._set(itemCol=value)

    def setPredictionCol(self, value: str | None) -> Self:
        """Set the name of the column that `transform` adds."""
        return self._set(predictionCol=value)

    def setColdStartStrategy(self, value: str | None) -> Self:
        """Set what `transform` does with unknown users and items: "nan" or "drop"."""
        return self._set(coldStartStrategy=value)

    def setBlockSize(self, value: int | None) -> Self:
        """Set how many factor rows recommendations score at a time."""
        return self._set(blockSize=value)


class _FactorizationParams(
    _ALSModelParams,
    HasMaxIter,
    HasRegParam,
    HasCheckpointInterval,
    HasSeed,
    HasIntermediateStorageLevel,
    HasValidationIndicatorCol,
):
    """Params of every estimator that factorizes ratings, by pyspark's names where it has them."""

    rank = _SparkALSParams.rank
    numUserBlocks: Param[int] = Param(
        Params._dummy(),
        "numUserBlocks",
        "number of blocks that users are cut into (>= 1). Without it the fit chooses the number by the ratings and the "
        "cores of the session.",
        typeConverter=TypeConverters.toInt,
    )
    numItemBlocks: Param[int] = Param(
        Params._dummy(),
        "numItemBlocks",
        "number of blocks that items are cut into (>= 1). Without it the fit chooses the number by the ratings and the "
        "cores of the session.",
        typeConverter=TypeConverters.toInt,
    )
    checkpointInterval: Param[int] = Param(
        Params._dummy(),
        "checkpointInterval",
        "number of iterations that run between two saves to checkpointDir, and in one stage of the ring (>= 1), or -1 "
        "for all iterations.",
        typeConverter=TypeConverters.toInt,
    )
    ratingCol = _SparkALSParams.ratingCol
    finalStorageLevel = _SparkALSParams.finalStorageLevel
    regularization: Param[str] = Param(
        Params._dummy(),
        "regularization",
        "how regParam weighs the squared norms of the factors against the squared errors. 'weighted': each "
        "row's norm counts once per rating of the row (ALS-WR, pyspark's ALS); 'plain': each counts once; "
        "'mean': each counts once and the errors enter by their mean.",
        typeConverter=TypeConverters.toString,
    )
    engine: Param[str] = Param(
        Params._dummy(),
        "engine",
        "how the tasks of a fit exchange factors. 'ring': from worker to worker, in barrier stages; 'broadcast' (ALS) "
        "or 'stages' (SGD): through the driver, in ordinary stages; 'auto': on the ring where it can run.",
        typeConverter=TypeConverters.toString,
    )
    ringTimeout: Param[float] = Param(
        Params._dummy(),
        "ringTimeout",
        "seconds (> 0) that a member of the ring may be silent before its stage is given up and run again.",
        typeConverter=TypeConverters.toFloat,
    )
    checkpointDir: Param[str] = Param(
        Params._dummy(),
        "checkpointDir",
        "folder on any file system of Hadoop's in which the fit is saved every checkpointInterval iterations, and "
        "from which a fit with the same ratings and Params goes on. Without it nothing is saved.",
        typeConverter=TypeConverters.toString,
    )
    initialModel: Param[str] = Param(
        Params._dummy(),
        "initialModel",
        "folder of a saved model of the same rank that the fit starts from; users and items that it does not know "
        "start as they would without it.",
        typeConverter=TypeConverters.toString,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # pyspark's default seed differs from one Python process to the next; a default model should not.
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
        # pyspark's mixin, and the metadata of an ALS that an earlier version saved, have a default of 10 blocks.
        return super()._setDefault(**{name: value for name, value in values.items() if name not in _BLOCK_NUMBERS})

    def getRank(self) -> int:
        """Return the number of factors of each user and item."""
        return self.getOrDefault(self.rank)

    def getNumUserBlocks(self) -> int | None:
        """Return the number of blocks that users are cut into; None where the fit chooses it."""
        return self._given(self.numUserBlocks)

    def getNumItemBlocks(self) -> int | None:
        """Return the number of blocks that items are cut into; None where the fit chooses it."""
        return self._given(self.numItemBlocks)

    def getValidationIndicatorCol(self) -> str | None:  # type: ignore[override]
        """Return the name of the boolean column that marks validation rows; None for none."""
        return self._given(self.validationIndicatorCol)

    def getRatingCol(self) -> str:
        """Return the name of the column of ratings."""
        return self.getOrDefault(self.ratingCol)

    def getFinalStorageLevel(self) -> str:
        """Return where Spark keeps the model's factors."""
        return self.getOrDefault(self.finalStorageLevel)

    def getRegularization(self) -> str:
        """Return which of the objectives regParam belongs to."""
        return self.getOrDefault(self.regularization)

    def getEngine(self) -> str:
        """Return how the tasks of a fit exchange factors."""
        return self.getOrDefault(self.engine)

    def getRingTimeout(self) -> float:
        """Return the seconds of silence after which a member of the ring is given up."""
        return self.getOrDefault(self.ringTimeout)

    def getCheckpointDir(self) -> str | None:
        """Return the folder in which the fit is saved; None for none."""
        return self._given(self.checkpointDir)

    def getInitialModel(self) -> str | None:
        """Return the folder of the model that the fit starts from; None for none."""
        return self._given(self.initialModel)

    def _given(self, param: Param[T]) -> T | None:
        """Return the value of a Param without default, None where it is not set."""
        return self.getOrDefault(param) if self.isDefined(param) else None

    def setRank(self, value: int | None) -> Self:
        """Set the number of factors of each user and item."""
        return self._set(rank=value)

    def setMaxIter(self, value: int | None) -> Self:
        """Set the number of iterations."""
        return self._set(maxIter=value)

    def setRegParam(self, value: float | None) -> Self:
        """Set λ, the weight of the penalty."""
        return self._set(regParam=value)

    def setNumUserBlocks(self, value: int | None) -> Self:
        """Set into how many blocks users are cut."""
        return self._set(numUserBlocks=value)

    def setNumItemBlocks(self, value: int | None) -> Self:
        """Set into how many blocks items are cut."""
        return self._set(numItemBlocks=value)

    def setRatingCol(self, value: str | None) -> Self:
        """Set the name of the column of ratings."""
        return self._set(ratingCol=value)

    def setIntermediateStorageLevel(self, value: str | None) -> Self:
        """Set where Spark keeps the blocks of ratings."""
        return self._set(intermediateStorageLevel=value)

    def setFinalStorageLevel(self, value: str | None) -> Self:
        """Set where Spark keeps the model's factors."""
        return self._set(finalStorageLevel=value)

    def setSeed(self, value: int | None) -> Self:
        """Set the seed of the initial factors."""
        return self._set(seed=value)

    def setValidationIndicatorCol(self, value: str | None) -> Self:
        """Set the boolean column that marks validation rows."""
        return self._set(validationIndicatorCol=value)

    def setRegularization(self, value: str | None) -> Self:
        """Set the objective: "weighted", "plain" or "mean"."""
        return self._set(regularization=value)

    def setNumBlocks(self, value: int | None) -> Self:
        """Set numUserBlocks and numItemBlocks."""
        return self._set(numUserBlocks=value, numItemBlocks=value)

    def setCheckpointInterval(self, value: int | None) -> Self:
        """Set how many iterations are saved, and run in one stage of the ring, at a time; -1 for all."""
        return self._set(checkpointInterval=value)

    def setEngine(self, value: str | None) -> Self:
        """Set how the tasks of a fit exchange factors."""
        return self._set(engine=value)

    def setRingTimeout(self, value: float | None) -> Self:
        """Set the seconds of silence after which a member of the ring is given up."""
        return self._set(ringTimeout=value)

    def setCheckpointDir(self, value: str | None) -> Self:
        """Set the folder in which the fit is saved and from which it goes on."""
        return self._set(checkpointDir=value)

    def setInitialModel(self, value: str | None) -> Self:
        """Set the folder of the saved model that the fit starts from."""
        return self._set(initialModel=value)


class _HasInitStd(Params):
    """The Param of estimators whose initial factors are normal numbers."""

    initStd: Param[float] = Param(
        Params._dummy(),
        "initStd",
        "standard deviation of the initial factors (≥ 0). With 0, factors that are all alike never part.",
        typeConverter=TypeConverters.toFloat,
    )

    def getInitStd(self) -> float:
        """Return the standard deviation of the initial factors."""
        return self.getOrDefault(self.initStd)

    def setInitStd(self, value: float | None) -> Self:
        """Set the standard deviation of the initial factors."""
        return self._set(initStd=value)


def validate_factorization_params(instance: _FactorizationParams, engines: tuple[str, ...]) -> None:
    """Refuse every value of a shared Param that a fit cannot use, before any Spark job.

    Raises
    ------
    ValueError
        For a value outside its range or choices; the sentence names the Param, the value and what is allowed.
    """
    value = instance.getOrDefault
    require_positive("rank", value(instance.rank))
    for param in (instance.numUserBlocks, instance.numItemBlocks):
        if instance.isDefined(param):
            require_positive(param.name, value(param))
    require_positive("blockSize", value(instance.blockSize))
    require_seed(value(instance.seed))
    if value(instance.maxIter) < 0:
        raise ValueError(f"maxIter={value(instance.maxIter)} is negative: use 0 or more iterations")
    require_at_least_zero("regParam", value(instance.regParam), "weight of a penalty")
    interval = value(instance.checkpointInterval)
    if interval < 1 and interval != -1:
        raise ValueError(f"checkpointInterval={interval} is not possible: use 1 or more, or -1 for never")
    timeout = value(instance.ringTimeout)
    if not (math.isfinite(timeout) and timeout > 0):
        raise ValueError(f"ringTimeout={timeout} is not possible: use a finite number of seconds above 0")
    require_choice("regularization", value(instance.regularization), REGULARIZATIONS)
    require_choice("engine", value(instance.engine), engines)
    intermediate = tuple(name for name in STORAGE_LEVELS if name != "NONE")
    require_choice("intermediateStorageLevel", value(instance.intermediateStorageLevel), intermediate)
    require_choice("finalStorageLevel", value(instance.finalStorageLevel), tuple(STORAGE_LEVELS))
    validate_model_params(instance)


def validate_model_params(instance: _SparkALSModelParams) -> None:
    """Refuse values of the Params that model and estimator share which `transform` could not use.

    Raises
    ------
    ValueError
        For an unknown coldStartStrategy, or the same column as userCol and itemCol.
    """
    # pyspark does not mind upper case here, and only here.
    require_choice("coldStartStrategy", instance.getColdStartStrategy().lower(), COLD_START_STRATEGIES)
    userCol = instance.getUserCol()
    if userCol == instance.getItemCol():
        raise ValueError(f"userCol and itemCol are both {userCol!r}: name two different columns")


def require_seed(value: int) -> None:
    """Raise a ValueError unless a seed fits in a signed integer of 64 bits."""
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"seed must be an integer of 64 bits, got {value}. Use one from -2**63 to 2**63 - 1.")


def require_positive(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is a whole number above zero (a bool is none)."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value <= 0:
        raise ValueError(f"{name}={value!r} is not possible: use a whole number of 1 or more")


def require_above_zero(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name}={value} is not possible: use a finite number above 0")


def require_below_one(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is a number from 0 to below 1."""
    if not 0 <= value < 1:
        raise ValueError(f"{name}={value} is not possible: use a number from 0 to below 1")


def require_at_least_zero(name: str, value: float, what: str) -> None:
    """Raise a ValueError unless `value` is a finite number of 0 or more."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={value} is no {what}: use a finite number of 0 or more")


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} is unknown: use one of {', '.join(choices)}")
