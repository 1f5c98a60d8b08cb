"""The job that checks ratings and writes accepted rows, rejected rows and a summary to a folder."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType, TimestampType

from spark_mf.cli.phases import phase
from spark_mf.cli.read_settings import READ, TimedReadSettings
from spark_mf.cli.settings import STRICT, Text, one_of, setting
from spark_mf.cli.tables import aligned
from spark_mf.data.checking import ON_BAD, CheckRules, CleanRatings, clean_ratings
from spark_mf.data.checks.duplicates import DUPLICATES
from spark_mf.data.checks.survey import Counts
from spark_mf.storage.files import literal_reader
from spark_mf.storage.folders import RATINGS, RatingsFolder, write_text
from spark_mf.storage.paths import require_apart
from spark_mf.version import __version__

REJECTED = "rejected"
SUMMARY = "summary.md"
CHECKED_FILES = (RATINGS, REJECTED, SUMMARY)

_RULES = "rules"
_SPARK = "Spark"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CheckSettings(TimedReadSettings):
    """Settings of a check; every field is an option of ``jobs/check_ratings.py`` and a key of its TOML file."""

    ratings: Text | None = setting(
        None,
        "ratings to read: a file, a folder of part files or a glob pattern; separated text with or without a header, "
        "JSON lines, both also gzipped, or Parquet",
        group=READ,
        positional=True,
    )
    timestamp_col: str | None = setting(None, "column of times, or '' to read none; by default detected", group=READ)
    split_col: Text | None = setting(None, "column of marks (train, validation, test) to keep as `split`", group=READ)
    on_bad: Annotated[str, one_of(*ON_BAD)] = setting(
        "fail", "how to handle invalid rows: fail raises an error, reject writes them to rejected/", group=_RULES
    )
    duplicates: Annotated[str, one_of(*DUPLICATES)] = setting(
        "error",
        "how to handle several ratings of one item by one user: error raises an error, keep accepts all, last accepts "
        "the latest (by time, else by file and line), mean and sum replace them by one rating",
        group=_RULES,
    )
    min_rating: float | None = setting(None, "lowest valid rating, such as 0.5", group=_RULES)
    max_rating: float | None = setting(None, "highest valid rating, such as 5", group=_RULES)
    min_user_ratings: PositiveInt = setting(
        1,
        "reject users with fewer accepted ratings, repeatedly, until all remaining users have enough (k-core)",
        group=_RULES,
    )
    min_item_ratings: PositiveInt = setting(1, "reject items with fewer accepted ratings likewise", group=_RULES)
    master: Text | None = setting(None, "Spark master, such as local[2]", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of the driver's JVM, such as 4g", group=_SPARK)

    def __post_init__(self) -> None:
        """Raise a ValueError if settings are incompatible with each other."""
        _ = self.rules

    @property
    def rules(self) -> CheckRules:
        """The rules for `spark_mf.data.checking`."""
        return CheckRules(
            self.on_bad,
            self.duplicates,
            self.min_rating,
            self.max_rating,
            self.min_user_ratings,
            self.min_item_ratings,
        )


def check(spark: SparkSession, settings: CheckSettings, folder: RatingsFolder) -> CleanRatings:
    """Check the ratings without writing anything.

    Raises
    ------
    ValueError, OSError, RuntimeError
        If the ratings cannot be read, or violate the rules.
    """
    if settings.ratings is None:
        raise ValueError("RATINGS must be the path of ratings, got nothing. See --help.")
    require_apart(spark, settings.ratings, folder.path)
    options = settings.options(settings.timestamp_col, settings.split_col)
    with phase(f"checking {settings.ratings}", ticking=True):
        return clean_ratings(spark, settings.ratings, options, settings.rules)


def write_checked(spark: SparkSession, settings: CheckSettings, clean: CleanRatings, folder: RatingsFolder) -> str:
    """Write accepted rows, rejected rows, summary and description; return the table of the summary.

    Raises
    ------
    RuntimeError
        If the number of written rows differs from the number of rows read.
    """
    folder.start()
    with phase(f"writing {clean.accepted_rows:,} ratings", ticking=True):
        clean.accepted.write.parquet(folder.inside(RATINGS))
    with phase(f"writing {clean.rejected_rows:,} rejected rows", ticking=True):
        clean.rejected.write.json(folder.inside(REJECTED))
    with phase("verifying the written rows"):
        accepted = _column_ranges(literal_reader(spark).parquet(folder.inside(RATINGS)))
        rejected = literal_reader(spark).text(folder.inside(REJECTED)).count()
    clean.unpersist()
    if accepted["rows"] + rejected != clean.rows:
        raise RuntimeError(
            f"{folder.path} must contain the {clean.rows:,} rows that were read, got {accepted['rows']:,} accepted and "
            f"{rejected:,} rejected rows. The input has changed meanwhile; check it again."
        )
    table = summary_table(clean, accepted)
    write_text(spark, folder.inside(SUMMARY), f"# Check of {clean.source.name}\n\n{table}")
    folder.finish(_description(settings, clean, accepted))
    return table


def summary_table(clean: CleanRatings, accepted: Mapping[str, Any]) -> str:
    """Return the summary as an aligned Markdown table.

    Parameters
    ----------
    clean : CleanRatings
    accepted : mapping of str to Any
        ``rows``, ``mean_rating``, and ``least_…`` and ``most_…`` of rating, user, item and, if any, timestamp.
    """
    cells = [
        ("rows read", f"{clean.rows:,}"),
        ("accepted", f"{clean.accepted_rows:,}"),
        ("rejected", f"{clean.rejected_rows:,}"),
        *((f"- {reason}", f"{number:,}") for reason, number in clean.reasons.items()),
        ("blank lines", f"{clean.blank_lines:,}"),
        *([(clean.source.skipped_lines, f"{clean.skipped_lines:,}")] if clean.skipped_lines else []),
        ("repeated pairs of user and item", f"{clean.duplicates:,}"),
    ]
    for side, counts in (("user", clean.users), ("item", clean.items)):
        cells.append((f"{side}s", f"{counts.ids:,}"))
        if counts.ids:
            cells.append(
                (f"{side} ids", f"{clean.accepted.schema[side].dataType.simpleString()}, {_range(accepted, side)}")
            )
            cells.append((f"ratings per {side}: min, median, max", _spread(counts)))
    if clean.accepted_rows:
        low, mean, high = (accepted[key] for key in ("least_rating", "mean_rating", "most_rating"))
        cells.append(("rating: min, mean, max", f"{low:g}, {mean:.4g}, {high:g}"))
        if "timestamp" in clean.accepted.columns:
            cells.append(("timestamps", _range(accepted, "timestamp")))
    return aligned(("ratings", clean.source.name), cells)


def _column_ranges(ratings: DataFrame) -> dict[str, Any]:
    columns = [name for name in ("user", "item", "rating", "timestamp") if name in ratings.columns]
    ends = [(f"{which}_{name}", f(name)) for which, f in (("least", F.min), ("most", F.max)) for name in columns]
    row = ratings.agg(
        F.count("*").alias("rows"),
        F.avg("rating").alias("mean_rating"),
        *((_spelled(ratings, end) if "timestamp" in key else end).alias(key) for key, end in ends),
    ).collect()[0]
    return row.asDict()


def _spelled(ratings: DataFrame, time: Column) -> Column:
    """Return a time for display: an integer, or ISO 8601, with the session's time zone if its type has one."""
    kind = ratings.schema["timestamp"].dataType
    if isinstance(kind, IntegralType):
        return time
    # Python would use its own time zone instead of the session's.
    return F.date_format(time, "yyyy-MM-dd HH:mm:ssXXX") if isinstance(kind, TimestampType) else time.cast("string")


def _range(accepted: Mapping[str, Any], column: str) -> str:
    low, high = accepted[f"least_{column}"], accepted[f"most_{column}"]
    quoted = isinstance(low, str) and column != "timestamp"
    return "none" if low is None else f"{low!r} to {high!r}" if quoted else f"{low} to {high}"


def _spread(counts: Counts) -> str:
    return f"{counts.least:,}, {counts.median:,g}, {counts.most:,}"


def _description(settings: CheckSettings, clean: CleanRatings, accepted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "job": "check_ratings",
        "spark_mf": __version__,
        "source": clean.source.name,
        "notes": clean.source.notes,
        "rules": vars(settings.rules),
        "rows": clean.rows,
        "accepted": clean.accepted_rows,
        "rejected": clean.rejected_rows,
        "reasons": clean.reasons,
        "blank_lines": clean.blank_lines,
        "skipped_lines": clean.skipped_lines,
        "duplicates": clean.duplicates,
        "users": vars(clean.users),
        "items": vars(clean.items),
        "ranges": {key: value for key, value in accepted.items() if key != "rows"},
    }
