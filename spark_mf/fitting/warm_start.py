"""Factors of a saved model as the start of another fit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from spark_mf.blocks.ids import UNKNOWN
from spark_mf.model import ALSModel, FactorModel, GDModel, SGDModel
from spark_mf.models.factors import collect_factors
from spark_mf.models.persistence import saved_class
from spark_mf.ratings.base import PreparedRatings
from spark_mf.ratings.layout import Side
from spark_mf.ratings.string_ids import IdMap

# An instance of another class is refused as no ALSModel.
_KINDS: dict[str, type[FactorModel]] = {kind.__name__: kind for kind in (ALSModel, GDModel, SGDModel)}


@dataclass(frozen=True)
class KnownRows:
    """What a saved model knows of one side of a fit's ratings.

    Attributes
    ----------
    rows : int32[m]
        Dense indices of the users or items that the model knows.
    factors : float32[m, rank]
    biases : float32[m]
        0 where the model has none.
    """

    rows: NDArray[np.int32]
    factors: NDArray[np.float32]
    biases: NDArray[np.float32]


@dataclass(frozen=True)
class InitialModel:
    """A saved model as a fit's start."""

    users: KnownRows
    items: KnownRows
    path: str
    globalMean: float
    hasBias: bool

    def require_usable(self, fitBias: bool) -> None:
        """Raise a ValueError when the model has biases and the fit none."""
        if self.hasBias and not fitBias:
            raise ValueError(
                f"initialModel={self.path!r} has biases and fitBias is False: use fitBias=True, or save what the "
                "model's asPlain() returns and start from that with rank + 2"
            )


def load_initial_model(spark: SparkSession, path: str, rank: int, ratings: PreparedRatings) -> InitialModel:
    """Load a saved ALSModel, GDModel or SGDModel and look its users and items up among a fit's.

    The driver holds the model's factors meanwhile.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no model at the path, or it has another rank or ids of another type.
    """
    model = _KINDS.get(saved_class(spark, path), ALSModel).load(path)
    if model.rank != rank:
        raise ValueError(
            f"initialModel={path!r} has rank {model.rank} and the fit has rank={rank}: use the model's rank, or "
            "another model"
        )
    return InitialModel(
        _known(path, model.userFactors, ratings.users, ratings.user_ids),
        _known(path, model.itemFactors, ratings.items, ratings.item_ids),
        path,
        model.globalMean,
        model.hasBias,
    )


def _known(path: str, factors: DataFrame, side: Side, ids: IdMap | None) -> KnownRows:
    has_strings = isinstance(factors.schema["id"].dataType, StringType)
    if has_strings != (ids is not None):
        kinds = ("strings", "integers") if has_strings else ("integers", "strings")
        raise ValueError(
            f"initialModel={path!r} has {side.name} whose ids are {kinds[0]}, and those of the ratings are {kinds[1]}: "
            "cast the column, or use another model"
        )
    if ids is not None:
        others = [name for name in factors.columns if name != "id"]
        factors = factors.join(ids.frame, "id").select(F.col("key").alias("id"), *others)
    found = collect_factors(factors)
    dense = side.index.lookup(found.ids.to_numpy().astype(np.int64))
    known = dense != UNKNOWN
    biases = np.zeros(len(dense), np.float32) if found.biases is None else found.biases
    return KnownRows(dense[known], found.factors[known], biases[known])
