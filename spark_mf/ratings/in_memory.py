"""Laid-out ratings in the storage of the executors, for several fits."""

from contextlib import ExitStack
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession

from spark_mf.params.storage_levels import storage_level
from spark_mf.ratings.base import LaidOutRatings, LayoutPlan, PreparedRatings, RatingsRequest, RatingsSource, Sizes
from spark_mf.ratings.dataset import open_dataset
from spark_mf.ratings.layout import Layout, gather_members
from spark_mf.resources.blocks import blocks_asked, default_blocks
from spark_mf.resources.engine_selection import task_slots


class LaidOutInMemory(LaidOutRatings):
    """Laid-out ratings in the storage of the executors; see `lay_out_ratings`."""

    def __init__(self, session: SparkSession, sizes: Sizes, prepared: PreparedRatings, cleanup: ExitStack) -> None:
        self.sparkSession, self.sizes = session, sizes
        self._prepared, self._cleanup = prepared, cleanup

    def open(self, request: RatingsRequest) -> RatingsSource:
        """Return the ratings for one fit; see `LaidOutRatings.open`."""
        sizes = self.sizes
        for name, asked, found in (
            ("numUserBlocks", request.numUserBlocks, sizes.user_blocks),
            ("numItemBlocks", request.numItemBlocks, sizes.item_blocks),
        ):
            if asked not in (None, found):
                raise ValueError(
                    f"{name} must be {found}, the blocks of the laid-out ratings, got {asked}. Leave it unset."
                )
        if request.validationIndicatorCol is not None and not sizes.validation_ratings:
            raise ValueError(
                "validationIndicatorCol must not be set for ratings that were laid out without validation rows, got "
                f"{request.validationIndicatorCol!r}. Give it to lay_out_ratings."
            )
        if request.weightCol is not None and not sizes.weighted:
            raise ValueError(
                "weightCol must not be set for ratings that were laid out without weights, got "
                f"{request.weightCol!r}. Give it to lay_out_ratings."
            )
        return _InMemorySource(sizes, self._prepared)

    def unpersist(self) -> None:
        """Release the storage of the executors; the ratings cannot be fitted afterwards."""
        self._cleanup.close()


@dataclass(frozen=True)
class _InMemorySource:
    """Laid-out ratings for one fit."""

    sizes: Sizes
    prepared: PreparedRatings

    def lay_out(self, plan: LayoutPlan, cleanup: ExitStack) -> PreparedRatings:
        """Return the ratings in as many partitions as the plan has members; `cleanup` releases regrouped layouts."""
        prepared, users = self.prepared, self.prepared.users
        if plan.user_blocks != users.partition.n_blocks:
            # A grid with fewer user blocks joins consecutive blocks.
            users = replace(users, partition=users.partition.joined(plan.user_blocks))
        assert prepared.by_item is not None
        return replace(
            prepared,
            engine=plan.engine,
            users=users,
            by_user=_in_members(prepared.by_user, plan.n_members, cleanup),
            by_item=_in_members(prepared.by_item, plan.n_members, cleanup) if plan.needs_items else None,
        )


def lay_out_ratings(
    dataset: DataFrame,
    *,
    userCol: str = "user",
    itemCol: str = "item",
    ratingCol: str = "rating",
    validationIndicatorCol: str | None = None,
    weightCol: str | None = None,
    numUserBlocks: int | None = None,
    numItemBlocks: int | None = None,
    seed: int = 0,
    storageLevel: str = "MEMORY_AND_DISK",
) -> LaidOutInMemory:
    """Lay ratings out in blocks in the storage of the executors, for several fits.

    A fit from these ratings gives the same model, bit for bit, as a fit from the DataFrame with the same numbers of
    blocks and the same seed, and skips counting and laying out.

    Parameters
    ----------
    dataset : DataFrame
    userCol, itemCol, ratingCol, validationIndicatorCol, weightCol : str
        Columns, as in `spark_mf.ALS`. Fits always use weights that were laid out.
    numUserBlocks, numItemBlocks : int, optional
        By default, the numbers that a fit of ALS chooses.
    seed : int
        Seed of the order in which rows with equally many ratings are assigned to blocks.
    storageLevel : str

    Returns
    -------
    LaidOutInMemory
        Call `unpersist()` to release it.

    Raises
    ------
    TypeError
        If the dataset is not a DataFrame of a classic Spark session.
    ValueError
        If an argument, a column or a row cannot be used.
    """
    request = RatingsRequest(
        userCol=userCol,
        itemCol=itemCol,
        ratingCol=ratingCol,
        validationIndicatorCol=validationIndicatorCol,
        weightCol=weightCol or None,
        rank=1,
        numUserBlocks=numUserBlocks,
        numItemBlocks=numItemBlocks,
        seed=seed,
        level=storage_level(storageLevel),
    )
    with ExitStack() as cleanup:
        source = open_dataset(dataset, request, cleanup)
        sizes, slots = source.sizes, task_slots(dataset.sparkSession.sparkContext)
        open_blocks = default_blocks(sizes.ratings, slots)
        user_blocks = blocks_asked("numUserBlocks", numUserBlocks, sizes.users) or min(open_blocks, sizes.users)
        item_blocks = blocks_asked("numItemBlocks", numItemBlocks, sizes.items) or min(open_blocks, sizes.items)
        plan = LayoutPlan(
            engine="",
            user_blocks=user_blocks,
            item_blocks=item_blocks,
            n_members=min(slots, user_blocks, item_blocks),
            needs_items=True,
        )
        prepared = replace(source.lay_out(plan, cleanup), is_shared=True)
        sizes = replace(sizes, user_blocks=user_blocks, item_blocks=item_blocks)
        return LaidOutInMemory(dataset.sparkSession, sizes, prepared, cleanup.pop_all())


def _in_members(layout: Layout, n_members: int | None, cleanup: ExitStack) -> Layout:
    """Return a layout with the given number of partitions; None for any number."""
    if n_members in (None, layout.members.getNumPartitions()):
        return layout
    members = gather_members(layout.blocks, layout.side.partition.n_blocks, n_members).persist(
        layout.members.getStorageLevel()
    )
    cleanup.callback(members.unpersist)
    return replace(layout, members=members)
