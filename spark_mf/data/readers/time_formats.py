"""Formats of times, and Spark expressions that parse them."""

from collections.abc import Mapping

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    DataType,
    DateType,
    IntegralType,
    NumericType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from spark_mf.data.columns import whole_ids, whole_text
from spark_mf.storage.files import JVM_ERRORS, java_reason

ISO, US, EUROPEAN, SECONDS, MILLISECONDS = TIME_FORMATS = ("iso", "us", "european", "seconds", "milliseconds")
# Formats that cannot be requested: integers, and columns of timestamps or dates.
WHOLE, TYPED = "whole", "typed"

DESCRIPTIONS: Mapping[str, str] = {
    ISO: "ISO 8601",
    US: "US dates, M/D/YYYY",
    EUROPEAN: "European dates, D.M.YYYY",
    SECONDS: "seconds since 1970",
    MILLISECONDS: "milliseconds since 1970",
    WHOLE: "integers, compared as they are",
    TYPED: "timestamps or dates",
}

# Microseconds of the years 1 to 9999, which are the times that Python, and therefore reports, can represent.
_FIRST, _END = -62_135_596_800_000_000, 253_402_300_800_000_000
# Spark parses the rest of the text, with many spellings of zones. Alone, it would also accept 10:00 or 2019.
_ISO = r"^\s*\d{4}-\d{1,2}-\d{1,2}(?:\s*|[T ].*)$"
# Spark requires seconds before a zone.
_ZONE_AFTER_MINUTES = r"^(\s*\S+[T ]\d{1,2}:\d{1,2})(\s*[A-Z+-].*)$"
_DATE = (
    r"^\s*(\d{1,2})([./-])(\d{1,2})\2(\d{4})"
    r"(?:,?\s+(\d{1,2}:\d{2}(?::\d{2})?)(?:(\.\d{1,9})|\s*([AaPp][Mm]))?)?\s*$"
)
_MERIDIEM = r"[AaPp][Mm]\s*$"
_DOTTED = r"^\s*\d{1,2}\."
# Exponents are limited because Spark expands all digits.
_NUMBER = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\s*$"


def require_time_format(time_format: str | None) -> None:
    """Raise an error unless a format is one of `TIME_FORMATS` or a pattern.

    Raises
    ------
    ValueError
        If a pattern has no year; `require_pattern` checks whether Spark supports the pattern.
    """
    if time_format is not None and time_format not in TIME_FORMATS and "y" not in time_format:
        raise ValueError(
            f"time_format must be one of {', '.join(TIME_FORMATS)} or a datetime pattern with a year, got "
            f"{time_format!r}. Give one of these, or a pattern such as dd.MM.yyyy."
        )


def require_pattern(spark: SparkSession, time_format: str | None) -> None:
    """Raise an error if Spark does not support a pattern; reads no rows.

    Raises
    ------
    ValueError
        If the format is neither one of `TIME_FORMATS` nor a supported pattern; the message contains Spark's reason.
    """
    require_time_format(time_format)
    if time_format is None or time_format in TIME_FORMATS:
        return
    try:
        spark.range(1).select(_by_pattern(F.lit(" "), time_format)).collect()
    except JVM_ERRORS as error:
        raise ValueError(
            f"time_format must be one of {', '.join(TIME_FORMATS)} or one of Spark's datetime patterns, got "
            f"{time_format!r} ({java_reason(error)}). Give a pattern such as dd.MM.yyyy or M/d/yyyy H:mm."
        ) from None


def possible_formats(kind: DataType, asked: str | None, column: str) -> tuple[str, ...]:
    """Return the possible formats of a column, from its type and the requested format.

    Parameters
    ----------
    kind : DataType
        Type of the column.
    asked : str or None
        One of `TIME_FORMATS`, or a pattern.
    column : str
        Name of the column for messages.

    Raises
    ------
    ValueError
        If the type cannot hold times, or times of the requested format.
    """
    if isinstance(kind, (TimestampType, TimestampNTZType, DateType)):
        return (TYPED,)
    if not isinstance(kind, (StringType, NumericType)):
        raise ValueError(
            f"{column} must hold timestamps, dates, numbers or strings, got the type {kind.simpleString()}. Cast it, "
            "or choose another column."
        )
    if asked == SECONDS or (asked is None and isinstance(kind, NumericType)):
        return (WHOLE,) if isinstance(kind, IntegralType) else (WHOLE, SECONDS)
    if asked is None:
        return (WHOLE, SECONDS, ISO, US, EUROPEAN)
    # Dates such as 20190930 may be integers.
    spelled = isinstance(kind, StringType) or (isinstance(kind, IntegralType) and asked not in (ISO, US, EUROPEAN))
    if asked != MILLISECONDS and not spelled:
        raise ValueError(
            f"time_format must be {SECONDS} or {MILLISECONDS} for {column}, which has the type "
            f"{kind.simpleString()}, got {asked!r}. Give one of these, or none."
        )
    return (asked,)


