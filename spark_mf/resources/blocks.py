"""Numbers of user and item blocks."""

import logging

logger = logging.getLogger("spark_mf")

_SMALLEST_BLOCK, _LARGEST_BLOCK = 100_000, 4_000_000


def default_blocks(n_ratings: int, slots: int) -> int:
    """Return the default number of blocks of a side: one per task slot, within limits on the size of a block.

    With fewer than 100,000 ratings the overhead of a task exceeds its gain; above 4 million a block needs much memory.
    """
    return max(1, min(slots, n_ratings // _SMALLEST_BLOCK), n_ratings // _LARGEST_BLOCK)


def blocks_asked(name: str, asked: int | None, rows: int) -> int | None:
    """Return the requested number of blocks of a side, at most its number of rows; None if the Param is not set.

    Parameters
    ----------
    name : str
        Name of the Param, "numUserBlocks" or "numItemBlocks".
    asked : int or None
        Value of the Param.
    rows : int
        Number of users or items.
    """
    side = "users" if name == "numUserBlocks" else "items"
    if rows == 1:
        logger.warning("All ratings belong to one of the %s, so the factors carry no information.", side)
    if asked is None:
        return None
    if asked > rows:
        logger.warning("%s=%d is more than the %d %s, so %d blocks are used.", name, asked, rows, side, rows)
    return min(asked, rows)
