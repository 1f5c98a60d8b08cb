"""Ratings as lines of text: which separator and header a file has, and its lines with their fields and numbers."""

import csv
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf.data.files import FileHead, reader_of

SEPARATORS = {"dat": "::", "tsv": "\t", "csv": ","}
# The order of MovieLens' u.data and ratings.dat, which have no header.
POSITIONS = ("user", "item", "rating", "timestamp")

# More fields than this make Spark's parser of lines give up, and the whole job with it.
_MOST_FIELDS = 20_000
_BROKEN = "broken"


@dataclass(frozen=True)
class TextLayout:
    """What the lines of some files look like.

    Attributes
    ----------
    separator : str
    names : of the columns
    header : the line that every file begins with, or None
    sample : fields of the first rows, without those that have too few or too many
    """

    separator: str
    names: list[str]
    header: str | None
    sample: list[list[str]]


def text_format(first: FileHead) -> str:
    """Which of `SEPARATORS` a file has, by its name and its first line.

    Raises
    ------
    ValueError
        If the first line has none of them.
    """
    line = _first_line(first)
    name = first.path.removesuffix(".gz")
    promised = [kind for kind in SEPARATORS if name.endswith("." + kind)]
    for kind in [*promised, *SEPARATORS]:
        if SEPARATORS[kind] in line:
            return kind
    raise ValueError(
        f"The format of {first.path} is unknown, its first line is {line[:60]!r}: expected were fields "
        f"separated by a comma, a tab or ::, or Parquet; give format, one of {', '.join(SEPARATORS)}, parquet."
    )


def text_layout(heads: list[FileHead], separator: str, path: str) -> TextLayout:
    """The layout of text files that begin with `heads`.

    Raises
    ------
    ValueError
        If a file has no rows, files are unlike, or the header repeats a name.
    """
    line = _first_line(heads[0])
    first = _fields(line, separator)
    header = not any(map(_is_number, first))
    for other in heads[1:]:
        begins = _first_line(other)
        if begins != line if header else not any(map(_is_number, _fields(begins, separator))):
            raise ValueError(
                f"{path} holds unlike files, {heads[0].path} begins with {line[:60]!r} and {other.path} "
                f"with {begins[:60]!r}: give the path of the ratings alone."
            )
    if header:
        names = [field or f"column{n}" for n, field in enumerate(first, start=1)]
    else:
        further = [f"column{n}" for n in range(len(POSITIONS) + 1, len(first) + 1)]
        names = [*POSITIONS[: len(first)], *further]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"The header of {heads[0].path} repeats {', '.join(repeated)}: rename one of them.")
    if len(names) > _MOST_FIELDS:
        raise ValueError(f"{heads[0].path} has {len(names)} columns; at most {_MOST_FIELDS} can be read.")
    filled = next((lines for head in heads if (lines := head.lines()[header:])), [])
    rows = [fields for each in filled if len(fields := _fields(each, separator)) == len(names)]
    return TextLayout(separator, names, line if header else None, rows)


def read_lines(spark: SparkSession, path: str, layout: TextLayout) -> DataFrame:
    """Every line of text files, blank or broken as it may be.

    Returns
    -------
    DataFrame
        `text` string, the line; `file` string, the URI; `block` bigint, where the part of the file that one task
        reads begins; `position` bigint, unique and ascending by one from line to line of a part; the booleans
        `blank`, `header` (the line is the header's, wherever it stands) and `malformed` (too few or too many
        fields); `fields` struct of strings field0, field1, …, null where there is nothing between separators
    """
    read = reader_of(spark, path)
    lines = read.text(path).select(
        F.col("value").alias("text"),
        F.col("_metadata.file_path").alias("file"),
        F.col("_metadata.file_block_start").alias("block"),
        F.monotonically_increasing_id().alias("position"),
    )
    text = F.col("text")
    schema = ", ".join([*(f"field{n} string" for n in range(len(layout.names))), f"{_BROKEN} string"])
    options = {
        "sep": layout.separator,
        "escape": '"',  # quotes in quotes are doubled, as RFC 4180 has it
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": _BROKEN,
        # Only selected fields would be counted otherwise.
        "columnPruning": "false",
    }
    parsed = lines.withColumn("fields", F.from_csv(F.when(~_too_wide(text, layout.separator), text), schema, options))
    return parsed.select(
        "*",
        (~text.rlike(r"\S")).alias("blank"),
        (F.lit(False) if layout.header is None else text == layout.header).alias("header"),
        (F.col("fields").isNull() | F.col(f"fields.{_BROKEN}").isNotNull()).alias("malformed"),
    )


def _too_wide(text: Column, separator: str) -> Column:
    without = F.replace(text, F.lit(separator), F.lit(""))
    return (F.octet_length(text) > _MOST_FIELDS) & (F.length(text) - F.length(without) > _MOST_FIELDS)


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
