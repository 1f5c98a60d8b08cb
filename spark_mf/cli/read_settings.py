"""The settings of every job that reads ratings: how files are told apart, and which column holds what."""

from dataclasses import dataclass, fields, replace

from spark_mf.cli.settings import Kind, one_of, real, setting, several, text
from spark_mf.data.readers.separators import ALLOWED, parse_separator
from spark_mf.data.readers.sources import FORMATS, ID_TYPES, QUOTES, ReadOptions
from spark_mf.data.readers.text import LAYOUTS
from spark_mf.data.readers.time_formats import TIME_FORMATS
from spark_mf.storage.encodings import find_encoding

READ = "data: what is read"

_TIME_FORMAT = Kind(
    f"one of {', '.join(TIME_FORMATS)} or a datetime pattern with a year, such as dd.MM.yyyy",
    str,
    lambda value: isinstance(value, str) and (value in TIME_FORMATS or "y" in value),
)


def _accepts_separator(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_separator(value))
    except ValueError:
        return False


def _accepts_encoding(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(find_encoding(value))
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class ReadSettings:
    """What a job is told of its ratings, besides their path; jobs inherit these and add their own."""

    format: str | None = setting(
        None, one_of(*FORMATS), "format of RATINGS, where its name and first lines do not tell", group=READ
    )
    separator: str | None = setting(
        None,
        Kind(ALLOWED, str, _accepts_separator),
        "separator of fields, where it is not found: a character such as ';', or ::, tab, or blank for runs of blanks",
        group=READ,
    )
    encoding: str | None = setting(
        None,
        Kind("UTF-8 or an encoding of one byte a character, such as ISO-8859-1", str, _accepts_encoding),
        "encoding of text, where it is not UTF-8: ISO-8859-1, windows-1252 or another of one byte a character",
        group=READ,
    )
    quote: str = setting(
        "double",
        one_of(*QUOTES),
        "double if fields may be in double quotes, none if quotes are characters like others",
        group=READ,
    )
    layout: str | None = setting(
        None,
        one_of(*LAYOUTS),
        "ratings: one a line; netflix: a line such as 17: before the lines of item 17; matrix: the ratings of one user "
        "a line; by default, netflix or ratings as the first line tells",
        group=READ,
    )
    columns: tuple[str, ...] | None = setting(
        None,
        several(text(), "a list of different names"),
        "names of the columns of a file without a header, in their order, such as item,user,rating,timestamp (by "
        "default user,item,rating,timestamp); of a matrix, of the columns before the ratings",
        group=READ,
    )
    missing: float | None = setting(
        None,
        real("a number", lambda value: True),
        "number that means no rating in a matrix, such as 99",
        group=READ,
    )
    user_col: str | None = setting(None, text(), "column of user ids, where it is not guessed", group=READ)
    item_col: str | None = setting(None, text(), "column of item ids, where it is not guessed", group=READ)
    rating_col: str | None = setting(None, text(), "column of ratings, where it is not guessed", group=READ)
    id_type: str = setting(
        "auto",
        one_of(*ID_TYPES),
        "integer (at most 64 bits), string (any text), or auto: by the column's type, in text by the first ids",
        group=READ,
    )

    def options(self, timestamp_col: str | None = "", split_col: str | None = None) -> ReadOptions:
        """The settings as `spark_mf.data` takes them; by default without times, which a job may have no use for."""
        given = {each.name: getattr(self, each.name) for each in fields(ReadSettings)}
        return ReadOptions(**given, timestamp_col=timestamp_col, split_col=split_col)


@dataclass(frozen=True, kw_only=True)
class TimedReadSettings(ReadSettings):
    """The settings of jobs that read times too."""

    time_format: str | None = setting(
        None,
        _TIME_FORMAT,
        f"format of the times, where not all of them together tell: one of {', '.join(TIME_FORMATS)}, or a pattern of "
        "Spark's (Java's) such as dd.MM.yyyy or 'M/d/yyyy H:mm'",
        group=READ,
    )

    def options(self, timestamp_col: str | None = "", split_col: str | None = None) -> ReadOptions:
        """The settings as `spark_mf.data` takes them."""
        return replace(super().options(timestamp_col, split_col), time_format=self.time_format)
