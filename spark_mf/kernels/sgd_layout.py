"""How stochastic gradient descent keeps factors, biases and the optimizer's state: one row of lanes each.

A row is one piece of memory, so that an update touches adjoining cache lines and an exchange sends one array:

| slot 0 | further slots, as wide | last 8 lanes |
|---|---|---|
| user [u_0 … u_{k−1}, b_u, 1, 0 …] | the optimizer's state of each lane: | Adam alone: |
| item [v_0 … v_{k−1}, 1, b_i, 0 …] | `_STATE_SLOTS` | [1 − β₁ᵗ, 1 − β₂ᵗ, 0 …] after t updates |

The inner product of a user's and an item's slot 0 is uᵀv + b_u + b_i; without biases a slot is the factors and
padding. Lanes of ones and padding get a step of zero, which keeps them as they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Slots are padded to whole vectors of this many float32, on every processor: members of a cluster exchange rows.
SLOT_LANES = 8

#: Lanes of state for each lane of slot 0: nothing, the velocity, the sum of squares, both moments.
_STATE_SLOTS = {"sgd": 0, "momentum": 1, "adagrad": 1, "adam": 2}
OPTIMIZERS = tuple(_STATE_SLOTS)

_CACHE_LINE_BYTES = 64


@dataclass(frozen=True)
class Lanes:
    """The layout of a side's rows.

    Attributes
    ----------
    rank : number of factors, 1 or more
    fitBias : whether rows hold a bias
    optimizer : one of `OPTIMIZERS`

    Raises
    ------
    ValueError
        If the optimizer is none of them.
    """

    rank: int
    fitBias: bool
    optimizer: str

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer is {self.optimizer!r}; give one of {', '.join(OPTIMIZERS)}.")

    @property
    def width(self) -> int:
        """Lanes of a slot, a multiple of `SLOT_LANES`."""
        used = self.rank + 2 * self.fitBias
        return -(-used // SLOT_LANES) * SLOT_LANES

    @property
    def stride(self) -> int:
        """Lanes of a row: the slots, and one more vector for Adam's bias corrections."""
        corrections = SLOT_LANES if self.optimizer == "adam" else 0
        return (1 + _STATE_SLOTS[self.optimizer]) * self.width + corrections

    @property
    def user_bias_lane(self) -> int:
        """Where a user's bias is, and an item's one."""
        return self.rank

    @property
    def item_bias_lane(self) -> int:
        """Where an item's bias is, and a user's one."""
        return self.rank + 1

    def zeros(self, n: int) -> NDArray[np.float32]:
        """float32[n, stride] of zeros that starts a cache line: vectors then never lie across two."""
        spare = _CACHE_LINE_BYTES // 4
        memory = np.zeros(n * self.stride + spare, np.float32)
        first = -memory.ctypes.data % _CACHE_LINE_BYTES // 4
        return memory[first : first + n * self.stride].reshape(n, self.stride)

    def user_rows(self, factors: NDArray[np.float32], biases: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Rows of users with a fresh state.

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
        """Rows of items; see `user_rows`."""
        return self._rows(factors, biases, self.item_bias_lane, self.user_bias_lane)

    def _rows(
        self, factors: NDArray[np.float32], biases: NDArray[np.float32] | None, bias_lane: int, one_lane: int
    ) -> NDArray[np.float32]:
        rows = self.zeros(factors.shape[0])
        rows[:, : self.rank] = factors
        if self.fitBias:
            rows[:, bias_lane] = 0 if biases is None else biases
            rows[:, one_lane] = 1
        return rows

    def factors(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the factors in rows of either side, float32[n, rank]."""
        return rows[:, : self.rank].copy()

    def user_biases(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the biases in rows of users, float32[n]; zeros without fitBias."""
        return self._biases(rows, self.user_bias_lane)

    def item_biases(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the biases in rows of items, float32[n]; zeros without fitBias."""
        return self._biases(rows, self.item_bias_lane)

    def _biases(self, rows: NDArray[np.float32], lane: int) -> NDArray[np.float32]:
        return rows[:, lane].copy() if self.fitBias else np.zeros(rows.shape[0], np.float32)

    def per_lane(self, factor: float, user_bias: float, item_bias: float) -> NDArray[np.float64]:
        """float64[width] that holds `factor` for factors, one value for each lane of biases, and 0 for padding."""
        values = np.zeros(self.width)
        values[: self.rank] = factor
        if self.fitBias:
            values[self.user_bias_lane] = user_bias
            values[self.item_bias_lane] = item_bias
        return values


@dataclass(frozen=True)
class Update:
    """How one rating, or one batch of them, changes the rows it touches.

    Attributes
    ----------
    lanes : the rows' layout
    stepSize, biasStepSize : step of factors and of biases, above 0
    regParam, biasRegParam : λ of factors and of biases, 0 or more; a rating's share of it belongs to its rows
    sequential : the item's row first, then the user's from the new item's, with the same error; else both from
        the old rows
    batchSize : ratings whose gradients are summed before the optimizer is applied to the rows they touch, 1 or more
    momentum : part of the velocity that stays (Polyak 1964), for "momentum"
    beta1, beta2 : decays of the moments (Kingma and Ba 2015), for "adam"
    epsilon : what keeps a divisor from being zero, above 0, for "adagrad" and "adam"
    """

    lanes: Lanes
    stepSize: float
    biasStepSize: float
    regParam: float
    biasRegParam: float
    sequential: bool
    batchSize: int
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def user_steps(self) -> NDArray[np.float64]:
        """Step of each lane of a user's slot, float64[width]."""
        return self.lanes.per_lane(self.stepSize, self.biasStepSize, 0.0)

    def item_steps(self) -> NDArray[np.float64]:
        """Step of each lane of an item's slot, float64[width]."""
        return self.lanes.per_lane(self.stepSize, 0.0, self.biasStepSize)

    def user_penalties(self) -> NDArray[np.float64]:
        """λ of each lane of a user's slot, float64[width]."""
        return self.lanes.per_lane(self.regParam, self.biasRegParam, 0.0)

    def item_penalties(self) -> NDArray[np.float64]:
        """λ of each lane of an item's slot, float64[width]."""
        return self.lanes.per_lane(self.regParam, 0.0, self.biasRegParam)
