"""Times of ratings as integers that can be compared and counted, whatever type their column has."""

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
    """What a passed check learned of a column of times.

    Attributes
    ----------
    name : of the column
    format : how its values are read, as in `spark_mf.data.readers.time_formats`
    tick : Column, bigint: integers as they are if `format` is `WHOLE`, else microseconds since 1970 (UTC)
    rows : int
    first, last : the least and the greatest tick
    """

    name: str
    format: str
    tick: Column
    rows: int
    first: int
    last: int

    def spell(self, tick: int) -> str:
        """A tick as its column would show it; times in UTC."""
        if self.format == WHOLE:
            return str(tick)
        try:
            return str(_EPOCH + timedelta(microseconds=tick))
        except OverflowError:
            return f"{tick} microseconds since 1970"


def require_times(ratings: DataFrame, column: str, time_format: str | None = None) -> TimeRange:
    """Find the format of a column of times and their range, and refuse rows without a time; one Spark job.

    Parameters
    ----------
    ratings : DataFrame
    column : of integers (seconds since 1970, or whatever grows with time), of other numbers (seconds since 1970), of
        timestamps, dates, or strings that spell any of these
    time_format : one of `spark_mf.data.readers.time_formats.TIME_FORMATS`, a pattern, or None to find it in the
        whole column

    Raises
    ------
    ValueError
        If the column is missing or of another type, its format is ambiguous or mixed, there are no rows, or rows
        whose time is null or cannot be read, with their number and an example.
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
        # A text shows what is wrong better than a null.
        wrong = rows.where(F.col(names[format]).isNull()).select(F.max(raw.cast("string"))).collect()[0][0]
        others = "" if bad == found["rows"] else f" The others are read as {format_name(format)}."
        raise ValueError(
            f"Column {column} must hold a time in every row, got none in {bad:,} of {found['rows']:,} rows, such as "
            f"{'null' if wrong is None else repr(wrong)}. Correct or remove them.{others}"
        )
    name = names[format]
    return TimeRange(column, format, times.tick(format), found["rows"], found[f"first {name}"], found[f"last {name}"])


def as_tick(ratings: DataFrame, times: TimeRange, time: int | float | str | date | None) -> int:
    """A time that a caller gave, in the ticks of a column.

    Raises
    ------
    ValueError
        If it is no integer for a column of integers, no number for one of seconds, or no time for a column of times.
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
    raise ValueError("ratings must not change while they are split, got fewer rows than before. Persist them first.")
