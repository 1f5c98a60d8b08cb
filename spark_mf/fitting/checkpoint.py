"""Checkpoints of a running fit, from which the same fit resumes after a driver failure.

A checkpoint directory belongs to one fit. `iteration-N/` has the arrays after N iterations as Parquet, and
`checkpoint.json`, which is written last and renamed into place; only then are earlier checkpoints deleted. An
interrupted or failed write therefore leaves the previous checkpoint valid. Checksums detect corrupted data.
"""

import json
import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from spark_mf.models.factors import factors_arrays, factors_frame
from spark_mf.models.summary import IterationRecord
from spark_mf.runtime.jobs import job_description
from spark_mf.storage.files import JVM_ERRORS, hadoop_path, java_reason, literal_reader
from spark_mf.storage.folders import read_text, write_bytes, write_text

CHECKPOINT = "checkpoint.json"

logger = logging.getLogger("spark_mf")


@dataclass(frozen=True)
class SavedFit:
    """The content of a checkpoint.

    Attributes
    ----------
    history : tuple of IterationRecord
        Completed iterations.
    arrays : dict of str to float32[n, columns]
    progress : dict
        Further state of the fit, a JSON object.
    """

    history: tuple[IterationRecord, ...]
    arrays: dict[str, NDArray[np.float32]]
    progress: dict[str, Any]


def open_checkpoint_folder(spark: SparkSession, path: str) -> None:
    """Create the directory of checkpoints if it does not exist.

    Parameters
    ----------
    spark : SparkSession
    path : str
        A path on any Hadoop file system.

    Raises
    ------
    ValueError
        If the directory cannot be created or written.
    """
    try:
        folder, files = hadoop_path(spark, path)
        made = files.mkdirs(folder)
        if made:
            # Only a write shows that the directory is writable.
            probe = f"{path.rstrip('/')}/_probe"
            write_bytes(spark, probe, b"")
            files.delete(hadoop_path(spark, probe)[0], False)
    except JVM_ERRORS as error:
        raise ValueError(
            f"checkpointDir must be a writable directory, got {path!r} ({java_reason(error)}). Use another directory."
        ) from None
    if not made:
        raise ValueError(
            f"checkpointDir must be a writable directory, got {path!r} (it cannot be created). Use another directory."
        )


