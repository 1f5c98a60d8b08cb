"""Why a row of ratings cannot be used: its first fault, and its place and text for `rejected/`."""

from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from spark_mf.data.columns import whole_ids, whole_text
from spark_mf.data.readers.sources import RatingsSource
from spark_mf.data.readers.time_formats import WHOLE, format_name

# Values of `fault` that are no places in `ClassifiedRows.reasons`, which count from 1.
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
    """Every row with its fault.

    Lines are parsed anew by whatever needs their text. All else comes from `known`, which may be cached.

    Attributes
    ----------
    rows : DataFrame of `user` and `item` bigint or string, `rating` float and perhaps `timestamp` and `split`, null
        where they cannot be used, times as they were found until `with_times`; `fault` int, `USABLE`, `BLANK`,
        `SKIPPED` or a reason's number; and the place and text of `RatingsSource.rows`
    known : DataFrame, `rows` without the text
    reasons : the first is number 1
    """

    source: RatingsSource
    rows: DataFrame
    known: DataFrame
    reasons: tuple[str, ...]

    def with_times(self, format: str, unreadable: int, note: str) -> "ClassifiedRows":
        """The same rows with times that can be compared; where the format does not read one, the row is faulty.

        Parameters
        ----------
        format : of all times, as `spark_mf.data.readers.time_formats` has them
        unreadable : rows without another fault whose time the format does not read
        note : what is said of the format
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
        """The rows without a fault, without their text."""
        return self.known.where(F.col("fault") == USABLE)

    def faulty(self) -> DataFrame:
        """The rows with a `reason`; every line that is the header's is among them."""
        reason = F.element_at(F.array(*map(F.lit, self.reasons)), F.col("fault"))
        return self.rows.where(F.col("fault") > USABLE).withColumn("reason", reason)

    def at(self, rejected: DataFrame) -> DataFrame:
        """The place and text of rows that are given by `position` and `reason`."""
        return self.rows.select("file", "block", "offset", "position", "text").join(rejected, "position")


def classify(source: RatingsSource, min_rating: float | None = None, max_rating: float | None = None) -> ClassifiedRows:
    """Find each row's first fault. Lazy; one pass without a shuffle.

    A row is usable if its line has all fields, its ids are integers of at most 64 bits (or any text, where ids are
    strings), and its rating is finite as a float32 and between the bounds. Text that spells a number is as good as the
    number. Times are left as they are, as only all of them tell their format: see `ClassifiedRows.with_times`.
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
    # As float32, like the ratings: 0.1 must not be below the bound 0.1.
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
    """The path of a file's URI as people write it; of local files without the scheme."""
    # Decoding takes a plus sign for a blank, as in forms.
    path = F.try_url_decode(F.replace(uri, F.lit("+"), F.lit("%2B")))
    return F.regexp_replace(F.coalesce(path, uri), "^file:/+", "/")


def _is_text(source: RatingsSource, role: str) -> bool:
    return isinstance(source.rows.schema[role].dataType, StringType)


def _is_missing(source: RatingsSource, role: str) -> Column:
    column = F.col(role)
    return column.isNull() | ~column.rlike(r"\S") if _is_text(source, role) else column.isNull()


def _integer(source: RatingsSource, role: str) -> Column:
    """As bigint, null where the value is not an integer of at most 64 bits."""
    column = F.col(role)
    return whole_text(column) if _is_text(source, role) else whole_ids(column, source.rows.schema[role].dataType)


def _string(source: RatingsSource, side: str) -> Column:
    """An id as text, exactly as it is; whole numbers without a fraction's zero."""
    column = F.col(side)
    return (
        column if _is_text(source, side) else F.coalesce(_integer(source, side).cast("string"), column.cast("string"))
    )


def _is_not_utf8(text: Column) -> Column:
    # Spark's parser of lines has put U+FFFD for bytes that were not.
    return ~F.is_valid_utf8(text) | text.contains("\ufffd")


def _rating(source: RatingsSource) -> Column:
    """As float, null where the value is not a number."""
    number = F.col("rating").try_cast("float")
    if not _is_text(source, "rating"):
        return number
    # Java, hence Spark, reads "5d" and "0x5p0" as 5; in a file of ratings they are damage.
    return F.when(~F.col("rating").rlike(r"[xX]|[0-9.][dDfF]\s*$"), number)
