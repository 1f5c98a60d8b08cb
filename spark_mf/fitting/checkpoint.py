"""A fit saved on the way: what it needs to go on after its driver was killed, and what it must be the same in.

A folder holds one fit. `iteration-N/` has the arrays after N iterations as Parquet and, written last and renamed into
place, `checkpoint.json`; only then are earlier ones deleted. So a save that was cut short leaves the one before it in
force, and so does one for which there was no room. Checksums tell whether what is read is what was written.
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


def open_checkpoint_folder(spark: SparkSession, path: str) -> None:
    """Make a folder for checkpoints where there is none.

    Parameters
    ----------
    spark : SparkSession
    path : str
        On any file system of Hadoop's.

    Raises
    ------
    ValueError
        When it cannot be made or written.
    """
    try:
        folder, files = hadoop_path(spark, path)
        made = files.mkdirs(folder)
        if made:
            # The one sure way to know is to write.
            probe = f"{path.rstrip('/')}/_probe"
            write_bytes(spark, probe, b"")
            files.delete(hadoop_path(spark, probe)[0], False)
    except JVM_ERRORS as error:
        raise ValueError(
            f"checkpointDir={path!r} cannot be written: {java_reason(error)}; name another folder"
        ) from None
    if not made:
        raise ValueError(f"checkpointDir={path!r} cannot be made: name another folder")


class Checkpoint:
    """The checkpoint folder of one fit.

    Parameters
    ----------
    spark : SparkSession
    path : str
        As `open_checkpoint_folder` has left it.
    identity : mapping of names to JSON values
        What a fit that goes on must have the same: ratings, Params and seed.
    most : int
        Iterations of the fit; one that has run more is another.
    """

    def __init__(self, spark: SparkSession, path: str, identity: Mapping[str, Any], most: int) -> None:
        self._spark, self._path, self._identity, self._most = spark, path.rstrip("/"), dict(identity), most

    def load(self) -> SavedFit | None:
        """Return the saved fit; None where nothing was saved.

        Raises
        ------
        ValueError
            When the folder holds another fit, or cannot be read.
        """
        saves = dict(self._saves())
        saved = [number for number, is_complete in saves.items() if is_complete]
        if not saved:
            if saves:
                logger.warning("checkpointDir=%r holds no complete save: the fit begins anew", self._path)
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
                f"checkpointDir={self._path!r} holds a fit of {len(history)} iterations, and maxIter={self._most}: use "
                "at least as many, or name another folder"
            )
        with _reading(folder), job_description(self._spark.sparkContext, "read the saved fit"):
            arrays = {name: self._read_array(folder, name, checksum) for name, checksum in found["arrays"].items()}
        logger.info("the fit goes on after %d of %d iterations, which %s holds", len(history), self._most, folder)
        return SavedFit(history, arrays, progress)

    def save(self, fit: SavedFit) -> None:
        """Save a fit in the place of what was saved before.

        Raises
        ------
        OSError
            When it cannot be written, as on a full disk; what was saved before is still in force.
        """
        number = len(fit.history)
        try:
            with job_description(self._spark.sparkContext, f"save the fit after iteration {number}"):
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
        """Say what is left of a fit whose save failed, and give back the room that the save took."""
        with suppress(*JVM_ERRORS):
            self._delete(number)
        with suppress(*JVM_ERRORS):
            saved = [other for other, is_complete in self._saves() if is_complete]
            if saved:
                return (
                    f"checkpointDir={self._path!r} cannot take the fit after {number} iterations: {reason}; make room "
                    f"there and fit again: it goes on after the {max(saved)} iterations that "
                    f"{self._inside(max(saved))} holds"
                )
        return (
            f"checkpointDir={self._path!r} cannot take the fit after {number} iterations: {reason}; make room there, "
            "or name another folder"
        )

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
        """Numbers of iterations of which the folder has something, and whether all of it."""
        folder, files = hadoop_path(self._spark, self._path)
        names = [status.getPath().getName() for status in files.listStatus(folder)]
        numbers = [int(name.removeprefix("iteration-")) for name in names if re.fullmatch(r"iteration-\d+", name)]
        return [
            (number, files.exists(hadoop_path(self._spark, f"{self._inside(number)}/{CHECKPOINT}")[0]))
            for number in numbers
        ]

    def _require_same(self, found: dict[str, Any]) -> None:
        # As JSON has them: tuples are lists there.
        own = json.loads(json.dumps(self._identity))
        for name in (*own, *sorted(found.keys() - own.keys())):
            if own.get(name) != found.get(name):
                raise ValueError(
                    f"checkpointDir={self._path!r} holds a fit with {name}={found.get(name)!r}, and this one has "
                    f"{own.get(name)!r}: use the same, name another folder, or delete that one"
                )


def _array_checksum(array: NDArray[np.float32]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _text_checksum(description: Mapping[str, Any]) -> int:
    """Of everything in a description but its checksum."""
    return zlib.crc32(json.dumps({name: value for name, value in description.items() if name != "checksum"}).encode())


def _require_checksum(what: str, found: int, written: int) -> None:
    if found != written:
        raise ValueError(f"{what} is not what was written: its checksum is {found} instead of {written}")


@contextmanager
def _reading(folder: str) -> Iterator[None]:
    """Say in a sentence what of a checkpoint cannot be read."""
    try:
        yield
    except (AttributeError, KeyError, OSError, TypeError, ValueError, *JVM_ERRORS) as error:
        reason = java_reason(error) if isinstance(error, JVM_ERRORS) else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{folder} is no complete checkpoint ({reason}): delete it, or name another checkpointDir"
        ) from None
