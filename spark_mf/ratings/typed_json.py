"""Conversion of JSON to dataclasses, with every value validated against its annotation by pydantic."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from spark_mf.runtime.validation import first_fault

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def from_json(cls: type[T], text: str) -> T:
    """Build a dataclass from the text of a JSON object.

    Types are strict, floats must be finite, and unknown keys are ignored.

    Raises
    ------
    ValueError
        If the text is not a JSON object, or a key is missing or has another type; the message names the key and value.
    """
    # Python workers import this module but read no JSON, so they do not need pydantic.
    from pydantic import ValidationError

    try:
        found: T = _adapter(cls).validate_json(text)  # type: ignore[arg-type]
        return found
    except ValidationError as error:
        raise ValueError(first_fault(error, _key, lambda value: json.dumps(value)[:60])) from None


@cache
def _adapter(cls: Any) -> "TypeAdapter[Any]":
    from pydantic import ConfigDict, TypeAdapter
    from typing_extensions import TypeAliasType

    # A dataclass cannot be given another configuration, but an alias of it can.
    alias: Any = TypeAliasType(cls.__name__, cls)
    return TypeAdapter(alias, config=ConfigDict(strict=True, allow_inf_nan=False))


def _key(place: tuple[int | str, ...]) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"key {key.removeprefix('.')!r}" if key else "the text"
