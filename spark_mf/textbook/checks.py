"""Validation of Params, with uniform error messages."""

import math


def require(is_allowed: bool, name: str, value: object, condition: str) -> None:
    """Raise ValueError with the condition and the value, unless the value is allowed."""
    if not is_allowed:
        raise ValueError(f"{name} must be {condition}, got {value!r}.")


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    require(value in choices, name, value, f"one of {', '.join(choices)}")


def require_count(name: str, value: int, least: int) -> None:
    """Raise ValueError unless `value` is an integer of at least `least`."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    require(is_whole and value >= least, name, value, f"an integer >= {least}")


def require_at_least_zero(name: str, value: float) -> None:
    """Raise ValueError unless `value` is finite and not negative."""
    require(math.isfinite(value) and value >= 0, name, value, "finite and >= 0")


def require_above_zero(name: str, value: float) -> None:
    """Raise ValueError unless `value` is finite and positive."""
    require(math.isfinite(value) and value > 0, name, value, "finite and > 0")


def require_part(name: str, value: float) -> None:
    """Raise ValueError unless `value` is in [0, 1)."""
    require(0 <= value < 1, name, value, "in [0, 1)")
