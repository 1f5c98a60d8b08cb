"""Sources of ratings: unchecked rows of files or DataFrames, each with its text and its place."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType, StringType

from spark_mf.data.columns import quoted, require_classic
from spark_mf.data.readers.column_names import choose_columns
from spark_mf.data.readers.layout_notes import format_note, layout_notes, why_named
from spark_mf.data.readers.lines import parse_lines, read_lines
from spark_mf.data.readers.matrix import item_names, read_matrix, user_column
from spark_mf.data.readers.options import ReadOptions
from spark_mf.data.readers.parquet import read_parquet
from spark_mf.data.readers.quotes import join_in_files
from spark_mf.data.readers.separators import SEPARATORS, describe, format_of, parse_separator
from spark_mf.data.readers.text import MATRIX, NETFLIX, TextLayout, first_line, json_layout, text_layout
from spark_mf.data.readers.time_choice import TimeColumn
from spark_mf.data.readers.time_formats import require_pattern
from spark_mf.data.splitting import SPLIT
from spark_mf.storage.encodings import find_encoding
from spark_mf.storage.files import JVM_ERRORS, FileHead, file_heads, java_reason
from spark_mf.storage.folders import ratings_path

logger = logging.getLogger(__name__)

_DESCRIPTIONS = {
    "text": "text",
    "json": "JSON lines",
    "parquet": "Parquet",
    "matrix": "a matrix",
    **{format: describe(separator) for format, separator in SEPARATORS.items()},
}

_PARQUET = b"PAR1"
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class RatingsSource:
    """Unchecked rows of ratings.

    Attributes
    ----------
    name : str
        Name for messages, such as the path.
    format : str
        One of `FORMATS`, "text" for other separated text, "matrix", or "table" for a DataFrame.
    rows : DataFrame
        Columns `user`, `item`, `rating` and optionally `timestamp` and `split`, as strings or of the type of their
        column; the booleans `blank`, `skipped` (part of another row, or not a row), `header`, `unclosed` and
        `malformed`; the place of the row: `file`, `block`, `offset` (in text, from the start of the part of the file
        that begins at `block`, else of the file) and `position`, unique among all rows; and `text`, the line, or the
        row as JSON.
    columns : dict[str, str]
        Name of the column of each role.
    id_types : dict[str, str]
        "integer" or "string" for user and item.
    notes : list[str]
        Descriptions of the choices that were made.
    has_header : bool
        Whether every file begins with a header.
    skipped_lines : str
        Description of the rows that are skipped.
    joined : DataFrame or None
        The rows with quoted fields that span lines, which are slower to read; None if no field may span lines.
    time_format : str or None
        The requested format of the times.
    """

    name: str
    format: str
    rows: DataFrame
    columns: dict[str, str]
    id_types: dict[str, str]
    notes: list[str]
    has_header: bool = False
    skipped_lines: str = "lines inside quoted fields"
    joined: DataFrame | None = None
    time_format: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether the rows are lines of text."""
        return self.format in (*SEPARATORS, "text", "json")

    def with_joined_lines(self) -> "RatingsSource":
        """Return the same source with fields that span lines."""
        assert self.joined is not None
        return replace(self, rows=self.joined, joined=None)

    @property
    def has_times(self) -> bool:
        """Whether there is a column of times."""
        return "timestamp" in self.columns

    @property
    def times(self) -> TimeColumn:
        """The unconverted column of times; only for sources with times."""
        kind = self.rows.schema["timestamp"].dataType
        called = f"column {self.columns['timestamp']} of {self.name}"
        return TimeColumn(F.col("timestamp"), kind, self.time_format, called)

    @property
    def extras(self) -> list[str]:
        """Roles of the optional columns that are present."""
        return [role for role in ("timestamp", "split") if role in self.columns]

    @contextmanager
    def readable(self) -> Iterator[None]:
        """Replace errors of Spark in the context by a ValueError that names the source.

        Raises
        ------
        ValueError
            For example for a truncated file.
        """
        try:
            yield
        except JVM_ERRORS as error:
            what = _DESCRIPTIONS.get(self.format, "a table")
            raise ValueError(
                f"{self.name} cannot be read as {what}: {java_reason(error)}. Check that its files are "
                "complete and alike, or give another format."
            ) from error


