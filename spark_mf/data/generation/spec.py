"""What is to be generated, and what of it is possible."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from spark_mf.kernels.random import seed_key

Skew = Literal["long-tailed", "uniform"]

# No user rates more than this part of the items, hence no data set can be denser.
LARGEST_SHARE = 0.6


@dataclass(frozen=True)
class RatingsSpec:
    """What is to be generated; the fields are the arguments of `spark_mf.data.generating.generate_ratings`.

    Raises
    ------
    TypeError, ValueError
        If a field is outside its range, or the ratings do not fit into the pairs or do not reach the minimums.
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
            raise ValueError(f"skew is {self.skew!r}; give one of {', '.join(map(repr, get_args(Skew)))}.")
        seed_key(self.seed)

    def _require_room(self) -> None:
        densest = int(self.users * self.items * LARGEST_SHARE)
        if self.ratings > densest:
            raise ValueError(
                f"ratings is {self.ratings}, but {self.users} users and {self.items} items can hold "
                f"{densest} ({LARGEST_SHARE:.0%} of all pairs): ask for fewer, or for more users or items."
            )

    def _require_minimum(self, name: str, whose: str) -> None:
        """As many ratings as the minimum takes are also enough: see `generating_plan.given_ends`."""
        minimum, number = getattr(self, name), getattr(self, whose)
        require_integer(name, minimum, 0, 2**31 - 1)
        if minimum * number > self.ratings:
            raise ValueError(
                f"{name} is {minimum}, which takes {minimum * number} ratings for {number} {whose}, but ratings is "
                f"{self.ratings}: ask for more ratings, fewer {whose} or a {name} of at most {self.ratings // number}."
            )

    def _require_values(self) -> None:
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise is {self.noise}; give a finite standard deviation of 0 or more.")
        low, high = self.scale
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"scale is {self.scale}; give the lowest and the highest rating, such as (0.5, 5.0).")
        if self.step is not None and not 0 < self.step <= high - low:
            raise ValueError(
                f"step is {self.step}; give a number above 0 and at most {high - low}, the width of the "
                "scale, or None for ratings that are not rounded."
            )


def require_integer(name: str, value: int, smallest: int, largest: int) -> None:
    """Refuse what is no integer from `smallest` to `largest`, by TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}, a {type(value).__name__}; give an integer.")
    if not smallest <= value <= largest:
        raise ValueError(f"{name} is {value}; give an integer from {smallest} to {largest}.")
