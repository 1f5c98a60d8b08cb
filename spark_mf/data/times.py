"""Times of ratings as integers that can be compared and counted, whatever type their column has."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, IntegralType, StringType, TimestampNTZType, TimestampType

from spark_mf.data.columns import quoted

_BUCKETS = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TimeRange:
    """What a passed check learned of a column of times."""

    rows: int
    first: int  # in ticks, as `last`
    last: int
    integers: bool  # whether the column holds integers

    def spell(self, tick: int) -> str:
        """A tick as its column would show it; times in UTC."""
        if self.integers:
            return str(tick)
        return str(_EPOCH + timedelta(microseconds=tick))


def ticks(ratings: DataFrame, column: str) -> Column:
    """A column of times as bigint: integers as they are, anything else in microseconds since 1970 (UTC).

    The column holds integers (seconds since 1970, or whatever grows with time), timestamps, dates or ISO 8601
    strings; of the latter, those without a zone are in the session's time zone.  Null where a string is no time.

    Raises
    ------
    ValueError
        If the column is missing or of another type.
    """
    if column not in ratings.columns:
        raise ValueError(
            f"the ratings have no column {column} of times; their columns are {', '.join(ratings.columns)}: name it "
            "with timestamp_col."
        )
    kind = ratings.schema[column].dataType
    if not isinstance(kind, (IntegralType, StringType, TimestampType, TimestampNTZType, DateType)):
        raise ValueError(
            f"Column {column} is of type {kind.simpleString()}: times must be integers, timestamps, dates or ISO 8601 "
            "strings; cast it to one of these."
        )
    return _as_ticks(F.col(quoted(column)), kind)


def require_times(ratings: DataFrame, column: str) -> TimeRange:
    """Refuse ratings without rows, or with rows that have no time; one Spark job.

    Raises
    ------
    ValueError
        As `ticks`, and when there are no rows, or rows whose time is null or cannot be read, with their number and
        an example.
    """
    tick = ticks(ratings, column)
    rows, bad, example, first, last = ratings.agg(
        F.count("*"),
        F.count_if(tick.isNull()),
        F.min(F.when(tick.isNull(), F.col(quoted(column)).cast("string"))),
        F.min(tick),
        F.max(tick),
    ).collect()[0]
    if rows == 0:
        raise ValueError("there are no ratings to split; give at least two rows.")
    if bad:
        shown = "null" if example is None else repr(example)
        raise ValueError(
            f"{bad:,} of {rows:,} rows have no usable {column}, such as {shown}: correct or remove them; seconds since "
            "1970 must be integers, and other texts ISO 8601, such as 2015-03-01T12:00:00Z."
        )
    return TimeRange(rows, first, last, isinstance(ratings.schema[column].dataType, IntegralType))


def as_tick(ratings: DataFrame, column: str, time: int | str | date | None) -> int:
    """A time that a caller gave, in the ticks of a column.

    Raises
    ------
    ValueError
        If it is no integer for a column of integers, or no time for a column of times.
    """
    integers = isinstance(ratings.schema[column].dataType, IntegralType)
    if integers != (isinstance(time, int) and not isinstance(time, bool)):
        wanted = "an integer" if integers else "an ISO 8601 string, a date or a datetime"
        raise ValueError(f"the time {time!r} does not fit column {column}: give {wanted}.")
    if isinstance(time, int):
        return time
    kind = StringType() if isinstance(time, str) else TimestampType()
    tick: int | None = ratings.sparkSession.range(1).select(_as_ticks(F.lit(time), kind)).collect()[0][0]
    if tick is None:
        raise ValueError(f"the time {time!r} cannot be read: give ISO 8601, such as 2015-03-01T12:00:00Z.")
    return tick


def latest_tick(ratings: DataFrame, tick: Column, found: TimeRange, wanted: int) -> int:
    """The tick of the `wanted`-th latest row, exactly; 1 is the latest of all.

    Counts the rows in `_BUCKETS` equal intervals of time and repeats this inside the interval that has the row: one
    Spark job for 2^16 different ticks, two for 2^32 (a century of seconds), four at most; the
    driver gets `_BUCKETS` counts from each.
    """
    first, last = found.first, found.last
    while first < last:
        width = (last - first) // _BUCKETS + 1
        # `div` is exact on 64-bit integers, where `/` goes through doubles.
        bucket = F.call_function("div", tick - F.lit(first), F.lit(width))
        inside = (
            ratings.where(tick.between(first, last))
            .groupBy(bucket.alias("bucket"))
            .agg(F.count("*").alias("rows"))
            .collect()
        )
        number, wanted = _bucket_with([(row["bucket"], row["rows"]) for row in inside], wanted)
        first, last = first + number * width, min(last, first + (number + 1) * width - 1)
    return first


def _bucket_with(counts: list[tuple[int, int]], wanted: int) -> tuple[int, int]:
    """The bucket that holds the `wanted`-th row from the end, and which from its end the row is in it."""
    for number, count in sorted(counts, reverse=True):
        if wanted <= count:
            return number, wanted
        wanted -= count
    raise ValueError(f"row {wanted} from the end was to be found, beyond all rows: the ratings changed meanwhile.")


def _as_ticks(column: Column, kind: DataType) -> Column:
    if isinstance(kind, IntegralType):
        return column.cast("long")
    time = F.try_to_timestamp(column) if isinstance(kind, StringType) else column.cast("timestamp")
    return F.unix_micros(time)
