"""Treatment of ratings that repeat the user and item of another rating."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_mf.data.readers.sources import RatingsSource

DUPLICATES = ("error", "keep", "last", "mean", "sum")

REPEATED = "a later row rates the same item by the same user"
MERGED = "its rating is part of the {} of its user and item"
OVERFLOWS = "the sum of the ratings of its user and item is not finite"


def repeated_rows(usable: DataFrame, suspects: DataFrame, source: RatingsSource, duplicates: str) -> DataFrame:
    """Return the rows whose user and item another row has too, each with its treatment. Lazy.

    The last row of a pair is accepted, with the rating of the pair. It is the row with the latest timestamp or, among
    equal times, the last in the order of files and lines; rows without a timestamp precede all others.

    Parameters
    ----------
    usable : DataFrame
        Rows of `ClassifiedRows.usable`, with comparable times (`ClassifiedRows.with_times`).
    suspects : DataFrame
        Column `position` of rows that may be repeated.
    source : RatingsSource
    duplicates : str
        One of `DUPLICATES`.

    Returns
    -------
    DataFrame
        The columns of `usable`, with the `rating` of the pair; `nth` (int), 1 for the last row of its pair; and
        `reason` (string), null for accepted rows.
    """
    pair = Window.partitionBy("user", "item")
    latest = [F.desc_nulls_last("timestamp")] if source.has_times else []
    backwards = pair.orderBy(*latest, F.desc("file"), F.desc("block"), F.desc("offset"))
    found = (
        usable.join(suspects, "position")
        .withColumn("nth", F.row_number().over(backwards))
        .withColumn("times", F.count("*").over(pair))
        .where("times > 1")
    )
    # Ratings are added in sorted order, because otherwise the last digits would depend on the partitions.
    ratings = F.sort_array(F.collect_list(F.col("rating").cast("double")).over(pair))
    total = F.aggregate(ratings, F.lit(0.0), lambda a, b: a + b)
    no_reason = F.lit(None).cast("string")
    is_earlier = F.col("nth") > 1
    merged: Column = F.col("rating")
    reason = no_reason
    if duplicates == "last":
        reason = F.when(is_earlier, REPEATED)
    elif duplicates in ("mean", "sum"):
        merged = (total / F.col("times") if duplicates == "mean" else total).cast("float")
        overflows = F.abs(merged) == float("inf")
        reason = F.when(overflows, OVERFLOWS).when(is_earlier, MERGED.format(duplicates))
    # The reason comes first, because it depends on the ratings before they are replaced.
    return found.withColumns({"reason": reason, "rating": merged}).drop("times")


def refuse_duplicates(repeated: DataFrame, source: RatingsSource) -> None:
    """Raise an error if ratings have repeated pairs.

    Raises
    ------
    ValueError
        If there are repeated pairs; the message has their number, an example and possible fixes.
    """
    repeats = repeated.where("nth > 1").count()
    if not repeats:
        return
    example = repeated.where("nth > 1").orderBy("file", "block", "offset", "position").first()
    assert example is not None
    raise ValueError(
        f"{source.name} must have one rating of each user and item, got {repeats:,} rows that repeat the user and item "
        f"of another, such as {source.columns['user']} {example['user']!r} and {source.columns['item']} "
        f"{example['item']!r}. Remove them, or choose with duplicates to keep all, the last, or their mean or sum."
    )
