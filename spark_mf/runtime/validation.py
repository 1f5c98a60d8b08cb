"""Pydantic's validation errors in the words of spark_mf's own: ``NAME must be CONDITION, got VALUE``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

# Of kinds whose own message says more than is needed.
_CONDITIONS = {
    "bool_type": "be true or false",
    "finite_number": "be a finite number",
    "float_parsing": "be a number",
    "float_type": "be a number",
    "int_from_float": "be an integer",
    "int_parsing": "be an integer",
    "int_type": "be an integer",
    "string_too_short": "not be empty",
    "string_type": "be a string",
    "tuple_type": "be a list",
}


def first_fault(
    error: "ValidationError", name: Callable[[tuple[int | str, ...]], str], shown: Callable[[Any], str]
) -> str:
    """Return one sentence, without its full stop, for the first fault of a validation.

    Parameters
    ----------
    error : pydantic.ValidationError
    name : Callable[[tuple[int | str, ...]], str]
        Returns the name of the value at a location, a path of keys and positions.
    shown : Callable[[Any], str]
        Returns the text of a value.
    """
    detail = error.errors(include_url=False)[0]
    place, kind, message = detail["loc"], detail["type"], detail["msg"]
    if kind == "json_invalid":
        return f"invalid JSON ({detail['ctx']['error']})"
    if kind == "missing":
        return f"{name(place)} is missing"
    condition = _CONDITIONS.get(kind) or _with_signs(message.partition(" should ")[2])
    if not condition:  # raised by a class that looks at several of its values together
        return str(detail.get("ctx", {}).get("error", message)).removesuffix(".")
    return f"{name(place)} must {condition}, got {shown(detail['input'])}"


def _with_signs(condition: str) -> str:
    for words, sign in (("greater than or equal to", ">="), ("greater than", ">"), ("less than", "<")):
        condition = condition.replace(words, sign)
    return condition
