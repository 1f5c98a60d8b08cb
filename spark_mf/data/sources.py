"""Where ratings come from: their rows before any check, each with its text and its place."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType, StringType

from spark_mf.data.column_names import choose_columns
from spark_mf.data.columns import quoted, require_classic
from spark_mf.data.files import JVM_ERRORS, FileHead, file_heads, java_reason
from spark_mf.data.folders import ratings_path
from spark_mf.data.parquet import read_parquet
from spark_mf.data.splitting import SPLIT
from spark_mf.data.text import SEPARATORS, TextLayout, read_lines, text_format, text_layout
from spark_mf.data.time_choice import TimeColumn
from spark_mf.data.time_formats import require_pattern, require_time_format

FORMATS = ("csv", "tsv", "dat", "parquet")
ID_TYPES = ("auto", "integer", "string")
DESCRIPTIONS = {
    "csv": "comma-separated text",
    "tsv": "tab-separated text",
    "dat": "text separated by ::",
    "parquet": "Parquet",
}

_PARQUET = b"PAR1"
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class ReadOptions:
    """How ratings are to be read; whatever is not given is guessed and said.

    Attributes
    ----------
    format : one of `FORMATS`, or None to guess it from the name and the first bytes
    user_col, item_col, rating_col, timestamp_col : names of columns, or None to guess them from usual names.
        Text without a header has the columns user, item, rating, timestamp, column5, … in this order. With "" for
        timestamp_col no times are read.
    split_col : name of a column that says which rows are for training and which for the test, or None for none
    id_type : "integer", "string", or "auto", which decides for users and items separately: by the type of a column,
        and in text by its first ids, which are strings if one begins with a zero or a plus sign, as in 007, or fewer
        than half are integers of at most 64 bits; 12.0 is the integer 12
    time_format : one of `spark_mf.data.time_formats.TIME_FORMATS`, a pattern of Spark's such as dd.MM.yyyy, or None to
        find the format in the whole column, which must leave no doubt
    """

    format: str | None = None
    user_col: str | None = None
    item_col: str | None = None
    rating_col: str | None = None
    timestamp_col: str | None = None
    split_col: str | None = None
    id_type: str = "auto"
    time_format: str | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise ValueError(f"format is {self.format!r}; give one of {', '.join(FORMATS)}, or None to guess.")
        if self.id_type not in ID_TYPES:
            raise ValueError(f"id_type is {self.id_type!r}; give one of {', '.join(ID_TYPES)}.")
        require_time_format(self.time_format)

    def asked(self) -> dict[str, str | None]:
        """Role → the column that was named for it, None where it is to be guessed; a split is never guessed."""
        roles = ["user", "item", "rating"] if self.timestamp_col == "" else ["user", "item", "rating", "timestamp"]
        asked = {role: getattr(self, f"{role}_col") for role in roles}
        return asked if self.split_col is None else {**asked, "split": self.split_col}


@dataclass(frozen=True)
class RatingsSource:
    """Rows of ratings as they stand in their files.

    Attributes
    ----------
    name : what messages call it, such as its path
    format : one of `FORMATS`, or "table" for a DataFrame
    rows : DataFrame of `user`, `item`, `rating` and perhaps `timestamp` and `split`, strings or of their column's
        type; the booleans `blank`, `header` and `malformed`; the row's place: `file`, `block`, `offset` (in text of
        the part of the file that begins at `block`, else of the file) and `position`, unique among all rows; and
        `text`, the line, or the row as JSON
    columns : role → name of the column
    id_types : "integer" or "string" of user and item
    notes : sentences that say what was guessed
    time_format : that was asked for, or None
    """

    name: str
    format: str
    rows: DataFrame
    columns: dict[str, str]
    id_types: dict[str, str]
    notes: list[str]
    has_header: bool = False
    time_format: str | None = None

    @property
    def is_text(self) -> bool:
        return self.format in SEPARATORS

    @property
    def has_times(self) -> bool:
        return "timestamp" in self.columns

    @property
    def times(self) -> TimeColumn:
        """The column of times as it was found, of sources that have times."""
        kind = self.rows.schema["timestamp"].dataType
        called = f"column {self.columns['timestamp']} of {self.name}"
        return TimeColumn(F.col("timestamp"), kind, self.time_format, called)

    @property
    def extras(self) -> list[str]:
        """Which of the columns are there that ratings need not have."""
        return [role for role in ("timestamp", "split") if role in self.columns]

    @contextmanager
    def readable(self) -> Iterator[None]:
        """Turn an error of Spark's inside into a ValueError that names the source.

        Raises
        ------
        ValueError
            For instance for a file that ends too early.
        """
        try:
            yield
        except JVM_ERRORS as error:
            what = DESCRIPTIONS.get(self.format, "a table")
            raise ValueError(
                f"{self.name} cannot be read as {what}: {java_reason(error)}; check that its files are "
                "whole and alike, or give another format."
            ) from error


def open_ratings(
    spark: SparkSession, ratings: str | os.PathLike[str] | DataFrame, options: ReadOptions
) -> RatingsSource:
    """Look at files or at a DataFrame and say what their rows are; reads only the beginnings of some files.

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is nothing to read or it may not be read.
    ValueError
        If the format or a column is unknown, or of a type that cannot hold what it should.
    """
    require_pattern(spark, options.time_format)
    if isinstance(ratings, (str, os.PathLike)):
        return _open_files(spark, os.fspath(ratings), options)
    require_classic(ratings)
    place = {"file": F.lit(None).cast("string"), "offset": F.monotonically_increasing_id()}
    return _open_table(ratings, "the ratings", "table", options, place, [])


def _open_files(spark: SparkSession, path: str, options: ReadOptions) -> RatingsSource:
    if not path:
        raise ValueError("path is empty; give a file or a folder of ratings.")
    heads = file_heads(spark, path := _resolved(spark, path))
    found = _require_format(heads[0], options.format) if options.format else _guess_format(heads[0])
    notes = [f"format: {DESCRIPTIONS[found]} ({'as asked' if options.format else 'guessed'})"]
    if found != "parquet":
        return _open_text(spark, path, found, text_layout(heads, SEPARATORS[found], path), options, notes)
    try:
        frame = read_parquet(spark, path)
    except JVM_ERRORS as error:
        raise ValueError(f"{path} cannot be read as Parquet: {java_reason(error)}; fetch or write it again.") from error
    place = {"file": F.col("_metadata.file_path"), "offset": F.col("_metadata.row_index")}
    return _open_table(frame, path, found, options, place, notes)


def _open_text(
    spark: SparkSession, path: str, format: str, layout: TextLayout, options: ReadOptions, notes: list[str]
) -> RatingsSource:
    columns, chosen = choose_columns(layout.names, options.asked(), path)
    number = {role: layout.names.index(name) for role, name in columns.items()}
    id_types = {}
    for side in ("user", "item"):
        ids = [fields[number[side]] for fields in layout.sample]
        id_types[side] = _type_of_text_ids(ids) if options.id_type == "auto" else options.id_type
    lines = read_lines(spark, path, layout)
    fields = [F.col(f"fields.field{n}").alias(role) for role, n in number.items()]
    return RatingsSource(
        path,
        format,
        lines.select(*fields, "blank", "header", "malformed", "file", "block", "position", "text").withColumn(
            "offset", F.col("position")
        ),
        columns,
        id_types,
        [
            *notes,
            "header: " + ("none, columns go by position" if layout.header is None else "the first line"),
            *chosen,
            *_further_notes(layout.names, id_types, options),
        ],
        has_header=layout.header is not None,
        time_format=options.time_format,
    )


def _open_table(
    frame: DataFrame, name: str, format: str, options: ReadOptions, place: Mapping[str, Column], notes: list[str]
) -> RatingsSource:
    columns, chosen = choose_columns(frame.columns, options.asked(), name)
    id_types = {}
    for side in ("user", "item"):
        kind = frame.schema[columns[side]].dataType
        if not isinstance(kind, (NumericType, StringType)):
            raise ValueError(
                f"Column {columns[side]} of {name} is of type {kind.simpleString()}, but must hold numbers or "
                "strings: cast it or choose another column."
            )
        natural = "string" if isinstance(kind, StringType) else "integer"
        id_types[side] = natural if options.id_type == "auto" else options.id_type
    kind = frame.schema[columns["rating"]].dataType
    if not isinstance(kind, (NumericType, StringType)):
        raise ValueError(
            f"Column {columns['rating']} of {name} is of type {kind.simpleString()}, but must hold numbers: cast it "
            "or choose another column."
        )
    no = F.lit(False)
    rows = frame.select(
        *(F.col(quoted(column)).alias(role) for role, column in columns.items()),
        *(no.alias(flag) for flag in ("blank", "header", "malformed")),
        *(column.alias(key) for key, column in place.items()),
        F.lit(0).cast("bigint").alias("block"),
        F.monotonically_increasing_id().alias("position"),
        F.to_json(F.struct(*map(quoted, frame.columns)), {"ignoreNullFields": "false"}).alias("text"),
    )
    source = RatingsSource(
        name,
        format,
        rows,
        columns,
        id_types,
        [*notes, *chosen, *_further_notes(frame.columns, id_types, options)],
        time_format=options.time_format,
    )
    if source.has_times:
        _ = source.times.formats  # refuses what cannot be times
    return source


def _resolved(spark: SparkSession, path: str) -> str:
    try:
        return ratings_path(spark, path)
    except JVM_ERRORS as error:
        raise ValueError(f"{path} cannot be opened: {java_reason(error)}.") from None


def _guess_format(first: FileHead) -> str:
    if first.head.startswith(_PARQUET):
        return "parquet"
    if first.head.startswith(_ZIP):
        raise ValueError(f"{first.path} is a zip archive, which Spark cannot read: unpack it first.")
    return text_format(first)


def _require_format(first: FileHead, format: str) -> str:
    """The asked format, unless the file's first bytes contradict it."""
    if first.head.startswith(_PARQUET) != (format == "parquet"):
        truth = "a" if format != "parquet" else "not a"
        raise ValueError(f"format is {format!r}, but {first.path} is {truth} Parquet file; give another format.")
    return format


def _type_of_text_ids(ids: list[str]) -> str:
    given = [each for each in ids if each]
    if any(re.match(r"[+]|-?0\d", each) for each in given):
        return "string"
    whole = [each.partition(".")[0] for each in given if re.fullmatch(r"-?[0-9]{1,19}(\.0+)?", each)]
    integers = sum(-(2**63) <= int(each) < 2**63 for each in whole)
    return "string" if 2 * integers < len(given) else "integer"


def _further_notes(present: list[str], id_types: dict[str, str], options: ReadOptions) -> list[str]:
    how = "guessed" if options.id_type == "auto" else "as asked"
    notes = [f"{side} ids: {kind}s ({how})" for side, kind in id_types.items()]
    if options.split_col is None and SPLIT in present:
        notes.append(f"split column: none ({SPLIT} could be it, choose it with split_col)")
    return notes
