"""Fitted models: predictions, recommendations, saving and loading."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

from pyspark import Broadcast
from pyspark.ml import Model
from pyspark.ml.util import MLReadable, MLReader, MLWritable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_mf.data.columns import quoted, require_classic
from spark_mf.models.lookup import ids_of, row_of, subset, with_factors
from spark_mf.models.persistence import FactorModelReader, FactorModelWriter
from spark_mf.models.recommend import (
    Candidates,
    broadcast_candidates,
    recommend,
    recommendation_schema,
    spread,
)
from spark_mf.models.summary import TrainingSummary
from spark_mf.params.checks import require_positive
from spark_mf.params.model import _ALSModelParams, validate_model_params
from spark_mf.resources.workers import require_workers
from spark_mf.runtime.running import is_running, require_running

if TYPE_CHECKING:
    from pyspark.ml.recommendation import ALSModel as SparkALSModel


class FactorModel(Model, _ALSModelParams, MLWritable, MLReadable["FactorModel"]):
    """Base class of the fitted models, r̂ = μ + b_u + b_i + u·v for users and items of the training ratings.

    u and v are vectors of `rank` numbers, b_u and b_i are biases, and μ is the `globalMean` (Koren, Bell and Volinsky
    2009, "Matrix factorization techniques for recommender systems", eq. 4). A plain model has neither biases nor mean.

    Recommendations collect the factors of the recommended side in the driver and broadcast them: n·rank·4 bytes there
    and once in each running task (7 MB for 27,000 items of rank 64). The model keeps the broadcast for the next call,
    and copies of the model share it. Recommendations are lazy DataFrames that need the broadcast as well, so the model
    never destroys it: Spark frees it once the model and its DataFrames are garbage, and `unpersist` frees the
    executors' copies earlier.

    A model belongs to the Spark session that fitted or loaded it. Once that session has stopped, every method that
    needs the factors raises a RuntimeError. A model can be copied, which shares the factors, and saved, but it cannot
    be pickled.

    Parameters
    ----------
    userFactors, itemFactors : DataFrame (id int, bigint or string, features array<float>) or (…, bias float)
        One row per id, with ids of the same type as in the training ratings; see
        `spark_mf.models.factors.factors_frame`.
    rank : int
        Length of each `features`.
    summary : TrainingSummary, optional
    globalMean : float
        μ, in the unit of the ratings.
    ratingRange : (low, high), optional
        The range to which `clipPredictions` clips predictions.

    Raises
    ------
    ValueError
        If only one side has biases, the mean is not finite, or the range is invalid.
    """

    def __init__(
        self,
        userFactors: DataFrame | None = None,
        itemFactors: DataFrame | None = None,
        rank: int = 0,
        summary: TrainingSummary | None = None,
        globalMean: float = 0.0,
        ratingRange: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if userFactors is not None and itemFactors is not None and _has_bias(userFactors) != _has_bias(itemFactors):
            raise ValueError(
                "userFactors and itemFactors must both have a column bias or both have none, got the columns "
                f"{', '.join(userFactors.columns)} and {', '.join(itemFactors.columns)}."
            )
        if not math.isfinite(globalMean):
            raise ValueError(f"globalMean must be finite, got {globalMean}.")
        self._userFactors = userFactors
        self._itemFactors = itemFactors
        self._rank = rank
        self._summary = summary
        self._globalMean = globalMean
        self._ratingRange = None if ratingRange is None else _checked_range(ratingRange)
        self._candidates: dict[str, Broadcast[Candidates]] = {}

    @property
    def rank(self) -> int:
        """Number of factors of each user and item."""
        return self._rank

    @property
    def userFactors(self) -> DataFrame:
        """The rows of U as a DataFrame (id int, bigint or string, features array<float>); with biases, bias float."""
        return self._fitted(self._userFactors)

    @property
    def itemFactors(self) -> DataFrame:
        """The rows of V as a DataFrame with the columns of `userFactors`."""
        return self._fitted(self._itemFactors)

    @property
    def globalMean(self) -> float:
        """The global mean μ of all predictions; 0 in a plain model."""
        return self._globalMean

    @property
    def hasBias(self) -> bool:
        """Whether users and items have biases."""
        return _has_bias(self.userFactors)

    @property
    def ratingRange(self) -> tuple[float, float] | None:
        """The lowest and the highest training rating, for `clipPredictions`; None if they are unknown."""
        return self._ratingRange

    @property
    def hasSummary(self) -> bool:
        """Whether the model has a training summary."""
        return self._summary is not None

    @property
    def summary(self) -> TrainingSummary:
        """The training summary.

        Raises
        ------
        RuntimeError
            If the model was not trained by spark_mf; see `hasSummary`.
        """
        if self._summary is None:
            name = type(self).__name__
            raise RuntimeError(
                f"summary must be that of a fit by spark_mf, got an instance of {name} without one. Check hasSummary."
            )
        return self._summary

    def asPlain(self) -> "ALSModel":
        """Return a model without biases and mean, whose dot products are this model's unclipped predictions.

        Its user factors are [u, b_u + μ, 1] and its item factors [v, 1, b_i], with rank + 2, for software that only
        computes dot products, such as a nearest-neighbour index. A model that is already plain keeps its rank. The
        factors are lazy DataFrames over this model's; Params, rating range and summary are the same.
        """
        users, items, rank = self._plain_factors()
        summary = self.summary if self.hasSummary else None
        return self._copyValues(ALSModel(users, items, rank, summary, ratingRange=self.ratingRange))

    def predict(self, user: int | str, item: int | str) -> float:
        """Return the predicted rating of one pair, by a Spark job; NaN if the user or the item is unknown.

        Raises
        ------
        TypeError
            If an id does not have the type of the model's ids, strings or integers.
        ValueError
            If clipPredictions is True and the model has no rating range.
        """
        users = row_of(self.userFactors, "user", user).alias("users")
        items = row_of(self.itemFactors, "item", item).alias("items")
        pair = users.crossJoin(items).select(self._prediction("users", "items")).first()
        return float("nan") if pair is None else float(pair[0])

    def _transform(self, dataset: DataFrame) -> DataFrame:
        """Return the dataset, which has a user and an item column, with an added prediction column.

        Ids are strings if the model was trained with strings, otherwise numbers of any type. All columns are kept. The
        prediction of an id that is unknown, null or not an integer is NaN; coldStartStrategy="drop" drops such rows.
        """
        require_classic(dataset)
        validate_model_params(self)
        schema = dataset.schema
        # The dataset may have columns of any name, including "id" and "features", so every name is qualified.
        rows, users, items = "__spark_mf_rows", "__spark_mf_users", "__spark_mf_items"
        user = ids_of(schema, "userCol", self.getUserCol(), self.userFactors, rows)
        item = ids_of(schema, "itemCol", self.getItemCol(), self.itemFactors, rows)
        predictionCol = self.getPredictionCol()
        if predictionCol in dataset.columns:
            raise ValueError(
                f"predictionCol must be a new column, got {predictionCol!r}, which the dataset already has. Drop that "
                "column, or set another predictionCol."
            )
        is_dropping = self.getColdStartStrategy().lower() == "drop"
        how = "inner" if is_dropping else "left"
        prediction = F.coalesce(self._prediction(users, items), F.lit(float("nan")).cast("float"))
        predictions = (
            dataset.alias(rows)
            .join(self.userFactors.alias(users), user == F.col(f"{users}.id"), how)
            .join(self.itemFactors.alias(items), item == F.col(f"{items}.id"), how)
            .select(f"{rows}.*", prediction.alias(predictionCol))
        )
        return predictions.where(~F.isnan(F.col(quoted(predictionCol)))) if is_dropping else predictions

    def _prediction(self, users: str, items: str) -> Column:
        """Return r̂ of the rows of two aliased factor DataFrames; null if either row is missing."""
        rating = F.vector_inner_product(f"{users}.features", f"{items}.features")
        if self.hasBias:
            rating = rating + F.col(f"{users}.bias") + F.col(f"{items}.bias")
        if self.globalMean:
            rating = (rating + F.lit(self.globalMean)).cast("float")
        shown_range = self._shown_range()
        if shown_range is None:
            return rating
        low, high = (F.lit(bound).cast("float") for bound in shown_range)
        # Spark orders NaN above every number, and greatest and least skip null; neither may become a rating.
        return F.when(F.isnan(rating), rating).when(rating < low, low).when(rating > high, high).otherwise(rating)

    def _shown_range(self) -> tuple[float, float] | None:
        """Return the range to which predictions are clipped, or None if clipPredictions is False."""
        if not self.getClipPredictions():
            return None
        if self.ratingRange is None:
            name = type(self).__name__
            raise ValueError(
                f"clipPredictions must be False for a {name} without ratingRange, got True. Set it to False, or pass a "
                f"ratingRange to {name}(...)."
            )
        return self.ratingRange

    def _plain_factors(self) -> tuple[DataFrame, DataFrame, int]:
        """Return user factors, item factors and their rank, such that dot products are the unclipped predictions."""
        users, items = self.userFactors, self.itemFactors
        if not self.hasBias and not self.globalMean:
            return users, items, self.rank
        none, one = F.lit(0.0), F.lit(1.0)
        user_bias, item_bias = (F.col("bias"), F.col("bias")) if self.hasBias else (none, none)
        return (
            with_factors(users, user_bias + F.lit(self.globalMean), one),
            with_factors(items, one, item_bias),
            self.rank + 2,
        )

    def recommendForAllUsers(self, numItems: int) -> DataFrame:
        """Return the top `numItems` items for each user.

        Parameters
        ----------
        numItems : int
            Maximum number of recommendations per user.

        Returns
        -------
        DataFrame (userCol, recommendations array<struct<itemCol, rating float>>)
            In descending order of rating; equal ratings in ascending order of item id. With `clipPredictions` the
            ratings are clipped, but the order is that of the unclipped ratings.

        Raises
        ------
        ValueError
            If `numItems` is not a positive integer, or clipPredictions is True and the model has no rating range.
        MemoryError
            If the item factors do not fit in the driver.
        RuntimeError
            If the workers' Python lacks a required package, or the model's session has stopped.
        """
        return self._recommend("users", numItems, "numItems")

    def recommendForAllItems(self, numUsers: int) -> DataFrame:
        """Return the top `numUsers` users for each item, as `recommendForAllUsers` does for users."""
        return self._recommend("items", numUsers, "numUsers")

    def recommendForUserSubset(self, dataset: DataFrame, numItems: int) -> DataFrame:
        """Return the top `numItems` items for each distinct user in the column `userCol` of a dataset.

        The result is that of `recommendForAllUsers`, without users that the model does not know.
        """
        return self._recommend("users", numItems, "numItems", dataset)

    def recommendForItemSubset(self, dataset: DataFrame, numUsers: int) -> DataFrame:
        """Return the top `numUsers` users for each distinct known item in the column `itemCol` of a dataset."""
        return self._recommend("items", numUsers, "numUsers", dataset)

    def unpersist(self) -> None:
        """Free the executors' copies of the broadcast factors; Spark sends them again for later recommendations."""
        # Spark has freed them together with a stopped session.
        if self._userFactors is not None and is_running(self._userFactors.sparkSession):
            for candidates in self._candidates.values():
                candidates.unpersist()

    def write(self) -> FactorModelWriter:
        """Return a writer of this model; `write().overwrite().save(path)` replaces an existing one."""
        return FactorModelWriter(self)

    @classmethod
    def read(cls) -> MLReader[Any]:
        """Return a reader of models of this class."""
        return FactorModelReader(cls)

    @classmethod
    def load(cls, path: str) -> Self:
        """Return the model of this class that was saved at a path, from which its factors are read lazily."""
        return cls.read().load(path)

    def _recommend(self, side: str, n: int, param: str, dataset: DataFrame | None = None) -> DataFrame:
        """Return the recommendations for one side ("users" or "items"), or for the ids of it that a dataset has."""
        require_positive(param, n)
        validate_model_params(self)
        shown_range = self._shown_range()
        users, items, rank = self._plain_factors()
        require_workers(users.sparkSession, runs_sql=True)
        if side == "users":
            sources, targets = users, items
            sourceParam, sourceCol, targetCol = "userCol", self.getUserCol(), self.getItemCol()
        else:
            sources, targets = items, users
            sourceParam, sourceCol, targetCol = "itemCol", self.getItemCol(), self.getUserCol()
        sources = spread(sources) if dataset is None else subset(sources, dataset, sourceParam, sourceCol)
        if side not in self._candidates:
            self._candidates[side] = broadcast_candidates(targets, rank)
        schema = recommendation_schema(
            sourceCol, sources.schema["id"].dataType, targetCol, targets.schema["id"].dataType
        )
        return recommend(sources, self._candidates[side], int(n), schema, self.getBlockSize(), shown_range)

    def _fitted(self, factors: DataFrame | None) -> DataFrame:
        """Return the factors of a side; raise an error if there are none, or their session has stopped."""
        name = type(self).__name__
        if factors is None:
            raise ValueError(
                f"this {name} must have factors, got none. Fit a model with {name.removesuffix('Model')}, or load a "
                "saved one."
            )
        fix = f"Load a saved model again with {name}.load(path), or fit it again in a running session."
        require_running(factors.sparkSession, "The model's", fix)
        return factors

    def __copy__(self) -> Self:
        """Return a shallow copy, on which `copy` builds; the default of `copy.copy` would pickle the model."""
        that = type(self).__new__(type(self))
        that.__dict__.update(self.__dict__)
        return that

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a `copy`, which shares the immutable factor DataFrames."""
        return self.copy()

    def __reduce__(self) -> NoReturn:
        """Raise a TypeError, as models cannot be pickled."""
        name = type(self).__name__
        raise TypeError(
            f"{name} objects cannot be pickled, because their factors belong to a Spark session. Save the model with "
            f"save(path) and read it with {name}.load(path)."
        )


class ALSModel(FactorModel):
    """Model fitted by `spark_mf.ALS`: a plain `FactorModel`, R ≈ U Vᵀ, or one with biases if fitBias is True."""

    @classmethod
    def fromPySpark(cls, model: "SparkALSModel") -> "ALSModel":
        """Return a model with the factors and Params of a `pyspark.ml.recommendation.ALSModel`."""
        return model._copyValues(cls(model.userFactors, model.itemFactors, model.rank))


class GDModel(FactorModel):
    """Model fitted by `spark_mf.GD`: a plain `FactorModel`, R ≈ U Vᵀ."""


class SGDModel(FactorModel):
    """Model fitted by `spark_mf.SGD`: a `FactorModel` with biases and a global mean unless fitBias is False."""


def _has_bias(factors: DataFrame) -> bool:
    return "bias" in factors.columns


def _checked_range(found: Sequence[float]) -> tuple[float, float]:
    """Return (low, high); raise a ValueError unless both are finite and in ascending order."""
    if len(found) != 2 or not all(map(math.isfinite, found)) or found[0] > found[1]:
        raise ValueError(f"ratingRange must be (low, high), two finite numbers in ascending order, got {found}.")
    return found[0], found[1]
