"""Classification of rows of ratings by their first fault, with their place and text."""

from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from spark_mf.data.columns import whole_ids, whole_text
from spark_mf.data.readers.sources import RatingsSource
from spark_mf.data.readers.time_formats import WHOLE, format_name

# Values of `fault` that are not numbers of `ClassifiedRows.reasons`, which count from 1.
BLANK = -1
SKIPPED = -2
USABLE = 0

UNCLOSED = "its quotes do not close"
REPEATS_HEADER = "it repeats the header"
OUT_OF_RANGE = "is out of range"
NOT_FINITE = "is not finite"
NO_TEXT = "is not UTF-8"
NO_INTEGER = "is not an integer of at most 64 bits"
NO_TIME = "is not a time ({})"


@dataclass(frozen=True)
class ClassifiedRows:
    """All rows with their faults.

    Everything but the text comes from `known`, which may be cached; the text is parsed again when it is needed.

    Attributes
    ----------
    source : RatingsSource
    rows : DataFrame
        Columns `user` and `item` (bigint or string), `rating` (float) and optionally `timestamp` and `split`, null if
        they cannot be used, with unconverted times until `with_times`; `fault` (int), which is `USABLE`, `BLANK`,
        `SKIPPED` or the number of a reason; and the place and text of `RatingsSource.rows`.
    known : DataFrame
        `rows` without the text.
    reasons : tuple[str, ...]
        Reason number 1 comes first.
    """

    source: RatingsSource
    rows: DataFrame
    known: DataFrame
    reasons: tuple[str, ...]

    def with_times(self, format: str, unreadable: int, note: str) -> "ClassifiedRows":
        """Return the same rows with comparable times; a row whose time the format does not read gets a fault.

        Parameters
        ----------
        format : str
            Format of all times, as in `spark_mf.data.readers.time_formats`.
        unreadable : int
            Rows without another fault whose time the format does not read.
        note : str
            Description of the format for the notes of the source.
        """
        times = self.source.times
        columns = {"timestamp": times.value(format)}
        name = self.source.columns["timestamp"]
        reasons = (
            *self.reasons,
            f"{name} " + ("is not an integer" if format == WHOLE else NO_TIME.format(format_name(format))),
        )
        if unreadable:
            is_wrong = (F.col("fault") == USABLE) & times.given() & columns["timestamp"].isNull()
            columns["fault"] = F.when(is_wrong, len(reasons)).otherwise(F.col("fault"))
        rows, known = (each.withColumns(columns) for each in (self.rows, self.known))
        source = replace(self.source, notes=[*self.source.notes, note])
        return replace(self, source=source, rows=rows, known=known, reasons=reasons)

    def usable(self) -> DataFrame:
        """Return the rows without a fault, without their text."""
        return self.known.where(F.col("fault") == USABLE)

    def faulty(self) -> DataFrame:
        """Return the rows with a fault and their `reason`, including every header line."""
        reason = F.element_at(F.array(*map(F.lit, self.reasons)), F.col("fault"))
        return self.rows.where(F.col("fault") > USABLE).withColumn("reason", reason)

    def at(self, rejected: DataFrame) -> DataFrame:
        """Return the place and text of rows that are given by `position` and `reason`."""
        return self.rows.select("file", "block", "offset", "position", "text").join(rejected, "position")


