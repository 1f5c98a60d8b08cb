"""Assignment of rows to blocks, and their positions in the blocks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.balance import balanced_blocks, positions_in_block

#: Maximum number of ratings of a block, relative to the mean, because all tasks wait for the largest block.
LARGEST_BLOCK = 1.2


@dataclass(frozen=True, eq=False)
class Partition:
    """Rows of one side, users or items, cut into blocks.

    Attributes
    ----------
    block : int32[n]
        Block of each row, from 0 to ``n_blocks - 1``.
    row : int32[n]
        Position of each row in its block; positions ascend with the dense index.
    n_blocks : int
        1 or more; blocks may be empty.
    """

    block: NDArray[np.int32]
    row: NDArray[np.int32]
    n_blocks: int

    @classmethod
    def balanced(cls, counts: NDArray[np.int64], n_blocks: int, seed: int) -> "Partition":
        """Cut rows into blocks with nearly equal numbers of ratings and of rows.

        Parameters
        ----------
        counts : int64[n]
            Number of ratings of each row, 0 or more.
        n_blocks : int
            1 or more; if it exceeds n, some blocks are empty.
        seed : int
            A signed 64-bit integer; the same arguments give the same partition.

        Raises
        ------
        TypeError, ValueError
            If `counts` or `seed` has another type, or a number is out of range.
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
        """Cut rows into at most `n_blocks` blocks with at most `largest` times the mean number of ratings each.

        A row is never divided. If the largest row alone has more ratings, or few rows cannot be balanced, fewer blocks
        are made: more blocks would not be faster, because all would wait for the largest one.

        Parameters
        ----------
        counts : int64[n]
            Number of ratings of each row, 0 or more.
        n_blocks : int
            1 or more.
        seed : int
            A signed 64-bit integer.
        largest : float
            1 or more.

        Raises
        ------
        TypeError, ValueError
            See `balanced`.
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
        """Return the partition with row i in block ``block[i]``, an int32[n] from 0 to ``n_blocks - 1``."""
        return cls(block, positions_in_block(block, n_blocks), n_blocks)

    def joined(self, n_blocks: int) -> "Partition":
        """Return a partition into fewer blocks, each of which joins about equally many consecutive blocks.

        Raises
        ------
        ValueError
            If this partition has fewer than `n_blocks` blocks.
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
        """Return the dense indices of the rows of a block in the order of their positions, as ascending int32[rows].

        Raises
        ------
        ValueError
            If `block` is out of range.
        """
        if not 0 <= block < self.n_blocks:
            raise ValueError(f"block must be in [0, {self.n_blocks - 1}], got {block}.")
        return np.flatnonzero(self.block == block).astype(np.int32)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of rows of each block, int64[n_blocks]."""
        return np.bincount(self.block, minlength=self.n_blocks)

    def balance(self, counts: NDArray[np.int64]) -> float:
        """Return the number of ratings of the largest block divided by the mean, 1 if there are no ratings.

        Parameters
        ----------
        counts : int64[n]
            Number of ratings of each row.

        Raises
        ------
        ValueError
            If there is not one count per row.
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
