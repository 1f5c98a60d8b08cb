"""The one sentence in which a bad value is refused."""

import math


def require(is_allowed: bool, name: str, value: object, way_out: str) -> None:
    """Raise a ValueError that names the value and the way out, unless it is allowed."""
    if not is_allowed:
        raise ValueError(f"{name}={value!r} is not possible: use {way_out}")


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    require(value in choices, name, value, f"one of {', '.join(choices)}")


def require_count(name: str, value: int, least: int) -> None:
    """Raise a ValueError unless `value` is a whole number of at least `least`."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    require(is_whole and value >= least, name, value, f"a whole number of {least} or more")


def require_at_least_zero(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is a finite number of 0 or more."""
    require(math.isfinite(value) and value >= 0, name, value, "a finite number of 0 or more")


def require_above_zero(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is a finite number above 0."""
    require(math.isfinite(value) and value > 0, name, value, "a finite number above 0")


def require_part(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is in [0, 1)."""
    require(0 <= value < 1, name, value, "a number from 0 to below 1")
