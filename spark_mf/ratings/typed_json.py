"""Dataclasses from JSON, every value validated against its annotation by pydantic."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from spark_mf.runtime.validation import first_fault

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def from_json(cls: type[T], text: str) -> T:
    """Build a dataclass from the text of a JSON object.

    Types are strict and floats finite. Keys that the class does not have are ignored.

    Raises
    ------
    ValueError
        When the text is not a JSON object, or a key is missing or of another type; the message names the key and its
        value.
    """
    # Python workers import this module but read no JSON, and need no pydantic.
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

    # A dataclass would have to bring its configuration along; an alias of it takes the one given here.
    alias: Any = TypeAliasType(cls.__name__, cls)
    return TypeAdapter(alias, config=ConfigDict(strict=True, allow_inf_nan=False))


def _key(place: tuple[int | str, ...]) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"key {key.removeprefix('.')!r}" if key else "the text"
