"""Places on file systems: whether one lies inside another, and folders that are replaced only by complete ones."""

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
# Of a folder's name in those of its passing companions, whose names may not become too long for the file system.
_NAME_CHARACTERS = 40


@dataclass(frozen=True)
class Place:
    """A path as file systems know it: qualified and decoded, and of local ones without symbolic links."""

    scheme: str
    host: str
    path: str

    def is_in(self, folder: "Place") -> bool:
        """Whether this is a folder or lies inside it, however either is spelled."""
        if (self.scheme, self.host) != (folder.scheme, folder.host):
            return False
        if self.path == folder.path or self.path.startswith(folder.path.rstrip("/") + "/"):
            return True
        # File systems that ignore case, and folders that are mounted twice.
        return self.scheme == _LOCAL and any(_is_same(above, folder.path) for above in _with_parents(self.path))


def place_of(spark: SparkSession, path: str) -> Place:
    """The place of a path as users give it."""
    found, files = hadoop_path(spark, path)
    uri = files.makeQualified(found).toUri()
    return _place(uri.getScheme(), uri.getAuthority(), uri.getPath())


def place_of_uri(uri: str) -> Place:
    """The place of a file as Spark names it, with the characters encoded that URIs encode."""
    parts = urlsplit(uri)
    return _place(parts.scheme, parts.netloc, unquote(parts.path))


def local_path(spark: SparkSession, path: str) -> Path | None:
    """The absolute path on the local file system; None where it is on another one."""
    found, files = hadoop_path(spark, path)
    return Path(files.makeQualified(found).toUri().getPath()) if files.getScheme() == _LOCAL else None


def reads_from(frame: DataFrame, folder: str) -> bool:
    """Whether a DataFrame reads files inside a folder, also below joins and caches."""
    place = place_of(frame.sparkSession, folder)
    return any(place_of_uri(uri).is_in(place) for uri in _files_of(frame))


def require_apart(spark: SparkSession, source: str, output: str) -> None:
    """Refuse to read what an output folder replaces.

    Parameters
    ----------
    source : str
        A path or a pattern, as Spark reads them.

    Raises
    ------
    ValueError
        When something that is to be read is the output folder or lies inside it.
    """
    try:
        _, found = found_at(spark, source)
        places = [place_of_uri(status.getPath().toUri().toString()) for status in found]
    except JVM_ERRORS:
        # Whoever reads it says why it cannot be read.
        return
    output_place = place_of(spark, output)
    if any(place.is_in(output_place) for place in places or [place_of(spark, source)]):
        raise ValueError(
            f"output must not contain the data to be read, got {output}, with {source}. Give another output."
        )


@contextmanager
def replacing(spark: SparkSession, path: str) -> Iterator[str]:
    """Give a new folder to write to, which then takes the place of what is at a path.

    What is at the path stays there until the new folder is written, is then renamed, and is deleted last. A process
    that is killed leaves the old folder or the new one at the path, or for the moment between two renamings both of
    them beside it; see `set_aside`.

    Raises
    ------
    OSError
        When the file system does not let the folders change places; what was there is unchanged.
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
        logger.warning("cannot delete %s, which %s has replaced: %s", old, path, java_reason(error))


def set_aside(spark: SparkSession, path: str) -> str | None:
    """The path of what was at a path before a process was killed in the moment of replacing it; None without any."""
    found, files = hadoop_path(spark, path)
    target = files.makeQualified(found)
    name = re.escape(target.getName()[:_NAME_CHARACTERS])
    with suppress(*JVM_ERRORS):
        for status in files.listStatus(target.getParent()):
            if re.fullmatch(rf"\.{name}\.[0-9a-f]{{8}}\.old", status.getPath().getName()):
                return str(status.getPath().toString())
    return None


def rename_all(spark: SparkSession, pairs: Iterable[tuple[str, str]]) -> None:
    """Rename files and folders, each to a path on the same file system that is not taken: all of them or none.

    Raises
    ------
    OSError
        When one cannot be renamed; those before it have their old names again.
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
            # Where Hadoop cannot rename a local folder it copies, and may leave half of it.
            local.rename(str(local_path(spark, target)))
        elif not files.rename(path, hadoop_path(spark, target)[0]):
            raise OSError(f"{source} cannot be renamed to {target}.")
    except JVM_ERRORS as error:
        raise OSError(f"{source} cannot be renamed to {target}: {java_reason(error)}.") from None


def _place(scheme: str, authority: str | None, path: str) -> Place:
    if scheme == _LOCAL:
        path = os.path.realpath(path)
    # Whoever leaves the port out means the usual one.
    return Place(scheme, re.sub(r":\d+$", "", authority or ""), path.rstrip("/") or "/")


def _with_parents(path: str) -> tuple[Path, ...]:
    return (Path(path), *Path(path).parents)


def _is_same(path: Path, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _files_of(frame: DataFrame) -> set[str]:
    """URIs of the files that a frame reads; `inputFiles` does not see those below a cache."""
    found: set[str] = set()
    leaves = frame._jdf.queryExecution().analyzed().collectLeaves()
    for number in range(leaves.size()):
        leaf = leaves.apply(number)
        kind = leaf.getClass().getSimpleName()
        # The two kinds of Spark's sources of files; other sources of the same kinds list none.
        if kind == "LogicalRelation" and leaf.relation().getClass().getSimpleName() == "HadoopFsRelation":
            found.update(leaf.relation().inputFiles())
        elif kind == "DataSourceV2Relation":
            with suppress(Py4JError):
                found.update(leaf.table().fileIndex().inputFiles())
    return found
