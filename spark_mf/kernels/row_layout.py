"""The layout of a side's rows: factors, biases and what else a method keeps of each user or item.

A row is one piece of memory, so that an update touches adjoining cache lines and an exchange sends one array:

| slot 0 | further slots, as wide | last lanes |
|---|---|---|
| user [u_0 … u_{k−1}, b_u, 1, 0 …] | state of each lane, such as the optimizer's | state of the row |
| item [v_0 … v_{k−1}, 1, b_i, 0 …] | | |

The inner product of a user's and an item's slot 0 is uᵀv + b_u + b_i; without biases a slot is the factors and
padding. A method whose objective adds the biases itself leaves the constants out: [u_0 … u_{k−1}, b_u] and
[v_0 … v_{k−1}, b_i].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CACHE_LINE_BYTES = 64


@dataclass(frozen=True)
class RowLayout:
    """The layout of a side's rows.

    Attributes
    ----------
    rank : int
        Number of factors, 1 or more.
    bias : bool
        Whether rows hold a bias.
    lane_multiple : int
        Slots are padded to a multiple of so many lanes.
    state_slots : int
        Slots of state behind slot 0.
    row_lanes : int
        Lanes of state that belong to the row as a whole.
    constant : bool
        Whether rows with a bias also hold a constant 1, which multiplies the other side's bias.
    """

    rank: int
    bias: bool = False
    lane_multiple: int = 1
    state_slots: int = 0
    row_lanes: int = 0
    constant: bool = True

    @property
    def width(self) -> int:
        """Lanes of a slot, a multiple of `lane_multiple`."""
        used = self.rank + self.bias * (1 + self.constant)
        return -(-used // self.lane_multiple) * self.lane_multiple

    @property
    def stride(self) -> int:
        """Lanes of a row."""
        return (1 + self.state_slots) * self.width + self.row_lanes

    @property
    def user_bias_lane(self) -> int:
        """The lane of a user's bias, and of an item's constant 1 if there is one."""
        return self.rank

    @property
    def item_bias_lane(self) -> int:
        """The lane of an item's bias, and of a user's constant 1 if there is one."""
        return self.rank + self.constant

    def zeros(self, n: int) -> NDArray[np.float32]:
        """Return float32[n, stride] of zeros that starts a cache line: vectors then never lie across two."""
        spare = _CACHE_LINE_BYTES // 4
        memory = np.zeros(n * self.stride + spare, np.float32)
        first = -memory.ctypes.data % _CACHE_LINE_BYTES // 4
        return memory[first : first + n * self.stride].reshape(n, self.stride)

    def user_rows(self, factors: NDArray[np.float32], biases: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return rows of users with a state of zeros.

        Parameters
        ----------
        factors : float32[n, rank]
        biases : float32[n], or None for zeros

        Returns
        -------
        float32[n, stride], C order
        """
        return self._rows(factors, biases, self.user_bias_lane, self.item_bias_lane)

    def item_rows(self, factors: NDArray[np.float32], biases: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return rows of items; see `user_rows`."""
        return self._rows(factors, biases, self.item_bias_lane, self.user_bias_lane)

    def _rows(
        self, factors: NDArray[np.float32], biases: NDArray[np.float32] | None, bias_lane: int, one_lane: int
    ) -> NDArray[np.float32]:
        rows = self.zeros(factors.shape[0])
        rows[:, : self.rank] = factors
        if self.bias:
            rows[:, bias_lane] = 0 if biases is None else biases
        if self.bias and self.constant:
            rows[:, one_lane] = 1
        return rows

    def factors(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a copy of the factors in rows of either side, float32[n, rank]."""
        return rows[:, : self.rank].copy()

    def user_biases(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a copy of the biases in rows of users, float32[n]; zeros without biases."""
        return self._biases(rows, self.user_bias_lane)

    def item_biases(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a copy of the biases in rows of items, float32[n]; zeros without biases."""
        return self._biases(rows, self.item_bias_lane)

    def _biases(self, rows: NDArray[np.float32], lane: int) -> NDArray[np.float32]:
        return rows[:, lane].copy() if self.bias else np.zeros(rows.shape[0], np.float32)

    def per_lane(self, factor: float, user_bias: float, item_bias: float) -> NDArray[np.float64]:
        """Return float64[width] with `factor` for factors, one value for each lane of biases, and 0 for padding."""
        values = np.zeros(self.width)
        values[: self.rank] = factor
        if self.bias:
            values[self.user_bias_lane] = user_bias
            values[self.item_bias_lane] = item_bias
        return values
