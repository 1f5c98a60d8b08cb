"""Files on any file system of Hadoop: paths, and the first bytes of files for detecting their format."""

import re
import unicodedata
import zlib
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrameReader, SparkSession

from spark_mf.storage.encodings import UTF_8, Encoding

HEAD_BYTES = 1 << 16
# Characters of a blank line, the same as \s in Java regular expressions.
BLANKS = " \t\n\v\f\r"
# Enough to detect a folder of different files without opening thousands of parts.
SAMPLED_FILES = 20

# pyspark translates some of the JVM's exceptions and leaves others to py4j.
JVM_ERRORS = (PySparkException, Py4JJavaError)

_GZIP = b"\x1f\x8b"
_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*"


@dataclass(frozen=True)
class FileHead:
    """The beginning of one file."""

    path: str
    head: bytes  # at most HEAD_BYTES, unpacked if the file is gzipped
    cut: bool  # whether the file may continue after the head

    def lines(self, encoding: Encoding = UTF_8) -> list[str]:
        """Return the complete lines of the head that are not blank, with U+FFFD for invalid bytes.

        Lines end with \\n, \\r or both, as in Spark.

        Raises
        ------
        ValueError
            If the first line is not text in this encoding, or is longer than the head.
        """
        lines = re.split("\r\n|\r|\n", encoding.decode(self.head))
        if self.cut:
            # The last line, or its last character, may be incomplete.
            lines.pop()
            if not lines:
                raise ValueError(f"{self.path} must begin with a line of at most {HEAD_BYTES} bytes, got a longer one.")
        lines = [line for line in lines if line.strip(BLANKS)]
        if lines and "\0" in lines[0]:
            raise ValueError(
                f"{self.path} must be text or Parquet, got a file that begins with {self.head[:8]!r}. Convert it to "
                "UTF-8 if it is text of another encoding, such as UTF-16."
            )
        if lines and "\ufffd" in lines[0]:
            raise ValueError(
                f"{self.path} must be {encoding.name} text, got a first line that is not: {lines[0][:60]!r}. Set its "
                "encoding with --encoding, such as ISO-8859-1 or windows-1252."
            )
        return lines


def file_heads(spark: SparkSession, path: str) -> list[FileHead]:
    """Return the beginnings of the first files at a path that are not empty, in the order of their names.

    Parameters
    ----------
    path : str
        A file, a folder of part files (also in ``key=value`` folders) or a glob pattern, as in Spark.

    Returns
    -------
    list[FileHead]
        Between 1 and SAMPLED_FILES heads.

    Raises
    ------
    FileNotFoundError
        If the path does not exist.
    PermissionError
        If a file is not readable.
    ValueError
        If all files are empty, a gzipped file is broken or misnamed, or the path cannot be opened for another
        reason.
    """
    if not path:
        raise ValueError("path must not be empty, got ''. Give a file or a folder of ratings.")
    try:
        file_system, found = found_at(spark, path)
        if not found:
            raise FileNotFoundError(f"{path} does not exist. Give a file or a folder of ratings.")
        found = [status for status in found if status.isDirectory() or not is_skipped(status.getPath().getName())]
        if not found:
            raise ValueError(
                f"path must not be a file that Spark's readers skip, whose name begins with '_' or '.', got {path}. "
                "Rename the file."
            )
        filled = [status for status in _data_files(file_system, found) if status.getLen() > 0]
        if not filled:
            raise ValueError(f"{path} must contain a file of ratings, got no file that is not empty.")
        for name in [status.getPath().getName() for status in filled] if file_system.getScheme() == "file" else ():
            # Hadoop looks for a file of checksums, and interprets its name as a URI.
            if ":" in name:
                raise ValueError(f"path must not lead to a local file with ':' in its name, got {name!r}. Rename it.")
        return [_head(file_system, status) for status in filled[:SAMPLED_FILES]]
    except JVM_ERRORS as error:
        reason = java_reason(error)
        if "Permission denied" in reason or "AccessControlException" in reason:
            raise PermissionError(f"{path} cannot be read: {reason}. Allow this user to read it.") from None
        raise ValueError(f"{path} cannot be opened: {reason}.") from None


