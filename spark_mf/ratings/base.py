"""What a fit asks of ratings, how it wants them laid out, and what it gets."""

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
from spark_mf.ratings.layout import BlockCounts, Layout, Side
from spark_mf.ratings.string_ids import IdMap
from spark_mf.resources.memory import FitSize


@dataclass(frozen=True, kw_only=True)
class RatingsRequest:
    """What a fit asks of its ratings.

    Attributes
    ----------
    userCol, itemCol, ratingCol : str
        Columns of a DataFrame.
    validationIndicatorCol : str or None
    rank : int
        Of the fit, which a folder may have been written for.
    numUserBlocks, numItemBlocks : int or None
        None leaves the number to the fit.
    seed : int
        Of the order in which equally large rows are dealt to blocks.
    level : StorageLevel
        Where Spark keeps what is made of the ratings.
    """

    userCol: str
    itemCol: str
    ratingCol: str
    validationIndicatorCol: str | None
    rank: int
    numUserBlocks: int | None
    numItemBlocks: int | None
    seed: int
    level: StorageLevel


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of distinct users and items and of ratings, and of blocks where the ratings are laid out already."""

    users: int
    items: int
    ratings: int
    validation_ratings: int
    user_blocks: int | None = None
    item_blocks: int | None = None

    def in_blocks(self, user_blocks: int, item_blocks: int, members: int) -> FitSize:
        """Return what a fit's memory follows from when so many tasks work on so many blocks at the same time."""
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
        )


@dataclass(frozen=True, kw_only=True)
class LayoutPlan:
    """How a fit wants its ratings laid out.

    Attributes
    ----------
    engine : str
    user_blocks, item_blocks : int
    n_members : int or None
        Partitions of a layout, which are the members of a ring; None gives each block one of its own.
    needs_items : bool
        Whether ratings are laid out by item too.
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
        Training ratings of each.
    by_user, by_item : Layout
        The second is None where the plan does not need it.
    ratings, validation_ratings : int
        Numbers of rows; a validation row may be cold.
    user_ids, item_ids : IdMap or None
        The original ids where the side's ids are strings.
    is_shared : bool
        Whether the layouts stay for other fits.
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
    user_ids: IdMap | None
    item_ids: IdMap | None
    is_shared: bool = False

    @property
    def counts(self) -> BlockCounts:
        """What was counted in the ratings."""
        return self.by_user.counts

    def identity(self) -> dict[str, int]:
        """Return numbers that tell these ratings from others, whatever their order, blocks and partitions."""
        return {
            "users": len(self.users),
            "items": len(self.items),
            "ratings": self.ratings,
            "ids": zlib.crc32(self.items.index.ids.tobytes(), zlib.crc32(self.users.index.ids.tobytes())),
            "fingerprint": self.counts.fingerprint,
        }


class RatingsSource(Protocol):
    """Ratings whose sizes are known, to be laid out as a fit plans."""

    @property
    def sizes(self) -> Sizes:
        """What the plan follows from."""
        ...

    def lay_out(self, plan: LayoutPlan, cleanup: ExitStack) -> PreparedRatings:
        """Return the ratings in blocks; `cleanup` releases what Spark keeps of them for this fit alone.

        Raises
        ------
        ValueError
            When the ratings are laid out already, and not as the plan needs them.
        """
        ...


class LaidOutRatings(ABC):
    """Ratings that are laid out in blocks; `fit` takes them in the place of a DataFrame, as often as wanted.

    `spark_mf.lay_out_ratings` keeps them in the executors' storage, `spark_mf.partition_ratings` in a folder.

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
            When the fit asks for other blocks, another rank, or validation rows that there are not.
        """
