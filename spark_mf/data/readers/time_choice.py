"""Which format the times of a column have: found in the whole column, or refused."""

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
# Each format that is guessed, in the words of a message.
_GUESSED = {WHOLE: "a number", SECONDS: DESCRIPTIONS[SECONDS], ISO: "ISO 8601", US: "US", EUROPEAN: "European"}


@dataclass(frozen=True)
class Evidence:
    """How many values of a column there are, how many any format reads, and how many each."""

    given: int
    readable: int
    read: Mapping[str, int]

    def fitting(self) -> tuple[str, ...]:
        """The formats that the column may have: those that read every value that any reads.

        Values that no format reads say nothing; they are the faults of their rows. Several formats are left where
        the column is ambiguous, and none where its formats are mixed or unknown.
        """
        formats = tuple(self.read)
        if not self.given:
            return formats[:1]
        if not self.readable:
            return ()
        fit = tuple(format for format in formats if self.read[format] == self.readable)
        if WHOLE in fit:
            return (WHOLE,)
        # Among numbers there is nothing to choose but seconds, although some may be too large for them.
        only_numbers = all(format in (WHOLE, SECONDS) for format in formats if self.read[format])
        return (SECONDS,) if not fit and only_numbers else fit


@dataclass(frozen=True)
class TimeColumn:
    """A column of times whose format is to be found.

    Attributes
    ----------
    column : Column
    kind : its type
    asked : the format that was asked for, or None
    called : what messages call it
    """

    column: Column
    kind: DataType
    asked: str | None
    called: str

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats among which to choose.

        Raises
        ------
        ValueError
            If the type is not that of times, or of the format that was asked for.
        """
        return possible_formats(self.kind, self.asked, self.called)

    @property
    def is_certain(self) -> bool:
        """Whether the type alone says how to read every value."""
        return self.formats == (TYPED,) or (self.formats == (WHOLE,) and isinstance(self.kind, IntegralType))

    def given(self) -> Column:
        """Whether a row has a time."""
        return is_given(self.column, self.kind)

    def tick(self, format: str) -> Column:
        """As `spark_mf.data.readers.time_formats.tick`."""
        return tick(self.column, self.kind, format)

    def value(self, format: str) -> Column:
        """As `spark_mf.data.readers.time_formats.value`."""
        return value(self.column, self.kind, format)

    def with_ticks(self, rows: DataFrame) -> DataFrame:
        """Add the ticks by each format, under the names of `tick_name`. Lazy."""
        formats = self.formats
        if formats[0] != WHOLE or len(formats) == 1:
            return rows.withColumns({tick_name(format): self.tick(format) for format in formats})
        # One after the other, so that an integer costs no more than being read as one.
        rows = rows.withColumn(tick_name(WHOLE), self.tick(WHOLE))
        whole = F.col(tick_name(WHOLE))
        seconds = F.when(whole.isNotNull(), whole_seconds(whole)).otherwise(self.tick(SECONDS))
        dates = {f: F.when(whole.isNull(), self.tick(f)) for f in (ISO, EUROPEAN) if f in formats}
        rows = rows.withColumns({tick_name(format): read for format, read in {SECONDS: seconds, **dates}.items()})
        if US not in formats:
            return rows
        # Dates with dots are European; only where they cannot be, they contradict the others as US ones.
        may_be_us = whole.isNull() & (F.col(tick_name(EUROPEAN)).isNull() | ~is_dotted(self.column))
        return rows.withColumn(tick_name(US), F.when(may_be_us, self.tick(US)))

    def evidence_columns(self) -> list[Column]:
        """The aggregates, on the rows of `with_ticks`, of which `evidence` is made."""
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
        """The one format that the column has.

        Parameters
        ----------
        rows : the rows of `with_ticks`; looked at only for a refusal

        Raises
        ------
        ValueError
            If there are several or none, with two offending values and the option that settles it.
        """
        fitting = found.fitting()
        if len(fitting) != 1:
            self._refuse(rows, fitting)
        return fitting[0]

    def note(self, rows: DataFrame, format: str) -> str:
        """What is said of the chosen format; a few rows are looked at for a date that proves it."""
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
    """The column of `TimeColumn.with_ticks` with the ticks by one format."""
    return f"time as {format}"


def contradiction(examples: Mapping[frozenset[str], tuple[str, str]]) -> tuple[str, str]:
    """Two values that no format reads both, each with the formats that read it.

    Parameters
    ----------
    examples : formats → two values that these formats read and no others

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
