"""From a dataset to ratings laid out in blocks: what every estimator does before its first step."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from pyspark import RDD, SparkContext, StorageLevel
from pyspark.sql import DataFrame

from spark_mf.data.columns import select_ratings
from spark_mf.data.ids import IdMap, has_string_ids, key_strings
from spark_mf.engine.chunks import Census, chunk_ratings, take_census
from spark_mf.engine.layout import Layout, Side, lay_out
from spark_mf.engine.limits import require_room
from spark_mf.params import _ALSParams, storage_level

logger = logging.getLogger("spark_mf")

#: Blocks of fewer ratings cost more in tasks than they gain; a default number of blocks is lowered to avoid them.
BLOCK_RATINGS = 4_000_000


@dataclass(frozen=True)
class CountedRatings:
    """A dataset's ratings as arrays, checked and counted.

    Attributes
    ----------
    chunks : RDD of `spark_mf.engine.chunks.Chunk`
    census : Census
    user_ids, item_ids : IdMap or None
        The map back where the side's ids are strings.
    """

    chunks: RDD
    census: Census
    user_ids: IdMap | None
    item_ids: IdMap | None


@dataclass(frozen=True)
class PreparedRatings:
    """Ratings laid out by user and by item, ready for an engine.

    Attributes
    ----------
    users, items : Layout
    ratings, validation_ratings : numbers of rows; a validation row may be cold
    user_ids, item_ids : IdMap or None
        The map back where the side's ids are strings.
    """

    users: Layout
    items: Layout
    ratings: int
    validation_ratings: int
    user_ids: IdMap | None
    item_ids: IdMap | None


def count_ratings(ratings: DataFrame, level: StorageLevel, held: ExitStack) -> CountedRatings:
    """Check and count the rows of `spark_mf.data.columns.select_ratings`; `held` frees what is kept of them.

    Raises
    ------
    ValueError
        When rows cannot be used, or there is none to train with.
    """
    maps: dict[str, IdMap] = {}
    for side in ("user", "item"):
        if has_string_ids(ratings, side):
            ratings, maps[side] = key_strings(ratings, side, level)
            held.callback(maps[side].release)
    chunks = chunk_ratings(ratings, level)
    held.callback(chunks.unpersist)
    census = take_census(chunks)
    _require_usable(census)
    return CountedRatings(chunks, census, maps.get("user"), maps.get("item"))


def prepare(dataset: DataFrame, params: _ALSParams, held: ExitStack) -> PreparedRatings:
    """Check a dataset's ratings and lay them out by the columns, blocks and seed of an estimator.

    `held` frees what Spark keeps of them.

    Raises
    ------
    ValueError
        When columns or rows cannot be used.
    MemoryError
        When the driver cannot take the factors.
    """
    # A Param set to None (the constructor's default) counts as not set.
    validation = params.getValidationIndicatorCol() if params.isSet(params.validationIndicatorCol) else None
    ratings = select_ratings(dataset, params.getUserCol(), params.getItemCol(), params.getRatingCol(), validation)
    context, level = dataset.sparkSession.sparkContext, storage_level(params.getIntermediateStorageLevel())
    counted = count_ratings(ratings, level, held)
    census, seed = counted.census, params.getSeed()
    require_room(context, census.users[0].size, census.items[0].size, params.getRank())
    users = Side.balanced("users", census.users, _blocks(context, params, "numUserBlocks", census.users), seed)
    items = Side.balanced("items", census.items, _blocks(context, params, "numItemBlocks", census.items), seed)
    by_user = lay_out(context, counted.chunks, users, items, level)
    held.callback(by_user.unpersist)
    by_item = lay_out(context, counted.chunks, items, users, level)
    held.callback(by_item.unpersist)
    counted.chunks.unpersist()
    if by_user.duplicates:
        logger.info(
            "%d of %d ratings repeat the (user, item) pair of another: each is kept as an observation",
            by_user.duplicates,
            census.ratings,
        )
    return PreparedRatings(
        by_user, by_item, census.ratings, census.validation_ratings, counted.user_ids, counted.item_ids
    )


def _blocks(context: SparkContext, params: _ALSParams, name: str, ids: tuple[np.ndarray, np.ndarray]) -> int:
    """Return how many blocks a side is cut into: what was asked for, but no more than there are rows."""
    asked, rows = params.getOrDefault(name), ids[0].size
    side = "users" if name == "numUserBlocks" else "items"
    if rows == 1:
        logger.warning("all ratings have one of the %s: the factors tell nothing apart", side)
    if not params.isSet(name):
        needed = max(context.defaultParallelism, ids[1].sum() // BLOCK_RATINGS)
        return int(min(asked, needed, rows))
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
