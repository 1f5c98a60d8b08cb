"""The k-core of ratings: what remains when users and items with too few ratings go, again and again."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class OutsideCore:
    """What does not remain: DataFrames of one column, `user` and `item`."""

    users: DataFrame
    items: DataFrame

    def split(self, ratings: DataFrame, min_user_ratings: int, min_item_ratings: int) -> tuple[DataFrame, DataFrame]:
        """The ratings that remain, and `position` and `reason` of the others."""
        left = ratings.join(self.users, "user", "left_anti")
        of_users = ratings.join(self.users, "user", "left_semi").select("position")
        of_items = left.join(self.items, "item", "left_semi").select("position")
        gone = of_users.withColumn("reason", F.lit(few_ratings("user", min_user_ratings))).unionByName(
            of_items.withColumn("reason", F.lit(few_ratings("item", min_item_ratings)))
        )
        return left.join(self.items, "item", "left_anti"), gone


def few_ratings(side: str, least: int) -> str:
    """The reason of a row whose user or item does not remain."""
    return f"its {side} has fewer than {least} usable ratings"


def outside_core(ratings: DataFrame, min_user_ratings: int, min_item_ratings: int) -> OutsideCore:
    """Find the users and items to remove so that each remaining one has enough ratings by remaining ones.

    The largest such set, as the removal of too small ones in any order leaves the same (Seidman, "Network structure
    and minimum degree", Social Networks 1983). Every round is two passes over the ratings; the ids that go are kept
    on the executors, where losing one of them loses the job.
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
