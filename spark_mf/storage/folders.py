"""Output folders of jobs on any file system of Hadoop, which are read only if they are complete.

A folder contains `ratings/` as Parquet, other files of the job and, written last, `description.json`. A folder without
it is the output of a job that did not finish, and is not read.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession

from spark_mf.storage.files import JVM_ERRORS, hadoop_path, is_skipped, java_reason
from spark_mf.storage.paths import rename_all

RATINGS = "ratings"
DESCRIPTION = "description.json"
#: Folder in which a job writes until it replaces the output of an earlier run; Spark skips the name.
UNFINISHED = "_unfinished"

_REPLACED = "_replaced-"


class RatingsFolder:
    """Output folder of a job.

    Parameters
    ----------
    spark : SparkSession
    path : str
        Path on any file system of Hadoop.
    makes : tuple[str, ...]
        Names of the files and folders that the job writes; overwriting replaces only these, after all are written.
    overwrite : bool
        Whether the folder may contain files already.
    description : str
        Name of the file that marks the folder as complete.

    Raises
    ------
    FileExistsError
        If the folder contains files and `overwrite` is false, or the path is a file.
    ValueError
        If the folder cannot be written.
    """

    def __init__(
        self,
        spark: SparkSession,
        path: str,
        makes: tuple[str, ...] = (RATINGS,),
        *,
        overwrite: bool,
        description: str = DESCRIPTION,
    ) -> None:
        self.path = self._written = path.rstrip("/") or "/"
        self._spark, self._makes, self._description = spark, makes, description
        try:
            folder, files = hadoop_path(spark, self.path)
            if files.exists(folder):
                if not files.getFileStatus(folder).isDirectory():
                    raise FileExistsError(
                        f"output must be a folder, got {path}, which is a file. Give the path of a folder."
                    )
                if not overwrite and len(files.listStatus(folder)):
                    raise FileExistsError(
                        f"output must be an empty folder, got {path}, which is not empty. Give another one, or "
                        "--overwrite to replace the files of an earlier run of this job."
                    )
            if not files.mkdirs(folder):
                raise ValueError(f"The output folder {path} cannot be created. Give another one.")
            # Writing is the only reliable test.
            probe, _ = hadoop_path(spark, _below(self.path, "_probe"))
            files.create(probe, True).close()
            files.delete(probe, False)
        except JVM_ERRORS as error:
            raise ValueError(
                f"The output folder {path} cannot be written: {java_reason(error)}. Give another one."
            ) from None

    def inside(self, name: str) -> str:
        """Return the path at which a file or folder is written, which is temporary if it replaces an earlier one."""
        return _below(self._written, name)

    def start(self) -> None:
        """Prepare the folder for writing; the output of an earlier run stays in place."""
        places = [hadoop_path(self._spark, _below(self.path, name)) for name in (self._description, *self._makes)]
        if any(files.exists(place) for place, files in places):
            self._written = _below(self.path, UNFINISHED)
            unfinished, files = hadoop_path(self._spark, self._written)
            files.delete(unfinished, True)
            files.mkdirs(unfinished)

    def finish(self, description: Mapping[str, Any]) -> None:
        """Write the description, which marks the folder as complete, and replace the output of an earlier run."""
        write_text(self._spark, self.inside(self._description), json.dumps(description, indent=2, ensure_ascii=False))
        if self._written != self.path:
            self._replace()

    def lengths(self, folders: tuple[str, ...]) -> dict[str, int]:
        """Return `file_lengths` of the written files."""
        return file_lengths(self._spark, self._written, folders)

    def _replace(self) -> None:
        """Rename the output of an earlier run, starting with its description, and then the new output."""
        names = (self._description, *self._makes)
        old = _below(self.path, f"{_REPLACED}{uuid.uuid4().hex[:8]}")
        folder, files = hadoop_path(self._spark, old)
        files.mkdirs(folder)
        moves = [*self._moves(self.path, old, names), *self._moves(self._written, self.path, names[::-1])]
        try:
            rename_all(self._spark, moves)
        except OSError as error:
            raise OSError(
                f"{self.path} cannot be overwritten: {error} Its files are unchanged, and those of this job are in "
                f"{self._written}."
            ) from None
        for passing in (old, self._written):
            files.delete(hadoop_path(self._spark, passing)[0], True)
        self._written = self.path

    def _moves(self, source: str, target: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
        """Return the source and target of each existing file or folder to be renamed."""
        places = {name: hadoop_path(self._spark, _below(source, name)) for name in names}
        there = [name for name, (place, files) in places.items() if files.exists(place)]
        return [(_below(source, name), _below(target, name)) for name in there]


def ratings_path(spark: SparkSession, path: str) -> str:
    """Return the path of ratings: `ratings/` in the output folder of a job, else the path itself.

    Raises
    ------
    ValueError
        If the job, or Spark itself, has not finished writing.
    """
    try:
        folder, files = hadoop_path(spark, path)
        inner, _ = hadoop_path(spark, f"{path.rstrip('/')}/{RATINGS}")
        if files.exists(inner) and files.getFileStatus(inner).isDirectory():
            described, _ = hadoop_path(spark, f"{path.rstrip('/')}/{DESCRIPTION}")
            if not files.exists(described):
                raise ValueError(
                    f"{path} must contain {DESCRIPTION}, got the output of a job that did not finish. Run it again."
                )
            folder, path = inner, f"{path.rstrip('/')}/{RATINGS}"
        unfinished, _ = hadoop_path(spark, f"{path.rstrip('/')}/_temporary")
        success, _ = hadoop_path(spark, f"{path.rstrip('/')}/_SUCCESS")
        if files.exists(folder) and files.exists(unfinished) and not files.exists(success):
            raise ValueError(
                f"{path} must be written completely, got a folder with _temporary and without _SUCCESS. Write it again."
            )
    except JVM_ERRORS as error:
        raise ValueError(f"{path} cannot be opened: {java_reason(error)}.") from None
    return path


def read_description(spark: SparkSession, path: str, name: str = DESCRIPTION) -> dict[str, Any]:
    """Return the description of a complete folder.

    Raises
    ------
    FileNotFoundError
        If there is no description.
    ValueError
        If it is not a JSON object.
    """
    file = f"{path.rstrip('/')}/{name}"
    try:
        found = json.loads(read_text(spark, file))
    except ValueError as error:
        raise ValueError(
            f"{file} must contain a JSON object, got invalid JSON ({error}). Write the folder again."
        ) from None
    if not isinstance(found, dict):
        raise ValueError(f"{file} must contain a JSON object, got a {type(found).__name__}. Write the folder again.")
    return found


def write_text(spark: SparkSession, path: str, text: str) -> None:
    """Write a small UTF-8 file under a temporary name and rename it, so that it is never incomplete."""
    final, files = hadoop_path(spark, path)
    passing, _ = hadoop_path(spark, f"{path}.unfinished")
    write_bytes(spark, f"{path}.unfinished", text.encode() + b"\n")
    files.delete(final, False)
    if not files.rename(passing, final):
        raise ValueError(f"{path} cannot be written: renaming {path}.unfinished failed.")


def write_bytes(spark: SparkSession, path: str, content: bytes) -> None:
    """Write a small file, replacing an existing one."""
    file, files = hadoop_path(spark, path)
    stream = files.create(file, True)
    try:
        stream.write(content)
    finally:
        stream.close()


def read_text(spark: SparkSession, path: str) -> str:
    """Return the text of a small UTF-8 file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is not UTF-8 text.
    """
    try:
        file, files = hadoop_path(spark, path)
        if not files.exists(file):
            raise FileNotFoundError(f"{path} does not exist.")
        stream = files.open(file)
        try:
            return bytes(stream.readAllBytes()).decode()
        finally:
            stream.close()
    except UnicodeDecodeError:
        raise ValueError(f"{path} must be UTF-8 text, got other bytes.") from None
    except JVM_ERRORS as error:
        raise ValueError(f"{path} cannot be read: {java_reason(error)}.") from None


def file_lengths(spark: SparkSession, path: str, folders: tuple[str, ...]) -> dict[str, int]:
    """Return the length in bytes of every data file in some folders of a path, by its relative path.

    Names that Spark skips are left out.
    """
    lengths = {}
    for folder in folders:
        place, files = hadoop_path(spark, f"{path.rstrip('/')}/{folder}")
        for status in files.listStatus(place) if files.exists(place) else ():
            name = status.getPath().getName()
            if not is_skipped(name):
                lengths[f"{folder}/{name}"] = int(status.getLen())
    return lengths


def _below(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"