class Checkpoint:
    """The checkpoint directory of one fit.

    Parameters
    ----------
    spark : SparkSession
    path : str
        A directory that `open_checkpoint_folder` has created.
    identity : mapping of str to JSON value
        The properties that a resumed fit must share with the saved one: ratings, Params and seed.
    most : int
        The fit's maxIter. A checkpoint with more iterations is an error.
    """

    def __init__(self, spark: SparkSession, path: str, identity: Mapping[str, Any], most: int) -> None:
        self._spark, self._path, self._identity, self._most = spark, path.rstrip("/"), dict(identity), most

    def load(self) -> SavedFit | None:
        """Return the last checkpoint; None if there is none.

        Raises
        ------
        ValueError
            If the directory holds a checkpoint of another fit, or one that cannot be read.
        """
        saves = dict(self._saves())
        saved = [number for number, is_complete in saves.items() if is_complete]
        if not saved:
            if saves:
                logger.warning("checkpointDir=%r has no complete checkpoint; the fit restarts.", self._path)
            return None
        folder = self._inside(max(saved))
        with _reading(folder):
            found = json.loads(read_text(self._spark, f"{folder}/{CHECKPOINT}"))
            identity, progress = dict(found["identity"]), dict(found["progress"])
            history = tuple(IterationRecord.from_dict(record) for record in found["history"])
            _require_checksum(CHECKPOINT, _text_checksum(found), found["checksum"])
        self._require_same(identity)
        if len(history) > self._most:
            raise ValueError(
                f"maxIter must be >= {len(history)}, the number of iterations of the checkpoint in "
                f"checkpointDir={self._path!r}, got {self._most}. Use a larger maxIter, or another checkpointDir."
            )
        with _reading(folder), job_description(self._spark.sparkContext, "read the checkpoint"):
            arrays = {name: self._read_array(folder, name, checksum) for name, checksum in found["arrays"].items()}
        logger.info("Resuming after %d of %d iterations from the checkpoint %s.", len(history), self._most, folder)
        return SavedFit(history, arrays, progress)

    def save(self, fit: SavedFit) -> None:
        """Write a checkpoint that replaces the previous one.

        Raises
        ------
        OSError
            If it cannot be written, e.g. because the disk is full; the previous checkpoint stays valid.
        """
        number = len(fit.history)
        try:
            with job_description(self._spark.sparkContext, f"write the checkpoint of iteration {number}"):
                self._write(self._inside(number), fit)
        except JVM_ERRORS as error:
            raise OSError(self._not_saved(number, java_reason(error))) from None
        for other, _ in self._saves():
            if other != number:
                self._delete(other)

    def _write(self, folder: str, fit: SavedFit) -> None:
        for name, array in fit.arrays.items():
            frame = factors_frame(self._spark, np.arange(len(array)), array)
            frame.write.mode("overwrite").parquet(f"{folder}/{name}")
        description: dict[str, Any] = {
            "identity": self._identity,
            "history": [record.to_dict() for record in fit.history],
            "progress": fit.progress,
            "arrays": {name: _array_checksum(array) for name, array in fit.arrays.items()},
        }
        description["checksum"] = _text_checksum(description)
        write_text(self._spark, f"{folder}/{CHECKPOINT}", json.dumps(description))

    def _not_saved(self, number: int, reason: str) -> str:
        """Delete the partial checkpoint of a failed write; return the error message of the failure."""
        with suppress(*JVM_ERRORS):
            self._delete(number)
        failure = (
            f"checkpointDir must be writable during the whole fit, got {self._path!r}, where writing the checkpoint of "
            f"iteration {number} failed ({reason})."
        )
        with suppress(*JVM_ERRORS):
            saved = [other for other, is_complete in self._saves() if is_complete]
            if saved:
                return (
                    f"{failure} Free disk space there and fit again; the fit resumes from the checkpoint "
                    f"{self._inside(max(saved))}."
                )
        return f"{failure} Free disk space there, or use another directory."

    def _read_array(self, folder: str, name: str, checksum: int) -> NDArray[np.float32]:
        array = factors_arrays(literal_reader(self._spark).parquet(f"{folder}/{name}"))[1]
        _require_checksum(name, _array_checksum(array), checksum)
        return array

    def _delete(self, number: int) -> None:
        folder, files = hadoop_path(self._spark, self._inside(number))
        files.delete(folder, True)

    def _inside(self, number: int) -> str:
        return f"{self._path}/iteration-{number}"

    def _saves(self) -> list[tuple[int, bool]]:
        """Return the iteration numbers of all checkpoints, and whether each is complete."""
        folder, files = hadoop_path(self._spark, self._path)
        names = [status.getPath().getName() for status in files.listStatus(folder)]
        numbers = [int(name.removeprefix("iteration-")) for name in names if re.fullmatch(r"iteration-\d+", name)]
        return [
            (number, files.exists(hadoop_path(self._spark, f"{self._inside(number)}/{CHECKPOINT}")[0]))
            for number in numbers
        ]

    def _require_same(self, found: dict[str, Any]) -> None:
        # The JSON round trip turns tuples into lists.
        own = json.loads(json.dumps(self._identity))
        for name in (*own, *sorted(found.keys() - own.keys())):
            if own.get(name) != found.get(name):
                raise ValueError(
                    f"{name} must be {found.get(name)!r}, as in the checkpoint in checkpointDir={self._path!r}, got "
                    f"{own.get(name)!r}. Use the same value or another checkpointDir, or delete the checkpoint."
                )


def _array_checksum(array: NDArray[np.float32]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _text_checksum(description: Mapping[str, Any]) -> int:
    """Return the checksum of a description without its field `checksum`."""
    return zlib.crc32(json.dumps({name: value for name, value in description.items() if name != "checksum"}).encode())


def _require_checksum(what: str, found: int, written: int) -> None:
    if found != written:
        raise ValueError(f"{what} must have the checksum {written}, got {found}.")


@contextmanager
def _reading(folder: str) -> Iterator[None]:
    """Raise errors of reading a checkpoint as a ValueError that names the checkpoint."""
    try:
        yield
    except (AttributeError, KeyError, OSError, TypeError, ValueError, *JVM_ERRORS) as error:
        reason = java_reason(error) if isinstance(error, JVM_ERRORS) else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{folder} must be a complete checkpoint, got one that cannot be read ({reason.rstrip('.')}). Delete it, "
            "or use another checkpointDir."
        ) from None
