"""Detection of the format of a column of times from all its values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, IntegralType

from spark_mf.data.readers.time_formats import (
    DESCRIPTIONS,
    EUROPEAN,
    ISO,
    SECONDS,
    TIME_FORMATS,
    TYPED,
    US,
    WHOLE,
    format_name,
    is_dotted,
    is_given,
    possible_formats,
    tick,
    value,
    whole_seconds,
)

_GIVEN, _READ = "times given", "times read"
_RIVAL = {US: EUROPEAN, EUROPEAN: US}
# Formats that are guessed, as they are named in messages.
_GUESSED = {WHOLE: "a number", SECONDS: DESCRIPTIONS[SECONDS], ISO: "ISO 8601", US: "US", EUROPEAN: "European"}


@dataclass(frozen=True)
class Evidence:
    """Numbers of values in a column, of values that any format reads, and of values that each format reads."""

    given: int
    readable: int
    read: Mapping[str, int]

    def fitting(self) -> tuple[str, ...]:
        """Return the possible formats of the column, which read every value that any format reads.

        Values that no format reads are ignored, and are faults of their rows. There are several formats if the column
        is ambiguous, and none if its formats are mixed or unknown.
        """
        formats = tuple(self.read)
        if not self.given:
            return formats[:1]
        if not self.readable:
            return ()
        fit = tuple(format for format in formats if self.read[format] == self.readable)
        if WHOLE in fit:
            return (WHOLE,)
        # Seconds are the only choice for numbers, although some may be too large.
        only_numbers = all(format in (WHOLE, SECONDS) for format in formats if self.read[format])
        return (SECONDS,) if not fit and only_numbers else fit


@dataclass(frozen=True)
class TimeColumn:
    """A column of times whose format is to be detected.

    Attributes
    ----------
    column : Column
    kind : DataType
        Type of the column.
    asked : str or None
        The requested format.
    called : str
        Name for messages.
    """

    column: Column
    kind: DataType
    asked: str | None
    called: str

    @property
    def formats(self) -> tuple[str, ...]:
        """Candidate formats.

        Raises
        ------
        ValueError
            If the type cannot hold times, or times of the requested format.
        """
        return possible_formats(self.kind, self.asked, self.called)

    @property
    def is_certain(self) -> bool:
        """Whether the type alone determines the format."""
        return self.formats == (TYPED,) or (self.formats == (WHOLE,) and isinstance(self.kind, IntegralType))

    def given(self) -> Column:
        """Return whether a row has a time."""
        return is_given(self.column, self.kind)

    def tick(self, format: str) -> Column:
        """Return `spark_mf.data.readers.time_formats.tick` of the column."""
        return tick(self.column, self.kind, format)

    def value(self, format: str) -> Column:
        """Return `spark_mf.data.readers.time_formats.value` of the column."""
        return value(self.column, self.kind, format)

    def with_ticks(self, rows: DataFrame) -> DataFrame:
        """Add a column of ticks for each format, with the names of `tick_name`. Lazy."""
        formats = self.formats
        if formats[0] != WHOLE or len(formats) == 1:
            return rows.withColumns({tick_name(format): self.tick(format) for format in formats})
        # Formats are tried one after the other, so that integers are parsed only once.
        rows = rows.withColumn(tick_name(WHOLE), self.tick(WHOLE))
        whole = F.col(tick_name(WHOLE))
        seconds = F.when(whole.isNotNull(), whole_seconds(whole)).otherwise(self.tick(SECONDS))
        dates = {f: F.when(whole.isNull(), self.tick(f)) for f in (ISO, EUROPEAN) if f in formats}
        rows = rows.withColumns({tick_name(format): read for format, read in {SECONDS: seconds, **dates}.items()})
        if US not in formats:
            return rows
        # Dates with dots count as European. They count as US dates only if they cannot be European.
        may_be_us = whole.isNull() & (F.col(tick_name(EUROPEAN)).isNull() | ~is_dotted(self.column))
        return rows.withColumn(tick_name(US), F.when(may_be_us, self.tick(US)))

    def evidence_columns(self) -> list[Column]:
        """Return the aggregates of the rows of `with_ticks` for `evidence`."""
        ticks = [F.col(tick_name(format)) for format in self.formats]
        return [
            F.count_if(self.given()).alias(_GIVEN),
            F.count(F.coalesce(*ticks)).alias(_READ),
            *(F.count(each).alias(f"{_READ}: {format}") for each, format in zip(ticks, self.formats, strict=True)),
        ]

    def evidence(self, groups: Sequence[Row]) -> Evidence:
        """Add up the aggregates of some groups of rows."""

        def total(name: str) -> int:
            return sum(group[name] for group in groups)

        return Evidence(total(_GIVEN), total(_READ), {format: total(f"{_READ}: {format}") for format in self.formats})

    def choose(self, rows: DataFrame, found: Evidence) -> str:
        """Return the format of the column.

        Parameters
        ----------
        rows : DataFrame
            Rows of `with_ticks`, read only for an error message.
        found : Evidence

        Raises
        ------
        ValueError
            If several formats or none are possible; the message has two values and the option to set.
        """
        fitting = found.fitting()
        if len(fitting) != 1:
            self._refuse(rows, fitting)
        return fitting[0]

    def note(self, rows: DataFrame, format: str) -> str:
        """Return a note on the chosen format; reads a few rows for a date that proves it."""
        if format == TYPED:
            return f"timestamp: of type {self.kind.simpleString()}"
        if self.is_certain:
            return f"timestamp: {DESCRIPTIONS[format]}"
        if self.asked is not None:
            return f"timestamp: {format_name(format)} (as requested)"
        if format not in _RIVAL:
            return f"timestamp: {format_name(format)} (guessed)"
        certain = F.col(tick_name(format)).isNotNull() & F.col(tick_name(_RIVAL[format])).isNull()
        example = rows.where(certain).select(self.column).first()
        assert example is not None
        return f"timestamp: {format_name(format)} (guessed: {example[0].strip()} can be nothing else)"

    def _refuse(self, rows: DataFrame, fitting: tuple[str, ...]) -> NoReturn:
        formats, text = self.formats, self.column.cast("string")
        by_formats = (
            rows.where(self.given())
            .groupBy(*(F.col(tick_name(format)).isNotNull().alias(format) for format in formats))
            .agg(F.min(text).alias("least"), F.max(text).alias("most"))
            .collect()
        )
        examples = {
            frozenset(format for format in formats if row[format]): (row["least"], row["most"]) for row in by_formats
        }
        option = "time_format (--time-format)"
        if fitting:
            shown = " and ".join(dict.fromkeys(map(repr, examples[frozenset(fitting)])))
            raise ValueError(
                f"The times in {self.called} must be dates of one kind, got {shown}, and all may be US or European "
                f"dates. Set {option} to us or european."
            )
        if set(examples) == {frozenset()}:
            shown = " and ".join(dict.fromkeys(map(repr, examples[frozenset()])))
            known = "ISO 8601, US or European dates, or seconds since 1970"
            raise ValueError(
                f"The times in {self.called} must be {known if self.asked is None else format_name(self.asked)}, got "
                f"{shown}. Set {option} to their pattern, such as dd.MM.yyyy, or set timestamp_col (--timestamp-col) "
                "to '' to read no times."
            )
        one, other = contradiction(examples)
        raise ValueError(
            f"The times in {self.called} must all be of one format, got {one} and {other}. Correct those of the wrong "
            f"format, or set {option} to the right one, one of {', '.join(TIME_FORMATS)} or a pattern, and the others "
            "count as rows that cannot be used."
        )


def tick_name(format: str) -> str:
    """Return the name of the column of `TimeColumn.with_ticks` with the ticks of a format."""
    return f"time as {format}"


def contradiction(examples: Mapping[frozenset[str], tuple[str, str]]) -> tuple[str, str]:
    """Return two values without a common format, each with the formats that read it.

    Parameters
    ----------
    examples : Mapping[frozenset[str], tuple[str, str]]
        For each set of formats, two values that exactly these formats read.

    Raises
    ------
    ValueError
        If there are no such values.
    """
    sets = sorted(filter(None, examples), key=sorted)
    for n, one in enumerate(sets):
        for other in sets[n + 1 :]:
            if not one & other:
                return _shown(examples[one][0], one), _shown(examples[other][0], other)
    raise ValueError("Any two values have a format in common.")


def _shown(text: str, formats: frozenset[str]) -> str:
    named = [_GUESSED[format] for format in (_GUESSED if WHOLE not in formats else [WHOLE]) if format in formats]
    return f"{text!r} ({' or '.join(named)})"
