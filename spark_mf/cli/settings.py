"""Job settings, declared as a pydantic dataclass and read from a TOML file and command-line options."""

import argparse
import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, get_type_hints

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from spark_mf.runtime.validation import first_fault

T = TypeVar("T")

#: Configuration of all dataclasses of settings.
STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def accepted_by(parse: Callable[[Any], Any], condition: str) -> AfterValidator:
    """Return a validator that rejects values for which `parse` raises a ValueError or returns a false result."""

    def check(value: Any) -> Any:
        try:
            is_accepted = bool(parse(value))
        except ValueError:
            is_accepted = False
        if not is_accepted:
            raise ValueError(f"Input should be {condition}")
        return value

    return AfterValidator(check)


def one_of(*names: str) -> AfterValidator:
    """Return a validator that accepts only `names`."""
    return accepted_by(names.__contains__, f"one of {', '.join(names)}")


def split_list(value: Any) -> Any:
    """Return a comma-separated text or a list as a tuple, and other values unchanged."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("Input should be a list of distinct values")
    return values


Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
#: Distinct values: a list in TOML, a comma-separated text as an option.
Several = Annotated[tuple[T, ...], BeforeValidator(split_list), AfterValidator(_distinct)]


def setting(default: Any, help: str, *, group: str, positional: bool = False) -> Any:
    """Declare a field that the file and the options can set.

    Parameters
    ----------
    default : Any
        The value if neither the file nor an option sets the field; None if there is no default.
    help : str
        The text in ``--help``.
    group : str
        The heading in ``--help`` under which the field is listed.
    positional : bool
        Whether the field is a positional argument instead of an option.
    """
    return Field(default, description=help, json_schema_extra={"group": group, "positional": positional})


class OneSentenceParser(argparse.ArgumentParser):
    """A parser that reports errors as a short message with exit code 2, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with the message."""
        self.exit(2, f"{self.prog}: {message} (--help lists all options).\n")


def add_options(parser: argparse.ArgumentParser, cls: type) -> None:
    """Add an option for each setting of `cls` to `parser`; options that are not given stay unset."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, declared in _declared(cls).items():
        title = _extra(declared, "group")
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        shown = _as_text(declared.default)
        explained = str(declared.description) + (f" (default: {shown})" if shown else "")
        common: dict[str, Any] = {"help": explained.replace("%", "%%"), "default": argparse.SUPPRESS}
        if _extra(declared, "positional"):
            groups[title].add_argument(name, nargs="?", metavar=name.upper(), **common)
        else:
            groups[title].add_argument(_option(name), metavar=name.upper(), **common)


def read_settings(cls: type[T], file: Path | None, options: Mapping[str, str]) -> T:
    """Return settings from their defaults, which a TOML file overrides, and options, which override both.

    Parameters
    ----------
    cls : type
        A pydantic dataclass whose fields are declared with `setting`.
    file : Path or None
        TOML file with settings as top-level keys.
    options : mapping of str to str
        Values of the given options by field name, as text.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is not valid TOML, a key is unknown, or a value is invalid.
    """
    declared = _declared(cls)
    hints = get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    for key, value in _read_toml(file).items() if file else ():
        if key not in declared:
            raise ValueError(f"{file}: keys must be settings of the job, got {key!r}. {_suggestion(key, declared)}")
        values[key] = _validated(hints[key], value, f"{file}: {key}", strict=True)
    for name, given in options.items():
        called = name.upper() if _extra(declared[name], "positional") else _option(name)
        values[name] = _validated(hints[name], given, called, strict=False)
    try:
        return cls(**values)
    except ValidationError as error:  # values that are incompatible with each other
        raise ValueError(f"{first_fault(error, _place, repr)}.") from None


def _validated(hint: Any, value: Any, called: str, *, strict: bool) -> Any:
    def name(place: tuple[int | str, ...]) -> str:
        return f"each value of {called}" if place else called

    try:
        return TypeAdapter(hint, config=STRICT).validate_python(value, strict=strict)
    except ValidationError as error:
        raise ValueError(f"{first_fault(error, name, repr)}.") from None


def _declared(cls: type) -> dict[str, FieldInfo]:
    return cls.__pydantic_fields__  # type: ignore[attr-defined]


def _extra(declared: FieldInfo, key: str) -> Any:
    return declared.json_schema_extra[key]  # type: ignore[index]


def _place(place: tuple[int | str, ...]) -> str:
    return ".".join(map(str, place))


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"--config must be the path of a TOML file, got {file}, which does not exist."
        ) from None
    except OSError as fault:
        raise ValueError(f"--config must be a readable file, got {file} ({fault.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ValueError(f"--config must be a valid TOML file, got {file} ({fault}).") from None


def _suggestion(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Use one of {', '.join(known)}."


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _as_text(default: Any) -> str:
    if default is None or default == ():
        return ""
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
