"""Saving and loading of estimators and models, in pyspark's format: JSON in `metadata/`, factors as Parquet.

The metadata is written last, so that a directory with metadata is complete. Overwriting replaces the previous content
only after the new content has been written.
"""

import json
from typing import Any, Protocol, TypeVar, cast

from pyspark.errors import AnalysisException
from pyspark.ml.param import Params
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReadable, MLReader
from pyspark.sql import DataFrame, SparkSession

from spark_mf.models.summary import TrainingSummary
from spark_mf.runtime.jobs import job_description
from spark_mf.storage.files import hadoop_path, literal_reader
from spark_mf.storage.paths import reads_from, replacing, set_aside

T = TypeVar("T", bound="MLReadable[Any]")

USER_FACTORS, ITEM_FACTORS = "userFactors", "itemFactors"


class ParamsWriter(DefaultParamsWriter):
    """Writer of an instance that consists of its Params; overwrites only on request."""

    instance: Params

    def save(self, path: str) -> None:
        """Save the instance to a path.

        Raises
        ------
        FileExistsError
            If the path exists and `overwrite` was not called.
        OSError
            If the content of the path cannot be replaced; it is unchanged then.
        """
        _require_path(path)
        if not _exists(self.sparkSession, path):
            self.saveImpl(path)
        elif not self.shouldOverwrite:
            raise FileExistsError(
                f"path must not exist, got {path!r}. Save to another path, or use write().overwrite().save(path)."
            )
        else:
            with replacing(self.sparkSession, path) as folder:
                self.saveImpl(folder)


class ParamsReader(MLReader[T]):
    """Reader of an instance that consists of its Params."""

    def __init__(self, cls: type[T]) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> T:
        """Return the instance that was saved at a path.

        Raises
        ------
        FileNotFoundError
            If the path does not exist.
        ValueError
            If its content is incomplete, of another class, or of a version with other Params.
        """
        _require_path(path)
        metadata = self._read_metadata(path)
        instance = self._create(path, metadata)
        cast(Params, instance)._resetUid(metadata["uid"])
        try:
            DefaultParamsReader.getAndSetParams(instance, metadata)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"path must hold Params of this version of {self.cls.__name__}, got {path!r} with another one "
                f"({error}). Load it with the version that saved it."
            ) from error
        return instance

    def _create(self, path: str, metadata: dict[str, Any]) -> T:
        return self.cls()

    def _read_metadata(self, path: str) -> dict[str, Any]:
        _require_saved(self.sparkSession, path)
        try:
            metadata = _metadata(self.sparkSession, path)
            found = metadata["class"]
        # The errors of missing metadata, an empty file, invalid JSON, and other JSON, in this order.
        except (AnalysisException, TypeError, ValueError, KeyError) as error:
            raise self._incomplete(path, "metadata") from error
        expected = f"{self.cls.__module__}.{self.cls.__name__}"
        if found != expected:
            raise ValueError(f"path must hold a {expected}, got {path!r} with a {found}. Load it with that class.")
        return metadata

    def _incomplete(self, path: str, part: str) -> ValueError:
        name = self.cls.__name__
        return ValueError(
            f"path must hold a complete {name}, got {path!r}, whose {part} cannot be read. Save the {name} again."
        )


class SavableModel(Protocol):
    """The properties of a fitted model that are saved in addition to its Params."""

    @property
    def userFactors(self) -> DataFrame: ...
    @property
    def itemFactors(self) -> DataFrame: ...
    @property
    def rank(self) -> int: ...
    @property
    def globalMean(self) -> float: ...
    @property
    def ratingRange(self) -> tuple[float, float] | None: ...
    @property
    def hasSummary(self) -> bool: ...
    @property
    def summary(self) -> TrainingSummary: ...


