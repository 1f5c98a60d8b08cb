"""The schedule of stratified descent: which user block meets which item block when, and in what order.

A grid of p user blocks and q ≥ p item blocks is visited in q turns. In each, every user block meets another item
block, so that the p cells of the turn, a *stratum*, share no row and no column and can be worked on at the same time
(Gemulla, Nijkamp, Haas and Sismanis 2011, "Large-scale matrix factorization with distributed stochastic gradient
descent", §4). Item blocks stand in a circle; a user block visits them one after the other from its own place on, and
they come to it in just that order when each is handed to the user block before as soon as it was worked on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.random import Purpose, uniform


@dataclass(frozen=True)
class Strata:
    """The schedule of p user blocks and q item blocks.

    Attributes
    ----------
    user_blocks, item_blocks : int
        p ≥ 1 and q ≥ p.
    seed : int
        Of the order in which blocks and tiles are visited; another one in each epoch.

    Raises
    ------
    ValueError
        When there are fewer item blocks than user blocks.
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
        """Return the item blocks that stay with a user block between epochs: consecutive, at least one."""
        p, q = self.user_blocks, self.item_blocks
        return range(user_block * q // p, (user_block + 1) * q // p)

    def circle(self, epoch: int) -> list[int]:
        """Return the item blocks in the order of an epoch's circle: those of each user block, shuffled, in turn."""
        keys = uniform(self.seed, Purpose.SGD_BLOCK_ORDER, np.array([epoch]), self.item_blocks)[0]
        blocks: list[int] = []
        for user_block in range(self.user_blocks):
            own = self.owned(user_block)
            blocks += [own[place] for place in np.argsort(keys[own.start : own.stop], kind="stable")]
        return blocks

    def strata(self, epoch: int) -> list[list[int]]:
        """Return the item block of each user block, turn by turn: q lists of p different blocks."""
        circle = self.circle(epoch)
        first = [self.owned(user_block).start for user_block in range(self.user_blocks)]
        return [[circle[(place + turn) % self.item_blocks] for place in first] for turn in range(self.item_blocks)]

    def tile_order(self, epoch: int, user_block: int, item_block: int, n_tiles: int) -> NDArray[np.int32]:
        """Return the order in which an epoch visits a cell's tiles, int32[n_tiles]."""
        cell = (epoch * self.user_blocks + user_block) * self.item_blocks + item_block
        keys = uniform(self.seed, Purpose.SGD_TILE_ORDER, np.array([cell]), n_tiles)[0]
        return np.argsort(keys, kind="stable").astype(np.int32)
