"""A fit saved on the way: what it needs to go on after its driver was killed, and what it must be the same in.

A folder holds one fit: the factors of its last saved iteration as Parquet in `iteration-N/`, and, written last and
renamed into place, `checkpoint.json`. A save that was cut short leaves the one before it in force.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_mf.data.files import JVM_ERRORS, hadoop_path, java_reason
from spark_mf.data.folders import read_description, write_text
from spark_mf.engine.factors import factors_arrays, factors_frame
from spark_mf.summary import IterationRecord

CHECKPOINT = "checkpoint.json"


@dataclass(frozen=True)
class SavedFit:
    """What a checkpoint holds.

    Attributes
    ----------
    history : of the iterations that were run
    arrays : float32[n, columns] by name
    progress : what else the estimator saved, a JSON object
    """

    history: tuple[IterationRecord, ...]
    arrays: dict[str, NDArray[np.float32]]
    progress: dict[str, Any]


class Checkpoint:
    """The checkpoint folder of one fit.

    Parameters
    ----------
    spark : SparkSession
    path : str
        On any file system of Hadoop's; made when it does not exist.
    identity : mapping of names to JSON values
        What a fit that goes on must have the same: ratings, Params and seed.

    Raises
    ------
    ValueError
        When the folder cannot be opened or made.
    """

    def __init__(self, spark: SparkSession, path: str, identity: Mapping[str, Any]) -> None:
        self._spark, self._path, self._identity = spark, path.rstrip("/"), dict(identity)
        try:
            folder, files = hadoop_path(spark, self._path)
            made = files.mkdirs(folder)
        except JVM_ERRORS as error:
            raise ValueError(f"checkpointDir={path!r} cannot be opened: {java_reason(error)}; name another") from None
        if not made:
            raise ValueError(f"checkpointDir={path!r} cannot be made: name another folder")

    def load(self) -> SavedFit | None:
        """Return the saved fit; None where nothing was saved.

        Raises
        ------
        ValueError
            When the folder holds another fit, or cannot be read.
        """
        try:
            found = read_description(self._spark, self._path, CHECKPOINT)
        except FileNotFoundError:
            return None
        self._require_same(found.get("identity", {}))
        try:
            history = tuple(IterationRecord(**record) for record in found["history"])
            folder = f"{self._path}/iteration-{len(history)}"
            arrays = {name: factors_arrays(self._spark.read.parquet(f"{folder}/{name}"))[1] for name in found["arrays"]}
            return SavedFit(history, arrays, found["progress"])
        except (KeyError, TypeError, ValueError, AnalysisException) as error:
            raise ValueError(f"{self._path} is no complete checkpoint ({error}): delete it, or name another") from None

    def save(self, fit: SavedFit) -> None:
        """Save a fit in the place of what was saved before."""
        number = len(fit.history)
        for name, array in fit.arrays.items():
            frame = factors_frame(self._spark, np.arange(len(array)), array)
            frame.write.mode("overwrite").parquet(f"{self._path}/iteration-{number}/{name}")
        description = {
            "identity": self._identity,
            "history": [asdict(record) for record in fit.history],
            "progress": fit.progress,
            "arrays": list(fit.arrays),
        }
        write_text(self._spark, f"{self._path}/{CHECKPOINT}", json.dumps(description))
        self._delete_others(f"iteration-{number}")

    def _delete_others(self, kept: str) -> None:
        folder, files = hadoop_path(self._spark, self._path)
        for status in files.listStatus(folder):
            name = status.getPath().getName()
            if name.startswith("iteration-") and name != kept:
                files.delete(status.getPath(), True)

    def _require_same(self, found: Any) -> None:
        saved = found if isinstance(found, dict) else {}
        # As JSON has them: tuples are lists there.
        own = json.loads(json.dumps(self._identity))
        for name in sorted(own.keys() | saved.keys()):
            if own.get(name) != saved.get(name):
                raise ValueError(
                    f"checkpointDir={self._path!r} holds a fit with {name}={saved.get(name)!r}, and this one has "
                    f"{own.get(name)!r}: name another folder, or delete that one"
                )
