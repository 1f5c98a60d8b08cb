"""How many blocks a side is cut into."""

import logging

logger = logging.getLogger("spark_mf")

_SMALLEST_BLOCK, _LARGEST_BLOCK = 100_000, 4_000_000


def default_blocks(n_ratings: int, slots: int) -> int:
    """Return the blocks of a side whose number is left open: one a task slot, as long as they have a fair size.

    Below a hundred thousand ratings a block costs more as a task than it gains; above four million its memory counts.
    """
    return max(1, min(slots, n_ratings // _SMALLEST_BLOCK), n_ratings // _LARGEST_BLOCK)


def blocks_asked(name: str, asked: int | None, rows: int) -> int | None:
    """Return the blocks of a side that were asked for, but no more than it has rows; None where that is left open.

    Parameters
    ----------
    name : str
        The Param, "numUserBlocks" or "numItemBlocks".
    asked : int or None
        Its value.
    rows : int
        Users or items.
    """
    side = "users" if name == "numUserBlocks" else "items"
    if rows == 1:
        logger.warning("All ratings belong to one of the %s, so the factors carry no information.", side)
    if asked is None:
        return None
    if asked > rows:
        logger.warning("%s=%d is more than the %d %s, so %d blocks are used.", name, asked, rows, side, rows)
    return min(asked, rows)
