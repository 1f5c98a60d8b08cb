"""The generated ratings of a benchmark: written once as Parquet, and read by the process of each point."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from pyspark import StorageLevel
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_mf.benchmarks.measuring import RatingCounts, SplitRatings, split_and_count
from spark_mf.cli.phases import phase
from spark_mf.data.generating import generate_ratings
from spark_mf.data.splitting import mark_random
from spark_mf.storage.files import literal_reader
from spark_mf.version import __version__

# The points that write ratings, and the folders that have them.
DATA, HIGH_RANK_DATA = "data", "data-high-rank"
# The name of each in its rows.
DATASETS = {DATA: "generated", HIGH_RANK_DATA: "generated, for high ranks"}
_DESCRIPTION = "description.json"
_PARTS = ("train", "test")
# Column that is true in test rows which a fit evaluates each epoch on.
VALIDATES = "validates"


def description(users: int, items: int, ratings: int, test_fraction: float, seed: int) -> dict[str, Any]:
    """Return what decides every row of the set; the version stands for the code that makes them."""
    return {
        "users": users,
        "items": items,
        "ratings": ratings,
        "test_fraction": test_fraction,
        "seed": seed,
        "noise": 0.5,
        "skew": "long-tailed",
        "spark_mf": __version__,
    }


def data_name(is_high_rank: bool) -> str:
    """Return `HIGH_RANK_DATA` or `DATA`."""
    return HIGH_RANK_DATA if is_high_rank else DATA


def counts_of(folder: Path, described: dict[str, Any]) -> RatingCounts | None:
    """Return what was counted in the set in ``folder``; None where there is none that fits the description."""
    try:
        found = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        if found["description"] != described or not all((folder / part / "_SUCCESS").exists() for part in _PARTS):
            return None
        return RatingCounts(**found["counts"])
    except (OSError, ValueError, KeyError, TypeError):  # None, or one that was not finished.
        return None


def require_counts(folder: Path, described: dict[str, Any]) -> RatingCounts:
    """Return what was counted in the set in ``folder``, as `counts_of`.

    Raises
    ------
    FileNotFoundError
        When there is none that fits the description.
    """
    counts = counts_of(folder, described)
    if counts is None:
        raise FileNotFoundError(f"{folder} contains no ratings. Run the job without --point.")
    return counts


def write_set(spark: SparkSession, folder: Path, described: dict[str, Any], name: str = DATASETS[DATA]) -> None:
    """Generate, split, count and write; the description comes last and tells that the set is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _DESCRIPTION).unlink(missing_ok=True)
    with phase(f"generating, splitting and counting {described['ratings']:,} ratings", ticking=True):
        asked = {name: described[name] for name in ("users", "items", "ratings", "noise", "skew", "seed")}
        # In no order of users or items, which would spare one of the methods work.
        ratings = generate_ratings(spark, **asked).repartition(spark.sparkContext.defaultParallelism, "user", "item")
        marked = mark_random(ratings, test_fraction=described["test_fraction"], seed=described["seed"])
        split = split_and_count(name, marked)
    with phase(f"writing them to {folder}"):
        for part in _PARTS:
            getattr(split, part).write.mode("overwrite").parquet(str((folder / part).resolve()))
    counts = {key: value for key, value in vars(split).items() if key not in _PARTS}
    text = json.dumps({"description": described, "counts": counts}, indent=2)
    (folder / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def read_set(spark: SparkSession, folder: Path, counts: RatingCounts) -> SplitRatings:
    """Read a written set, and cache both parts in memory.

    Raises
    ------
    ValueError
        When the files do not hold as many rows as were written.
    """
    with phase("reading and caching the ratings"):
        parts = {}
        for part in _PARTS:
            read = literal_reader(spark).parquet(str((folder / part).resolve()))
            parts[part] = read.persist(StorageLevel.MEMORY_AND_DISK)
        rows = sum(part.count() for part in parts.values())
        if rows != counts.ratings:
            raise ValueError(f"{folder} must contain {counts.ratings} ratings, got {rows}. Remove the folder.")
        return SplitRatings(**asdict(counts), train=parts["train"], test=parts["test"])


def with_validation(data: SplitRatings) -> SplitRatings:
    """Return the same with the test rows among the training rows, marked true in the column `VALIDATES`."""
    train = data.train.withColumn(VALIDATES, F.lit(False))
    return replace(data, train=train.unionByName(data.test.withColumn(VALIDATES, F.lit(True))))


def read_arrays(folder: Path, part: str) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Users, items and ratings of one part of a written set, "train" or "test", without Spark."""
    table = parquet.read_table(folder / part, columns=["user", "item", "rating"])
    users, items = (table[name].to_numpy().astype(np.int32) for name in ("user", "item"))
    return users, items, table["rating"].to_numpy().astype(np.float32)
