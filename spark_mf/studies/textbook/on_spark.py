"""Fits of the textbook repeated on Spark, with the same settings and the same initial factors."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import spark_mf
from spark_mf.benchmarks.measuring import HELD_OUT
from spark_mf.evaluation.metrics import rating_errors
from spark_mf.model import FactorModel, SGDModel
from spark_mf.models.factors import factors_frame
from spark_mf.textbook import ALS, SGD, Ratings
from spark_mf.textbook.estimator import Estimator as TextbookEstimator
from spark_mf.textbook.ratings import Matrix

_ORDINARY = {"ALS": "broadcast", "GD": "broadcast", "SGD": "stages"}


def as_on_spark(estimator: TextbookEstimator) -> TextbookEstimator:
    """Return the textbook estimator with the method of Spark: SGD sums gradients and updates only the rows of a batch.

    With 1/batchSize of the step size, it is in expectation equal to an estimator that averages a batch and regularizes
    all rows. Adam keeps its step size, because its steps do not grow with the gradient.
    """
    if not isinstance(estimator, SGD) or estimator.updatedRows == "touched":
        return estimator
    parts = 1 if estimator.optimizer == "adam" else estimator.batchSize
    return replace(estimator, updatedRows="touched", stepSize=estimator.stepSize / parts)


class SparkTwin:
    """Fits textbook estimators on Spark, all to the same ratings.

    Parameters
    ----------
    spark : SparkSession
    ratings : Ratings
        Training ratings, with the test ratings as validation ratings.
    engine : str
        "auto", "ring" or "ordinary".
    folder : Path
        Folder for initial factors, which all processes of the session must be able to read.
    """

    def __init__(self, spark: SparkSession, ratings: Ratings, engine: str, folder: Path) -> None:
        self._spark, self.engine, self._folder = spark, engine, folder
        self._mean = float(ratings.values.mean())
        self._rows = spark.createDataFrame(pd.DataFrame(ratings.to_columns())).cache()

    def fit(self, estimator: TextbookEstimator, initial: tuple[Matrix, Matrix], *, best: bool) -> FactorModel:
        """Fit the Spark estimator of the same name with the same settings, from the same initial factors.

        Parameters
        ----------
        estimator : TextbookEstimator
            Output of `as_on_spark`.
        initial : tuple[float64[n, k], float64[m, k]]
            Initial (U, V).
        best : bool
            Whether the model has the factors of the epoch with the lowest test RMSE instead of the last one.
        """
        twin = on_spark(estimator, self.engine).setInitialModel(self._save(estimator, initial))
        if best:
            return twin.setValidationIndicatorCol(HELD_OUT).fit(self._rows)
        return twin.fit(self._rows.where(~F.col(HELD_OUT)))

    def test_rmse(self, model: FactorModel, clip: tuple[float, float]) -> float:
        """Return the test RMSE of predictions clipped to (low, high)."""
        predicted = model.transform(self._rows.where(HELD_OUT))
        clipped = F.least(F.greatest("prediction", F.lit(clip[0])), F.lit(clip[1]))
        errors = rating_errors(predicted.withColumn("prediction", clipped))
        assert errors.rmse is not None  # every test user and item has a training rating
        return errors.rmse

    def _save(self, estimator: TextbookEstimator, initial: tuple[Matrix, Matrix]) -> str:
        """Save initial factors as a model, with μ and zero biases if the estimator fits biases, and return the path."""
        path = str(self._folder / "initial")
        has_biases = isinstance(estimator, SGD) and estimator.fitBias
        sides = initial[::-1] if _is_turned(estimator) else initial
        users, items = (_factors(self._spark, factors, has_biases) for factors in sides)
        mean = self._mean if has_biases else 0.0
        SGDModel(users, items, estimator.rank, globalMean=mean).write().overwrite().save(path)
        return path


def on_spark(estimator: TextbookEstimator, engine: str) -> Any:
    """Return the estimator of `spark_mf` with the name and the Params of a textbook estimator.

    Params that only the textbook has are left out: `clipTo`, `updatedRows`, `initStd` of ALS, and `order`, for which
    users and items, and their λ, are exchanged instead.
    """
    name = type(estimator).__name__
    cls = getattr(spark_mf, name)
    known = {param.name for param in cls().params}
    settings = {key: value for key, value in asdict(estimator).items() if key in known and value is not None}
    if engine != "auto":
        settings["engine"] = _ORDINARY[name] if engine == "ordinary" else engine
    if not _is_turned(estimator):
        return cls(**settings)
    exchanged = {"userRegParam": "itemRegParam", "itemRegParam": "userRegParam"}
    settings = {exchanged.get(key, key): value for key, value in settings.items()}
    return cls(**settings).setUserCol("item").setItemCol("user")


def _is_turned(estimator: TextbookEstimator) -> bool:
    """Return whether users are solved first, so that users and items must be exchanged on Spark."""
    return isinstance(estimator, ALS) and estimator.order == "users"


def _factors(spark: SparkSession, factors: Matrix, has_biases: bool) -> DataFrame:
    rows: NDArray[np.float32] = factors.astype(np.float32)
    return factors_frame(spark, np.arange(len(rows)), rows, np.zeros(len(rows), np.float32) if has_biases else None)
