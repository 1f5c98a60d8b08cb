"""Reading ratings from the files people have: text, gzipped or not, and Parquet."""

import csv
import os
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_mf.data.checking import RatingsCheck, as_integer, as_rating, check_ratings
from spark_mf.data.column_names import choose_columns
from spark_mf.data.columns import quoted
from spark_mf.data.files import JVM_ERRORS, FileHead, file_heads, java_reason

__all__ = ["FORMATS", "RatingsInput", "check_ratings", "read_ratings"]

SEPARATORS = {"dat": "::", "tsv": "\t", "csv": ","}
FORMATS = ("csv", "tsv", "dat", "parquet")
DESCRIPTIONS = {
    "csv": "comma-separated text",
    "tsv": "tab-separated text",
    "dat": "text separated by ::",
    "parquet": "Parquet",
}
# The order of MovieLens' u.data and ratings.dat, which have no header.
POSITIONS = ("user", "item", "rating", "timestamp")

_PARQUET = b"PAR1"
_ZIP = b"PK\x03\x04"
_MALFORMED = "malformed line"


@dataclass(frozen=True)
class RatingsInput:
    """Ratings as they were read, and how.

    Attributes
    ----------
    ratings : DataFrame
        user int or bigint, item int or bigint, rating float and, where there is one, timestamp: bigint if its
        text spells integers, else as it was found; and, where it was asked for, split, as it was found.  Not
        cached.
    format : one of `FORMATS`
    columns : role (user, item, rating, timestamp, split) → name of the column in the file
    rows : number of ratings
    notes : sentences that say what was guessed
    """

    ratings: DataFrame
    format: str
    columns: dict[str, str]
    rows: int
    notes: list[str]


@dataclass(frozen=True)
class _Table:
    """The file's own columns, and what each is for."""

    frame: DataFrame
    columns: dict[str, str]
    notes: list[str]
    integer_cols: tuple[str, ...] = ()
    malformed_col: str | None = None


@dataclass(frozen=True)
class _TextLayout:
    names: list[str]
    header: bool
    unnamed: bool  # whether the header leaves a column without a name
    first_values: list[str]  # fields of the first row of data


def read_ratings(
    spark: SparkSession,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    user_col: str | None = None,
    item_col: str | None = None,
    rating_col: str | None = None,
    timestamp_col: str | None = None,
    split_col: str | None = None,
) -> RatingsInput:
    """Read and check ratings; one Spark job, and nothing but the first bytes of files comes to the driver.

    Parameters
    ----------
    path : a file, a folder of part files or a pattern, local or on anything Hadoop's FileSystem opens
    format : one of `FORMATS`, or None to guess it from the name and the first bytes
    user_col, item_col, rating_col, timestamp_col : names of columns, or None to guess them from usual names.
        Text without a header has the columns user, item, rating, timestamp, column5, … in this order.
    split_col : name of a column that says which rows are for training and which for the test, or None for none

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is nothing to read or it may not be read.
    ValueError
        If the format or a column is unknown, or any row is unusable (`check_ratings`).
    """
    path = os.fspath(path)
    if format is not None and format not in FORMATS:
        raise ValueError(f"format is {format!r}; give one of {', '.join(FORMATS)}, or None to guess.")
    heads = file_heads(spark, path)
    found = _require_format(heads[0], format) if format else _guess_format(heads[0])
    how = f"format: {DESCRIPTIONS[found]} ({'as asked' if format else 'guessed'})"
    asked = {"user": user_col, "item": item_col, "rating": rating_col, "timestamp": timestamp_col}
    if split_col is not None:
        asked["split"] = split_col
    try:
        table = _open(spark, path, heads, found, asked)
        check = check_ratings(
            table.frame,
            *(table.columns[role] for role in ("user", "item", "rating")),
            integer_cols=table.integer_cols,
            malformed_col=table.malformed_col,
            source=path,
        )
    except JVM_ERRORS as error:
        raise ValueError(
            f"{path} cannot be read as {DESCRIPTIONS[found]}: {java_reason(error)}; check that its files are "
            "whole and alike, or give another format."
        ) from error
    return RatingsInput(_typed(table, check), found, table.columns, check.rows, [how, *table.notes])


def _open(spark: SparkSession, path: str, heads: list[FileHead], format: str, asked: dict[str, str | None]) -> _Table:
    if format == "parquet":
        frame = spark.read.parquet(path)
        columns, notes = choose_columns(frame.columns, asked, path)
        return _Table(frame, columns, notes)
    layout = _text_layout(heads, SEPARATORS[format], path)
    columns, notes = choose_columns(layout.names, asked, path)
    header = "header: " + ("the first line" if layout.header else "none, columns go by position")
    return _Table(
        _read_text(spark, path, SEPARATORS[format], layout),
        columns,
        [header, *notes],
        integer_cols=(columns["timestamp"],) if _has_integer_times(layout, columns) else (),
        malformed_col=_MALFORMED,
    )


