"""The settings of every job that reads ratings: how files are told apart, and which column holds what."""

from dataclasses import dataclass

from spark_mf.data.sources import FORMATS, ID_TYPES, ReadOptions
from spark_mf.experiments.config import one_of, setting, text

READ = "data: what is read"


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

    def options(self, timestamp_col: str | None = None, split_col: str | None = None) -> ReadOptions:
        """The settings as `spark_mf.data` takes them."""
        return ReadOptions(
            self.format, self.user_col, self.item_col, self.rating_col, timestamp_col, split_col, self.id_type
        )
