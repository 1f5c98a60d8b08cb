"""The sides of the ratings: users and items."""

from dataclasses import dataclass
from typing import Literal

from numpy.typing import NDArray

from spark_mf.blocks.ids import IdIndex
from spark_mf.blocks.partition import Partition


@dataclass(frozen=True)
class Side:
    """One side of the ratings, users or items: its ids and the partition of its rows into blocks."""

    name: str
    index: IdIndex
    partition: Partition

    @classmethod
    def balanced(cls, name: str, ids: tuple[NDArray, NDArray], n_blocks: int, seed: int) -> "Side":
        """Cut the rows of counted ids into blocks of about equally many ratings."""
        return cls(name, IdIndex(ids[0]), Partition.balanced(ids[1], n_blocks, seed))

    def __len__(self) -> int:
        return len(self.index)

    @property
    def row_name(self) -> Literal["user", "item"]:
        """What a row of the side stands for."""
        return "user" if self.name == "users" else "item"
