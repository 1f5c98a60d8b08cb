"""Params that estimators and models share, and their validation."""

from typing import Any, Self

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.recommendation import _ALSModelParams as _SparkALSModelParams

from spark_mf.params.checks import require_choice
from spark_mf.params.values import _OptionalParams

COLD_START_STRATEGIES = ("nan", "drop")


class _ALSModelParams(_OptionalParams, _SparkALSModelParams):
    """Params and setters that estimators and models share."""

    userCol: Param[str] = Param(
        Params._dummy(),
        "userCol",
        "column name for user ids. Ids are strings, or numbers of any type whose values are 64-bit integers.",
        typeConverter=TypeConverters.toString,
    )
    itemCol: Param[str] = Param(
        Params._dummy(),
        "itemCol",
        "column name for item ids. Ids are strings, or numbers of any type whose values are 64-bit integers.",
        typeConverter=TypeConverters.toString,
    )
    blockSize: Param[int] = Param(
        Params._dummy(),
        "blockSize",
        "number of factor rows that recommendations score at a time (>= 1). Larger values need more memory.",
        typeConverter=TypeConverters.toInt,
    )
    clipPredictions: Param[bool] = Param(
        Params._dummy(),
        "clipPredictions",
        "whether predictions and the ratings of recommendations are clipped to the range of the training ratings. "
        "Recommendations are ranked by the unclipped scores.",
        typeConverter=TypeConverters.toBoolean,
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # pyspark's mixin leaves these defaults to its estimator and to the JVM's model.
        self._setDefault(userCol="user", itemCol="item", coldStartStrategy="nan", clipPredictions=False)

    def getClipPredictions(self) -> bool:
        """Return whether predictions are clipped to the range of the training ratings."""
        return self.getOrDefault(self.clipPredictions)

    def setClipPredictions(self, value: bool | None) -> Self:
        """Set whether predictions are clipped to the range of the training ratings."""
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
        """Set how `transform` handles unknown users and items: "nan" or "drop"."""
        return self._set(coldStartStrategy=value)

    def setBlockSize(self, value: int | None) -> Self:
        """Set how many factor rows recommendations score at a time."""
        return self._set(blockSize=value)


def validate_model_params(instance: _SparkALSModelParams) -> None:
    """Raise an error unless the Params that `transform` needs have valid values.

    Raises
    ------
    ValueError
        If coldStartStrategy is unknown, or userCol and itemCol are the same column.
    """
    # pyspark ignores the case of this Param, and of no other.
    require_choice("coldStartStrategy", instance.getColdStartStrategy().lower(), COLD_START_STRATEGIES)
    userCol = instance.getUserCol()
    if userCol == instance.getItemCol():
        raise ValueError(f"userCol and itemCol must be two different columns, got {userCol!r} for both.")
