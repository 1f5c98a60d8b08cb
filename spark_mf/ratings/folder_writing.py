"""Laying ratings out in balanced blocks once, into a folder that fits read as often as wanted."""

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
from spark_mf.params.factorization import require_positive
from spark_mf.params.storage_levels import storage_level
from spark_mf.ratings.dataset import CountedRatings, count_ratings, require_same_ratings
from spark_mf.ratings.folder import PartitionedRatings, stored_folder
from spark_mf.ratings.layout import Side, lay_out
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
    """A side cut into blocks, with what its manifest tells."""

    side: Side
    counts: NDArray[np.int64]
    asked_blocks: int
    ids: IdMap | None


@dataclass(frozen=True)
class _Written:
    """What was learned by writing the layouts."""

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
        Folder on any file system of Hadoop's, new or empty unless `overwrite`.
    userBlocks, itemBlocks : int
        Blocks asked for. No block has more than 1.2 times the ratings of a mean one; where a single user or item
        has more than that alone, fewer blocks are made, with a warning.
    userCol, itemCol, ratingCol : str
        Columns as `spark_mf.ALS` takes them.
    splitCol : str, optional
        A column of marks as `spark_mf.data.splitting.mark_from_column` takes it: "train", "validation" (kept, to
        watch the error of a fit) and "test" (left out).
    layouts : tuple[str, ...]
        "blocks", by user and by item as ALS reads them; "grid", the cells of user blocks by item blocks, with
        training ratings only; or both.
    rank : int, optional
        Only fits of this rank may read the folder; that the driver can take it is checked before writing.
    seed : int
        Of the order in which equally large rows are dealt to blocks.
    overwrite : bool
        Replace what an earlier run left, once all is written.
    storageLevel : str
        Where Spark keeps ratings on the way.

    Raises
    ------
    ValueError
        When an argument, a column or a row cannot be used, the folder cannot be written, the dataset reads files in
        it, or the dataset gives other rows when Spark computes it again.
    FileExistsError
        When the folder is not empty and `overwrite` is false.
    MemoryError
        When the driver cannot take the factors of `rank`.
    RuntimeError
        When the workers' Python lacks what the tasks need.
    TypeError
        When `dataset` is no DataFrame of a classic Spark session.
    """
    require_classic(dataset)
    _require_arguments(userBlocks, itemBlocks, rank, layouts)
    spark, level = dataset.sparkSession, storage_level(storageLevel)
    ratings, left_out = _select(dataset, userCol, itemCol, ratingCol, splitCol)
    if overwrite and reads_from(dataset, path):
        raise ValueError(
            f"path must not be a folder with files that the dataset reads, got {path}. Give another folder."
        )
    folder = RatingsFolder(spark, path, (USERS, ITEMS, *LAYOUTS), overwrite=overwrite, description=MANIFEST)
    require_workers(spark)
    with changed_rows_told(), ExitStack() as held:
        counted = count_ratings(ratings, level, held)
        counts = counted.counts
        users = _cut(USERS, counts.users, userBlocks, seed, counted.user_ids)
        items = _cut(ITEMS, counts.items, itemBlocks, seed, counted.item_ids)
        if rank is not None:
            require_room(spark.sparkContext, len(users.side), len(items.side), rank)
        folder.start()
        written = _write_layouts(spark, folder, counted, users.side, items.side, layouts, level)
        manifest = Manifest(
            spark_mf=__version__,
            layouts=tuple(written.checksums),
            ratings=counts.ratings,
            validation_ratings=written.validation_ratings,
            cold_validation_ratings=counts.validation_ratings - written.validation_ratings,
            left_out=left_out,
            duplicates=written.duplicates,
            seed=seed,
            rank=rank,
            users=_write_side(spark, folder, users),
            items=_write_side(spark, folder, items),
            cells=written.cells,
            checksums=written.checksums,
            files=folder.lengths((USERS, ITEMS, *written.checksums)),
        )
    folder.finish(manifest.to_json())
    return PartitionedRatings(spark, path)


def _require_arguments(userBlocks: int, itemBlocks: int, rank: int | None, layouts: tuple[str, ...]) -> None:
    require_positive("userBlocks", userBlocks)
    require_positive("itemBlocks", itemBlocks)
    if rank is not None:
        require_positive("rank", rank)
    if not layouts or any(layout not in LAYOUT_CHOICES for layout in layouts):
        raise ValueError(f"layouts must be one or both of {', '.join(LAYOUT_CHOICES)}, got {layouts!r}.")


def _select(
    dataset: DataFrame, userCol: str, itemCol: str, ratingCol: str, splitCol: str | None
) -> tuple[DataFrame, int]:
    """Return the rows for training and validation as estimators take them, and the number of those left out."""
    if splitCol is None:
        return select_ratings(dataset, userCol, itemCol, ratingCol), 0
    marked = mark_from_column(dataset, splitCol)
    left_out = marked.where(F.col(SPLIT) == TEST).count()
    kept = marked.where(F.col(SPLIT) != TEST).withColumn(_IS_VALIDATION, F.col(SPLIT) == VALIDATION)
    return select_ratings(kept, userCol, itemCol, ratingCol, _IS_VALIDATION), left_out


def _cut(name: str, ids: tuple[NDArray, NDArray], asked: int, seed: int, id_map: IdMap | None) -> _Cut:
    """Cut a side's ids into blocks, and say when they are fewer than was asked for."""
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
    """Lay out and write by user, then by item, so that one layout at a time takes up memory."""
    sums: dict[str, tuple[int, ...]] = {}
    cells: tuple[tuple[int, ...], ...] = ()
    with ExitStack() as held:
        by_user = lay_out(spark.sparkContext, counted.chunks, users, items, level)
        held.callback(by_user.unpersist)
        require_same_ratings(counted.counts, by_user, None)
        if BLOCKS in layouts:
            write_layout(spark, by_user, stored_folder(spark, folder.inside(BY_USER)))
            sums[BY_USER] = checksums(by_user)
        if GRID in layouts:
            write_grid(spark, by_user, items, stored_folder(spark, folder.inside(GRID)))
            cells, sums[GRID] = grid_content(by_user, items)
    if BLOCKS in layouts:
        with ExitStack() as held:
            by_item = lay_out(spark.sparkContext, counted.chunks, items, users, level)
            held.callback(by_item.unpersist)
            require_same_ratings(counted.counts, by_user, by_item)
            write_layout(spark, by_item, stored_folder(spark, folder.inside(BY_ITEM)))
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
