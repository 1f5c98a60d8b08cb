"""Checking ratings: every row is accepted, or set aside with its reason and its place."""

import os
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf.data.checks.core import outside_core
from spark_mf.data.checks.duplicates import DUPLICATES, refuse_duplicates, repeated_rows
from spark_mf.data.checks.rejects import ClassifiedRows
from spark_mf.data.checks.survey import Counts, Survey, survey
from spark_mf.data.checks.tally import Tally, classify_and_count, refuse_faults
from spark_mf.data.readers.sources import RatingsSource, ReadOptions, open_ratings

ON_BAD = ("fail", "reject")


@dataclass(frozen=True)
class CheckRules:
    """What is accepted.

    Attributes
    ----------
    on_bad : "fail" to refuse ratings with any row that cannot be used, or "reject" to set such rows aside
    duplicates : what becomes of ratings of one item by one user: "error" refuses them, "keep" accepts all, "last"
        accepts the latest, "mean" and "sum" put one rating in their place
    min_rating, max_rating : bounds outside of which a rating cannot be used, or None
    min_user_ratings, min_item_ratings : ratings that a user and an item must have after all others are set aside
    """

    on_bad: str = "fail"
    duplicates: str = "error"
    min_rating: float | None = None
    max_rating: float | None = None
    min_user_ratings: int = 1
    min_item_ratings: int = 1

    def __post_init__(self) -> None:
        for name, value, allowed in (("on_bad", self.on_bad, ON_BAD), ("duplicates", self.duplicates, DUPLICATES)):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")
        if self.min_rating is not None and self.max_rating is not None and self.min_rating > self.max_rating:
            raise ValueError(
                f"min_rating must be at most max_rating, got min_rating {self.min_rating:g} and max_rating "
                f"{self.max_rating:g}. Exchange them."
            )
        for name in ("min_user_ratings", "min_item_ratings"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}. Use 1 for no minimum.")


@dataclass(frozen=True)
class CleanRatings:
    """Ratings after the check.

    Attributes
    ----------
    source : RatingsSource
    accepted : DataFrame of `user` and `item` int, bigint or string, `rating` float and, where there are such,
        `timestamp` and `split`
    rejected : DataFrame of `reason`, `file`, `line` and `text`, as `spark_mf.data.checks.tally.Tally.locate` has them
    rows : int
        Rows that were read; as many as are accepted and rejected.
    blank_lines : int
    skipped_lines : int
        Lines that are part of another row, or name the item of others.
    reasons : reason → rejected rows
    duplicates : int
        Usable rows that repeat the user and item of another.
    users, items : Counts, of the accepted ratings
    """

    source: RatingsSource
    accepted: DataFrame
    rejected: DataFrame
    rows: int
    blank_lines: int
    skipped_lines: int
    reasons: dict[str, int]
    duplicates: int
    users: Counts
    items: Counts
    _cached: list[Survey | DataFrame] = field(repr=False)

    @property
    def rejected_rows(self) -> int:
        return sum(self.reasons.values())

    @property
    def accepted_rows(self) -> int:
        return self.rows - self.rejected_rows

    def unpersist(self) -> None:
        """Give back what is cached for `accepted` and `rejected`, which are slower or not to be had afterwards."""
        for each in self._cached:
            each.unpersist()


def clean_ratings(
    spark: SparkSession,
    ratings: str | os.PathLike[str] | DataFrame,
    options: ReadOptions | None = None,
    rules: CheckRules | None = None,
) -> CleanRatings:
    """Check ratings and separate what is accepted from what is not.

    Of a row with several faults, the first counts. Nothing that grows with ratings, users or items comes to the driver.

    Parameters
    ----------
    spark : SparkSession
    ratings : a file, a folder of part files or a pattern, local or on anything that Hadoop's FileSystem opens; or a
        DataFrame, which must give the same rows in the same order whenever it is computed, as a cached one does
    options, rules : None for the defaults

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is nothing to read or it may not be read.
    ValueError
        If the ratings cannot be read at all, there is none, or the rules refuse them.
    RuntimeError
        If files have changed while they were read.
    """
    rules = rules or CheckRules()
    source = open_ratings(spark, ratings, options or ReadOptions())
    with source.readable():
        classified, tally = classify_and_count(source, rules.min_rating, rules.max_rating, persist=True)
        try:
            if rules.on_bad == "fail":
                refuse_faults(tally)
            return _Cleaning(tally, classified.known, rules).run()
        except BaseException:
            classified.known.unpersist()
            raise


