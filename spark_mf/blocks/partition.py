"""Assignment of rows to blocks, and their positions within them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.balance import balanced_blocks, positions_in_block

#: The most ratings that a block may have, as a multiple of a mean block's: all tasks wait for the largest.
LARGEST_BLOCK = 1.2


@dataclass(frozen=True, eq=False)
class Partition:
    """The rows of one side, user or item, cut into blocks.

    Attributes
    ----------
    block : int32[n], the block of each row, from 0 to ``n_blocks - 1``
    row : int32[n], the position of each row in its block; positions ascend with the dense index
    n_blocks : int, 1 or more; blocks may be empty
    """

    block: NDArray[np.int32]
    row: NDArray[np.int32]
    n_blocks: int

    @classmethod
    def balanced(cls, counts: NDArray[np.int64], n_blocks: int, seed: int) -> "Partition":
        """Cut rows into blocks with nearly equally many ratings, and nearly equally many rows.

        Parameters
        ----------
        counts : int64[n], ratings of each row, 0 or more
        n_blocks : int, 1 or more; where it exceeds n, some blocks stay empty
        seed : int, a signed 64-bit integer; the same arguments give the same partition

        Raises
        ------
        TypeError, ValueError
            If `counts` or `seed` has another type, or a number is out of its range.
        """
        _require_blocks(n_blocks)
        if counts.dtype != np.int64 or counts.ndim != 1:
            raise TypeError(
                f"counts must be a one-dimensional int64 array, got {counts.dtype} of shape {counts.shape}."
            )
        if counts.size and counts.min() < 0:
            row = int(counts.argmin())
            raise ValueError(f"counts must be >= 0, got {counts[row]} for row {row}.")
        return cls.of_blocks(balanced_blocks(counts, n_blocks, seed), n_blocks)

    @classmethod
    def within(cls, counts: NDArray[np.int64], n_blocks: int, seed: int, largest: float = LARGEST_BLOCK) -> "Partition":
        """Cut rows into at most `n_blocks` blocks, none of which has more than `largest` times a mean block's ratings.

        A row is never cut.  Where the heaviest one alone has more than that, or few rows do not come out even, fewer
        blocks are made: more would not end sooner, as all wait for the one with that row.

        Parameters
        ----------
        counts : int64[n], ratings of each row, 0 or more
        n_blocks : int, 1 or more
        seed : int, a signed 64-bit integer
        largest : float, 1 or more

        Raises
        ------
        TypeError, ValueError
            As `balanced`.
        """
        _require_blocks(n_blocks)
        heaviest = int(counts.max(initial=0))
        possible = int(largest * counts.sum() / heaviest) if heaviest > 0 else n_blocks
        wanted = max(1, min(n_blocks, counts.size, possible))
        while True:
            partition = cls.balanced(counts, wanted, seed)
            if wanted == 1 or partition.balance(counts) <= largest:
                return partition
            wanted = min(wanted - 1, int(wanted / 1.05) + 1)

    @classmethod
    def of_blocks(cls, block: NDArray[np.int32], n_blocks: int) -> "Partition":
        """Return the partition in which row i is in block ``block[i]``; int32[n], from 0 to ``n_blocks - 1``."""
        return cls(block, positions_in_block(block, n_blocks), n_blocks)

    def joined(self, n_blocks: int) -> "Partition":
        """Return the partition whose blocks are runs of this one's consecutive blocks, as even as they come out.

        Raises
        ------
        ValueError
            If this one has fewer blocks.
        """
        _require_blocks(n_blocks)
        if n_blocks > self.n_blocks:
            raise ValueError(f"n_blocks must be at most {self.n_blocks}, got {n_blocks}.")
        if n_blocks == self.n_blocks:
            return self
        return Partition.of_blocks((self.block.astype(np.int64) * n_blocks // self.n_blocks).astype(np.int32), n_blocks)

    def __len__(self) -> int:
        return self.block.size

    def members(self, block: int) -> NDArray[np.int32]:
        """Return the dense indices of a block's rows, int32[rows], ascending, which is the order of their positions.

        Raises
        ------
        ValueError
            If there is no such block.
        """
        if not 0 <= block < self.n_blocks:
            raise ValueError(f"block must be in [0, {self.n_blocks - 1}], got {block}.")
        return np.flatnonzero(self.block == block).astype(np.int32)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of rows of each block, int64[n_blocks]."""
        return np.bincount(self.block, minlength=self.n_blocks)

    def balance(self, counts: NDArray[np.int64]) -> float:
        """Return the ratings of the largest block over those of a mean one: 1 is perfect; without any it is 1.

        Parameters
        ----------
        counts : int64[n], ratings of each row

        Raises
        ------
        ValueError
            If there is not one count a row.
        """
        if counts.shape != self.block.shape:
            raise ValueError(f"counts must have length {len(self)}, one count per row, got {counts.size}.")
        ratings = np.bincount(self.block, weights=counts, minlength=self.n_blocks)
        total = ratings.sum()
        return float(ratings.max() * self.n_blocks / total) if total else 1.0


def _require_blocks(n_blocks: int) -> None:
    if isinstance(n_blocks, bool) or not isinstance(n_blocks, (int, np.integer)):
        raise TypeError(f"n_blocks must be an integer, got {n_blocks!r} ({type(n_blocks).__name__}).")
    if not 1 <= n_blocks < 2**31:
        raise ValueError(f"n_blocks must be in [1, 2**31 - 1], got {n_blocks}.")
