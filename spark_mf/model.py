"""The fitted model: predictions, recommendations, saving and loading."""

from typing import TYPE_CHECKING

from pyspark import Broadcast
from pyspark.ml import Model
from pyspark.ml.util import MLReadable, MLReader, MLWritable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from spark_mf.data.columns import quoted, require_classic, require_ids, usable_ids
from spark_mf.engine.recommend import (
    Candidates,
    broadcast_candidates,
    recommend,
    recommendation_schema,
    spread,
)
from spark_mf.params import _ALSModelParams, require_positive, validate_model_params
from spark_mf.persistence import ALSModelReader, ALSModelWriter
from spark_mf.summary import TrainingSummary

if TYPE_CHECKING:
    from pyspark.ml.recommendation import ALSModel as SparkALSModel


class ALSModel(Model, _ALSModelParams, MLWritable, MLReadable["ALSModel"]):
    """A factorization R ≈ U Vᵀ: a vector of `rank` numbers for each user and each item that has a rating.

    Recommendations collect the factors of the side that is recommended to the driver and broadcast them:
    n·rank·4 bytes there and once in each running task (27,000 items of rank 64: 7 MB). The model keeps the
    broadcast for the next call, and copies of the model share it. Recommendations are lazy frames that need
    it, too, so it is never destroyed under them: Spark frees it once the model and its frames are gone, and
    `unpersist` frees the executors' copies earlier.

    Parameters
    ----------
    userFactors, itemFactors : DataFrame (id int, bigint or string, features array<float>)
        Each id once, of the kind that the model was trained with; see `spark_mf.engine.factors.factors_frame`.
    rank : int
        Length of each `features`.
    summary : TrainingSummary, optional
    """

    def __init__(
        self,
        userFactors: DataFrame | None = None,
        itemFactors: DataFrame | None = None,
        rank: int = 0,
        summary: TrainingSummary | None = None,
    ) -> None:
        super().__init__()
        self._userFactors = userFactors
        self._itemFactors = itemFactors
        self._rank = rank
        self._summary = summary
        self._candidates: dict[str, Broadcast[Candidates]] = {}

    @classmethod
    def fromPySpark(cls, model: "SparkALSModel") -> "ALSModel":
        """Return a model with the factors and Params of a `pyspark.ml.recommendation.ALSModel`."""
        return model._copyValues(cls(model.userFactors, model.itemFactors, model.rank))

    @property
    def rank(self) -> int:
        """Number of factors of each user and item."""
        return self._rank

    @property
    def userFactors(self) -> DataFrame:
        """The rows of U as a DataFrame (id int, bigint or string, features array<float>)."""
        return _fitted(self._userFactors)

    @property
    def itemFactors(self) -> DataFrame:
        """The rows of V as a DataFrame (id int, bigint or string, features array<float>)."""
        return _fitted(self._itemFactors)

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
            raise RuntimeError("this ALSModel has no training summary: only a model that spark_mf fitted has one")
        return self._summary

    def predict(self, user: int | str, item: int | str) -> float:
        """Return the predicted rating of one pair by a Spark job; NaN when user or item is unknown.

        Raises
        ------
        TypeError
            For an id of another kind than the model's: a string where they are integers, or the other way round.
        """
        users = _row_of(self.userFactors, "user", user).select(F.col("features").alias("user"))
        items = _row_of(self.itemFactors, "item", item).select(F.col("features").alias("item"))
        pair = users.crossJoin(items).select(F.vector_inner_product("user", "item")).first()
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
        score = F.vector_inner_product(f"{users}.features", f"{items}.features")
        predictions = (
            dataset.alias(rows)
            .join(self.userFactors.alias(users), user == F.col(f"{users}.id"), how)
            .join(self.itemFactors.alias(items), item == F.col(f"{items}.id"), how)
            .select(f"{rows}.*", F.coalesce(score, F.lit(float("nan")).cast("float")).alias(predictionCol))
        )
        return predictions.where(~F.isnan(F.col(quoted(predictionCol)))) if is_dropping else predictions

    def recommendForAllUsers(self, numItems: int) -> DataFrame:
        """Return the `numItems` best items of each user.

        Returns
        -------
        DataFrame (userCol, recommendations array<struct<itemCol, rating float>>)
            Best first, equal ratings by ascending item id; all items where there are fewer than `numItems`.

        Raises
        ------
        ValueError
            When `numItems` is no whole number above zero.
        MemoryError
            When the items' factors are more than the driver can take.
        """
        return self._recommend(spread(self.userFactors), "users", numItems, "numItems")

    def recommendForAllItems(self, numUsers: int) -> DataFrame:
        """Return the `numUsers` best users of each item; `recommendForAllUsers` with the roles swapped."""
        return self._recommend(spread(self.itemFactors), "items", numUsers, "numUsers")

    def recommendForUserSubset(self, dataset: DataFrame, numItems: int) -> DataFrame:
        """Return the `numItems` best items of each distinct known user of a dataset's column `userCol`.

        As `recommendForAllUsers`; users that the model does not know are absent.
        """
        users = _subset(self.userFactors, dataset, "userCol", self.getUserCol())
        return self._recommend(users, "users", numItems, "numItems")

    def recommendForItemSubset(self, dataset: DataFrame, numUsers: int) -> DataFrame:
        """Return the `numUsers` best users of each distinct known item of a dataset's column `itemCol`."""
        items = _subset(self.itemFactors, dataset, "itemCol", self.getItemCol())
        return self._recommend(items, "items", numUsers, "numUsers")

    def unpersist(self) -> None:
        """Free the executors' copies of the broadcast factors; recommendations have them sent again."""
        for candidates in self._candidates.values():
            candidates.unpersist()

    def write(self) -> ALSModelWriter:
        """Return the writer behind `save`; `write().overwrite().save(path)` replaces what is at the path."""
        return ALSModelWriter(self)

    @classmethod
    def read(cls) -> MLReader["ALSModel"]:
        """Return the reader behind `load`."""
        return ALSModelReader(cls)

    def _recommend(self, sources: DataFrame, side: str, n: int, param: str) -> DataFrame:
        """Recommend to `sources`, the factors of some or all of one side ("users" or "items")."""
        require_positive(param, n)
        validate_model_params(self)
        if side == "users":
            sourceCol, targetCol, targets = self.getUserCol(), self.getItemCol(), self.itemFactors
        else:
            sourceCol, targetCol, targets = self.getItemCol(), self.getUserCol(), self.userFactors
        if side not in self._candidates:
            self._candidates[side] = broadcast_candidates(targets, self.rank)
        schema = recommendation_schema(
            sourceCol, sources.schema["id"].dataType, targetCol, targets.schema["id"].dataType
        )
        return recommend(sources, self._candidates[side], n, schema, self.getBlockSize())


def _fitted(factors: DataFrame | None) -> DataFrame:
    if factors is None:
        raise ValueError("this ALSModel has no factors: fit an ALS, or load a saved model")
    return factors


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
    wanted = factors.schema["id"].dataType
    if isinstance(wanted, StringType) != isinstance(value, str):
        raise TypeError(
            f"{name} is {value!r}, a {type(value).__name__}, but the model was trained with ids of the type "
            f"{wanted.simpleString()}: pass one of these"
        )
    return factors.where(F.col("id") == value)
