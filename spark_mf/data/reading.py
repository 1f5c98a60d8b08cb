"""Reading of ratings from text files, gzipped or not, and from Parquet."""

import os
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from spark_mf.data.checking import typed
from spark_mf.data.checks.tally import classify_and_count, refuse_faults
from spark_mf.data.readers.options import FORMATS, ReadOptions
from spark_mf.data.readers.sources import open_ratings

__all__ = ["FORMATS", "RatingsInput", "ReadOptions", "read_ratings"]


@dataclass(frozen=True)
class RatingsInput:
    """Ratings that were read, with the format and columns that were detected.

    Attributes
    ----------
    ratings : DataFrame
        Columns `user` and `item` (int, bigint or string), `rating` (float), `timestamp` if there is one (bigint for
        integers, date or timestamp for columns of that type, else timestamp), and `split` if it was requested
        (unchanged). Not cached.
    format : str
        One of `FORMATS`.
    columns : dict[str, str]
        Name of the column in the file for each role (user, item, rating, timestamp, split).
    rows : int
        Number of ratings.
    notes : list[str]
        Descriptions of the choices that were made.
    """

    ratings: DataFrame
    format: str
    columns: dict[str, str]
    rows: int
    notes: list[str]


def read_ratings(spark: SparkSession, path: str | os.PathLike[str], options: ReadOptions | None = None) -> RatingsInput:
    """Read and check ratings; runs one Spark job, and the driver reads only the first bytes of files.

    Rows are checked as by `spark_mf.data.checking.clean_ratings`; duplicates are kept.

    Parameters
    ----------
    spark : SparkSession
    path : str or PathLike
        A file, a folder of part files, the output folder of a job, or a glob pattern, on any file system of Hadoop.
    options : ReadOptions, optional
        By default everything is detected.

    Returns
    -------
    RatingsInput

    Raises
    ------
    FileNotFoundError, PermissionError
        If the path does not exist or is not readable.
    ValueError
        If the format or a column is unknown, the format of the times is mixed or ambiguous, or any row cannot be used.
    """
    source = open_ratings(spark, path, options or ReadOptions())
    with source.readable():
        _, tally = classify_and_count(source)
        refuse_faults(tally)
    ratings = typed(tally.classified.usable(), tally)
    return RatingsInput(ratings, source.format, source.columns, tally.rows, tally.source.notes)
