"""Schedule of stratified SGD: the order in which the cells of a grid are processed.

An epoch processes a grid of p user blocks and q ≥ p item blocks in q strata. The p cells of a *stratum* share neither
rows nor columns and can be processed in parallel (Gemulla, Nijkamp, Haas and Sismanis 2011, "Large-scale matrix
factorization with distributed stochastic gradient descent", §4). The item blocks form a circle, which each user block
processes from its own position on. They arrive in this order if every user block sends each item block to the preceding
user block after processing it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.random import Purpose, uniform


@dataclass(frozen=True)
class Strata:
    """Schedule of p user blocks and q item blocks.

    Attributes
    ----------
    user_blocks, item_blocks : int
        p ≥ 1 and q ≥ p.
    seed : int
        Seed of the order of blocks and tiles, which is different in each epoch.

    Raises
    ------
    ValueError
        If there are fewer item blocks than user blocks.
    """

    user_blocks: int
    item_blocks: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.user_blocks <= self.item_blocks:
            raise ValueError(
                "item_blocks must be >= user_blocks and user_blocks must be >= 1, "
                f"got {self.user_blocks} user blocks and {self.item_blocks} item blocks."
            )

    def owned(self, user_block: int) -> range:
        """Return the consecutive item blocks, at least one, that a user block holds between epochs."""
        p, q = self.user_blocks, self.item_blocks
        return range(user_block * q // p, (user_block + 1) * q // p)

    def circle(self, epoch: int) -> list[int]:
        """Return the item blocks in the circular order of an epoch: the shuffled blocks of each user block in turn."""
        keys = uniform(self.seed, Purpose.SGD_BLOCK_ORDER, np.array([epoch]), self.item_blocks)[0]
        blocks: list[int] = []
        for user_block in range(self.user_blocks):
            own = self.owned(user_block)
            blocks += [own[place] for place in np.argsort(keys[own.start : own.stop], kind="stable")]
        return blocks

    def strata(self, epoch: int) -> list[list[int]]:
        """Return the item block of each user block in each stratum, as q lists of p different blocks."""
        circle = self.circle(epoch)
        first = [self.owned(user_block).start for user_block in range(self.user_blocks)]
        return [[circle[(place + turn) % self.item_blocks] for place in first] for turn in range(self.item_blocks)]

    def tile_order(self, epoch: int, user_block: int, item_block: int, n_tiles: int) -> NDArray[np.int32]:
        """Return the order in which an epoch processes the tiles of a cell, as int32[n_tiles]."""
        cell = (epoch * self.user_blocks + user_block) * self.item_blocks + item_block
        keys = uniform(self.seed, Purpose.SGD_TILE_ORDER, np.array([cell]), n_tiles)[0]
        return np.argsort(keys, kind="stable").astype(np.int32)
