"""Validation of ratings: every row is accepted, or rejected with its reason and its place."""

import os
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf.data.checks.core import outside_core
from spark_mf.data.checks.duplicates import DUPLICATES, refuse_duplicates, repeated_rows
from spark_mf.data.checks.rejects import ClassifiedRows
from spark_mf.data.checks.survey import Counts, Survey, survey
from spark_mf.data.checks.tally import Tally, classify_and_count, refuse_faults
from spark_mf.data.readers.options import ReadOptions
from spark_mf.data.readers.sources import RatingsSource, open_ratings

ON_BAD = ("fail", "reject")


@dataclass(frozen=True)
class CheckRules:
    """Rules for accepting rows.

    Attributes
    ----------
    on_bad : {"fail", "reject"}
        "fail" raises an error if any row cannot be used; "reject" sets such rows aside.
    duplicates : {"error", "keep", "last", "mean", "sum"}
        Treatment of several ratings of one item by one user: "error" raises an error, "keep" accepts all, "last"
        accepts the latest, "mean" and "sum" replace them by one rating.
    min_rating, max_rating : float or None
        Bounds of usable ratings.
    min_user_ratings, min_item_ratings : int
        Ratings that each user and each item must have after all other rows are set aside.
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
    accepted : DataFrame
        Columns `user` and `item` (int, bigint or string), `rating` (float) and, if present, `timestamp` and `split`.
    rejected : DataFrame
        Columns of `spark_mf.data.checks.tally.Tally.locate`.
    rows : int
        Number of rows read, which is the sum of accepted and rejected rows.
    blank_lines : int
    skipped_lines : int
        Lines that are part of another row, or that name the item of the following rows.
    reasons : dict[str, int]
        Number of rejected rows by reason.
    duplicates : int
        Usable rows that repeat the user and item of another row.
    users, items : Counts
        Counts of the accepted ratings.
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
        """Number of rejected rows."""
        return sum(self.reasons.values())

    @property
    def accepted_rows(self) -> int:
        """Number of accepted rows."""
        return self.rows - self.rejected_rows

    def unpersist(self) -> None:
        """Release the cache behind `accepted` and `rejected`, which may be slow or impossible to compute afterwards."""
        for each in self._cached:
            each.unpersist()


def clean_ratings(
    spark: SparkSession,
    ratings: str | os.PathLike[str] | DataFrame,
    options: ReadOptions | None = None,
    rules: CheckRules | None = None,
) -> CleanRatings:
    """Check ratings and separate accepted from rejected rows.

    A row with several faults is rejected for the first of them. The driver receives nothing that grows with the
    number of ratings, users or items.

    Parameters
    ----------
    spark : SparkSession
    ratings : str, PathLike or DataFrame
        A file, a folder of part files or a glob pattern, on any file system of Hadoop; or a DataFrame, which must give
        the same rows in the same order whenever it is computed, as a cached DataFrame does.
    options : ReadOptions, optional
    rules : CheckRules, optional

    Returns
    -------
    CleanRatings

    Raises
    ------
    FileNotFoundError, PermissionError
        If the path does not exist or is not readable.
    ValueError
        If the ratings cannot be read, are empty, or break a rule.
    RuntimeError
        If files changed while they were read.
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
    """Return usable ratings in columns named by their roles, without their place, with ids of the narrowest type."""
    ids = [F.col(side).cast(kind).alias(side) for side, kind in tally.id_types.items()]
    further = [role for role in ("timestamp", "split") if role in tally.source.columns]
    return ratings.select(*ids, "rating", *further)


class _Cleaning:
    """The steps after the check of single rows: duplicates, then users and items with too few ratings."""

    def __init__(self, tally: Tally, cached: DataFrame, rules: CheckRules) -> None:
        self.tally, self.rules, self.source = tally, rules, tally.source
        self.classified: ClassifiedRows = tally.classified
        self.accepted = self.classified.usable()
        self.rejected: list[DataFrame] = []
        self.reasons = dict(tally.faults)
        self.duplicates = 0
        self.cached: list[Survey | DataFrame] = [cached]

    def run(self) -> CleanRatings:
        """Run the steps, and count the accepted rows independently of the rejected rows."""
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
        """Return all rejected rows with their place and text."""
        faulty = self.classified.faulty()
        if not self.tally.faults:
            faulty = faulty.limit(0)  # known without reading any row
        columns = ["reason", "file", "block", "offset", "position", "text"]
        rejected = faulty.select(columns)
        for more in self.rejected:
            rejected = rejected.unionByName(self.classified.at(more).select(columns))
        return rejected

    def survey(self) -> Survey:
        """Survey the rows that are accepted so far."""
        found = survey(self.accepted, self.tally.rows)
        self.cached.append(found)
        return found

    def resolve_duplicates(self, found: Survey) -> None:
        """Apply the rule for duplicates to rows that repeat a pair."""
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
        """Reject the rows of users and items outside the k-core."""
        least = (self.rules.min_user_ratings, self.rules.min_item_ratings)
        self.accepted, gone = outside_core(self.accepted, *least).split(self.accepted, *least)
        self.reject(gone)

    def reject(self, rows: DataFrame) -> None:
        """Reject rows that are given by `position` and `reason`."""
        self.rejected.append(rows)
        self.reasons |= {row["reason"]: row["count"] for row in rows.groupBy("reason").count().collect()}
