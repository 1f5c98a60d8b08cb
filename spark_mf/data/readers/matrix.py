"""Ratings from a matrix with one line per user and one column per item."""

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf.data.readers.column_names import is_known
from spark_mf.data.readers.lines import numbered, one_blank, read_lines
from spark_mf.data.readers.separators import BLANKS
from spark_mf.data.readers.text import MOST_FIELDS, TextLayout


def user_column(layout: TextLayout, asked: str | None) -> str | None:
    """Return the column before the ratings that holds the user ids, or None if users are numbered by lines.

    Raises
    ------
    ValueError
        If the requested column is missing, or several columns are possible.
    """
    if asked is not None and asked not in layout.names:
        raise ValueError(
            f"user_col must be one of the columns before the ratings, which --columns names, got {asked!r}. Name it "
            "there."
        )
    found = [asked] if asked is not None else [name for name in layout.names if is_known("user", name)]
    if len(found) > 1:
        raise ValueError(f"user_col must name one of {', '.join(found)}, all of which could hold the ids of users.")
    return found[0] if found else None


def item_names(layout: TextLayout) -> list[str] | None:
    """Return the item ids in the header, or None if items are numbered by columns, from 1."""
    return None if layout.header is None else layout.first_fields[len(layout.names) :]


def read_matrix(
    spark: SparkSession, path: str, layout: TextLayout, user_col: str | None, missing: float | None
) -> DataFrame:
    """Read the ratings of a matrix as rows, without cells that are empty or hold the value for missing ratings.

    Returns
    -------
    DataFrame
        `user`, `item` and `rating` (strings); `blank`, `header`, `skipped`, `unclosed` and `malformed` (booleans);
        `file`, `block`, `offset` and `position`; and `text`, the line if it is malformed, else user, item and rating
        separated by commas.
    """
    assert layout.separator is not None
    width = len(layout.first_fields)
    leading = len(layout.names)
    text = F.col("text") if layout.separator != BLANKS else one_blank(F.col("text"))
    blank = ~F.col("text").rlike(r"\S")
    lines = numbered(read_lines(spark, path, layout.encoding))
    if layout.header is not None:
        lines = lines.where((F.col("text") != layout.header) | (F.col("line") > 1))
    fields = F.transform(F.split(text, rf"\Q{layout.separator}\E", -1), lambda field: F.btrim(field, F.lit(' \t"')))
    lines = lines.withColumn("fields", fields).withColumn("malformed", F.size("fields") != width)
    cells = F.slice("fields", leading + 1, width - leading)
    nothing = F.array(F.lit(None).cast("string"))
    user = F.col("user_line").cast("string") if user_col is None else _field(layout.names.index(user_col))
    rows = lines.select(
        "*",
        user.alias("user"),
        F.posexplode(F.when(blank | F.col("malformed"), nothing).otherwise(cells)).alias("place", "rating"),
    )
    names = item_names(layout)
    number = F.col("place") + 1
    item = number.cast("string") if names is None else F.element_at(F.array(*map(F.lit, names)), number)
    given = F.col("rating") != ""
    if missing is not None:
        given &= F.coalesce(F.col("rating").try_cast("double") != missing, F.lit(True))
    no = F.lit(False)
    return rows.where(blank | F.col("malformed") | given).select(
        "user",
        item.alias("item"),
        "rating",
        blank.alias("blank"),
        *(no.alias(flag) for flag in ("header", "skipped", "unclosed")),
        "malformed",
        "file",
        F.lit(0).cast("bigint").alias("block"),
        (F.col("line") - 1).alias("offset"),
        (F.col("user_line") * MOST_FIELDS + F.col("place")).alias("position"),
        F.when(F.col("malformed"), F.col("text")).otherwise(F.concat_ws(",", "user", item, "rating")).alias("text"),
    )


def _field(number: int) -> Column:
    # `get` gives null if a line has too few fields, where other functions raise an error in ANSI mode.
    return F.get("fields", F.lit(number))
