"""Settings that all jobs that read ratings share: file format and columns."""

from dataclasses import fields, replace
from typing import Annotated

from pydantic.dataclasses import dataclass

from spark_mf.cli.settings import STRICT, Several, Text, accepted_by, one_of, setting
from spark_mf.data.readers.options import FORMATS, ID_TYPES, QUOTES, ReadOptions
from spark_mf.data.readers.separators import ALLOWED, parse_separator
from spark_mf.data.readers.text import LAYOUTS
from spark_mf.data.readers.time_formats import TIME_FORMATS
from spark_mf.storage.encodings import find_encoding

READ = "data: what is read"

_Separator = Annotated[str, accepted_by(parse_separator, ALLOWED)]
_Encoding = Annotated[
    str, accepted_by(find_encoding, "UTF-8 or an encoding of one byte a character, such as ISO-8859-1")
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
    """Settings for reading ratings, besides their path; the settings of jobs inherit from this class."""

    format: Annotated[str, one_of(*FORMATS)] | None = setting(
        None, "format of RATINGS, if its name and first lines do not show it", group=READ
    )
    separator: _Separator | None = setting(
        None,
        "separator of fields, if it is not detected: a character such as ';', or ::, tab, or blank for runs of blanks",
        group=READ,
    )
    encoding: _Encoding | None = setting(
        None,
        "encoding of text, if it is not UTF-8: ISO-8859-1, windows-1252 or another of one byte a character",
        group=READ,
    )
    quote: Annotated[str, one_of(*QUOTES)] = setting(
        "double",
        "double if fields may be enclosed in double quotes, none if quotes are ordinary characters",
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
        "names of the columns of a file without a header, in their order, such as item,user,rating,timestamp (by "
        "default user,item,rating,timestamp); of a matrix, of the columns before the ratings",
        group=READ,
    )
    missing: float | None = setting(None, "number that means no rating in a matrix, such as 99", group=READ)
    user_col: Text | None = setting(None, "column of user ids, if it is not detected", group=READ)
    item_col: Text | None = setting(None, "column of item ids, if it is not detected", group=READ)
    rating_col: Text | None = setting(None, "column of ratings, if it is not detected", group=READ)
    id_type: Annotated[str, one_of(*ID_TYPES)] = setting(
        "auto",
        "integer (at most 64 bits), string (any text), or auto: by the column's type; in text, by the first ids",
        group=READ,
    )

    def options(self, timestamp_col: str | None = "", split_col: str | None = None) -> ReadOptions:
        """Return the settings as `spark_mf.data` takes them; by default without times, which not all jobs use."""
        given = {each.name: getattr(self, each.name) for each in fields(ReadSettings)}
        return ReadOptions(**given, timestamp_col=timestamp_col, split_col=split_col)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TimedReadSettings(ReadSettings):
    """Settings of jobs that also read times."""

    time_format: _TimeFormat | None = setting(
        None,
        f"format of the times, if it is not detected from all of them: one of {', '.join(TIME_FORMATS)}, or a pattern "
        "of Spark's (Java's) such as dd.MM.yyyy or 'M/d/yyyy H:mm'",
        group=READ,
    )

    def options(self, timestamp_col: str | None = "", split_col: str | None = None) -> ReadOptions:
        """Return the settings as `spark_mf.data` takes them."""
        return replace(super().options(timestamp_col, split_col), time_format=self.time_format)
