"""The settings of every job that reads ratings: how files are told apart, and which column holds what."""

from dataclasses import dataclass, replace

from spark_mf.data.sources import FORMATS, ID_TYPES, ReadOptions
from spark_mf.data.time_formats import TIME_FORMATS
from spark_mf.experiments.config import Kind, one_of, setting, text

READ = "data: what is read"

_TIME_FORMAT = Kind(
    f"one of {', '.join(TIME_FORMATS)} or a datetime pattern with a year, such as dd.MM.yyyy",
    str,
    lambda value: isinstance(value, str) and (value in TIME_FORMATS or "y" in value),
)


@dataclass(frozen=True, kw_only=True)
class ReadSettings:
    """What a job is told of its ratings, besides their path; jobs inherit these and add their own."""

    format: str | None = setting(
        None, one_of(*FORMATS), "format of RATINGS, where its name and first lines do not tell", group=READ
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
        return ReadOptions(
            self.format, self.user_col, self.item_col, self.rating_col, timestamp_col, split_col, self.id_type
        )


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
