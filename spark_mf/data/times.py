"""Times of ratings as integers that can be compared, for columns of any type."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, TimestampType

from spark_mf.data.columns import quoted
from spark_mf.data.readers.time_choice import TimeColumn, tick_name
from spark_mf.data.readers.time_formats import (
    ISO,
    MILLISECONDS,
    SECONDS,
    TYPED,
    WHOLE,
    format_name,
    require_pattern,
    tick,
)

_BUCKETS = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000


@dataclass(frozen=True)
class TimeRange:
    """Format and range of a column of times.

    Attributes
    ----------
    name : str
        Name of the column.
    format : str
        Format of its values, as in `spark_mf.data.readers.time_formats`.
    tick : Column
        The times as bigint: unchanged integers if `format` is `WHOLE`, else microseconds since 1970 (UTC).
    rows : int
    first, last : int
        Smallest and largest tick.
    """

    name: str
    format: str
    tick: Column
    rows: int
    first: int
    last: int

    def spell(self, tick: int) -> str:
        """Return a tick as text, with times in UTC."""
        if self.format == WHOLE:
            return str(tick)
        try:
            return str(_EPOCH + timedelta(microseconds=tick))
        except OverflowError:
            return f"{tick} microseconds since 1970"


def require_times(ratings: DataFrame, column: str, time_format: str | None = None) -> TimeRange:
    """Find the format and the range of a column of times; runs one Spark job.

    Parameters
    ----------
    ratings : DataFrame
    column : str
        A column of integers (seconds since 1970, or any value that grows with time), of other numbers (seconds since
        1970), of timestamps, of dates, or of strings with any of these.
    time_format : str, optional
        One of `spark_mf.data.readers.time_formats.TIME_FORMATS`, or a pattern; by default the format is detected from
        the whole column.

    Returns
    -------
    TimeRange

    Raises
    ------
    ValueError
        If the column is missing or has another type, its format is ambiguous or mixed, there are no rows, or the time
        of any row is null or unreadable; the message has the number of such rows and an example.
    """
    if column not in ratings.columns:
        raise ValueError(
            f"timestamp_col must be a column of the ratings, got {column!r} and the columns "
            f"{', '.join(ratings.columns)}."
        )
    require_pattern(ratings.sparkSession, time_format)
    raw = F.col(quoted(column))
    times = TimeColumn(raw, ratings.schema[column].dataType, time_format, f"column {column}")
    rows = times.with_ticks(ratings)
    names = {format: tick_name(format) for format in times.formats}
    found = rows.agg(
        F.count("*").alias("rows"),
        *times.evidence_columns(),
        *(F.min(name).alias(f"first {name}") for name in names.values()),
        *(F.max(name).alias(f"last {name}") for name in names.values()),
    ).collect()[0]
    if found["rows"] == 0:
        raise ValueError("ratings must have at least two rows to be split, got none.")
    evidence = times.evidence([found])
    format = times.choose(rows, evidence)
    bad = found["rows"] - evidence.read[format]
    if bad:
        # The maximum is an unreadable text if there is one, which is a better example than null.
        wrong = rows.where(F.col(names[format]).isNull()).select(F.max(raw.cast("string"))).collect()[0][0]
        others = "" if bad == found["rows"] else f" The others are read as {format_name(format)}."
        raise ValueError(
            f"Column {column} must hold a time in every row, got none in {bad:,} of {found['rows']:,} rows, such as "
            f"{'null' if wrong is None else repr(wrong)}. Correct or remove them.{others}"
        )
    name = names[format]
    return TimeRange(column, format, times.tick(format), found["rows"], found[f"first {name}"], found[f"last {name}"])


def as_tick(ratings: DataFrame, times: TimeRange, time: int | float | str | date | None) -> int:
    """Return the tick of a time that a caller passed for a column.

    Raises
    ------
    ValueError
        If it is not an integer for a column of integers, not a number for a column of seconds, or not a time for a
        column of times.
    """
    is_number = isinstance(time, (int, float)) and not isinstance(time, bool)
    if times.format == WHOLE:
        wanted, fits = "an integer", is_number and isinstance(time, int)
    elif times.format in (SECONDS, MILLISECONDS):
        wanted, fits = f"a number of {times.format}", is_number
    else:
        wanted, fits = "an ISO 8601 string, a date or a datetime", isinstance(time, (str, date))
    if not fits:
        raise ValueError(f"test_from must be {wanted} for column {times.name}, got {time!r}.")
    if isinstance(time, int) and times.format == WHOLE:
        return time
    spelled, kind, format = F.lit(time), TimestampType() if isinstance(time, date) else StringType(), times.format
    if format not in (SECONDS, MILLISECONDS):
        format = TYPED if isinstance(time, date) else ISO
    found: int | None = ratings.sparkSession.range(1).select(tick(spelled, kind, format)).collect()[0][0]
    if found is None:
        example = ", such as 2015-03-01T12:00:00Z" if format == ISO else ""
        raise ValueError(f"test_from must be {wanted}{example}, got {time!r}, which cannot be read.")
    return found


def latest_tick(ratings: DataFrame, tick: Column, found: TimeRange, wanted: int) -> int:
    """Return the exact tick of the `wanted`-th latest row, where 1 is the latest.

    The function counts the rows in `_BUCKETS` equal intervals of time, and repeats this inside the interval that
    contains the row: one Spark job for 2^16 different ticks, two for 2^32 (a century of seconds), and four at most.
    The driver receives `_BUCKETS` counts from each job.
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
    """Return the bucket that contains the `wanted`-th row from the end, and the position of the row from its end."""
    for number, count in sorted(counts, reverse=True):
        if wanted <= count:
            return number, wanted
        wanted -= count
    raise ValueError("ratings must not change while they are split, got fewer rows than before. Persist them first.")
