"""The job that generates ratings and writes them, their plot and their description to a folder."""

import math
import time
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from spark_mf.cli.commands.generate_report import Histogram, ratings_picture
from spark_mf.cli.commands.generate_settings import RATINGS_PER_PARTITION, GenerateSettings
from spark_mf.cli.phases import phase
from spark_mf.data.generating import generate_with_truth
from spark_mf.data.generation.spec import RatingsSpec
from spark_mf.data.splitting import SPLIT, TEST, TRAIN, VALIDATION, mark_random
from spark_mf.storage.files import literal_reader
from spark_mf.storage.folders import RATINGS, RatingsFolder, write_bytes
from spark_mf.version import __version__

PICTURE = "ratings.png"
GENERATED_FILES = (RATINGS, PICTURE)

_SQUARE = "squared error of the truth"

# Number of bars of a histogram of ratings that have no steps, or more steps than this.
_BARS = 40


def asked_ratings(spark: SparkSession, settings: GenerateSettings) -> DataFrame:
    """Return a lazy DataFrame of the ratings that the settings specify.

    Returns
    -------
    DataFrame (user int, item int, rating float, truth float) and, if a fraction is set, split string

    Raises
    ------
    ValueError
        If the fractions leave no training ratings.
    """
    spec, partitions = settings.spec, settings.partitions
    if partitions is None:
        partitions = max(spark.sparkContext.defaultParallelism, math.ceil(spec.ratings / RATINGS_PER_PARTITION))
    ratings = generate_with_truth(spark, spec, partitions)
    test, validation = settings.test_fraction, settings.validation_fraction
    if test == 0 and validation == 0:
        return ratings
    return mark_random(ratings, test_fraction=test, validation_fraction=validation, seed=spec.seed)


def generate(
    spark: SparkSession, settings: GenerateSettings, ratings: DataFrame, folder: RatingsFolder
) -> dict[str, Any]:
    """Generate and write ratings, and write their plot and description to the folder.

    The driver collects the number of ratings of each user and of each item.

    Parameters
    ----------
    ratings : DataFrame
        The result of `asked_ratings` with the same settings.

    Returns
    -------
    dict
        The description: ``spec``, ``ratings``, ``users`` and ``items`` with ratings, ``density``, ``mean_rating``,
        ``noise_floor_rmse`` (the RMSE of the true factors, clipped to the scale), ``splits`` (the same for each split
        that has ratings), ``ratings_per_user`` and ``ratings_per_item``, ``seconds``, …
    """
    folder.start()
    spec, output = settings.spec, folder.inside(RATINGS)
    start = time.perf_counter()
    with phase(f"generating {spec.ratings:,} ratings and writing them to {output}", ticking=True):
        measured = _write(ratings, output)
    seconds = time.perf_counter() - start
    with phase("counting the written ratings"):
        written = literal_reader(spark).parquet(output)
        per_user = _ratings_of_each(written, "user", spec.users)
        per_item = _ratings_of_each(written, "item", spec.items)
        picture = ratings_picture(_histogram(written, spec), per_user, per_item)
        write_bytes(spark, folder.inside(PICTURE), picture)
    description = {
        "job": "generate_ratings",
        "spark_mf": __version__,
        "preset": settings.preset,
        "spec": asdict(spec),
        "test_fraction": settings.test_fraction,
        "validation_fraction": settings.validation_fraction,
        "users": int(np.count_nonzero(per_user)),
        "items": int(np.count_nonzero(per_item)),
        "density": spec.ratings / (spec.users * spec.items),
        **measured,
        "ratings_per_user": _spread(per_user),
        "ratings_per_item": _spread(per_item),
        "seconds": seconds,
        "ratings_per_second": spec.ratings / seconds,
    }
    folder.finish(description)
    return description


def _write(ratings: DataFrame, path: str) -> dict[str, Any]:
    """Write all columns except `truth`; return counts, mean and the RMSE of `truth`, measured in the same pass."""
    error = F.col("rating").cast("double") - F.col("truth").cast("double")
    marked = SPLIT in ratings.columns
    sides = {side: F.col(SPLIT) == side for side in (TRAIN, VALIDATION, TEST)} if marked else {"all": F.lit(True)}
    aims = [F.sum("rating").alias("sum")]
    for side, belongs in sides.items():
        aims += [F.count_if(belongs).alias(f"{side} rows"), F.sum(F.when(belongs, F.col(_SQUARE))).alias(side)]
    passing = Observation()
    measured = ratings.withColumn(_SQUARE, error * error).drop("truth")
    measured.observe(passing, *aims).drop(_SQUARE).write.parquet(path)
    found = passing.get
    squares = {side: (found[f"{side} rows"], found[side]) for side in sides if found[f"{side} rows"]}
    rows = sum(count for count, _ in squares.values())
    return {
        **_floor(rows, sum(square for _, square in squares.values())),
        "mean_rating": found["sum"] / rows,
        "splits": {side: _floor(*part) for side, part in squares.items()} if marked else {},
    }


def _floor(rows: int, squares: float) -> dict[str, Any]:
    return {"ratings": rows, "noise_floor_rmse": math.sqrt(squares / rows)}


def _ratings_of_each(written: DataFrame, column: str, number: int) -> NDArray[np.int64]:
    counted = written.groupBy(column).count().toPandas()
    sizes = np.zeros(number, dtype=np.int64)
    sizes[counted[column]] = counted["count"]
    return sizes


def _spread(sizes: NDArray[np.int64]) -> dict[str, float]:
    return {"min": int(sizes.min()), "median": float(np.median(sizes)), "max": int(sizes.max())}


def _histogram(written: DataFrame, spec: RatingsSpec) -> Histogram:
    """Return a histogram with one bar per step of the scale, or with bars of equal width."""
    low, high = spec.scale
    width, bars, shift = (high - low) / _BARS, _BARS, 0.0
    if spec.step is not None and (high - low) / spec.step < _BARS:
        width, bars, shift = spec.step, math.floor((high - low) / spec.step + 1e-9) + 1, 0.5
    place = F.least(F.floor((F.col("rating") - low) / width + shift), F.lit(bars - 1))
    counts = np.zeros(bars, dtype=np.int64)
    for row in written.groupBy(place.alias("place")).count().collect():
        counts[row["place"]] = row["count"]
    return Histogram(low + width * (np.arange(bars, dtype=np.float64) + 0.5 - shift), counts)
