"""Interfaces between a fit and its ratings: the request, the layout plan, and the prepared ratings."""

import zlib
from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pyspark import StorageLevel
from pyspark.sql import SparkSession

from spark_mf.ratings.chunks import CHUNK_RATINGS
from spark_mf.ratings.layout import BlockCounts, Layout
from spark_mf.ratings.side import Side
from spark_mf.ratings.string_ids import IdMap
from spark_mf.resources.memory import FitSize


@dataclass(frozen=True, kw_only=True)
class RatingsRequest:
    """Requirements of a fit on its ratings.

    Attributes
    ----------
    userCol, itemCol, ratingCol : str
        Columns of a DataFrame.
    validationIndicatorCol : str or None
    weightCol : str or None
    rank : int
        Rank of the fit; a folder may have been written for one rank only.
    numUserBlocks, numItemBlocks : int or None
        None for the default of the fit.
    seed : int
        Seed of the order in which rows with equally many ratings are assigned to blocks.
    level : StorageLevel
        Storage level of the intermediate data.
    """

    userCol: str
    itemCol: str
    ratingCol: str
    validationIndicatorCol: str | None
    weightCol: str | None
    rank: int
    numUserBlocks: int | None
    numItemBlocks: int | None
    seed: int
    level: StorageLevel


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of distinct users and items, of ratings, and of blocks if the ratings are laid out already.

    `weighted` tells whether ratings have weights.
    """

    users: int
    items: int
    ratings: int
    validation_ratings: int
    weighted: bool
    user_blocks: int | None = None
    item_blocks: int | None = None

    def in_blocks(self, user_blocks: int, item_blocks: int, members: int) -> FitSize:
        """Return the size of a fit, which determines its memory, for numbers of blocks and concurrent tasks."""
        is_laid_out = self.user_blocks is not None
        chunk = min(CHUNK_RATINGS, -(-(self.ratings + self.validation_ratings) // members))
        return FitSize(
            users=self.users,
            items=self.items,
            ratings=self.ratings,
            validation_ratings=self.validation_ratings,
            user_blocks=user_blocks,
            item_blocks=item_blocks,
            members=members,
            chunk=0 if is_laid_out else chunk,
            weighted=self.weighted,
        )


@dataclass(frozen=True, kw_only=True)
class LayoutPlan:
    """Plan of a fit for the layout of its ratings.

    Attributes
    ----------
    engine : str
    user_blocks, item_blocks : int
    n_members : int or None
        Number of partitions of a layout, which are the members of a ring; None for one partition per block.
    needs_items : bool
        Whether ratings are also laid out by item.
    """

    engine: str
    user_blocks: int
    item_blocks: int
    n_members: int | None
    needs_items: bool


@dataclass(frozen=True, kw_only=True)
class PreparedRatings:
    """Ratings laid out in blocks, ready for an exchange.

    Attributes
    ----------
    engine : str
    users, items : Side
    user_counts, item_counts : int64[n_users], int64[n_items]
        Number of training ratings of each user and item.
    by_user : Layout
    by_item : Layout or None
        None if the plan does not need it.
    ratings, validation_ratings : int
        Numbers of rows; validation rows may be cold.
    weighted : bool
        Whether ratings have weights.
    user_ids, item_ids : IdMap or None
        Map to the original ids if the ids of the side are strings.
    is_shared : bool
        Whether other fits use the same layouts.
    """

    engine: str
    users: Side
    items: Side
    user_counts: NDArray[np.int64]
    item_counts: NDArray[np.int64]
    by_user: Layout
    by_item: Layout | None
    ratings: int
    validation_ratings: int
    weighted: bool
    user_ids: IdMap | None
    item_ids: IdMap | None
    is_shared: bool = False

    @property
    def counts(self) -> BlockCounts:
        """Counts of the ratings."""
        return self.by_user.counts

    @property
    def is_fully_observed(self) -> bool:
        """Whether each user has rated each item exactly once, with a weight of 1."""
        return not self.weighted and self.counts.duplicates == 0 and self.ratings == len(self.users) * len(self.items)

    def identity(self) -> dict[str, int]:
        """Return numbers that identify these ratings, independent of their order, blocks and partitions."""
        return {
            "users": len(self.users),
            "items": len(self.items),
            "ratings": self.ratings,
            "ids": zlib.crc32(self.items.index.ids.tobytes(), zlib.crc32(self.users.index.ids.tobytes())),
            "fingerprint": self.counts.fingerprint,
        }


class RatingsSource(Protocol):
    """Ratings of known size, which can be laid out by the plan of a fit."""

    @property
    def sizes(self) -> Sizes:
        """Sizes that determine the plan."""
        ...

    def lay_out(self, plan: LayoutPlan, cleanup: ExitStack) -> PreparedRatings:
        """Return the ratings in blocks; `cleanup` releases the data that Spark keeps for this fit only.

        Raises
        ------
        ValueError
            If the ratings are already laid out in a way that does not suit the plan.
        """
        ...


class LaidOutRatings(ABC):
    """Ratings laid out in blocks, which any number of calls of `fit` accept instead of a DataFrame.

    `spark_mf.lay_out_ratings` stores them on the executors, `spark_mf.partition_ratings` in a folder.

    Attributes
    ----------
    sparkSession : SparkSession
    """

    sparkSession: SparkSession

    @abstractmethod
    def open(self, request: RatingsRequest) -> RatingsSource:
        """Return the ratings for one fit.

        Raises
        ------
        ValueError
            If the fit requires other numbers of blocks, another rank, or validation rows that do not exist.
        """
