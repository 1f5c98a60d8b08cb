"""Conversion of Param values: None clears a Param, NumPy scalars become Python scalars, other types are errors."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
from pyspark.ml.param import Param, Params, TypeConverters

S = TypeVar("S", bound="_OptionalParams")
P = ParamSpec("P")

_LONGEST_VALUE = 80


class _OptionalParams(Params):
    """Params that accept None, which clears the Param so that its default applies, if it has one."""

    def _copy_params(self) -> None:
        super()._copy_params()
        for param in vars(self).values():
            if isinstance(param, Param) and param.typeConverter in _CONVERTERS:
                # Stored in the Param because ParamGridBuilder converts values without asking the estimator.
                param.typeConverter = partial(_convert, param.name, *_CONVERTERS[param.typeConverter])

    def set(self, param: Param[Any], value: Any) -> None:
        """Set a Param of this instance; None clears it.

        Raises
        ------
        TypeError
            If the value does not have the Param's type.
        """
        if value is None:
            self.clear(param)
        else:
            super().set(param, value)

    def _set(self, **values: Any) -> Self:
        for name, value in values.items():
            self.set(self.getParam(name), value)
        return self


def params_setter(init: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], S]:
    """Return the method `setParams` of an estimator, with the constructor's signature."""

    def setParams(self: S, *args: P.args, **params: P.kwargs) -> S:
        """Set the named Params; all other Params keep their values.

        Raises
        ------
        TypeError
            If a name is not a Param, or a value has the wrong type.
        """
        if args:
            raise TypeError(f"setParams must be called with keyword arguments, got {_shown(args[0])}.")
        unknown = [name for name in params if not self.hasParam(name)]
        if unknown:
            known = ", ".join(param.name for param in self.params)
            cls = type(self).__name__
            raise TypeError(f"setParams must be called with Params of {cls}, got {unknown[0]!r}. Use one of {known}.")
        return self._set(**params)

    signature: Any = inspect.signature(init).replace(return_annotation=Self)
    setParams.__signature__ = signature  # type: ignore[attr-defined]
    setParams.__qualname__ = init.__qualname__.replace("__init__", "setParams")
    setParams.__module__ = init.__module__
    return setParams


def _integer(value: Any) -> int:
    if isinstance(value, (float, np.floating)) and not float(value).is_integer():
        raise TypeError
    return int(_real(value))


def _float(value: Any) -> float:
    return float(_real(value))


def _real(value: Any) -> Any:
    # bool is a subclass of int.
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    # Subclasses such as np.str_ become plain strings.
    return str.__str__(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


#: Replacements of pyspark's converters, which do not know the name of the Param whose value they convert.
_CONVERTERS: dict[Callable[[Any], Any], tuple[str, Callable[[Any], Any]]] = {
    TypeConverters.toInt: ("an integer", _integer),
    TypeConverters.toFloat: ("a number", _float),
    TypeConverters.toString: ("a string", _string),
    TypeConverters.toBoolean: ("True or False", _boolean),
}


def _convert(name: str, condition: str, converter: Callable[[Any], Any], value: Any) -> Any:
    """Return the value as a plain Python object; None stays None.

    Raises
    ------
    TypeError
        If it has the wrong type, or is too large for a float.
    """
    if value is None:
        return None
    try:
        return converter(value)
    except (TypeError, OverflowError):
        raise TypeError(f"{name} must be {condition}, got {_shown(value)}.") from None


def _shown(value: Any) -> str:
    """Return the value as one short line, or its type if the value is too long for that."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE and "\n" not in text else f"a value of type {type(value).__name__}"
