"""Reading ratings from the files people have: text, gzipped or not, and Parquet."""

import os
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from spark_mf.data.checking import typed
from spark_mf.data.checks.tally import classify_and_count, refuse_faults
from spark_mf.data.readers.sources import FORMATS, ReadOptions, open_ratings

__all__ = ["FORMATS", "RatingsInput", "ReadOptions", "read_ratings"]


@dataclass(frozen=True)
class RatingsInput:
    """Ratings as they were read, and how.

    Attributes
    ----------
    ratings : DataFrame
        user and item int, bigint or string, rating float and, where there is one, timestamp: bigint if it is an
        integer, date or timestamp as it was found, else timestamp; and, where it was asked for, split, as it was
        found.  Not cached.
    format : one of `FORMATS`
    columns : role (user, item, rating, timestamp, split) → name of the column in the file
    rows : number of ratings
    notes : sentences that say what was guessed
    """

    ratings: DataFrame
    format: str
    columns: dict[str, str]
    rows: int
    notes: list[str]


def read_ratings(spark: SparkSession, path: str | os.PathLike[str], options: ReadOptions | None = None) -> RatingsInput:
    """Read and check ratings; one Spark job, and nothing but the first bytes of files comes to the driver.

    The check is that of `spark_mf.data.checking.clean_ratings`, row by row; duplicates are kept.

    Parameters
    ----------
    path : a file, a folder of part files or of a job's ratings, or a pattern, local or on anything Hadoop's
        FileSystem opens
    options : how to read, None to guess all

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is nothing to read or it may not be read.
    ValueError
        If the format or a column is unknown, the times are of several formats or may be, or any row cannot be used.
    """
    source = open_ratings(spark, path, options or ReadOptions())
    with source.readable():
        _, tally = classify_and_count(source)
        refuse_faults(tally)
    ratings = typed(tally.classified.usable(), tally)
    return RatingsInput(ratings, source.format, source.columns, tally.rows, tally.source.notes)
