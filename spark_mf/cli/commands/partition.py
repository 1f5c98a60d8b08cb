"""The job that lays out ratings in balanced blocks and writes them, with a manifest, to a folder."""

import time
from typing import Annotated

from pydantic import NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from pyspark.sql import DataFrame, SparkSession

from spark_mf.cli.phases import phase
from spark_mf.cli.read_settings import READ, ReadSettings
from spark_mf.cli.settings import STRICT, Several, Text, one_of, setting
from spark_mf.data.reading import read_ratings
from spark_mf.data.splitting import SPLIT
from spark_mf.ratings.folder import PartitionedRatings
from spark_mf.ratings.folder_writing import BLOCKS, LAYOUT_CHOICES, partition_ratings
from spark_mf.ratings.manifest import SideManifest
from spark_mf.storage.folders import RatingsFolder
from spark_mf.storage.paths import require_apart

_BLOCKS = "blocks"
_SPARK = "Spark"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PartitionSettings(ReadSettings):
    """Settings of the job; every field is an option of ``jobs/partition_ratings.py`` and a key of its TOML file."""

    ratings: Text | None = setting(
        None,
        "ratings to read: text or Parquet as for jobs/check_ratings.py, or the output folder of that job or of "
        "jobs/generate_ratings.py",
        group=READ,
        positional=True,
    )
    split_col: Text | None = setting(
        None,
        "column of marks: train, validation (for the validation error of fits) or test (left out)",
        group=READ,
    )
    user_blocks: PositiveInt = setting(
        10,
        "number of user blocks, such as 1 to 4 per core of the cluster; reduced if a block would have more than 1.2 "
        "times the mean number of ratings",
        group=_BLOCKS,
    )
    item_blocks: PositiveInt = setting(10, "number of item blocks, likewise", group=_BLOCKS)
    layouts: Several[Annotated[str, one_of(*LAYOUT_CHOICES)]] = setting(
        (BLOCKS,),
        "layouts to write: blocks (by user and by item, for ALS) or grid (of user blocks by item blocks)",
        group=_BLOCKS,
    )
    rank: PositiveInt | None = setting(
        None,
        "rank of the fits: only fits of this rank can read the folder, and the driver's memory is checked first",
        group=_BLOCKS,
    )
    seed: NonNegativeInt = setting(0, "random seed that assigns rows of equal size to blocks", group=_BLOCKS)
    master: Text | None = setting(None, "Spark master, such as local[2]", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of the driver's JVM, such as 4g", group=_SPARK)

    def __post_init__(self) -> None:
        """Raise a ValueError if there are no ratings or no layouts."""
        if self.ratings is None:
            raise ValueError("RATINGS must be the path of ratings, got nothing. See --help.")
        if not self.layouts:
            raise ValueError(f"--layouts must contain at least one of {', '.join(LAYOUT_CHOICES)}, got an empty list.")


def read_input(spark: SparkSession, settings: PartitionSettings, output: str, *, overwrite: bool) -> DataFrame:
    """Return the checked ratings, after a check that the output can be written.

    Raises
    ------
    ValueError, OSError
        If the ratings cannot be read or are invalid, or the output cannot be written.
    """
    assert settings.ratings is not None
    require_apart(spark, settings.ratings, output)
    RatingsFolder(spark, output, overwrite=overwrite)
    with phase(f"reading and checking {settings.ratings}", ticking=True):
        return read_ratings(spark, settings.ratings, settings.options(split_col=settings.split_col)).ratings


def partition(
    ratings: DataFrame, settings: PartitionSettings, output: str, *, overwrite: bool
) -> tuple[PartitionedRatings, float]:
    """Lay out and write the ratings; return the written folder and the elapsed seconds.

    Raises
    ------
    ValueError, FileExistsError, MemoryError
        As `spark_mf.ratings.folder_writing.partition_ratings`.
    """
    start = time.perf_counter()
    with phase(f"laying out and writing to {output}", ticking=True):
        written = partition_ratings(
            ratings,
            output,
            userBlocks=settings.user_blocks,
            itemBlocks=settings.item_blocks,
            splitCol=None if settings.split_col is None else SPLIT,
            layouts=settings.layouts,
            rank=settings.rank,
            seed=settings.seed,
            overwrite=overwrite,
        )
    return written, time.perf_counter() - start


def partition_table(written: PartitionedRatings) -> str:
    """Return the sizes of the blocks as a Markdown table."""
    manifest = written.manifest
    lines = [
        f"{manifest.ratings:,} training ratings ({manifest.duplicates:,} duplicates), "
        f"{manifest.validation_ratings:,} validation ratings and {manifest.cold_validation_ratings:,} cold ones, "
        f"{manifest.left_out:,} left out",
        "",
        "| side | ids | blocks | ratings per block, mean | largest / mean | ratings per id, max |",
        "|---|--:|--:|--:|--:|--:|",
        *(_side_line(name, side) for name, side in (("users", manifest.users), ("items", manifest.items))),
    ]
    if manifest.cells:
        cells = [ratings for row in manifest.cells for ratings in row]
        mean = sum(cells) / len(cells)
        lines += [
            "",
            f"grid: {len(cells):,} cells with {mean:,.0f} ratings on average; largest / mean {max(cells) / mean:.2f}",
        ]
    return "\n".join(lines)


def _side_line(name: str, side: SideManifest) -> str:
    mean = sum(side.ratings) / side.blocks
    return f"| {name} | {side.count:,} | {side.blocks} | {mean:,.0f} | {side.balance:.3f} | {side.largest_row:,} |"
