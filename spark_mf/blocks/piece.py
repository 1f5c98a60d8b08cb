"""Ratings of one block in one chunk, the form in which a shuffle delivers them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spark_mf.blocks.compact import (
    compact_indices,
    compact_values,
    compact_weights,
    restore_indices,
    restore_values,
    restore_weights,
)
from spark_mf.blocks.csr import RatingBlock


class Piece(NamedTuple):
    """Ratings of one block in one chunk; pickled in compact form.

    Attributes
    ----------
    is_training : bool
        Whether they are training rather than validation ratings.
    order : tuple[int, int]
        Partition and number of the chunk.
    rows : int32[n]
        Positions in the block.
    columns : int32[n]
        Dense indices.
    values : float32[n]
    weights : float32[n] or None
    """

    is_training: bool
    order: tuple[int, int]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    weights: NDArray[np.float32] | None

    def __reduce__(self) -> tuple[Any, ...]:
        indices = compact_indices(self.rows), compact_indices(self.columns)
        values = compact_values(self.values), compact_weights(self.weights)
        return _restore_piece, (self.is_training, self.order, *indices, *values)


def _restore_piece(
    is_training: bool, order: tuple[int, int], rows: Any, columns: Any, values: Any, weights: Any
) -> Piece:
    indices = restore_indices(rows), restore_indices(columns)
    return Piece(is_training, order, *indices, restore_values(values), restore_weights(weights))


def block_of_pieces(members: NDArray[np.int32], pieces: list[Piece]) -> RatingBlock:
    """Return the block of some pieces, whose rows have the dense indices `members`, int32[n_rows]."""
    rows = np.concatenate([np.empty(0, np.int32), *(piece.rows for piece in pieces)])
    columns = np.concatenate([np.empty(0, np.int32), *(piece.columns for piece in pieces)])
    values = np.concatenate([np.empty(0, np.float32), *(piece.values for piece in pieces)])
    weights = [piece.weights for piece in pieces if piece.weights is not None]
    return RatingBlock.from_triples(members, rows, columns, values, np.concatenate(weights) if weights else None)
