"""The fitted models: predictions, recommendations, saving and loading."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
from pyspark import Broadcast
from pyspark.ml import Model
from pyspark.ml.util import MLReadable, MLReader, MLWritable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from spark_mf.data.columns import quoted, require_classic, require_ids, usable_ids
from spark_mf.models.persistence import FactorModelReader, FactorModelWriter
from spark_mf.models.recommend import (
    Candidates,
    broadcast_candidates,
    recommend,
    recommendation_schema,
    spread,
)
from spark_mf.models.summary import TrainingSummary
from spark_mf.params.factorization import _ALSModelParams, require_positive, validate_model_params
from spark_mf.resources.workers import require_workers
from spark_mf.runtime.running import is_running, require_running

if TYPE_CHECKING:
    from pyspark.ml.recommendation import ALSModel as SparkALSModel


class FactorModel(Model, _ALSModelParams, MLWritable, MLReadable["FactorModel"]):
    """What the models of all estimators are: r̂ = μ + b_u + b_i + u·v, for users and items that have a rating.

    u and v are vectors of `rank` numbers, b_u and b_i biases and μ the `globalMean` (Koren, Bell and Volinsky 2009,
    "Matrix factorization techniques for recommender systems", eq. 4). A plain model has neither biases nor mean.

    Recommendations collect the factors of the side that is recommended to the driver and broadcast them:
    n·rank·4 bytes there and once in each running task (27,000 items of rank 64: 7 MB). The model keeps the
    broadcast for the next call, and copies of the model share it. Recommendations are lazy frames that need
    it, too, so it is never destroyed under them: Spark frees it once the model and its frames are gone, and
    `unpersist` frees the executors' copies earlier.

    A model belongs to the Spark session that fitted or loaded it: once that has stopped, whatever needs the factors
    raises a RuntimeError. It can be copied, which shares the factors, and saved, but not pickled.

    Parameters
    ----------
    userFactors, itemFactors : DataFrame (id int, bigint or string, features array<float>) or (…, bias float)
        Each id once, of the kind that the model was trained with; see `spark_mf.models.factors.factors_frame`.
    rank : int
        Length of each `features`.
    summary : TrainingSummary, optional
    globalMean : float
        μ, in the ratings' unit.
    ratingRange : (low, high), optional
        What predictions are clipped to where `clipPredictions` asks for it.

    Raises
    ------
    ValueError
        When only one side has biases, the mean is not finite, or the range is no range.
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
                f"userFactors has the columns {', '.join(userFactors.columns)} and itemFactors "
                f"{', '.join(itemFactors.columns)}: give both a column bias, or neither"
            )
        if not math.isfinite(globalMean):
            raise ValueError(f"globalMean={globalMean} is no mean of ratings: use a finite number")
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
        """The rows of V; `userFactors` with the roles swapped."""
        return self._fitted(self._itemFactors)

    @property
    def globalMean(self) -> float:
        """μ, which every prediction contains; 0 in a plain model."""
        return self._globalMean

    @property
    def hasBias(self) -> bool:
        """Whether users and items have biases."""
        return _has_bias(self.userFactors)

    @property
    def ratingRange(self) -> tuple[float, float] | None:
        """The lowest and the highest rating, which `clipPredictions` clips to; None where they are not known."""
        return self._ratingRange

    @property
    def hasSummary(self) -> bool:
        """Whether the model knows how it was trained."""
        return self._summary is not None

    @property
    def summary(self) -> TrainingSummary:
        """How the model was trained.

        Raises
        ------
        RuntimeError
            When the model was not trained by spark_mf; see `hasSummary`.
        """
        if self._summary is None:
            name = type(self).__name__
            raise RuntimeError(f"this {name} has no training summary: only a model that spark_mf fitted has one")
        return self._summary

    def asPlain(self) -> "ALSModel":
        """Return a model without biases and mean, whose dot products are this model's unclipped predictions.

        Its users are [u, b_u + μ, 1] and its items [v, 1, b_i], of rank + 2, for whatever knows dot products only,
        such as an index for nearest neighbours. A model that is plain already keeps its rank. The factors are lazy
        frames over this model's; Params, rating range and summary are the same.
        """
        users, items, rank = self._plain_factors()
        summary = self.summary if self.hasSummary else None
        return self._copyValues(ALSModel(users, items, rank, summary, ratingRange=self.ratingRange))

    def predict(self, user: int | str, item: int | str) -> float:
        """Return the predicted rating of one pair by a Spark job; NaN when user or item is unknown.

        Raises
        ------
        TypeError
            For an id of another kind than the model's: a string where they are integers, or the other way round, or
            what is neither a string nor a number.
        ValueError
            When predictions are to be clipped and the model has no rating range.
        """
        users = _row_of(self.userFactors, "user", user).alias("users")
        items = _row_of(self.itemFactors, "item", item).alias("items")
        pair = users.crossJoin(items).select(self._prediction("users", "items")).first()
        return float("nan") if pair is None else float(pair[0])

    def _transform(self, dataset: DataFrame) -> DataFrame:
        """Add the prediction to each row of a dataset with a user and an item column.

        They hold strings where the model was trained with strings, else numbers of any type. All columns are
        kept as they are. Where an id is unknown, null or no whole number, the prediction is NaN, or with
        coldStartStrategy="drop" the row is left out.
        """
        require_classic(dataset)
        validate_model_params(self)
        schema = dataset.schema
        # The dataset may have columns of any name, "id" and "features" too, so every name is qualified.
        rows, users, items = "__spark_mf_rows", "__spark_mf_users", "__spark_mf_items"
        user = _ids_of(schema, "userCol", self.getUserCol(), self.userFactors, rows)
        item = _ids_of(schema, "itemCol", self.getItemCol(), self.itemFactors, rows)
        predictionCol = self.getPredictionCol()
        if predictionCol in dataset.columns:
            raise ValueError(
                f"predictionCol={predictionCol!r} is a column of the dataset already: drop it or name another"
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
        """Return r̂ of the rows of two aliased factor frames, null where either row is missing."""
        rating = F.vector_inner_product(f"{users}.features", f"{items}.features")
        if self.hasBias:
            rating = rating + F.col(f"{users}.bias") + F.col(f"{items}.bias")
        if self.globalMean:
            rating = (rating + F.lit(self.globalMean)).cast("float")
        shown_range = self._shown_range()
        if shown_range is None:
            return rating
        low, high = (F.lit(bound).cast("float") for bound in shown_range)
        # To Spark NaN is above every number, and greatest and least skip null: neither may become a rating.
        return F.when(F.isnan(rating), rating).when(rating < low, low).when(rating > high, high).otherwise(rating)

    def _shown_range(self) -> tuple[float, float] | None:
        """Return what predictions are clipped to, or None where they are not to be clipped."""
        if not self.getClipPredictions():
            return None
        if self.ratingRange is None:
            name = type(self).__name__
            raise ValueError(
                f"clipPredictions=True needs a range of ratings, which this {name} has not: set it to False, or give "
                f"{name}(...) a ratingRange"
            )
        return self.ratingRange

    def _plain_factors(self) -> tuple[DataFrame, DataFrame, int]:
        """Return user factors, item factors and their rank such that the dot products are the predictions."""
        users, items = self.userFactors, self.itemFactors
        if not self.hasBias and not self.globalMean:
            return users, items, self.rank
        none, one = F.lit(0.0), F.lit(1.0)
        user_bias, item_bias = (F.col("bias"), F.col("bias")) if self.hasBias else (none, none)
        return (
            _with_factors(users, user_bias + F.lit(self.globalMean), one),
            _with_factors(items, one, item_bias),
            self.rank + 2,
        )

    def recommendForAllUsers(self, numItems: int) -> DataFrame:
        """Return the `numItems` best items of each user.

        Returns
        -------
        DataFrame (userCol, recommendations array<struct<itemCol, rating float>>)
            Best first, equal ratings by ascending item id; all items where there are fewer than `numItems`. With
            `clipPredictions` the ratings are clipped, and the order is that of the ratings before.

        Raises
        ------
        ValueError
            When `numItems` is no whole number above zero, or ratings are to be clipped without a rating range.
        MemoryError
            When the items' factors are more than the driver can take.
        RuntimeError
            When the workers' Python lacks what the tasks need, or the model's session was stopped.
        """
        return self._recommend("users", numItems, "numItems")

    def recommendForAllItems(self, numUsers: int) -> DataFrame:
        """Return the `numUsers` best users of each item; `recommendForAllUsers` with the roles swapped."""
        return self._recommend("items", numUsers, "numUsers")

    def recommendForUserSubset(self, dataset: DataFrame, numItems: int) -> DataFrame:
        """Return the `numItems` best items of each distinct known user of a dataset's column `userCol`.

        As `recommendForAllUsers`; users that the model does not know are absent.
        """
        return self._recommend("users", numItems, "numItems", dataset)

    def recommendForItemSubset(self, dataset: DataFrame, numUsers: int) -> DataFrame:
        """Return the `numUsers` best users of each distinct known item of a dataset's column `itemCol`."""
        return self._recommend("items", numUsers, "numUsers", dataset)

    def unpersist(self) -> None:
        """Free the executors' copies of the broadcast factors; recommendations have them sent again."""
        # With its session, Spark has freed them.
        if self._userFactors is not None and is_running(self._userFactors.sparkSession):
            for candidates in self._candidates.values():
                candidates.unpersist()

    def write(self) -> FactorModelWriter:
        """Return the writer behind `save`; `write().overwrite().save(path)` replaces what is at the path."""
        return FactorModelWriter(self)

    @classmethod
    def read(cls) -> MLReader[Any]:
        """Return the reader behind `load`."""
        return FactorModelReader(cls)

    @classmethod
    def load(cls, path: str) -> Self:
        """Return the model of this class that was saved at a path; its factors are read there when they are used."""
        return cls.read().load(path)

    def _recommend(self, side: str, n: int, param: str, dataset: DataFrame | None = None) -> DataFrame:
        """Recommend to one side ("users" or "items"), all of it or those whose ids a dataset names."""
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
        sources = spread(sources) if dataset is None else _subset(sources, dataset, sourceParam, sourceCol)
        if side not in self._candidates:
            self._candidates[side] = broadcast_candidates(targets, rank)
        schema = recommendation_schema(
            sourceCol, sources.schema["id"].dataType, targetCol, targets.schema["id"].dataType
        )
        return recommend(sources, self._candidates[side], int(n), schema, self.getBlockSize(), shown_range)

    def _fitted(self, factors: DataFrame | None) -> DataFrame:
        """Return a side's factors, of a model that has some and whose session is running."""
        name = type(self).__name__
        if factors is None:
            raise ValueError(
                f"this {name} has no factors: fit one with {name.removesuffix('Model')}, or load a saved one"
            )
        way_out = f"Load a saved model again with {name}.load(path), or fit it again in a session that is running."
        require_running(factors.sparkSession, "The model's", way_out)
        return factors

    def __copy__(self) -> Self:
        """Return what `copy` begins with; the way through pickle, which `copy.copy` takes else, is closed."""
        that = type(self).__new__(type(self))
        that.__dict__.update(self.__dict__)
        return that

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a `copy`: factors are frames that never change, and are shared."""
        return self.copy()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, as a TypeError."""
        name = type(self).__name__
        raise TypeError(
            f"{name} objects cannot be pickled, because their factors belong to a Spark session. Save the model with "
            f"save(path) and read it with {name}.load(path)."
        )


class ALSModel(FactorModel):
    """What `spark_mf.ALS` fits: a plain `FactorModel`, R ≈ U Vᵀ."""

    @classmethod
    def fromPySpark(cls, model: "SparkALSModel") -> "ALSModel":
        """Return a model with the factors and Params of a `pyspark.ml.recommendation.ALSModel`."""
        return model._copyValues(cls(model.userFactors, model.itemFactors, model.rank))


class GDModel(FactorModel):
    """What `spark_mf.GD` fits: a plain `FactorModel`, R ≈ U Vᵀ."""


class SGDModel(FactorModel):
    """What `spark_mf.SGD` fits: a `FactorModel` with biases and a global mean unless they were not wanted."""


def _has_bias(factors: DataFrame) -> bool:
    return "bias" in factors.columns


def _checked_range(found: Sequence[float]) -> tuple[float, float]:
    """Return (low, high), or raise a ValueError when it is no range of ratings."""
    if len(found) != 2 or not all(map(math.isfinite, found)) or found[0] > found[1]:
        raise ValueError(f"ratingRange={found} is no range: use (low, high), two finite numbers in this order")
    return found[0], found[1]


def _with_factors(factors: DataFrame, *further: Column) -> DataFrame:
    """Return a factor frame (id, features) with further factors behind those that each row has."""
    more = F.array(*(factor.cast("float") for factor in further))
    return factors.select("id", F.concat("features", more).alias("features"))


def _subset(factors: DataFrame, dataset: DataFrame, param: str, column: str) -> DataFrame:
    """Return the rows of a factor frame whose ids a dataset's column names."""
    require_classic(dataset)
    ids = _ids_of(dataset.schema, param, column, factors)
    return factors.join(dataset.select(ids.alias("id")).distinct(), "id", "left_semi")


def _ids_of(schema: StructType, param: str, column: str, factors: DataFrame, table: str | None = None) -> Column:
    """Return the column of ids that a Param names, of the kind that a factor frame has: strings or integers."""
    data_type = require_ids(schema, param, column)
    wanted = factors.schema["id"].dataType
    if isinstance(wanted, StringType) != isinstance(data_type, StringType):
        raise ValueError(
            f"{param}={column!r} has the type {data_type.simpleString()}, but the model was trained with ids of the "
            f"type {wanted.simpleString()}: cast the column to {wanted.simpleString()}"
        )
    name = quoted(column) if table is None else f"{table}.{quoted(column)}"
    return usable_ids(F.col(name), data_type)


def _row_of(factors: DataFrame, name: str, value: int | str) -> DataFrame:
    """Return the row of one id, which may be a scalar of NumPy's, if there is one."""
    wanted = factors.schema["id"].dataType
    plain = value.item() if isinstance(value, np.generic) else value
    is_id = isinstance(plain, (str, int, float)) and not isinstance(plain, bool)
    if not is_id or isinstance(wanted, StringType) != isinstance(plain, str):
        raise TypeError(
            f"{name} is {value!r}, a {type(value).__name__}, but the model was trained with ids of the type "
            f"{wanted.simpleString()}: pass one of these"
        )
    return factors.where(F.col("id") == plain)
