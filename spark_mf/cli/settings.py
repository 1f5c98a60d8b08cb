"""Settings of a job: declared once as a dataclass, set by a TOML file and by command-line options over it."""

import argparse
import difflib
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """What values a setting takes.

    Attributes
    ----------
    allowed : str
        The allowed values in words, as they follow "must be".
    from_text : Callable[[str], Any]
        Turns the text of an option into a value; raises ValueError when it cannot.
    accepts : Callable[[Any], bool]
        Whether a value, from the file or from an option, is allowed.
    """

    allowed: str
    from_text: Callable[[str], Any]
    accepts: Callable[[Any], bool]


def whole(minimum: int) -> Kind:
    """Whole numbers from ``minimum`` on."""
    return Kind(
        f"a whole number of at least {minimum}",
        int,
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= minimum,
    )


def real(allowed: str, accepts: Callable[[float], bool]) -> Kind:
    """Finite numbers for which ``accepts`` holds, ``allowed`` in words."""

    def is_allowed(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(value) and accepts(value)

    return Kind(allowed, float, is_allowed)


FRACTION = real("a number above 0 and below 1", lambda value: 0 < value < 1)
AT_LEAST_ZERO = real("a number of at least 0", lambda value: value >= 0)


def text(allowed: str = "a non-empty text") -> Kind:
    """Texts that are not empty."""
    return Kind(allowed, str, lambda value: isinstance(value, str) and value != "")


def one_of(*names: str) -> Kind:
    """One of a few names."""
    return Kind(f"one of {', '.join(names)}", str, lambda value: value in names)


def several(kind: Kind, allowed: str) -> Kind:
    """A list (in TOML) or a comma-separated text (as option) of values of one kind, without repetition."""

    def from_text(given: str) -> list[Any]:
        return [kind.from_text(part.strip()) for part in given.split(",") if part.strip()]

    def accepts(values: Any) -> bool:
        is_list = isinstance(values, list | tuple)
        return is_list and all(map(kind.accepts, values)) and len(set(values)) == len(values)

    return Kind(allowed, from_text, accepts)


def setting(default: Any, kind: Kind, help: str, *, group: str, positional: bool = False) -> Any:
    """Declare a dataclass field that file and options can set.

    Parameters
    ----------
    default : Any
        The value when neither file nor option sets it; None means unset.
    kind : Kind
        What is allowed.
    help : str
        What the setting is for, shown by ``--help``.
    group : str
        The heading it stands under in ``--help``.
    """
    return field(default=default, metadata={"kind": kind, "help": help, "group": group, "positional": positional})


class OneSentenceParser(argparse.ArgumentParser):
    """A parser whose errors are one sentence and exit code 2, not a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help explains every option).\n")


def add_options(parser: argparse.ArgumentParser, cls: type) -> None:
    """Give ``parser`` one option for each setting of ``cls``; an option that is not given stays unset."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for declared in fields(cls):
        title = declared.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        shown = _as_text(declared.default)
        explained = declared.metadata["help"] + (f" (default: {shown})" if shown else "")
        common: dict[str, Any] = {"help": explained.replace("%", "%%"), "default": argparse.SUPPRESS}
        metavar = declared.name.upper()
        if declared.metadata["positional"]:
            groups[title].add_argument(declared.name, nargs="?", metavar=metavar, **common)
        else:
            groups[title].add_argument(_option(declared.name), metavar=metavar, **common)


def read_settings(cls: type[T], file: Path | None, options: Mapping[str, str]) -> T:
    """Build a ``cls`` from its defaults, a TOML file over them, and options over both.

    Parameters
    ----------
    cls : type
        A dataclass whose fields were declared with `setting`.
    file : Path | None
        TOML with some of the settings as top-level keys.
    options : Mapping[str, str]
        The texts of the options that were given, by field name.

    Raises
    ------
    FileNotFoundError
        When the file does not exist.
    ValueError
        When it cannot be read as TOML, or a key is unknown, or a value is not allowed.
    """
    declared: dict[str, Field[Any]] = {each.name: each for each in fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in _read_toml(file).items() if file else ():
        if key not in declared:
            raise ValueError(f"{file}: unknown key {key!r}{_suggestion(key, declared)}.")
        values[key] = _allowed(value, declared[key].metadata["kind"], f"{file}: key {key!r}")
    for name, given in options.items():
        kind = declared[name].metadata["kind"]
        called = name.upper() if declared[name].metadata["positional"] else _option(name)
        try:
            value = kind.from_text(given)
        except ValueError:
            raise ValueError(f"{called} is {given!r}; it must be {kind.allowed}.") from None
        values[name] = _allowed(value, kind, called)
    return cls(**values)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the configuration file {file} does not exist: give the path of a TOML file to --config."
        ) from None
    except OSError as fault:
        raise ValueError(f"the configuration file {file} cannot be read: {fault.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ValueError(f"the configuration file {file} is not valid TOML: {fault}.") from None


def _allowed(value: Any, kind: Kind, called: str) -> Any:
    if not kind.accepts(value):
        raise ValueError(f"{called} is {value!r}; it must be {kind.allowed}.")
    return tuple(value) if isinstance(value, list) else value


def _suggestion(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; the keys are {', '.join(known)}"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _as_text(default: Any) -> str:
    if default is None or default == ():
        return ""
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