def typed(ratings: DataFrame, tally: Tally) -> DataFrame:
    """Usable ratings under their roles' names, without their place, the ids of the narrowest type."""
    ids = [F.col(side).cast(kind).alias(side) for side, kind in tally.id_types.items()]
    further = [role for role in ("timestamp", "split") if role in tally.source.columns]
    return ratings.select(*ids, "rating", *further)


class _Cleaning:
    """The steps that follow the look at single rows: duplicates, then too few ratings."""

    def __init__(self, tally: Tally, cached: DataFrame, rules: CheckRules) -> None:
        self.tally, self.rules, self.source = tally, rules, tally.source
        self.classified: ClassifiedRows = tally.classified
        self.accepted = self.classified.usable()
        self.rejected: list[DataFrame] = []
        self.reasons = dict(tally.faults)
        self.duplicates = 0
        self.cached: list[Survey | DataFrame] = [cached]

    def run(self) -> CleanRatings:
        """Take the steps, and count what they left independently of what they rejected."""
        found = self.survey()
        if found.suspects:
            self.resolve_duplicates(found)
        if self.rejected:
            found = self.survey()
        rules = self.rules
        if found.users.least < rules.min_user_ratings or found.items.least < rules.min_item_ratings:
            self.remove_small()
            found = self.survey()
        clean = CleanRatings(
            self.source,
            typed(self.accepted, self.tally),
            self.tally.locate(self.all_rejected()),
            self.tally.rows,
            self.tally.blank_lines,
            self.tally.skipped_lines,
            self.reasons,
            self.duplicates,
            found.users,
            found.items,
            self.cached,
        )
        if found.ratings != clean.accepted_rows:
            raise RuntimeError(
                f"{self.source.name} must not change while it is read, got {clean.rows:,} rows of which "
                f"{found.ratings:,} were accepted and {clean.rejected_rows:,} rejected. Check it again."
            )
        return clean

    def all_rejected(self) -> DataFrame:
        """Rows rejected for a fault of their own, and by the steps; with their place and text."""
        faulty = self.classified.faulty()
        if not self.tally.faults:
            faulty = faulty.limit(0)  # known without a look at any row
        columns = ["reason", "file", "block", "offset", "position", "text"]
        rejected = faulty.select(columns)
        for more in self.rejected:
            rejected = rejected.unionByName(self.classified.at(more).select(columns))
        return rejected

    def survey(self) -> Survey:
        """Survey what is accepted so far."""
        found = survey(self.accepted, self.tally.rows)
        self.cached.append(found)
        return found

    def resolve_duplicates(self, found: Survey) -> None:
        """Do to rows that repeat a pair what the rules say."""
        repeated = repeated_rows(self.accepted, found.positions(), self.source, self.rules.duplicates).persist()
        self.cached.append(repeated)
        if self.rules.duplicates == "error":
            refuse_duplicates(repeated, self.source)
        self.duplicates = repeated.where("nth > 1").count()
        if self.duplicates and self.rules.duplicates != "keep":
            others = self.accepted.join(repeated.select("position"), "position", "left_anti")
            last = repeated.where("reason IS NULL").select(self.accepted.columns)
            self.accepted = others.unionByName(last)
            self.reject(repeated.where("reason IS NOT NULL").select("position", "reason"))

    def remove_small(self) -> None:
        """Reject the rows of users and items outside of the core."""
        least = (self.rules.min_user_ratings, self.rules.min_item_ratings)
        self.accepted, gone = outside_core(self.accepted, *least).split(self.accepted, *least)
        self.reject(gone)

    def reject(self, rows: DataFrame) -> None:
        """Set rows aside that are given by `position` and `reason`."""
        self.rejected.append(rows)
        self.reasons |= {row["reason"]: row["count"] for row in rows.groupBy("reason").count().collect()}