def open_ratings(
    spark: SparkSession, ratings: str | os.PathLike[str] | DataFrame, options: ReadOptions
) -> RatingsSource:
    """Open files or a DataFrame and log the detected layout; reads only the beginnings of some files.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the path does not exist or is not readable.
    ValueError
        If the format or a column is unknown, or a column has an unusable type.
    """
    require_pattern(spark, options.time_format)
    if isinstance(ratings, (str, os.PathLike)):
        source = _open_files(spark, os.fspath(ratings), options)
    else:
        require_classic(ratings)
        place = {"file": F.lit(None).cast("string"), "offset": F.monotonically_increasing_id()}
        source = _open_table(ratings, "the ratings", "table", options, place, [])
    for note in source.notes:
        logger.info("%s", note)
    return source


def _open_files(spark: SparkSession, path: str, options: ReadOptions) -> RatingsSource:
    if not path:
        raise ValueError("path must not be empty, got ''. Give a file or a folder of ratings.")
    heads = file_heads(spark, path := _resolved(spark, path))
    _require_format(heads[0], options.format)
    if not heads[0].head.startswith(_PARQUET):
        return _open_text(spark, path, _layout(heads, path, options), options)
    try:
        frame = read_parquet(spark, path)
    except JVM_ERRORS as error:
        raise ValueError(f"{path} cannot be read as Parquet: {java_reason(error)}. Fetch or write it again.") from error
    place = {"file": F.col("_metadata.file_path"), "offset": F.col("_metadata.row_index")}
    return _open_table(
        frame, path, "parquet", options, place, [format_note("Parquet", asked=options.format is not None)]
    )


def _layout(heads: list[FileHead], path: str, options: ReadOptions) -> TextLayout:
    """Return the layout of text, from the options and its first lines."""
    encoding = find_encoding(options.encoding or "UTF-8")
    begins = first_line(heads[0], encoding).lstrip()
    separator = (
        SEPARATORS.get(options.format or "") if options.separator is None else parse_separator(options.separator)
    )
    separated = separator or options.layout or options.columns
    if options.format == "json" or (begins.startswith(("{", "[{")) and not separated):
        return json_layout(heads, encoding)
    return text_layout(
        heads,
        path,
        encoding,
        separator=separator,
        quote=options.quote == "double",
        kind=options.layout,
        columns=options.columns or (),
    )


def _open_text(spark: SparkSession, path: str, layout: TextLayout, options: ReadOptions) -> RatingsSource:
    asked = {name for name, value in vars(options).items() if value}
    notes = layout_notes(layout, asked)
    if layout.kind == MATRIX:
        return _open_matrix(spark, path, layout, options, notes)
    present = [*(["item"] if layout.kind == NETFLIX else []), *layout.names]
    columns, chosen = choose_columns(present, options.asked(), path, why_named(layout, asked))
    sample = layout.sample(list(columns.values()))
    id_types = {}
    for side in ("user", "item"):
        ids = [row[columns[side]] for row in sample if columns[side] in row]
        id_types[side] = _type_of_text_ids(ids) if options.id_type == "auto" else options.id_type
    lines = read_lines(spark, path, layout.encoding)
    source = RatingsSource(
        path,
        "json" if layout.separator is None else format_of(layout.separator),
        _placed(parse_lines(lines, layout, columns)),
        columns,
        id_types,
        [*notes, *chosen, *_further_notes(present, id_types, options)],
        has_header=layout.header is not None,
        time_format=options.time_format,
    )
    if layout.kind == NETFLIX:
        return replace(source, skipped_lines="lines that name an item")
    may_span = layout.may_span(list(columns.values()))
    if not may_span:
        return source
    assert layout.separator is not None
    joined = join_in_files(lines, layout.separator, len(layout.names), may_span)
    return replace(source, joined=_placed(parse_lines(joined, layout, columns)))


