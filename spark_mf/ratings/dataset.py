"""Checking, counting and layout of the ratings of a DataFrame."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass

from pyspark import RDD, SparkContext, StorageLevel
from pyspark.sql import DataFrame

from spark_mf.data.columns import select_ratings
from spark_mf.ratings.base import LaidOutRatings, LayoutPlan, PreparedRatings, RatingsRequest, RatingsSource, Sizes
from spark_mf.ratings.chunks import RatingCounts, chunk_ratings, count_chunks
from spark_mf.ratings.layout import Layout, lay_out
from spark_mf.ratings.side import Side
from spark_mf.ratings.string_ids import IdMap, has_string_ids, key_strings, with_own_plan
from spark_mf.runtime.jobs import job_description
from spark_mf.runtime.same_rows import changed_rows, missing_rows

logger = logging.getLogger("spark_mf")


@dataclass(frozen=True)
class CountedRatings:
    """Ratings of a dataset as arrays, checked and counted.

    Attributes
    ----------
    chunks : RDD
        RDD of `spark_mf.ratings.chunks.Chunk`.
    counts : RatingCounts
    weighted : bool
        Whether ratings have weights.
    user_ids, item_ids : IdMap or None
        Map to the original ids if the ids of the side are strings.
    """

    chunks: RDD
    counts: RatingCounts
    weighted: bool
    user_ids: IdMap | None
    item_ids: IdMap | None


def count_ratings(ratings: DataFrame, level: StorageLevel, cleanup: ExitStack) -> CountedRatings:
    """Check and count the rows of `spark_mf.data.columns.select_ratings`; `cleanup` releases the persisted data.

    Raises
    ------
    ValueError
        If rows cannot be used, or there are no training rows.
    """
    with_strings = [side for side in ("user", "item") if has_string_ids(ratings, side)]
    ratings = with_own_plan(ratings)
    counted, is_consistent = _count_once(ratings, with_strings, level, cleanup)
    if is_consistent:
        return counted
    # Persisting strings usually costs more than computing them again, so it is only done for such a dataset.
    logger.warning(
        "The dataset gave other ids when it was computed again, so its rows are persisted until they are counted. "
        "Persist the dataset to choose the rows that the model is fitted to."
    )
    with ExitStack() as temporary:
        temporary.callback(ratings.persist(level).unpersist)
        counted, is_consistent = _count_once(ratings, with_strings, level, cleanup)
    if not is_consistent:
        raise ValueError(missing_rows("ids"))
    return counted


def _count_once(
    ratings: DataFrame, with_strings: list[str], level: StorageLevel, cleanup: ExitStack
) -> tuple[CountedRatings, bool]:
    """Count ratings, and return whether the id maps have exactly the ids of the chunks; otherwise release both."""
    maps: dict[str, IdMap] = {}
    weighted = "weight" in ratings.columns
    with ExitStack() as unless_consistent:
        for side in with_strings:
            with job_description(ratings.sparkSession.sparkContext, f"compute keys of the {side} ids"):
                ratings, maps[side] = key_strings(ratings, side, level)
            unless_consistent.callback(maps[side].release)
        chunks = chunk_ratings(ratings, level)
        unless_consistent.callback(chunks.unpersist)
        counts = count_chunks(chunks)
        _require_usable(counts, weighted=weighted)
        keys = {"user": counts.users[0], "item": counts.items[0]}
        is_consistent = all(maps[side].has_exactly(keys[side]) for side in with_strings)
        if is_consistent:
            cleanup.callback(unless_consistent.pop_all().close)
    return CountedRatings(chunks, counts, weighted, maps.get("user"), maps.get("item")), is_consistent


def open_ratings(dataset: DataFrame | LaidOutRatings, request: RatingsRequest, cleanup: ExitStack) -> RatingsSource:
    """Return the ratings of a fit with their sizes; those of a DataFrame are checked and counted first.

    `cleanup` releases the data that Spark keeps.

    Raises
    ------
    ValueError
        If columns or rows cannot be used.
    """
    if isinstance(dataset, LaidOutRatings):
        return dataset.open(request)
    return open_dataset(dataset, request, cleanup)


def open_dataset(dataset: DataFrame, request: RatingsRequest, cleanup: ExitStack) -> "CountedSource":
    """Check and count the ratings of a DataFrame; see `open_ratings`."""
    columns = request.userCol, request.itemCol, request.ratingCol, request.validationIndicatorCol, request.weightCol
    counted = count_ratings(select_ratings(dataset, *columns), request.level, cleanup)
    return CountedSource(dataset.sparkSession.sparkContext, counted, request)


@dataclass(frozen=True)
class CountedSource:
    """Checked and counted ratings of a DataFrame for one fit."""

    context: SparkContext
    counted: CountedRatings
    request: RatingsRequest

    @property
    def sizes(self) -> Sizes:
        """Sizes that determine the plan."""
        counts = self.counted.counts
        return Sizes(
            users=counts.users[0].size,
            items=counts.items[0].size,
            ratings=counts.ratings,
            validation_ratings=counts.validation_ratings,
            weighted=self.counted.weighted,
        )

    def lay_out(self, plan: LayoutPlan, cleanup: ExitStack) -> PreparedRatings:
        """Lay the ratings out in blocks, and release the chunks."""
        counts, seed, level = self.counted.counts, self.request.seed, self.request.level
        users = Side.balanced("users", counts.users, plan.user_blocks, seed)
        items = Side.balanced("items", counts.items, plan.item_blocks, seed)
        by_user = lay_out(self.context, self.counted.chunks, users, items, level, plan.n_members)
        cleanup.callback(by_user.unpersist)
        by_item = None
        if plan.needs_items:
            by_item = lay_out(self.context, self.counted.chunks, items, users, level, plan.n_members)
            cleanup.callback(by_item.unpersist)
        require_same_ratings(counts, by_user, by_item)
        self.counted.chunks.unpersist()
        if by_user.counts.duplicates:
            logger.info(
                "%d of %d ratings repeat the (user, item) pair of another rating; each is kept as an observation",
                by_user.counts.duplicates,
                counts.ratings,
            )
        return PreparedRatings(
            engine=plan.engine,
            users=users,
            items=items,
            user_counts=counts.users[1],
            item_counts=counts.items[1],
            by_user=by_user,
            by_item=by_item,
            ratings=counts.ratings,
            validation_ratings=counts.validation_ratings,
            weighted=self.counted.weighted,
            user_ids=self.counted.user_ids,
            item_ids=self.counted.item_ids,
        )


def require_same_ratings(counts: RatingCounts, by_user: Layout, by_item: Layout | None) -> None:
    """Raise an error if a layout has other ratings than were counted, or than the other layout.

    Chunks that Spark could not keep are computed again for each layout.

    Raises
    ------
    ValueError
        If the dataset gave other rows when it was computed again.
    """
    by_user.require_row_counts(counts.users[1])
    if by_user.counts.validation_ratings > counts.validation_ratings:
        raise changed_rows("validation ratings", counts.validation_ratings, by_user.counts.validation_ratings)
    if by_item is not None:
        by_item.require_row_counts(counts.items[1])
        if by_item.counts.training != by_user.counts.training:
            raise changed_rows("training ratings", by_user.counts.ratings, by_item.counts.ratings)


def _require_usable(counts: RatingCounts, *, weighted: bool) -> None:
    faults = {reason: count for reason, count in counts.faults.items() if count}
    if faults:
        listed = ", ".join(f"{count} with {reason}" for reason, count in faults.items())
        total = counts.ratings + counts.validation_ratings + sum(faults.values())
        raise ValueError(
            f"dataset must have only usable rows, got {listed} among {total} rows. Fix these rows, or fit the output "
            "of spark_mf.data.checking.clean_ratings."
        )
    if not counts.ratings:
        held_out = counts.validation_ratings
        raise ValueError(
            f"validationIndicatorCol must be false in some rows, got true in all {held_out}. Leave rows for training."
            if held_out
            else f"dataset must have at least one row{' with a weight > 0' if weighted else ''}, got none."
        )