def format_name(format: str) -> str:
    """Return the description of a format."""
    return DESCRIPTIONS.get(format, f"the pattern {format}")


def is_given(column: Column, kind: DataType) -> Column:
    """Return whether there is a value, which is not null, blank or NaN."""
    if isinstance(kind, StringType):
        return column.isNotNull() & column.rlike(r"\S")
    if isinstance(kind, NumericType) and not isinstance(kind, IntegralType):
        return column.isNotNull() & ~F.isnan(column.cast("double"))
    return column.isNotNull()


def tick(column: Column, kind: DataType, format: str) -> Column:
    """Return times as bigint: unchanged integers for `WHOLE`, else microseconds since 1970 (UTC).

    The result is null if there is no value or the format does not read it. Times without a zone are in the time zone of
    the session.
    """
    if format == TYPED:
        return F.unix_micros(column.cast("timestamp_ltz"))
    if format == WHOLE:
        return whole_text(column) if isinstance(kind, StringType) else whole_ids(column, kind).cast("bigint")
    text = column.cast("string")
    if format in (SECONDS, MILLISECONDS):
        return _within_years(_micros(text, format))
    if format in (US, EUROPEAN):
        time = _date(text, day_first=format == EUROPEAN)
    elif format == ISO:
        whole = F.regexp_replace(text, _ZONE_AFTER_MINUTES, "$1:00$2")
        time = F.when(text.rlike(_ISO), whole.try_cast("timestamp_ltz"))
    else:
        time = _by_pattern(text, format)
    return _within_years(F.unix_micros(time))


def whole_seconds(whole: Column) -> Column:
    """Return the ticks for `SECONDS` of ticks for `WHOLE`."""
    second = 1_000_000
    return F.when((whole >= _FIRST // second) & (whole < _END // second), whole * F.lit(second))


def value(column: Column, kind: DataType, format: str) -> Column:
    """Return times for the output: integers as bigint, timestamps and dates unchanged, all others as timestamp."""
    if format == TYPED:
        return column
    found = tick(column, kind, format)
    return found if format == WHOLE else F.timestamp_micros(found)


def is_dotted(text: Column) -> Column:
    """Return whether a date begins with a number and a dot, as European dates do."""
    return text.rlike(_DOTTED)


def _micros(text: Column, unit: str) -> Column:
    """Return numbers of seconds or milliseconds in microseconds, rounded."""
    # With this precision, the years that are read are exact.
    scale, micros = (6, 1_000_000) if unit == SECONDS else (3, 1_000)
    number = F.when(text.rlike(_NUMBER), text.try_cast(f"decimal(18, {scale})"))
    return (number * F.lit(micros).cast("decimal(7, 0)")).cast("bigint")


def _date(text: Column, *, day_first: bool) -> Column:
    date = "$4-$3-$1" if day_first else "$4-$1-$3"
    by_halves = F.try_to_timestamp(F.regexp_replace(text, _DATE, f"{date} $5 $7"), F.lit("yyyy-M-d h:mm[:ss] a"))
    whole_day = F.regexp_replace(text, _DATE, f"{date} $5$6").try_cast("timestamp_ltz")
    time = F.when(text.rlike(_MERIDIEM), by_halves.cast("timestamp_ltz")).otherwise(whole_day)
    return F.when(text.rlike(_DATE), time)


def _by_pattern(text: Column, pattern: str) -> Column:
    return F.try_to_timestamp(F.trim(text), F.lit(pattern)).cast("timestamp_ltz")


def _within_years(micros: Column) -> Column:
    return F.when((micros >= _FIRST) & (micros < _END), micros)