def _placed(lines: DataFrame) -> DataFrame:
    return lines.withColumn("offset", F.col("position"))


def _open_matrix(
    spark: SparkSession, path: str, layout: TextLayout, options: ReadOptions, notes: list[str]
) -> RatingsSource:
    user_col = user_column(layout, options.user_col)
    items = item_names(layout)
    id_types = {"user": "integer", "item": "integer"}
    if options.id_type != "auto":
        id_types = {"user": options.id_type, "item": options.id_type}
    else:
        if user_col is not None:
            id_types["user"] = _type_of_text_ids([row[user_col] for row in layout.sample([])])
        if items is not None:
            id_types["item"] = _type_of_text_ids(items)
    users = "none, the number of the line is the user" if user_col is None else f"{user_col} (before the ratings)"
    chosen = [
        f"user column: {users}",
        f"item column: none, {'the header names the items' if items else 'the number of the column is the item'}",
        f"rating column: all from column {len(layout.names) + 1} on",
        "timestamp column: none (not found)",
    ]
    return RatingsSource(
        path,
        "matrix",
        read_matrix(spark, path, layout, user_col, options.missing),
        {"user": user_col or "user", "item": "item", "rating": "rating"},
        id_types,
        [*notes, *chosen, *_further_notes([], id_types, options)],
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
                f"Column {columns[side]} of {name} must hold numbers or strings, got type {kind.simpleString()}. Cast "
                "it or choose another column."
            )
        natural = "string" if isinstance(kind, StringType) else "integer"
        id_types[side] = natural if options.id_type == "auto" else options.id_type
    kind = frame.schema[columns["rating"]].dataType
    if not isinstance(kind, (NumericType, StringType)):
        raise ValueError(
            f"Column {columns['rating']} of {name} must hold numbers, got type {kind.simpleString()}. Cast it or "
            "choose another column."
        )
    no = F.lit(False)
    rows = frame.select(
        *(F.col(quoted(column)).alias(role) for role, column in columns.items()),
        *(no.alias(flag) for flag in ("blank", "skipped", "header", "unclosed", "malformed")),
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
        _ = source.times.formats  # raises an error for types that cannot hold times
    return source


def _resolved(spark: SparkSession, path: str) -> str:
    try:
        return ratings_path(spark, path)
    except JVM_ERRORS as error:
        raise ValueError(f"{path} cannot be opened: {java_reason(error)}.") from None


def _require_format(first: FileHead, format: str | None) -> None:
    """Raise an error if the first bytes of a file contradict the requested format, or are of an unsupported one."""
    if format is None and first.head.startswith(_ZIP):
        raise ValueError(f"path must not be a zip archive, as Spark reads none, got {first.path}. Unpack it first.")
    if format is not None and first.head.startswith(_PARQUET) != (format == "parquet"):
        truth = "a" if format != "parquet" else "not a"
        raise ValueError(
            f"format must be that of the file, got {format!r} for {first.path}, which is {truth} Parquet file. Give "
            "another format."
        )


def _type_of_text_ids(ids: list[str]) -> str:
    given = [each for each in ids if each]
    if any(re.match(r"[+]|-?0\d", each) for each in given):
        return "string"
    whole = [each.partition(".")[0] for each in given if re.fullmatch(r"-?[0-9]{1,19}(\.0+)?", each)]
    integers = sum(-(2**63) <= int(each) < 2**63 for each in whole)
    return "string" if 2 * integers < len(given) else "integer"


def _further_notes(present: list[str], id_types: dict[str, str], options: ReadOptions) -> list[str]:
    how = "guessed" if options.id_type == "auto" else "as requested"
    notes = [f"{side} ids: {kind}s ({how})" for side, kind in id_types.items()]
    if options.split_col is None and SPLIT in present:
        notes.append(f"split column: none ({SPLIT} is possible, choose it with split_col)")
    return notes
