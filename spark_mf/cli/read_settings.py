"""Settings for reading ratings, file format and columns, which several jobs share."""

from dataclasses import fields, replace
from typing import Annotated

from pydantic.dataclasses import dataclass

from spark_mf.cli.settings import STRICT, Several, Text, accepted_by, one_of, setting
from spark_mf.data.readers.options import FORMATS, ID_TYPES, QUOTES, ReadOptions
from spark_mf.data.readers.separators import ALLOWED, parse_separator
from spark_mf.data.readers.text import LAYOUTS
from spark_mf.data.readers.time_formats import TIME_FORMATS
from spark_mf.storage.encodings import find_encoding

READ = "input"

_Separator = Annotated[str, accepted_by(parse_separator, ALLOWED)]
_Encoding = Annotated[
    str, accepted_by(find_encoding, "UTF-8 or an encoding with one byte per character, such as ISO-8859-1")
]
_TimeFormat = Annotated[
    str,
    accepted_by(
        lambda value: value in TIME_FORMATS or "y" in value,
        f"one of {', '.join(TIME_FORMATS)} or a datetime pattern with a year, such as dd.MM.yyyy",
    ),
]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReadSettings:
    """Settings for reading ratings except their path; the settings of jobs inherit from this class."""

    format: Annotated[str, one_of(*FORMATS)] | None = setting(
        None, "format of RATINGS; by default detected from its name and first lines", group=READ
    )
    separator: _Separator | None = setting(
        None,
        "field separator: a character such as ';', or ::, tab, or blank for runs of blanks; by default detected",
        group=READ,
    )
    encoding: _Encoding | None = setting(
        None,
        "text encoding: UTF-8 (default), or one with one byte per character, such as ISO-8859-1 or windows-1252",
        group=READ,
    )
    quote: Annotated[str, one_of(*QUOTES)] = setting(
        "double",
        "double: fields may be enclosed in double quotes; none: quotes are ordinary characters",
        group=READ,
    )
    layout: Annotated[str, one_of(*LAYOUTS)] | None = setting(
        None,
        "ratings: one rating per line; netflix: a line such as 17: before the lines of item 17; matrix: all ratings of "
        "one user per line; by default netflix or ratings, depending on the first line",
        group=READ,
    )
    columns: Several[Text] | None = setting(
        None,
        "column names in order for a file without a header, such as item,user,rating,timestamp (by default "
        "user,item,rating,timestamp); for a matrix, only the columns before the ratings",
        group=READ,
    )
    missing: float | None = setting(None, "number that stands for a missing rating in a matrix, such as 99", group=READ)
    user_col: Text | None = setting(None, "column of user ids; by default detected", group=READ)
    item_col: Text | None = setting(None, "column of item ids; by default detected", group=READ)
    rating_col: Text | None = setting(None, "column of ratings; by default detected", group=READ)
    id_type: Annotated[str, one_of(*ID_TYPES)] = setting(
        "auto",
        "integer (at most 64 bits), string (any text), or auto: the column's type or, in text, that of the first ids",
        group=READ,
    )

    def options(self, timestamp_col: str | None = "", split_col: str | None = None) -> ReadOptions:
        """Return the options for `spark_mf.data`; by default without times, which not all jobs use."""
        given = {each.name: getattr(self, each.name) for each in fields(ReadSettings)}
        return ReadOptions(**given, timestamp_col=timestamp_col, split_col=split_col)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TimedReadSettings(ReadSettings):
    """Settings of jobs that also read timestamps."""

    time_format: _TimeFormat | None = setting(
        None,
        f"format of the times: one of {', '.join(TIME_FORMATS)}, or a datetime pattern of Spark such as dd.MM.yyyy or "
        "'M/d/yyyy H:mm'; by default detected from all times",
        group=READ,
    )

    def options(self, timestamp_col: str | None = "", split_col: str | None = None) -> ReadOptions:
        """Return the options for `spark_mf.data`."""
        return replace(super().options(timestamp_col, split_col), time_format=self.time_format)
