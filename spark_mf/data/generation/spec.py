"""Specification of generated ratings, and its validation."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from spark_mf.kernels.random import seed_key

Skew = Literal["long-tailed", "uniform"]

# Largest fraction of the items that a user rates, and hence the largest density of a data set.
LARGEST_SHARE = 0.6


@dataclass(frozen=True)
class RatingsSpec:
    """Specification of ratings; the fields are the arguments of `spark_mf.data.generating.generate_ratings`.

    Raises
    ------
    TypeError, ValueError
        If a field is out of range, there are more ratings than pairs, or too few for the minimums.
    """

    users: int
    items: int
    ratings: int
    rank: int = 8
    noise: float = 0.5
    scale: tuple[float, float] = (0.5, 5.0)
    step: float | None = 0.5
    seed: int = 0
    skew: Skew = "long-tailed"
    min_user_ratings: int = 0
    min_item_ratings: int = 0

    def __post_init__(self) -> None:
        for name, largest in (("users", 2**31), ("items", 2**31 - 1), ("ratings", 2**62), ("rank", 10_000)):
            require_integer(name, getattr(self, name), 1, largest)
        self._require_room()
        self._require_minimum("min_user_ratings", "users")
        self._require_minimum("min_item_ratings", "items")
        self._require_values()
        if self.skew not in get_args(Skew):
            raise ValueError(f"skew must be one of {', '.join(map(repr, get_args(Skew)))}, got {self.skew!r}.")
        seed_key(self.seed)

    def _require_room(self) -> None:
        densest = int(self.users * self.items * LARGEST_SHARE)
        if self.ratings > densest:
            raise ValueError(
                f"ratings must be at most {densest}, which is {LARGEST_SHARE:.0%} of all pairs of {self.users} users "
                f"and {self.items} items, got {self.ratings}. Ask for fewer ratings, or for more users or items."
            )

    def _require_minimum(self, name: str, whose: str) -> None:
        """Raise an error if there are too few ratings in all for a minimum; see `plan.given_ends`."""
        minimum, number = getattr(self, name), getattr(self, whose)
        require_integer(name, minimum, 0, 2**31 - 1)
        if minimum * number > self.ratings:
            raise ValueError(
                f"{name} must be at most {self.ratings // number} for {self.ratings} ratings and {number} {whose}, got "
                f"{minimum}, which takes {minimum * number} ratings. Ask for more ratings, fewer {whose} or a smaller "
                f"{name}."
            )

    def _require_values(self) -> None:
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise must be finite and >= 0, got {self.noise}.")
        low, high = self.scale
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"scale must be the lowest and the highest rating, such as (0.5, 5.0), got {self.scale}.")
        if self.step is not None and not 0 < self.step <= high - low:
            raise ValueError(
                f"step must be above 0 and at most {high - low}, the width of the scale, or None for ratings that are "
                f"not rounded, got {self.step}."
            )


def require_integer(name: str, value: int, smallest: int, largest: int) -> None:
    """Raise a TypeError or ValueError unless a value is an integer from `smallest` to `largest`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}.")
    if not smallest <= value <= largest:
        raise ValueError(f"{name} must be an integer from {smallest} to {largest}, got {value}.")
