"""Ratings that repeat the user and item of another: found, and left, refused, dropped or merged."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_mf.data.readers.sources import RatingsSource

DUPLICATES = ("error", "keep", "last", "mean", "sum")

REPEATED = "a later row rates the same item by the same user"
MERGED = "its rating is part of the {} of its user and item"
OVERFLOWS = "the sum of the ratings of its user and item is not finite"


def repeated_rows(usable: DataFrame, suspects: DataFrame, source: RatingsSource, duplicates: str) -> DataFrame:
    """The rows whose user and item another row has too, each with what becomes of it. Lazy.

    The last row of a pair is the one with the latest timestamp; where that does not decide, the last in the order of
    files and lines; a row without a timestamp comes before all that have one. It stays, with the pair's rating.

    Parameters
    ----------
    usable : DataFrame, as `ClassifiedRows.usable` of rows whose times can be compared (`ClassifiedRows.with_times`)
    suspects : DataFrame of `position`; some of them may be unlike all others
    duplicates : one of `DUPLICATES`

    Returns
    -------
    DataFrame
        The columns of `usable`, `rating` being the pair's; `nth` int, 1 for the last row of its pair; and `reason`
        string, null for rows that stay
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
    # Added in an order that the rows decide, or the last digits would depend on the partitions.
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
    # The reason first: it looks at the ratings before they are replaced by the pair's.
    return found.withColumns({"reason": reason, "rating": merged}).drop("times")


def refuse_duplicates(repeated: DataFrame, source: RatingsSource) -> None:
    """Refuse ratings with repeated pairs.

    Raises
    ------
    ValueError
        With the number of rows that repeat an earlier one, an example and the ways out.
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
