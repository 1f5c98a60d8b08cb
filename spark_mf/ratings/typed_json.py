"""Construction of dataclasses from JSON, with a check of the type of every value."""

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_IN_WORDS = {float: "a finite number", int: "an integer", str: "a string", tuple: "a list", dict: "an object"}


def from_json_object(cls: type[T], found: Any, inside: str = "") -> T:
    """Return a dataclass for the output of `json.loads`, and check each value against its annotation.

    Annotations may be int, float, str, tuple[x, ...], dict[str, x], dataclasses of these, and unions with None. Unknown
    keys are ignored; keys with a default may be missing.

    Parameters
    ----------
    cls : type
        A dataclass.
    found : Any
        A JSON object.
    inside : str
        Key of the object, for messages.

    Returns
    -------
    cls

    Raises
    ------
    ValueError
        If it is not an object, or a key is missing or has another type; the message has the key and its value.
    """
    if not isinstance(found, Mapping):
        name = f"key {inside!r}" if inside else "the text"
        raise ValueError(f"{name} must be a JSON object, got {json.dumps(found)[:60]}")
    hints = get_type_hints(cls)
    values = {}
    for each in fields(cls):  # type: ignore[arg-type]
        key = f"{inside}.{each.name}" if inside else each.name
        if each.name in found:
            values[each.name] = _checked(found[each.name], hints[each.name], key)
        elif each.default is MISSING:
            raise ValueError(f"key {key!r} is missing")
    return cls(**values)


def _checked(value: Any, hint: Any, key: str) -> Any:
    choices = get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,)
    if value is None and type(None) in choices:
        return None
    (wanted,) = (choice for choice in choices if choice is not type(None))
    origin = get_origin(wanted)
    if origin is tuple and isinstance(value, list):
        return tuple(_checked(part, get_args(wanted)[0], f"{key}[{i}]") for i, part in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {name: _checked(part, get_args(wanted)[1], f"{key}.{name}") for name, part in value.items()}
    if hasattr(wanted, "from_dict") and isinstance(value, dict):
        try:
            return wanted.from_dict(value)
        except (KeyError, TypeError) as error:
            raise ValueError(f"key {key!r} cannot be read, got {json.dumps(value)[:60]}: {error}") from None
    if is_dataclass(wanted):
        return from_json_object(wanted, value, key)  # type: ignore[arg-type]
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        if _is_finite(value):
            return float(value)
    elif origin is None and isinstance(value, wanted) and not isinstance(value, bool):
        return value
    raise ValueError(f"key {key!r} must be {_IN_WORDS[origin or wanted]}, got {json.dumps(value)[:60]}")


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False
