"""The k-core of ratings: the rows that remain after repeatedly removing users and items with too few ratings."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class OutsideCore:
    """Users and items outside the core, as DataFrames of one column, `user` and `item`."""

    users: DataFrame
    items: DataFrame

    def split(self, ratings: DataFrame, min_user_ratings: int, min_item_ratings: int) -> tuple[DataFrame, DataFrame]:
        """Return the ratings in the core, and `position` and `reason` of the others."""
        left = ratings.join(self.users, "user", "left_anti")
        of_users = ratings.join(self.users, "user", "left_semi").select("position")
        of_items = left.join(self.items, "item", "left_semi").select("position")
        gone = of_users.withColumn("reason", F.lit(few_ratings("user", min_user_ratings))).unionByName(
            of_items.withColumn("reason", F.lit(few_ratings("item", min_item_ratings)))
        )
        return left.join(self.items, "item", "left_anti"), gone


def few_ratings(side: str, least: int) -> str:
    """Return the reason for rejecting a row whose user or item is outside the core."""
    return f"its {side} has fewer than {least} usable ratings"


def outside_core(ratings: DataFrame, min_user_ratings: int, min_item_ratings: int) -> OutsideCore:
    """Find the users and items to remove so that each remaining one has enough ratings by remaining ones.

    The result is the largest core, because the order of removal does not matter (Seidman, "Network structure and
    minimum degree", Social Networks 1983). Every round takes two passes over the ratings. The removed ids are local
    checkpoints on the executors, so the job fails if an executor is lost.
    """
    least = {"user": min_user_ratings, "item": min_item_ratings}
    gone = {side: ratings.select(side).limit(0) for side in least}
    while True:
        more = 0
        for side in least:
            remaining = ratings.join(gone["user"], "user", "left_anti").join(gone["item"], "item", "left_anti")
            few = remaining.groupBy(side).count().where(F.col("count") < least[side]).select(side).localCheckpoint()
            found = few.count()
            if found:
                gone[side] = gone[side].unionByName(few).localCheckpoint()
            more += found
        if not more:
            return OutsideCore(gone["user"], gone["item"])
