"""Writing of ratings in balanced blocks to a folder, for any number of fits."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_mf.blocks.ids import IdIndex
from spark_mf.blocks.partition import LARGEST_BLOCK, Partition
from spark_mf.data.columns import require_classic, select_ratings
from spark_mf.data.splitting import SPLIT, TEST, VALIDATION, mark_from_column
from spark_mf.params.checks import require_positive
from spark_mf.params.storage_levels import storage_level
from spark_mf.ratings.dataset import CountedRatings, count_ratings, require_same_ratings
from spark_mf.ratings.folder import PartitionedRatings, stored_folder
from spark_mf.ratings.layout import lay_out
from spark_mf.ratings.manifest import (
    BY_ITEM,
    BY_USER,
    GRID,
    ITEMS,
    LAYOUTS,
    MANIFEST,
    USERS,
    Manifest,
    SideManifest,
)
from spark_mf.ratings.side import Side
from spark_mf.ratings.stored_writing import (
    checksums,
    grid_content,
    side_checksum,
    side_rows,
    write_grid,
    write_layout,
)
from spark_mf.ratings.string_ids import IdMap, replace_keys
from spark_mf.resources.limits import require_room
from spark_mf.resources.workers import require_workers
from spark_mf.runtime.same_rows import changed_rows_told
from spark_mf.storage.files import literal_reader
from spark_mf.storage.folders import RatingsFolder
from spark_mf.storage.paths import reads_from
from spark_mf.version import __version__

logger = logging.getLogger("spark_mf")

BLOCKS = "blocks"
LAYOUT_CHOICES = (BLOCKS, GRID)

_IS_VALIDATION = "__spark_mf_validation"


@dataclass(frozen=True)
class _Cut:
    """A side cut into blocks, with the values for its manifest."""

    side: Side
    counts: NDArray[np.int64]
    asked_blocks: int
    ids: IdMap | None


@dataclass(frozen=True)
class _Written:
    """Counts and checksums of the layouts that were written."""

    duplicates: int
    validation_ratings: int
    cells: tuple[tuple[int, ...], ...]
    checksums: dict[str, tuple[int, ...]]


def partition_ratings(
    dataset: DataFrame,
    path: str,
    *,
    userBlocks: int = 10,
    itemBlocks: int = 10,
    userCol: str = "user",
    itemCol: str = "item",
    ratingCol: str = "rating",
    splitCol: str | None = None,
    weightCol: str | None = None,
    layouts: tuple[str, ...] = (BLOCKS,),
    rank: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    storageLevel: str = "MEMORY_AND_DISK",
) -> PartitionedRatings:
    """Lay ratings out in balanced blocks and write them, with a manifest, to a folder.

    The driver holds 28 bytes for each user and each item, and nothing that grows with the ratings.

    Parameters
    ----------
    dataset : DataFrame
    path : str
        Folder on any file system of Hadoop, new or empty unless `overwrite`.
    userBlocks, itemBlocks : int
        Requested numbers of blocks. No block has more than 1.2 times the mean number of ratings. If a single user or
        item has more than that, fewer blocks are made, with a warning.
    userCol, itemCol, ratingCol : str
        Columns, as in `spark_mf.ALS`.
    splitCol : str, optional
        A column for `spark_mf.data.splitting.mark_from_column`, with "train", "validation" (kept, to monitor the error
        of a fit) and "test" (left out).
    weightCol : str, optional
        A column of weights, as in `spark_mf.ALS`; fits of the folder always use them.
    layouts : tuple[str, ...]
        "blocks" for blocks by user and by item, which ALS reads; "grid" for cells of user blocks by item blocks, with
        training ratings only; or both.
    rank : int, optional
        If given, only fits of this rank can read the folder, and the memory of the driver is checked before writing.
    seed : int
        Seed of the order in which rows with equally many ratings are assigned to blocks.
    overwrite : bool
        Whether to replace the files of an earlier run, after all new files are written.
    storageLevel : str
        Storage level of the intermediate data.

    Returns
    -------
    PartitionedRatings

    Raises
    ------
    ValueError
        If an argument, a column or a row cannot be used, the folder cannot be written, the dataset reads files in it,
        or the dataset gives other rows when Spark computes it again.
    FileExistsError
        If the folder is not empty and `overwrite` is false.
    MemoryError
        If the factors of `rank` do not fit in the driver.
    RuntimeError
        If the Python of the workers lacks a package that the tasks need.
    TypeError
        If `dataset` is not a DataFrame of a classic Spark session.
    """
    require_classic(dataset)
    _require_arguments(userBlocks, itemBlocks, rank, layouts)
    spark, level = dataset.sparkSession, storage_level(storageLevel)
    ratings, left_out = _select(dataset, userCol, itemCol, ratingCol, splitCol, weightCol)
    if overwrite and reads_from(dataset, path):
        raise ValueError(
            f"path must not be a folder with files that the dataset reads, got {path}. Give another folder."
        )
    folder = RatingsFolder(spark, path, (USERS, ITEMS, *LAYOUTS), overwrite=overwrite, description=MANIFEST)
    require_workers(spark)
    with changed_rows_told(), ExitStack() as cleanup:
        counted = count_ratings(ratings, level, cleanup)
        users = _cut(USERS, counted.counts.users, userBlocks, seed, counted.user_ids)
        items = _cut(ITEMS, counted.counts.items, itemBlocks, seed, counted.item_ids)
        if rank is not None:
            require_room(spark.sparkContext, len(users.side), len(items.side), rank)
        folder.start()
        written = _write_layouts(spark, folder, counted, users.side, items.side, layouts, level)
        sides = _write_side(spark, folder, users), _write_side(spark, folder, items)
        manifest = _manifest(folder, counted, written, sides, left_out=left_out, seed=seed, rank=rank)
    folder.finish(manifest.to_json())
    return PartitionedRatings(spark, path)


def _manifest(
    folder: RatingsFolder,
    counted: CountedRatings,
    written: _Written,
    sides: tuple[SideManifest, SideManifest],
    *,
    left_out: int,
    seed: int,
    rank: int | None,
) -> Manifest:
    """Return the manifest of the written layouts and sides."""
    counts = counted.counts
    return Manifest(
        spark_mf=__version__,
        layouts=tuple(written.checksums),
        ratings=counts.ratings,
        validation_ratings=written.validation_ratings,
        cold_validation_ratings=counts.validation_ratings - written.validation_ratings,
        duplicates=written.duplicates,
        users=sides[0],
        items=sides[1],
        cells=written.cells,
        checksums=written.checksums,
        files=folder.lengths((USERS, ITEMS, *written.checksums)),
        left_out=left_out,
        seed=seed,
        rank=rank,
        weighted=counted.weighted,
    )


def _require_arguments(userBlocks: int, itemBlocks: int, rank: int | None, layouts: tuple[str, ...]) -> None:
    require_positive("userBlocks", userBlocks)
    require_positive("itemBlocks", itemBlocks)
    if rank is not None:
        require_positive("rank", rank)
    if not layouts or any(layout not in LAYOUT_CHOICES for layout in layouts):
        raise ValueError(f"layouts must be one or both of {', '.join(LAYOUT_CHOICES)}, got {layouts!r}.")


def _select(
    dataset: DataFrame, userCol: str, itemCol: str, ratingCol: str, splitCol: str | None, weightCol: str | None
) -> tuple[DataFrame, int]:
    """Return the training and validation rows in the schema of the estimators, and the number of other rows."""
    if splitCol is None:
        return select_ratings(dataset, userCol, itemCol, ratingCol, weightCol=weightCol), 0
    marked = mark_from_column(dataset, splitCol)
    left_out = marked.where(F.col(SPLIT) == TEST).count()
    kept = marked.where(F.col(SPLIT) != TEST).withColumn(_IS_VALIDATION, F.col(SPLIT) == VALIDATION)
    return select_ratings(kept, userCol, itemCol, ratingCol, _IS_VALIDATION, weightCol), left_out


def _cut(name: str, ids: tuple[NDArray, NDArray], asked: int, seed: int, id_map: IdMap | None) -> _Cut:
    """Cut the ids of a side into blocks, with a warning if there are fewer than requested."""
    partition = Partition.within(ids[1], asked, seed)
    if partition.n_blocks < asked:
        logger.warning(
            "%d blocks of %s were requested, but only %d are made: the %d %s have up to %d ratings each, and with more "
            "blocks the largest block would have more than %.1f times the mean number of ratings",
            asked,
            name,
            partition.n_blocks,
            len(partition),
            name,
            ids[1].max(),
            LARGEST_BLOCK,
        )
    return _Cut(Side(name, IdIndex(ids[0]), partition), ids[1], asked, id_map)


def _write_layouts(
    spark: SparkSession,
    folder: RatingsFolder,
    counted: CountedRatings,
    users: Side,
    items: Side,
    layouts: tuple[str, ...],
    level: StorageLevel,
) -> _Written:
    """Lay out and write by user, then by item, so that only one layout at a time is in memory."""
    sums: dict[str, tuple[int, ...]] = {}
    cells: tuple[tuple[int, ...], ...] = ()
    with ExitStack() as cleanup:
        by_user = lay_out(spark.sparkContext, counted.chunks, users, items, level)
        cleanup.callback(by_user.unpersist)
        require_same_ratings(counted.counts, by_user, None)
        if BLOCKS in layouts:
            write_layout(spark, by_user, stored_folder(spark, folder.inside(BY_USER)), weighted=counted.weighted)
            sums[BY_USER] = checksums(by_user)
        if GRID in layouts:
            write_grid(spark, by_user, items, stored_folder(spark, folder.inside(GRID)), weighted=counted.weighted)
            cells, sums[GRID] = grid_content(by_user, items)
    if BLOCKS in layouts:
        with ExitStack() as cleanup:
            by_item = lay_out(spark.sparkContext, counted.chunks, items, users, level)
            cleanup.callback(by_item.unpersist)
            require_same_ratings(counted.counts, by_user, by_item)
            write_layout(spark, by_item, stored_folder(spark, folder.inside(BY_ITEM)), weighted=counted.weighted)
            sums[BY_ITEM] = checksums(by_item)
    return _Written(by_user.counts.duplicates, by_user.counts.validation_ratings, cells, sums)


def _write_side(spark: SparkSession, folder: RatingsFolder, cut: _Cut) -> SideManifest:
    name, partition = cut.side.name, cut.side.partition
    rows = side_rows(spark, cut.side, cut.counts)
    if cut.ids is not None:
        rows = replace_keys(rows.withColumnRenamed("id", "key").withColumn("key", F.col("key").cast("bigint")), cut.ids)
    rows.write.parquet(folder.inside(name))
    return SideManifest(
        count=len(cut.side),
        id_type=rows.schema["id"].dataType.simpleString(),
        asked_blocks=cut.asked_blocks,
        ratings=tuple(np.bincount(partition.block, cut.counts, partition.n_blocks).astype(np.int64).tolist()),
        rows=tuple(partition.sizes.tolist()),
        balance=partition.balance(cut.counts),
        largest_row=int(cut.counts.max()),
        checksum=side_checksum(literal_reader(spark).parquet(folder.inside(name))),
    )
