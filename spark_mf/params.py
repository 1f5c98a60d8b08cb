"""The estimators' and the model's Params, and the checks of their values.

Names, defaults and docs of everything that pyspark's ALS has come from pyspark's own mixins, which are plain
`Params` classes; only what pyspark does not have is declared here.
"""

import math
from typing import Any, Self

from pyspark import StorageLevel
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasValidationIndicatorCol
from pyspark.ml.recommendation import _ALSModelParams as _SparkALSModelParams
from pyspark.ml.recommendation import _ALSParams as _SparkALSParams

COLD_START_STRATEGIES = ("nan", "drop")
REGULARIZATIONS = ("weighted", "plain", "mean")
SOLVERS = ("cholesky", "cg")
# Python's data is always serialized, so the JVM's "_SER" names mean the same levels as those without.
STORAGE_LEVELS = {
    "NONE": StorageLevel.NONE,
    "DISK_ONLY": StorageLevel.DISK_ONLY,
    "DISK_ONLY_2": StorageLevel.DISK_ONLY_2,
    "DISK_ONLY_3": StorageLevel.DISK_ONLY_3,
    "MEMORY_ONLY": StorageLevel.MEMORY_ONLY,
    "MEMORY_ONLY_2": StorageLevel.MEMORY_ONLY_2,
    "MEMORY_ONLY_SER": StorageLevel.MEMORY_ONLY,
    "MEMORY_ONLY_SER_2": StorageLevel.MEMORY_ONLY_2,
    "MEMORY_AND_DISK": StorageLevel.MEMORY_AND_DISK,
    "MEMORY_AND_DISK_2": StorageLevel.MEMORY_AND_DISK_2,
    "MEMORY_AND_DISK_SER": StorageLevel.MEMORY_AND_DISK,
    "MEMORY_AND_DISK_SER_2": StorageLevel.MEMORY_AND_DISK_2,
    "OFF_HEAP": StorageLevel.OFF_HEAP,
}


class _ALSModelParams(_SparkALSModelParams):
    """Params that the estimator and its model share, with the setters that both have."""

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

    def setClipPredictions(self, value: bool) -> Self:
        """Set whether predictions are kept within the range of the training ratings."""
        return self._set(clipPredictions=value)

    def setUserCol(self, value: str) -> Self:
        """Set the name of the column of user ids."""
        return self._set(userCol=value)

    def setItemCol(self, value: str) -> Self:
        """Set the name of the column of item ids."""
        return self._set(itemCol=value)

    def setPredictionCol(self, value: str) -> Self:
        """Set the name of the column that `transform` adds."""
        return self._set(predictionCol=value)

    def setColdStartStrategy(self, value: str) -> Self:
        """Set what `transform` does with unknown users and items: "nan" or "drop"."""
        return self._set(coldStartStrategy=value)

    def setBlockSize(self, value: int) -> Self:
        """Set how many factor rows recommendations score at a time."""
        return self._set(blockSize=value)