def classify(source: RatingsSource, min_rating: float | None = None, max_rating: float | None = None) -> ClassifiedRows:
    """Find the first fault of each row. Lazy; one pass without a shuffle.

    A row is usable if its line has all fields, its ids are integers of at most 64 bits (or any text, if ids are
    strings), and its rating is finite as a float32 and between the bounds. Numbers may be given as text. Times are not
    converted, because their format depends on the whole column: see `ClassifiedRows.with_times`.
    """
    names = source.columns
    faults: list[tuple[str, Column]] = [
        (REPEATS_HEADER, F.col("header")),
        (UNCLOSED, F.col("unclosed")),
        ("it has too few or too many fields", F.col("malformed")),
    ]
    converted: dict[str, Column] = {}
    for side in ("user", "item"):
        converted[side] = _integer(source, side) if source.id_types[side] == "integer" else _string(source, side)
        faults.append((f"{names[side]} is missing", _is_missing(source, side)))
        if source.id_types[side] == "integer":
            faults.append((f"{names[side]} {NO_INTEGER}", converted[side].isNull()))
        else:
            faults.append((f"{names[side]} {NO_TEXT}", _is_not_utf8(converted[side])))
    rating = names["rating"]
    converted["rating"] = number = _rating(source)
    faults += [
        (f"{rating} is missing", _is_missing(source, "rating")),
        (f"{rating} is not a number", number.isNull()),
        (f"{rating} {NOT_FINITE}", F.isnan(number) | (F.abs(number) == float("inf"))),
    ]
    if source.has_times:
        converted["timestamp"] = F.col("timestamp")
    if "split" in names:
        converted["split"] = F.col("split")
    # Compared as float32, so that a rating of 0.1 is not below the bound 0.1.
    if min_rating is not None:
        faults.append((f"{rating} {OUT_OF_RANGE} (below {min_rating:g})", number < F.lit(min_rating).cast("float")))
    if max_rating is not None:
        faults.append((f"{rating} {OUT_OF_RANGE} (above {max_rating:g})", number > F.lit(max_rating).cast("float")))
    fault = F.when(F.col("skipped"), SKIPPED).when(F.col("blank"), BLANK)
    for place, (_, condition) in enumerate(faults, start=1):
        fault = fault.when(condition, place)
    rows = source.rows.select(
        *(column.alias(role) for role, column in converted.items()),
        fault.otherwise(USABLE).alias("fault"),
        *("file", "block", "offset", "position", "text"),
    )
    return ClassifiedRows(source, rows, rows.drop("text"), tuple(reason for reason, _ in faults))


def readable_path(uri: Column) -> Column:
    """Return the path of a file URI, decoded and without the scheme of local files."""
    # The function decodes a plus sign as a blank, as in HTML forms.
    path = F.try_url_decode(F.replace(uri, F.lit("+"), F.lit("%2B")))
    return F.regexp_replace(F.coalesce(path, uri), "^file:/+", "/")


def _is_text(source: RatingsSource, role: str) -> bool:
    return isinstance(source.rows.schema[role].dataType, StringType)


def _is_missing(source: RatingsSource, role: str) -> Column:
    column = F.col(role)
    return column.isNull() | ~column.rlike(r"\S") if _is_text(source, role) else column.isNull()


def _integer(source: RatingsSource, role: str) -> Column:
    """Return a column as bigint, null if the value is not an integer of at most 64 bits."""
    column = F.col(role)
    return whole_text(column) if _is_text(source, role) else whole_ids(column, source.rows.schema[role].dataType)


def _string(source: RatingsSource, side: str) -> Column:
    """Return an id as unchanged text; integers in columns of numbers are written without a fraction."""
    column = F.col(side)
    return (
        column if _is_text(source, side) else F.coalesce(_integer(source, side).cast("string"), column.cast("string"))
    )


def _is_not_utf8(text: Column) -> Column:
    # Spark's parser replaces invalid bytes by U+FFFD.
    return ~F.is_valid_utf8(text) | text.contains("\ufffd")


def _rating(source: RatingsSource) -> Column:
    """Return the ratings as float, null if the value is not a number."""
    number = F.col("rating").try_cast("float")
    if not _is_text(source, "rating"):
        return number
    # Java, and therefore Spark, reads "5d" and "0x5p0" as 5, but in a file of ratings they are errors.
    return F.when(~F.col("rating").rlike(r"[xX]|[0-9.][dDfF]\s*$"), number)
