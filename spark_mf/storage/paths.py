"""Comparison of paths on file systems, and replacement of folders by complete ones."""

import logging
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession

from spark_mf.storage.files import JVM_ERRORS, found_at, hadoop_path, java_reason

logger = logging.getLogger("spark_mf")

_LOCAL = "file"
# Characters of the name of a folder in the names of its temporary folders, which must not become too long.
_NAME_CHARACTERS = 40


@dataclass(frozen=True)
class Place:
    """A qualified and decoded path; symbolic links in local paths are resolved."""

    scheme: str
    host: str
    path: str

    def is_in(self, folder: "Place") -> bool:
        """Return whether this is a folder or is inside it."""
        if (self.scheme, self.host) != (folder.scheme, folder.host):
            return False
        if self.path == folder.path or self.path.startswith(folder.path.rstrip("/") + "/"):
            return True
        # For file systems that ignore case, and folders that are mounted twice.
        return self.scheme == _LOCAL and any(_is_same(above, folder.path) for above in _with_parents(self.path))


def place_of(spark: SparkSession, path: str) -> Place:
    """Return the place of a path."""
    found, files = hadoop_path(spark, path)
    uri = files.makeQualified(found).toUri()
    return _place(uri.getScheme(), uri.getAuthority(), uri.getPath())


def place_of_uri(uri: str) -> Place:
    """Return the place of a file URI, as Spark returns it."""
    parts = urlsplit(uri)
    return _place(parts.scheme, parts.netloc, unquote(parts.path))


def local_path(spark: SparkSession, path: str) -> Path | None:
    """Return the absolute path on the local file system, or None for other file systems."""
    found, files = hadoop_path(spark, path)
    return Path(files.makeQualified(found).toUri().getPath()) if files.getScheme() == _LOCAL else None


def reads_from(frame: DataFrame, folder: str) -> bool:
    """Return whether a DataFrame reads files inside a folder, also below joins and caches."""
    place = place_of(frame.sparkSession, folder)
    return any(place_of_uri(uri).is_in(place) for uri in _files_of(frame))


def require_apart(spark: SparkSession, source: str, output: str) -> None:
    """Raise an error if an output folder contains the data to be read.

    Parameters
    ----------
    source : str
        A path or a glob pattern, as in Spark.
    output : str

    Raises
    ------
    ValueError
        If the data to be read is the output folder or inside it.
    """
    try:
        _, found = found_at(spark, source)
        places = [place_of_uri(status.getPath().toUri().toString()) for status in found]
    except JVM_ERRORS:
        # Reading the path will raise an error with the reason.
        return
    output_place = place_of(spark, output)
    if any(place.is_in(output_place) for place in places or [place_of(spark, source)]):
        raise ValueError(
            f"output must not contain the data to be read, got {output}, with {source}. Give another output."
        )


@contextmanager
def replacing(spark: SparkSession, path: str) -> Iterator[str]:
    """Yield a new folder to write to, which then replaces the folder at a path.

    The old folder stays at the path until the new folder is written; it is then renamed, and deleted last. If the
    process is killed, the old or the new folder is at the path; between the two renamings, both are beside it, see
    `set_aside`.

    Raises
    ------
    OSError
        If the folders cannot be renamed; the old folder is unchanged then.
    """
    found, files = hadoop_path(spark, path)
    target = str(files.makeQualified(found).toString())
    parent, _, name = target.rpartition("/")
    passing = f"{parent}/.{name[:_NAME_CHARACTERS]}.{uuid.uuid4().hex[:8]}"
    new, old = f"{passing}.new", f"{passing}.old"
    try:
        yield new
        rename_all(spark, [(target, old), (new, target)])
    except BaseException:
        with suppress(*JVM_ERRORS):
            files.delete(hadoop_path(spark, new)[0], True)
        raise
    try:
        files.delete(hadoop_path(spark, old)[0], True)
    except JVM_ERRORS as error:
        logger.warning("Cannot delete %s, which %s has replaced: %s.", old, path, java_reason(error))


def set_aside(spark: SparkSession, path: str) -> str | None:
    """Return the path of the old folder if a process was killed while replacing it; None if there is none."""
    found, files = hadoop_path(spark, path)
    target = files.makeQualified(found)
    name = re.escape(target.getName()[:_NAME_CHARACTERS])
    with suppress(*JVM_ERRORS):
        for status in files.listStatus(target.getParent()):
            if re.fullmatch(rf"\.{name}\.[0-9a-f]{{8}}\.old", status.getPath().getName()):
                return str(status.getPath().toString())
    return None


def rename_all(spark: SparkSession, pairs: Iterable[tuple[str, str]]) -> None:
    """Rename all of the files and folders, or none; each target must be a free path on the same file system.

    Raises
    ------
    OSError
        If one cannot be renamed; the others have their old names again.
    """
    renamed: list[tuple[str, str]] = []
    try:
        for source, target in pairs:
            _rename(spark, source, target)
            renamed.append((source, target))
    except BaseException:
        for source, target in reversed(renamed):
            _rename(spark, target, source)
        raise


def _rename(spark: SparkSession, source: str, target: str) -> None:
    path, files = hadoop_path(spark, source)
    try:
        local = local_path(spark, source)
        if local is not None and local.is_dir():
            # If Hadoop cannot rename a local folder, it copies it, and may leave an incomplete copy.
            local.rename(str(local_path(spark, target)))
        elif not files.rename(path, hadoop_path(spark, target)[0]):
            raise OSError(f"{source} cannot be renamed to {target}.")
    except JVM_ERRORS as error:
        raise OSError(f"{source} cannot be renamed to {target}: {java_reason(error)}.") from None


def _place(scheme: str, authority: str | None, path: str) -> Place:
    if scheme == _LOCAL:
        path = os.path.realpath(path)
    # An address without a port means the default port.
    return Place(scheme, re.sub(r":\d+$", "", authority or ""), path.rstrip("/") or "/")


def _with_parents(path: str) -> tuple[Path, ...]:
    return (Path(path), *Path(path).parents)


def _is_same(path: Path, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _files_of(frame: DataFrame) -> set[str]:
    """Return the URIs of the files that a DataFrame reads; `inputFiles` does not include those below a cache."""
    found: set[str] = set()
    leaves = frame._jdf.queryExecution().analyzed().collectLeaves()
    for number in range(leaves.size()):
        leaf = leaves.apply(number)
        kind = leaf.getClass().getSimpleName()
        # The two kinds of file sources in Spark; other sources of these kinds have no files.
        if kind == "LogicalRelation" and leaf.relation().getClass().getSimpleName() == "HadoopFsRelation":
            found.update(leaf.relation().inputFiles())
        elif kind == "DataSourceV2Relation":
            with suppress(Py4JError):
                found.update(leaf.table().fileIndex().inputFiles())
    return found