class FactorModelWriter(ParamsWriter):
    """Writer of a model: Params, rank, global mean, rating range and summary as metadata, and the factors."""

    instance: Any

    def save(self, path: str) -> None:
        """Save the model to a path.

        Raises
        ------
        FileExistsError
            If the path exists and `overwrite` was not called.
        OSError
            If the content of the path cannot be replaced; it is unchanged then.
        ValueError
            If the model has no factors, or reads them from the path that it would overwrite.
        """
        _require_path(path)
        frames = (self.instance.userFactors, self.instance.itemFactors)
        if self.shouldOverwrite and any(reads_from(frame, path) for frame in frames):
            raise ValueError(
                f"path must not be the one from which the model reads its factors, got {path!r}. Save the model "
                "to another path."
            )
        super().save(path)

    def saveImpl(self, path: str) -> None:
        """Write the parts of the model, the metadata last."""
        model: SavableModel = self.instance
        summary = json.loads(model.summary.to_json()) if model.hasSummary else None
        extra = {
            "rank": model.rank,
            "globalMean": model.globalMean,
            "ratingRange": model.ratingRange,
            "summary": summary,
        }
        with job_description(self.sparkSession.sparkContext, "save the model"):
            model.userFactors.write.parquet(_join(path, USER_FACTORS))
            model.itemFactors.write.parquet(_join(path, ITEM_FACTORS))
            DefaultParamsWriter.saveMetadata(self.instance, path, self.sparkSession, extraMetadata=extra)


class FactorModelReader(ParamsReader[Any]):
    """Reader of a model, whose factors are read lazily."""

    def _create(self, path: str, metadata: dict[str, Any]) -> Any:
        summary = metadata.get("summary")
        # Models saved by versions without biases have neither a mean nor a range.
        return self.cls(
            self._read_factors(path, USER_FACTORS),
            self._read_factors(path, ITEM_FACTORS),
            metadata["rank"],
            None if summary is None else TrainingSummary.from_json(json.dumps(summary)),
            metadata.get("globalMean", 0.0),
            metadata.get("ratingRange"),
        )

    def _read_factors(self, path: str, part: str) -> DataFrame:
        try:
            factors = literal_reader(self.sparkSession).parquet(_join(path, part))
            return factors.select("id", "features", *(name for name in factors.columns if name == "bias"))
        except AnalysisException as error:
            raise self._incomplete(path, part) from error


def _require_path(path: str) -> None:
    if not isinstance(path, str):
        raise TypeError(f"path must be a string, got a {type(path).__name__}.")


def _join(path: str, part: str) -> str:
    return f"{path.rstrip('/')}/{part}"


def _exists(spark: SparkSession, path: str) -> bool:
    folder, files = hadoop_path(spark, path)
    return files.exists(folder)


def _require_saved(spark: SparkSession, path: str) -> None:
    if _exists(spark, path):
        return
    aside = set_aside(spark, path)
    if aside is not None:
        raise FileNotFoundError(
            f"path must exist, got {path!r}, which an interrupted overwrite removed. Its previous content is complete "
            f"in {aside}; rename that to {path}."
        )
    raise FileNotFoundError(f"path must exist, got {path!r}. Use a path that save() wrote.")


def _metadata(spark: SparkSession, path: str) -> dict[str, Any]:
    # pyspark's own loadMetadata interprets the path as a glob pattern.
    return dict(json.loads(literal_reader(spark).text(_join(path, "metadata")).first()[0]))  # type: ignore[index]


def saved_class(spark: SparkSession, path: str) -> str:
    """Return the name of the class whose instance was saved at a path.

    Raises
    ------
    FileNotFoundError, ValueError
        If the path does not exist, or has no metadata.
    """
    _require_path(path)
    _require_saved(spark, path)
    try:
        return str(_metadata(spark, path)["class"]).rpartition(".")[2]
    except (AnalysisException, TypeError, ValueError, KeyError) as error:
        raise ValueError(f"path must hold readable metadata, got {path!r}. Save the model again.") from error
