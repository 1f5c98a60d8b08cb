"""Warm start: the factors of a saved model as initial factors of a fit."""

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
from spark_mf.ratings.side import Side
from spark_mf.ratings.string_ids import IdMap

# Instances of other classes are loaded as an ALSModel, which raises an error.
_KINDS: dict[str, type[FactorModel]] = {kind.__name__: kind for kind in (ALSModel, GDModel, SGDModel)}


@dataclass(frozen=True)
class KnownRows:
    """Factors of the users or items of a fit that are in a saved model.

    Attributes
    ----------
    rows : int32[m]
        Dense indices of these users or items.
    factors : float32[m, rank]
    biases : float32[m]
        Zeros if the model has no biases.
    """

    rows: NDArray[np.int32]
    factors: NDArray[np.float32]
    biases: NDArray[np.float32]


@dataclass(frozen=True)
class InitialModel:
    """A saved model that a fit starts from."""

    users: KnownRows
    items: KnownRows
    path: str
    globalMean: float
    hasBias: bool

    def require_usable(self, fitBias: bool) -> None:
        """Raise a ValueError if the model has biases but the fit has none."""
        if self.hasBias and not fitBias:
            raise ValueError(
                f"fitBias must be True for initialModel={self.path!r}, which has biases, got False. Set fitBias=True, "
                "or save the result of the model's asPlain() and use it as initialModel with rank + 2."
            )

    def require_nonnegative(self) -> None:
        """Raise a ValueError if a factor of a user or item of the fit is negative."""
        for side in (self.users, self.items):
            lowest = side.factors.min(initial=0)
            if lowest < 0:
                raise ValueError(
                    f"initialModel must have factors >= 0 with nonnegative=True, got {lowest:g} in {self.path!r}. "
                    "Use a model that was fitted with nonnegative=True."
                )


def load_initial_model(spark: SparkSession, path: str, rank: int, ratings: PreparedRatings) -> InitialModel:
    """Return the factors of a saved ALSModel, GDModel or SGDModel for the users and items of a fit.

    The driver collects all factors of the model.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no model at the path, or it has another rank or ids of another type.
    """
    model = _KINDS.get(saved_class(spark, path), ALSModel).load(path)
    if model.rank != rank:
        raise ValueError(
            f"rank must be {model.rank}, the rank of initialModel={path!r}, got {rank}. Use that rank, or another "
            "model."
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
            f"ids of {side.name} must be {kinds[0]}, as in initialModel={path!r}, got {kinds[1]}. Cast the column, or "
            "use another model."
        )
    if ids is not None:
        others = [name for name in factors.columns if name != "id"]
        factors = factors.join(ids.frame, "id").select(F.col("key").alias("id"), *others)
    found = collect_factors(factors)
    dense = side.index.lookup(found.ids.to_numpy().astype(np.int64))
    known = dense != UNKNOWN
    biases = np.zeros(len(dense), np.float32) if found.biases is None else found.biases
    return KnownRows(dense[known], found.factors[known], biases[known])