def _typed(table: _Table, check: RatingsCheck) -> DataFrame:
    """The checked columns under their roles' names and in their final types."""
    frame, columns = table.frame, table.columns
    selected = [
        as_integer(frame, columns["user"]).cast(check.user_type).alias("user"),
        as_integer(frame, columns["item"]).cast(check.item_type).alias("item"),
        as_rating(frame, columns["rating"]).alias("rating"),
    ]
    if "timestamp" in columns:
        name = columns["timestamp"]
        time = as_integer(frame, name) if name in table.integer_cols else F.col(quoted(name))
        selected.append(time.alias("timestamp"))
    if "split" in columns:
        selected.append(F.col(quoted(columns["split"])).alias("split"))
    return frame.select(*selected)


def _guess_format(first: FileHead) -> str:
    if first.head.startswith(_PARQUET):
        return "parquet"
    if first.head.startswith(_ZIP):
        raise ValueError(f"{first.path} is a zip archive, which Spark cannot read: unpack it first.")
    line = _first_line(first)
    name = first.path.removesuffix(".gz")
    promised = [kind for kind in SEPARATORS if name.endswith("." + kind)]
    for kind in [*promised, *SEPARATORS]:
        if SEPARATORS[kind] in line:
            return kind
    raise ValueError(
        f"The format of {first.path} is unknown, its first line is {line[:60]!r}: expected were fields "
        f"separated by a comma, a tab or ::, or Parquet; give format, one of {', '.join(FORMATS)}."
    )


def _require_format(first: FileHead, format: str) -> str:
    """The asked format, unless the file's first bytes contradict it."""
    if first.head.startswith(_PARQUET) != (format == "parquet"):
        truth = "a" if format != "parquet" else "not a"
        raise ValueError(f"format is {format!r}, but {first.path} is {truth} Parquet file; give another format.")
    return format


def _text_layout(heads: list[FileHead], separator: str, path: str) -> _TextLayout:
    lines = heads[0].lines()
    first = _fields(_first_line(heads[0]), separator)
    header = not any(_is_number(field) for field in first)
    for other in heads[1:]:
        line = _first_line(other)
        if line != lines[0] if header else not any(map(_is_number, _fields(line, separator))):
            raise ValueError(
                f"{path} holds unlike files, {heads[0].path} begins with {lines[0][:60]!r} and {other.path} "
                f"with {line[:60]!r}: give the path of the ratings alone."
            )
    if not header:
        further = [f"column{n}" for n in range(len(POSITIONS) + 1, len(first) + 1)]
        return _TextLayout([*POSITIONS[: len(first)], *further], False, False, first)
    names = [field or f"column{n}" for n, field in enumerate(first, start=1)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"The header of {heads[0].path} repeats {', '.join(repeated)}: rename one of them.")
    values = _fields(lines[1], separator) if len(lines) > 1 else []
    return _TextLayout(names, True, "" in first, values)


def _read_text(spark: SparkSession, path: str, separator: str, layout: _TextLayout) -> DataFrame:
    """All columns as strings, and the text of lines with the wrong number of fields."""
    schema = StructType([StructField(name, StringType()) for name in [*layout.names, _MALFORMED]])
    options: dict[str, Any] = {
        # Without pruning every line's fields are counted, also when only some columns are selected.
        "columnPruning": False,
        "columnNameOfCorruptRecord": _MALFORMED,
        "mode": "PERMISSIVE",
        # A part file with other columns must fail rather than be read by position.
        "enforceSchema": layout.unnamed or not layout.header,
    }
    return spark.read.options(**options).csv(path, schema=schema, sep=separator, header=layout.header)


def _has_integer_times(layout: _TextLayout, columns: dict[str, str]) -> bool:
    """Whether the first timestamp is an integer, as seconds since 1970 are and dates are not."""
    if "timestamp" not in columns:
        return False
    position = layout.names.index(columns["timestamp"])
    return layout.first_values[position : position + 1] != [] and layout.first_values[position].isdigit()


def _first_line(head: FileHead) -> str:
    lines = head.lines()
    if not lines:
        raise ValueError(f"{head.path} has nothing but blank lines: it holds no ratings.")
    return lines[0]


def _fields(line: str, separator: str) -> list[str]:
    fields = next(csv.reader([line], delimiter=separator)) if len(separator) == 1 else line.split(separator)
    return [field.strip() for field in fields]


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
