"""From a dataset to ratings laid out in blocks: what every estimator does before its first step."""

import logging
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark import RDD, SparkContext, StorageLevel
from pyspark.sql import DataFrame

from spark_mf.data.columns import select_ratings
from spark_mf.ratings.string_ids import IdMap, computed_once, has_string_ids, key_strings
from spark_mf.ratings.chunks import CHUNK_RATINGS, Census, chunk_ratings, take_census
from spark_mf.runtime.jobs import described
from spark_mf.ratings.layout import BlockCounts, Layout, Side, lay_out
from spark_mf.resources.memory import FitSize
from spark_mf.params.factorization import _FactorizationParams
from spark_mf.runtime.same_rows import changed_rows
from spark_mf.params.storage_levels import storage_level

logger = logging.getLogger("spark_mf")


@dataclass(frozen=True)
class CountedRatings:
    """A dataset's ratings as arrays, checked and counted.

    Attributes
    ----------
    chunks : RDD of `spark_mf.ratings.chunks.Chunk`
    census : Census
    user_ids, item_ids : IdMap or None
        The map back where the side's ids are strings.
    """

    chunks: RDD
    census: Census
    user_ids: IdMap | None
    item_ids: IdMap | None


@dataclass(frozen=True)
class Sizes:
    """Numbers of distinct users and items and of ratings, and of blocks where a folder has them already."""

    users: int
    items: int
    ratings: int
    validation_ratings: int
    user_blocks: int | None = None
    item_blocks: int | None = None

    def in_blocks(self, user_blocks: int, item_blocks: int, members: int) -> FitSize:
        """Return what a fit's memory follows from when so many tasks work on so many blocks at the same time."""
        is_folder = self.user_blocks is not None
        chunk = min(CHUNK_RATINGS, -(-(self.ratings + self.validation_ratings) // members))
        return FitSize(
            users=self.users,
            items=self.items,
            ratings=self.ratings,
            validation_ratings=self.validation_ratings,
            user_blocks=user_blocks,
            item_blocks=item_blocks,
            members=members,
            chunk=0 if is_folder else chunk,
        )


@dataclass(frozen=True)
class Plan:
    """How an estimator wants its ratings laid out.

    Attributes
    ----------
    engine : str
    user_blocks, item_blocks : int
    n_members : int or None
        Partitions of a layout, which are the members of a gang; None gives each block one of its own.
    needs_items : bool
        Whether ratings are laid out by item too.
    """

    engine: str
    user_blocks: int
    item_blocks: int
    n_members: int | None
    needs_items: bool


#: Decides on the layout when the sizes are known.
Planner = Callable[[SparkContext, Sizes], Plan]


@dataclass(frozen=True)
class PreparedRatings:
    """Ratings laid out in blocks, ready for an engine.

    Attributes
    ----------
    engine : str
    users, items : Side
    user_counts, item_counts : int64[n_users], int64[n_items]
        Training ratings of each.
    by_user, by_item : Layout
        The second is None where the plan does not need it.
    ratings, validation_ratings : numbers of rows; a validation row may be cold
    user_ids, item_ids : IdMap or None
        The map back where the side's ids are strings.
    """

    engine: str
    users: Side
    items: Side
    user_counts: NDArray[np.int64]
    item_counts: NDArray[np.int64]
    by_user: Layout
    by_item: Layout | None
    ratings: int
    validation_ratings: int
    user_ids: IdMap | None
    item_ids: IdMap | None

    @property
    def counts(self) -> BlockCounts:
        """What was counted in the ratings."""
        return self.by_user.counts

    def identity(self) -> dict[str, int]:
        """Numbers that tell these ratings from others, whatever their order, blocks and partitions."""
        return {
            "users": len(self.users),
            "items": len(self.items),
            "ratings": self.ratings,
            "ids": zlib.crc32(self.items.index.ids.tobytes(), zlib.crc32(self.users.index.ids.tobytes())),
            "fingerprint": self.counts.fingerprint,
        }


def count_ratings(ratings: DataFrame, level: StorageLevel, held: ExitStack) -> CountedRatings:
    """Check and count the rows of `spark_mf.data.columns.select_ratings`; `held` frees what is kept of them.

    Raises
    ------
    ValueError
        When rows cannot be used, or there is none to train with.
    """
    maps: dict[str, IdMap] = {}
    with_strings = [side for side in ("user", "item") if has_string_ids(ratings, side)]
    with ExitStack() as passing:
        if with_strings:
            # The chunks have the keys of exactly the ids that are in the maps. Without maps the chunks are kept alone.
            ratings = computed_once(ratings, level)
            passing.callback(ratings.unpersist)
        for side in with_strings:
            with described(ratings.sparkSession.sparkContext, f"give the {side} ids keys"):
                ratings, maps[side] = key_strings(ratings, side, level)
            held.callback(maps[side].release)
        chunks = chunk_ratings(ratings, level)
        held.callback(chunks.unpersist)
        census = take_census(chunks)
    _require_usable(census)
    return CountedRatings(chunks, census, maps.get("user"), maps.get("item"))


def prepare(dataset: DataFrame, params: _FactorizationParams, planner: Planner, held: ExitStack) -> PreparedRatings:
    """Check a dataset's ratings and lay them out by the columns and seed of an estimator, as its planner says.

    `held` frees what Spark keeps of them.

    Raises
    ------
    ValueError
        When columns or rows cannot be used.
    MemoryError
        When the session has not the memory that the fit needs.
    """
    ratings = select_ratings(
        dataset,
        params.getUserCol(),
        params.getItemCol(),
        params.getRatingCol(),
        params.getValidationIndicatorCol(),
    )
    context, level = dataset.sparkSession.sparkContext, storage_level(params.getIntermediateStorageLevel())
    counted = count_ratings(ratings, level, held)
    census, seed = counted.census, params.getSeed()
    sizes = Sizes(census.users[0].size, census.items[0].size, census.ratings, census.validation_ratings)
    plan = planner(context, sizes)
    users = Side.balanced("users", census.users, plan.user_blocks, seed)
    items = Side.balanced("items", census.items, plan.item_blocks, seed)
    by_user = lay_out(context, counted.chunks, users, items, level, plan.n_members)
    held.callback(by_user.unpersist)
    by_item = None
    if plan.needs_items:
        by_item = lay_out(context, counted.chunks, items, users, level, plan.n_members)
        held.callback(by_item.unpersist)
    require_same_ratings(census, by_user, by_item)
    counted.chunks.unpersist()
    if by_user.counts.duplicates:
        logger.info(
            "%d of %d ratings repeat the (user, item) pair of another: each is kept as an observation",
            by_user.counts.duplicates,
            census.ratings,
        )
    return PreparedRatings(
        plan.engine,
        users,
        items,
        census.users[1],
        census.items[1],
        by_user,
        by_item,
        census.ratings,
        census.validation_ratings,
        counted.user_ids,
        counted.item_ids,
    )


def require_same_ratings(census: Census, by_user: Layout, by_item: Layout | None) -> None:
    """Refuse layouts of other ratings than were counted, or of other ratings each.

    Chunks that Spark could not keep are computed again for each layout.

    Raises
    ------
    ValueError
        When the dataset gave other rows then.
    """
    by_user.require_row_counts(census.users[1])
    if by_user.counts.validation_ratings > census.validation_ratings:
        raise changed_rows("validation ratings", census.validation_ratings, by_user.counts.validation_ratings)
    if by_item is not None:
        by_item.require_row_counts(census.items[1])
        if by_item.counts.training != by_user.counts.training:
            raise changed_rows("training ratings", by_user.counts.ratings, by_item.counts.ratings)


def blocks_asked(params: _FactorizationParams, name: str, rows: int) -> int | None:
    """How many blocks of a side were asked for, but no more than it has rows; None where that is left open."""
    side = "users" if name == "numUserBlocks" else "items"
    if rows == 1:
        logger.warning("all ratings have one of the %s: the factors tell nothing apart", side)
    if not params.isSet(name):
        return None
    asked = params.getOrDefault(name)
    if asked > rows:
        logger.warning("%s=%d is more than the %d %s: %d blocks are used", name, asked, rows, side, rows)
    return min(asked, rows)


def _require_usable(census: Census) -> None:
    faults = {reason: count for reason, count in census.faults.items() if count}
    if faults:
        listed = ", ".join(f"{count} with {reason}" for reason, count in faults.items())
        total = census.ratings + census.validation_ratings + sum(faults.values())
        raise ValueError(
            f"{listed} are among the {total} rows of the dataset: mend them, or fit what "
            "spark_mf.data.checking.clean_ratings accepts of it"
        )
    if not census.ratings:
        held_out = census.validation_ratings
        raise ValueError(
            f"all {held_out} rows are marked for validation: leave some false for training"
            if held_out
            else "the dataset has no rows: a fit needs at least one rating"
        )