def hadoop_path(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """Return a path as a Hadoop `Path`, and its `FileSystem`.

    Raises
    ------
    ValueError
        If Hadoop or Java does not accept the path.
    """
    jvm = _jvm(spark)
    _require_usable(path)
    found = jvm.org.apache.hadoop.fs.Path(path)
    # With the Hadoop settings of the session in addition to those of the context.
    files = found.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    if not path.isascii() and files.getScheme() == "file":
        _require_encodable(path, str(jvm.System.getProperty("sun.jnu.encoding")))
    return found, files


def found_at(spark: SparkSession, path: str) -> tuple[Any, list[Any]]:
    """Return the file system of a path, and the `FileStatus` of all files that it matches.

    An existing path is taken literally; a path that does not exist may be a glob pattern, as in Spark.
    """
    place, files = hadoop_path(spark, path)
    if files.exists(place):
        return files, [files.getFileStatus(place)]
    return files, list(files.globStatus(place) or ()) if re.search(r"[*?{}\[\]\\]", path) else []


def literal_reader(spark: SparkSession) -> DataFrameReader:
    """Return a reader that takes all paths literally, and none as a pattern."""
    # Spark reads the paths of its own tables in this way. Escaping fails, because patterns must not contain a colon.
    return spark.read.option("__globPaths__", "false")


def reader_of(spark: SparkSession, path: str) -> DataFrameReader:
    """Return a reader that interprets a path in the same way as `found_at`."""
    place, files = hadoop_path(spark, path)
    return literal_reader(spark) if files.exists(place) else spark.read


def is_skipped(name: str) -> bool:
    """Return whether Spark skips files with a name."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name) or name.endswith("._COPYING_")


def java_reason(error: PySparkException | Py4JJavaError) -> str:
    """Return the first line of the root cause of an error from the JVM of Spark."""
    java: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if java is None:
        return str(error).splitlines()[0]
    while java.getCause() is not None:
        java = java.getCause()
    lines = [line.strip() for line in (java.getMessage() or "").splitlines() if line.strip()]
    return (lines[0] if lines else java.getClass().getSimpleName()).rstrip(".")


def _jvm(spark: SparkSession) -> Any:
    if not isinstance(spark, SparkSession) or spark._jvm is None:
        raise ValueError(
            f"spark must be a classic SparkSession, got {type(spark).__module__}.{type(spark).__name__}, which has no "
            "JVM. Use SparkSession.builder.master(...) without remote(...)."
        )
    return spark._jvm


def _require_usable(path: str) -> None:
    if not path:
        raise ValueError("path must not be empty, got ''. Name a file or a folder.")
    odd = next((character for character in path if unicodedata.category(character) in ("Cc", "Cs")), None)
    if odd is not None:
        kind = "control characters" if unicodedata.category(odd) == "Cc" else "bytes that are not UTF-8"
        raise ValueError(f"path must not contain {kind}, got {path!r}. Rename the file or folder.")
    if path.startswith("//"):
        raise ValueError(f"path must not begin with '//', got {path!r}. Write '/{path.lstrip('/')}'.")
    scheme = re.match("([^/:]*):(/?)", path)
    if scheme and not (scheme[2] and re.fullmatch(_SCHEME, scheme[1])):
        raise ValueError(f"path must not contain ':' in its first name, got {path!r}. Write './{path}'.")


def _require_encodable(path: str, encoding: str) -> None:
    """Raise an error for names in which Java would replace characters by question marks."""
    try:
        path.encode(encoding)
    except UnicodeEncodeError:
        raise ValueError(
            f"path must contain only characters of Java's encoding of file names, {encoding}, got {path!r}. "
            "Set LC_ALL=C.UTF-8 before Java starts, or rename the file or folder."
        ) from None
    except LookupError:
        # Java supports encodings that Python does not.
        return


def _data_files(file_system: Any, statuses: list[Any]) -> list[Any]:
    """Return the files that Spark would read; it skips names that begin with _ or a dot."""
    files = []
    for status in statuses:
        if not status.isDirectory():
            files.append(status)
            continue
        inside = sorted(file_system.listStatus(status.getPath()), key=lambda s: s.getPath().getName())
        shown = [s for s in inside if not is_skipped(s.getPath().getName())]
        files += _data_files(file_system, [s for s in shown if not s.isDirectory() or "=" in s.getPath().getName()])
    return files


def _head(file_system: Any, status: Any) -> FileHead:
    path = status.getPath().toUri().getPath()
    stream = file_system.open(status.getPath())
    try:
        head = bytes(stream.readNBytes(HEAD_BYTES))
    finally:
        stream.close()
    # Spark chooses the codec by the name only, so it would read compressed bytes as text, or text as compressed.
    if path.endswith(".gz") != head.startswith(_GZIP):
        if path.endswith(".gz"):
            raise ValueError(f"{path} must be gzipped, as its name ends in .gz, got a file that is not. Rename it.")
        raise ValueError(
            f"{path} must have a name that ends in .gz, got a gzipped file of another name. Rename it to {path}.gz."
        )
    cut = len(head) == HEAD_BYTES
    if not path.endswith(".gz"):
        return FileHead(path, head, cut)
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacking.decompress(head, HEAD_BYTES)
    except zlib.error as error:
        raise ValueError(f"{path} must be a complete gzip file, got an error: {error}. Fetch it again.") from None
    if not unpacked:
        raise ValueError(f"{path} must contain ratings, got a file that is empty when unpacked.")
    # A gzip file may consist of several members.
    cut = cut or len(unpacked) == HEAD_BYTES or unpacking.unused_data != b""
    return FileHead(path, unpacked, cut)
