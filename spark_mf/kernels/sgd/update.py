"""Updates of stochastic gradient descent to the rows of a rating or a batch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_mf.kernels.row_layout import RowLayout

#: Slots are padded to whole vectors of this many float32, on every processor: members of a cluster exchange rows.
SLOT_LANES = 8

#: Slots of state for each optimizer: nothing, the velocity, the sum of squares, both moments.
_STATE_SLOTS = {"sgd": 0, "momentum": 1, "adagrad": 1, "adam": 2}
OPTIMIZERS = tuple(_STATE_SLOTS)


def sgd_row_layout(rank: int, bias: bool, optimizer: str) -> RowLayout:
    """Return the layout of rows for an optimizer.

    Adam's last lanes are [1 − β₁ᵗ, 1 − β₂ᵗ, 0 …] after t updates. Constants and padding have a step of zero, which
    keeps them as they are.

    Raises
    ------
    ValueError
        When the optimizer is none of `OPTIMIZERS`.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}.")
    return RowLayout(
        rank=rank,
        bias=bias,
        lane_multiple=SLOT_LANES,
        state_slots=_STATE_SLOTS[optimizer],
        row_lanes=SLOT_LANES if optimizer == "adam" else 0,
    )


@dataclass(frozen=True)
class Update:
    """Rule by which a rating, or a batch of ratings, changes its rows.

    Attributes
    ----------
    layout : RowLayout
        From `sgd_row_layout`.
    optimizer : str
        One of `OPTIMIZERS`.
    stepSize, biasStepSize : float
        Step of factors and of biases, above 0.
    regParam, biasRegParam : float
        λ ≥ 0 of factors and of biases; a rating's share of it belongs to its rows.
    sequential : bool
        Whether the item's row is updated first, then the user's from the new item's, with the same error; else both
        are updated from the old rows.
    batchSize : int
        Ratings whose gradients are summed before the optimizer is applied to the rows they touch, 1 or more.
    momentum : float
        Part of the velocity that stays (Polyak 1964), for "momentum".
    beta1, beta2 : float
        Decays of the moments (Kingma and Ba 2015), for "adam".
    epsilon : float
        What keeps a divisor from being zero, above 0, for "adagrad" and "adam".
    itemRegParam : float or None
        λ of item factors if it differs from `regParam`.
    """

    layout: RowLayout
    optimizer: str
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
    itemRegParam: float | None = None

    def user_steps(self) -> NDArray[np.float64]:
        """Return the step of each lane of a user's slot, float64[width]."""
        return self.layout.per_lane(self.stepSize, self.biasStepSize, 0.0)

    def item_steps(self) -> NDArray[np.float64]:
        """Return the step of each lane of an item's slot, float64[width]."""
        return self.layout.per_lane(self.stepSize, 0.0, self.biasStepSize)

    def user_penalties(self) -> NDArray[np.float64]:
        """Return λ of each lane of a user's slot, float64[width]."""
        return self.layout.per_lane(self.regParam, self.biasRegParam, 0.0)

    def item_penalties(self) -> NDArray[np.float64]:
        """Return λ of each lane of an item's slot, float64[width]."""
        factors = self.regParam if self.itemRegParam is None else self.itemRegParam
        return self.layout.per_lane(factors, 0.0, self.biasRegParam)
