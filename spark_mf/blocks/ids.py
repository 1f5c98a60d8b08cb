"""Mapping of 64-bit ids to dense indices 0, 1, 2, …"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.layout import encode, sum_by_code

UNKNOWN = -1

_MOST_IDS = 2**31 - 1


@dataclass(frozen=True, eq=False)
class IdIndex:
    """Ids of one side, users or items; the dense index of an id is its position.

    Parameters
    ----------
    ids : int64[n]
        Strictly ascending, with n below 2**31.

    Raises
    ------
    TypeError, ValueError
        If `ids` has another type or shape, is not ascending, or is too long for 32-bit indices.
    """

    ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        _require_int64("ids", self.ids)
        if self.ids.size > _MOST_IDS:
            raise ValueError(f"ids must have at most {_MOST_IDS} entries, got {self.ids.size}.")
        descents = np.flatnonzero(self.ids[1:] <= self.ids[:-1])
        if descents.size:
            at = int(descents[0])
            raise ValueError(
                f"ids must be strictly ascending, got {self.ids[at + 1]} after {self.ids[at]} at position {at + 1}. "
                "Sort them and remove duplicates, as np.unique does."
            )

    def __len__(self) -> int:
        return self.ids.size

    def lookup(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the dense indices of `ids` (int64[k], in any order) as int32[k], with `UNKNOWN` for unknown ids."""
        _require_int64("ids", ids)
        # Binary search costs several cache misses, so each distinct id is searched for once, in order.
        unique, _, codes = encode(ids)
        place = np.searchsorted(self.ids, unique)
        known = np.zeros(unique.size, bool)
        inside = place < self.ids.size
        known[inside] = self.ids[place[inside]] == unique[inside]
        return np.where(known, place, UNKNOWN).astype(np.int32)[codes]

    @classmethod
    def merge(cls, parts: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> tuple["IdIndex", NDArray[np.int64]]:
        """Merge the ids of chunks and add up their counts.

        Parameters
        ----------
        parts : Iterable[tuple[int64[m], int64[m]]]
            Ids and counts of each chunk, as returned by `spark_mf.kernels.layout.encode`.

        Returns
        -------
        index : IdIndex
            Index of all ids.
        counts : int64[n]
            Count of each id.

        Raises
        ------
        TypeError, ValueError
            If an array has another type or shape, or a part does not have one count per id.
        """
        pairs = list(parts)
        for number, (part_ids, part_counts) in enumerate(pairs):
            _require_int64(f"ids of part {number}", part_ids)
            _require_int64(f"counts of part {number}", part_counts)
            if part_ids.size != part_counts.size:
                raise ValueError(
                    f"part {number} must have one count per id, got {part_ids.size} ids and {part_counts.size} counts."
                )
        ids = np.concatenate([np.empty(0, np.int64), *(part_ids for part_ids, _ in pairs)])
        amounts = np.concatenate([np.empty(0, np.int64), *(part_counts for _, part_counts in pairs)])
        unique, _, codes = encode(ids)
        return cls(unique), sum_by_code(codes, amounts, unique.size)


def _require_int64(name: str, array: Any) -> None:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a one-dimensional int64 array, got {type(array).__name__}.")
    if array.dtype != np.int64 or array.ndim != 1:
        raise TypeError(f"{name} must be a one-dimensional int64 array, got {array.dtype} of shape {array.shape}.")
