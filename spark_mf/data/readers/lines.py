"""Lines of text files as rows of a DataFrame, with their places and their fields."""

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from spark_mf.data.readers.quotes import unclosed
from spark_mf.data.readers.separators import BLANKS
from spark_mf.data.readers.text import ITEM_LINE, MOST_FIELDS, NETFLIX, TextLayout
from spark_mf.storage.encodings import Encoding
from spark_mf.storage.files import reader_of

_BROKEN = "broken"


def read_lines(spark: SparkSession, path: str, encoding: Encoding) -> DataFrame:
    """Read every line of text files, including blank and malformed ones.

    Returns
    -------
    DataFrame
        `text` (string), the line; `file` (string), the URI; `block` (bigint), the start of the part of the file that
        one task reads; `position` (bigint), unique and increasing by one from line to line of a part.
    """
    return (
        reader_of(spark, path)
        .text(path)
        .select(
            encoding.decoded(F.col("value")).alias("text"),
            F.col("_metadata.file_path").alias("file"),
            F.col("_metadata.file_block_start").alias("block"),
            F.monotonically_increasing_id().alias("position"),
        )
    )


def parse_lines(lines: DataFrame, layout: TextLayout, columns: dict[str, str]) -> DataFrame:
    """Parse the fields of lines.

    Parameters
    ----------
    lines : DataFrame
        Lines of `read_lines`, optionally with the boolean column `skipped`.
    layout : TextLayout
    columns : dict[str, str]
        Name of the column of each role.

    Returns
    -------
    DataFrame
        The roles as strings, null if a field is empty; the columns of `lines`; and the booleans `blank`, `skipped` (the
        line is not a row of its own), `header` (the line equals the header, anywhere in the file), `unclosed` (its
        quotes do not close) and `malformed` (it has too few or too many fields, or is not a JSON object).
    """
    if "skipped" not in lines.columns:
        lines = lines.withColumn("skipped", F.lit(False))
    if layout.separator is None:
        return _parse_json(lines, columns)
    of_item = {}
    if layout.kind == NETFLIX:
        lines = _with_items(lines)
        of_item = {"item": F.col("item_of_line")}
    parsed = lines.withColumn("fields", _fields(F.col("text"), layout))
    fields = {name: F.col(f"fields.field{n}") for n, name in enumerate(layout.names)} | of_item
    text = F.col("text")
    return parsed.select(
        *(fields[name].alias(role) for role, name in columns.items()),
        *lines.columns,
        _is_blank(text).alias("blank"),
        (F.lit(False) if layout.header is None else text == layout.header).alias("header"),
        (unclosed(text, layout.separator) if layout.quote else F.lit(False)).alias("unclosed"),
        (F.col("fields").isNull() | F.col(f"fields.{_BROKEN}").isNotNull()).alias("malformed"),
    ).drop("item_of_line")


def numbered(lines: DataFrame) -> DataFrame:
    """Add `line` and `user_line`, the number of each line in its file and in all files in the order of their names.

    The files are read once more to count their lines; the text is not shuffled.
    """
    parts = lines.groupBy("file", "block").agg(F.min("position").alias("first"), F.count("*").alias("lines"))
    # Partitioned by a constant, because Spark warns of any window without a partition.
    of_all = Window.partitionBy(F.lit(0)).orderBy("file", "block")
    of_file = Window.partitionBy("file").orderBy("block")
    parts = parts.select(
        "file",
        "block",
        "first",
        (F.sum("lines").over(of_all) - F.col("lines")).alias("before"),
        (F.sum("lines").over(of_file) - F.col("lines")).alias("before_in_file"),
    )
    within = F.col("position") - F.col("first") + 1
    return lines.join(F.broadcast(parts), ["file", "block"]).select(
        *lines.columns,
        (within + F.col("before_in_file")).alias("line"),
        (within + F.col("before")).alias("user_line"),
    )


def one_blank(text: Column) -> Column:
    """Replace each run of blanks and tabs between fields by one blank."""
    return F.regexp_replace(F.btrim(text, F.lit(" \t")), "[ \t]+", BLANKS)


def _is_blank(text: Column) -> Column:
    return ~text.rlike(r"\S")


def _fields(text: Column, layout: TextLayout) -> Column:
    """Return the fields of a line as a struct of field0, field1, … and the text of a malformed line."""
    assert layout.separator is not None
    schema = ", ".join([*(f"field{n} string" for n in range(len(layout.names))), f"{_BROKEN} string"])
    options = {
        "sep": layout.separator,
        "quote": '"' if layout.quote else "",
        "escape": '"',  # quotes inside quotes are doubled, as in RFC 4180
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": _BROKEN,
        # Otherwise Spark would count only the selected fields.
        "columnPruning": "false",
    }
    if layout.separator == BLANKS:
        text = one_blank(text)
    return F.from_csv(F.when(~_too_wide(text, layout.separator), text), schema, options)


def _too_wide(text: Column, separator: str) -> Column:
    without = F.replace(text, F.lit(separator), F.lit(""))
    return (F.octet_length(text) > MOST_FIELDS) & (F.length(text) - F.length(without) > MOST_FIELDS)


def _parse_json(lines: DataFrame, columns: dict[str, str]) -> DataFrame:
    """Parse JSON lines; see `parse_lines`."""
    text = F.make_valid_utf8("text")
    wanted = StructType([StructField(name, StringType()) for name in columns.values()])
    # Parsed as an array, because Spark ignores what follows the first object.
    objects = F.from_json(F.concat(F.lit("["), text, F.lit("]")), ArrayType(wanted), {"allowSingleQuotes": "false"})
    parsed = lines.withColumn("objects", objects)
    one = F.get("objects", F.lit(0))
    no = F.lit(False)
    return parsed.select(
        *(_json_value(one.getField(name), role).alias(role) for role, name in columns.items()),
        *lines.columns,
        _is_blank(F.col("text")).alias("blank"),
        no.alias("header"),
        no.alias("unclosed"),
        (F.coalesce(F.size("objects"), F.lit(-1)) != 1).alias("malformed"),
    )


def _json_value(value: Column, role: str) -> Column:
    # Spark puts quotes around numbers that are not valid JSON.
    return F.regexp_replace(value, '^"(NaN|-?Infinity)"$', "$1") if role == "rating" else value


def _with_items(lines: DataFrame) -> DataFrame:
    """Add `item_of_line`, the item named by the last line such as `17:`, and skip these lines.

    The parts of a file are sorted separately and processed in parallel; a first pass over all parts, one per task,
    finds the item that each part begins with.
    """
    found = F.regexp_extract("text", ITEM_LINE, 1)
    named = lines.withColumn("named", F.when(found != "", found))
    parts = named.groupBy("file", "block").agg(
        F.max_by("named", F.when(F.col("named").isNotNull(), F.col("position"))).alias("last")
    )
    earlier = Window.partitionBy("file").orderBy("block").rowsBetween(Window.unboundedPreceding, -1)
    parts = parts.select("file", "block", F.last("last", ignorenulls=True).over(earlier).alias("carried"))
    so_far = Window.partitionBy("file", "block").orderBy("position")
    within = F.last("named", ignorenulls=True).over(so_far.rowsBetween(Window.unboundedPreceding, 0))
    return (
        named.join(F.broadcast(parts), ["file", "block"])
        .withColumn("item_of_line", F.coalesce(within, "carried"))
        .withColumn("skipped", F.col("named").isNotNull())
        .select(*lines.columns, "item_of_line")
    )
