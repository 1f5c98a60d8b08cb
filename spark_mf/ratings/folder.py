"""Laid-out ratings in a folder that `spark_mf.ratings.folder_writing.partition_ratings` wrote."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyspark import SparkContext, StorageLevel
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_mf.blocks.ids import IdIndex
from spark_mf.blocks.partition import Partition
from spark_mf.ratings.base import LaidOutRatings, LayoutPlan, PreparedRatings, RatingsRequest, RatingsSource, Sizes
from spark_mf.ratings.layout import Layout
from spark_mf.ratings.manifest import BY_ITEM, BY_USER, GRID, ITEMS, MANIFEST, USERS, SideManifest, read_manifest
from spark_mf.ratings.side import Side
from spark_mf.ratings.stored_reading import read_grid, read_layout
from spark_mf.ratings.stored_writing import Folder, side_checksum
from spark_mf.ratings.string_ids import IdMap
from spark_mf.storage.files import JVM_ERRORS, java_reason, literal_reader
from spark_mf.storage.folders import file_lengths, read_text
from spark_mf.storage.paths import local_path


class PartitionedRatings(LaidOutRatings):
    """Ratings in a folder that `partition_ratings` wrote, which `fit` accepts instead of a DataFrame.

    Parameters
    ----------
    spark : SparkSession
    path : str
        Path on any file system of Hadoop.

    Raises
    ------
    FileNotFoundError
        If there is no manifest, as in a folder that was not written completely.
    ValueError
        If the manifest is invalid or does not match the files in the folder.
    """

    def __init__(self, spark: SparkSession, path: str) -> None:
        self.sparkSession, self.path = spark, path.rstrip("/")
        try:
            text = read_text(spark, f"{self.path}/{MANIFEST}")
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path} must contain {MANIFEST}, got a folder without it. Give the output of a completed "
                "jobs/partition_ratings.py."
            ) from None
        self.manifest = read_manifest(text, f"{self.path}/{MANIFEST}")
        self._require_files()

    @property
    def sizes(self) -> Sizes:
        """Sizes that determine the plan of a fit."""
        manifest = self.manifest
        return Sizes(
            users=manifest.users.count,
            items=manifest.items.count,
            ratings=manifest.ratings,
            validation_ratings=manifest.validation_ratings + manifest.cold_validation_ratings,
            weighted=manifest.weighted,
            user_blocks=manifest.users.blocks,
            item_blocks=manifest.items.blocks,
        )

    def open(self, request: RatingsRequest) -> RatingsSource:
        """Return the ratings for one fit; see `LaidOutRatings.open`."""
        self._require_fitting(request)
        return _FolderSource(self, request)

    def read(self, request: RatingsRequest, plan: LayoutPlan, cleanup: ExitStack) -> PreparedRatings:
        """Read the blocks by the plan of a fit; `cleanup` releases the data that Spark keeps.

        Raises
        ------
        ValueError
            If the folder lacks a layout that the fit needs, or its content does not match its manifest.
        """
        self._require_layouts(request, plan)
        manifest, context = self.manifest, self.sparkSession.sparkContext
        try:
            users, user_counts, user_ids = self._read_side(USERS, manifest.users)
            items, item_counts, item_ids = self._read_side(ITEMS, manifest.items)
            read = partial(self._read_layout, context, level=request.level, cleanup=cleanup)
            # A plan with fewer user blocks than the folder joins consecutive blocks.
            by_user = read(self._user_layout, users, items, n_members=plan.n_members or plan.user_blocks)
            by_item = read(BY_ITEM, items, users, n_members=plan.n_members) if plan.needs_items else None
        except JVM_ERRORS as error:
            raise ValueError(
                f"{self.path} cannot be read: {java_reason(error)}. Partition the ratings again."
            ) from error
        return PreparedRatings(
            engine=plan.engine,
            users=replace(users, partition=users.partition.joined(plan.user_blocks)),
            items=items,
            user_counts=user_counts,
            item_counts=item_counts,
            by_user=by_user,
            by_item=by_item,
            ratings=manifest.ratings,
            validation_ratings=self.sizes.validation_ratings,
            weighted=manifest.weighted,
            user_ids=user_ids,
            item_ids=item_ids,
        )

    def _require_files(self) -> None:
        expected = self.manifest.files
        found = file_lengths(self.sparkSession, self.path, (USERS, ITEMS, *self.manifest.layouts))
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) == found.get(name):
                continue
            if name not in found:
                fault = f"no file {name}"
            elif name not in expected:
                fault = f"the file {name}, which is not in the manifest"
            else:
                fault = f"{found[name]} bytes instead of {expected[name]} in the file {name}"
            raise ValueError(f"{self.path} must match its {MANIFEST}, got {fault}. Partition the ratings again.")

    def _require_fitting(self, request: RatingsRequest) -> None:
        manifest = self.manifest
        for name, side in (("numUserBlocks", manifest.users), ("numItemBlocks", manifest.items)):
            asked = getattr(request, name)
            if asked not in (None, side.blocks, side.asked_blocks):
                raise ValueError(
                    f"{name} must be {side.blocks}, the number of blocks in {self.path}, got {asked}. Leave it unset, "
                    "or partition the ratings again."
                )
        if manifest.rank is not None and manifest.rank != request.rank:
            raise ValueError(
                f"rank must be {manifest.rank}, for which {self.path} was partitioned, got {request.rank}. Use that "
                "rank, or partition the ratings again."
            )
        if request.validationIndicatorCol is not None and not manifest.validation_ratings:
            raise ValueError(
                f"validationIndicatorCol must not be set, as {self.path} was partitioned without validation rows, got "
                f"{request.validationIndicatorCol!r}. Leave it unset, or partition the ratings with a split column."
            )
        if request.weightCol is not None and not manifest.weighted:
            raise ValueError(
                f"weightCol must not be set, as {self.path} was partitioned without weights, got "
                f"{request.weightCol!r}. Leave it unset, or partition the ratings with weightCol."
            )

    @property
    def _user_layout(self) -> str:
        """Layout from which ratings are read by user; the grid has no validation ratings."""
        return BY_USER if BY_USER in self.manifest.layouts else GRID

    def _require_layouts(self, request: RatingsRequest, plan: LayoutPlan) -> None:
        needed = (BY_USER, BY_ITEM) if plan.needs_items else (self._user_layout,)
        for layout in needed:
            if layout not in self.manifest.layouts:
                raise ValueError(
                    f"{self.path} must have the layout {layout} for this fit, got {', '.join(self.manifest.layouts)}. "
                    "Partition the ratings again with the layout blocks."
                )
        if request.validationIndicatorCol is not None and BY_USER not in needed:
            raise ValueError(
                f"validationIndicatorCol must not be set, as the grid of {self.path} has no validation rows, got "
                f"{request.validationIndicatorCol!r}. Leave it unset, or partition the ratings again with the layout "
                "blocks."
            )

    def _read_side(self, name: str, described: SideManifest) -> tuple[Side, NDArray[np.int64], IdMap | None]:
        """Read ids, blocks and counts of a side, with 20 bytes per id on the driver, or 12 if ids are strings."""
        rows = literal_reader(self.sparkSession).parquet(f"{self.path}/{name}")
        if side_checksum(rows) != described.checksum:
            raise ValueError(
                f"{self.path}/{name} must contain the ids that were written, got others. Partition the ratings again."
            )
        has_strings = described.id_type == "string"
        table = rows.select("index", *([] if has_strings else ["id"]), "ratings", "block").toArrow().sort_by("index")
        block = table["block"].to_numpy().astype(np.int32)
        if not np.array_equal(np.bincount(block, minlength=described.blocks), described.rows):
            raise ValueError(
                f"{self.path}/{name} must have the blocks of its {MANIFEST}, got others. Partition the ratings again."
            )
        keys = table["index" if has_strings else "id"].to_numpy().astype(np.int64)
        side = Side(name, IdIndex(keys), Partition.of_blocks(block, described.blocks))
        ids = rows.select(F.col("index").cast("bigint").alias("key"), "id")
        return side, table["ratings"].to_numpy().astype(np.int64), IdMap(ids) if has_strings else None

    def _read_layout(
        self,
        context: SparkContext,
        name: str,
        side: Side,
        columns: Side,
        *,
        level: StorageLevel,
        n_members: int | None,
        cleanup: ExitStack,
    ) -> Layout:
        path = f"{self.path}/{name}"
        folder = stored_folder(self.sparkSession, path)
        if name == GRID:
            layout, found = read_grid(context, folder, side, columns, level, n_members)
        else:
            layout, found = read_layout(context, folder, side, len(columns), level, n_members)
        cleanup.callback(layout.unpersist)
        for block, (is_now, was) in enumerate(zip(found, self.manifest.checksums[name], strict=True)):
            if is_now != was:
                raise ValueError(
                    f"Block {block} of {self.path}/{name} must contain the ratings that were written, got another "
                    "checksum. Partition the ratings again."
                )
        return layout


def stored_folder(spark: SparkSession, path: str) -> Folder:
    """Return a folder of laid-out ratings; if it is local, tasks open its files directly."""
    return Folder(path, local_path(spark, path))


@dataclass(frozen=True)
class _FolderSource:
    """Ratings of a folder for one fit."""

    ratings: PartitionedRatings
    request: RatingsRequest

    @property
    def sizes(self) -> Sizes:
        """Sizes that determine the plan."""
        return self.ratings.sizes

    def lay_out(self, plan: LayoutPlan, cleanup: ExitStack) -> PreparedRatings:
        """Read the blocks; see `PartitionedRatings.read`."""
        return self.ratings.read(self.request, plan, cleanup)
