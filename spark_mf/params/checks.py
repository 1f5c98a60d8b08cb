"""Checks of single values of Params."""

import math
from numbers import Integral


def require_seed(value: int) -> None:
    """Raise a ValueError unless a seed is a signed 64-bit integer."""
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"seed must be in [-2**63, 2**63 - 1], got {value}.")


def require_positive(name: str, value: object) -> None:
    """Raise a ValueError unless `value` is a positive integer; a bool is not an integer here."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value <= 0:
        raise ValueError(f"{name} must be an integer >= 1, got {value!r}.")


def require_patience(value: int) -> None:
    """Raise a ValueError unless earlyStoppingPatience is nonnegative."""
    if value < 0:
        raise ValueError(f"earlyStoppingPatience must be >= 0, got {value}. Use 0 to disable early stopping.")


def require_above_zero(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is finite and positive."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be finite and > 0, got {value}.")


def require_below_one(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}.")


def require_at_least_zero(name: str, value: float) -> None:
    """Raise a ValueError unless `value` is finite and nonnegative."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and >= 0, got {value}.")


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}.")