class _ALSParams(_ALSModelParams, _SparkALSParams, HasValidationIndicatorCol):
    """All Params of pyspark's ALS, and those that only spark_mf has."""

    regularization: Param[str] = Param(
        Params._dummy(),
        "regularization",
        "how regParam weighs the squared norms of the factors against the squared errors. 'weighted': each "
        "row's norm counts once per rating of the row (ALS-WR, pyspark's ALS); 'plain': each counts once; "
        "'mean': each counts once and the errors enter by their mean.",
        typeConverter=TypeConverters.toString,
    )
    solver: Param[str] = Param(
        Params._dummy(),
        "solver",
        "how a row's normal equations are solved. 'cholesky': exactly; "
        "'cg': by innerSteps steps of conjugate gradients from the row's previous factors.",
        typeConverter=TypeConverters.toString,
    )
    innerSteps: Param[int] = Param(
        Params._dummy(),
        "innerSteps",
        "steps of an iterative solver per row and half-step (> 0); the exact solver 'cholesky' takes none.",
        typeConverter=TypeConverters.toInt,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # pyspark's default seed differs from one Python process to the next; a default model should not.
        self._setDefault(regularization="weighted", solver="cholesky", innerSteps=3, seed=0)

    def getRegularization(self) -> str:
        """Return which of the objectives regParam belongs to."""
        return self.getOrDefault(self.regularization)

    def getSolver(self) -> str:
        """Return the name of the solver of a row's normal equations."""
        return self.getOrDefault(self.solver)

    def getInnerSteps(self) -> int:
        """Return the number of steps of an iterative solver."""
        return self.getOrDefault(self.innerSteps)

    def setRank(self, value: int) -> Self:
        """Set the number of factors of each user and item."""
        return self._set(rank=value)

    def setMaxIter(self, value: int) -> Self:
        """Set the number of iterations."""
        return self._set(maxIter=value)

    def setRegParam(self, value: float) -> Self:
        """Set λ, the weight of the penalty."""
        return self._set(regParam=value)

    def setNumUserBlocks(self, value: int) -> Self:
        """Set into how many blocks users are cut."""
        return self._set(numUserBlocks=value)

    def setNumItemBlocks(self, value: int) -> Self:
        """Set into how many blocks items are cut."""
        return self._set(numItemBlocks=value)

    def setImplicitPrefs(self, value: bool) -> Self:
        """Set whether ratings are implicit preferences (not built yet)."""
        return self._set(implicitPrefs=value)

    def setAlpha(self, value: float) -> Self:
        """Set the confidence of implicit preferences (not built yet)."""
        return self._set(alpha=value)

    def setRatingCol(self, value: str) -> Self:
        """Set the name of the column of ratings."""
        return self._set(ratingCol=value)

    def setNonnegative(self, value: bool) -> Self:
        """Set whether factors must not be negative (not built yet)."""
        return self._set(nonnegative=value)

    def setCheckpointInterval(self, value: int) -> Self:
        """Set pyspark's interval of checkpoints; there is no lineage to cut off here."""
        return self._set(checkpointInterval=value)

    def setIntermediateStorageLevel(self, value: str) -> Self:
        """Set where Spark keeps the blocks of ratings."""
        return self._set(intermediateStorageLevel=value)

    def setFinalStorageLevel(self, value: str) -> Self:
        """Set where Spark keeps the model's factors."""
        return self._set(finalStorageLevel=value)

    def setSeed(self, value: int) -> Self:
        """Set the seed of the initial factors."""
        return self._set(seed=value)

    def setValidationIndicatorCol(self, value: str) -> Self:
        """Set the boolean column that marks validation rows."""
        return self._set(validationIndicatorCol=value)

    def setRegularization(self, value: str) -> Self:
        """Set the objective: "weighted", "plain" or "mean"."""
        return self._set(regularization=value)

    def setSolver(self, value: str) -> Self:
        """Set the solver of a row: "cholesky" or "cg"."""
        return self._set(solver=value)

    def setInnerSteps(self, value: int) -> Self:
        """Set the steps of an iterative solver."""
        return self._set(innerSteps=value)

    def setNumBlocks(self, value: int) -> Self:
        """Set numUserBlocks and numItemBlocks."""
        return self._set(numUserBlocks=value, numItemBlocks=value)


def storage_level(name: str) -> StorageLevel:
    """Return the storage level of a JVM name such as "MEMORY_AND_DISK_SER".

    Raises
    ------
    ValueError
        When Spark has no level of that name.
    """
    _require_choice("storage level", name, tuple(STORAGE_LEVELS))
    return STORAGE_LEVELS[name]


def validate_params(instance: _ALSParams) -> None:
    """Refuse every Param value that a fit cannot use, before any Spark job.

    Raises
    ------
    ValueError
        For a value outside its range or choices; the sentence names the Param, the value and what is allowed.
    NotImplementedError
        For what pyspark's ALS does and this estimator does not do yet.
    """
    value = instance.getOrDefault
    for param in (
        instance.rank,
        instance.numUserBlocks,
        instance.numItemBlocks,
        instance.blockSize,
        instance.innerSteps,
    ):
        require_positive(param.name, value(param))
    if value(instance.maxIter) < 0:
        raise ValueError(f"maxIter={value(instance.maxIter)} is negative: use 0 or more iterations")
    regParam = value(instance.regParam)
    if not (math.isfinite(regParam) and regParam >= 0):
        raise ValueError(f"regParam={regParam} is no weight of a penalty: use a finite number of 0 or more")
    interval = value(instance.checkpointInterval)
    if interval < 1 and interval != -1:
        raise ValueError(f"checkpointInterval={interval} is not possible: use 1 or more, or -1 for never")
    _require_choice("regularization", value(instance.regularization), REGULARIZATIONS)
    _require_choice("solver", value(instance.solver), SOLVERS)
    intermediate = tuple(name for name in STORAGE_LEVELS if name != "NONE")
    _require_choice("intermediateStorageLevel", value(instance.intermediateStorageLevel), intermediate)
    _require_choice("finalStorageLevel", value(instance.finalStorageLevel), tuple(STORAGE_LEVELS))
    validate_model_params(instance)
    _refuse_unbuilt(instance)


def validate_model_params(instance: _SparkALSModelParams) -> None:
    """Refuse values of the Params that model and estimator share which `transform` could not use.

    Raises
    ------
    ValueError
        For an unknown coldStartStrategy, or the same column as userCol and itemCol.
    """
    # pyspark does not mind upper case here, and only here.
    _require_choice("coldStartStrategy", instance.getColdStartStrategy().lower(), COLD_START_STRATEGIES)
    userCol = instance.getUserCol()
    if userCol == instance.getItemCol():
        raise ValueError(f"userCol and itemCol are both {userCol!r}: name two different columns")


def require_positive(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is a whole number above zero (a bool is none)."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{name}={value!r} is not possible: use a whole number of 1 or more")


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r} is unknown: use one of {', '.join(choices)}")


def _refuse_unbuilt(instance: _ALSParams) -> None:
    unbuilt = {
        "implicitPrefs=True": instance.getImplicitPrefs(),
        "nonnegative=True": instance.getNonnegative(),
        # alpha only means something to implicit preferences; setting it says that they were expected.
        f"alpha={instance.getAlpha()}": instance.getAlpha() != 1.0,
    }
    for setting, is_asked in unbuilt.items():
        if is_asked:
            raise NotImplementedError(
                f"{setting} is not built into spark_mf.ALS yet: use pyspark.ml.recommendation.ALS for it"
            )
