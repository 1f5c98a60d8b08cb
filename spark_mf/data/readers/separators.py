"""Separators of the fields of a line: their names in options, how a line splits at them, and finding a file's own."""

import csv
import re

# What `format` names; any other separator has the format "text".
SEPARATORS = {"dat": "::", "tsv": "\t", "csv": ","}
# Runs of blanks and tabs.
BLANKS = " "
_NAMED = {"tab": "\t", "\\t": "\t", "blank": BLANKS}
# Where several fit equally well, the first is taken.
_CANDIDATES = ("::", "\t", ",", ";", "|")
_DESCRIPTIONS = {
    ",": "comma-separated text",
    "\t": "tab-separated text",
    ";": "semicolon-separated text",
    BLANKS: "text separated by blanks",
}
_LOOKED_AT = 100

ALLOWED = "one character that is no letter, digit, quote, backslash or line end, or one of ::, tab, \\t, blank"


def parse_separator(text: str) -> str:
    """Return the separator that an option names.

    Raises
    ------
    ValueError
        If it cannot be one.
    """
    found = _NAMED.get(text, text)
    if found != "::" and (len(found) != 1 or found.isalnum() or found in "\"'\\\r\n\0"):
        raise ValueError(f"separator must be {ALLOWED}, got {text!r}. Leave it out to have it detected.")
    return found


def describe(separator: str) -> str:
    """Return what text with a separator is called."""
    return _DESCRIPTIONS.get(separator, f"text separated by {separator}")


def format_of(separator: str) -> str:
    """Return the format that has a separator."""
    return next((name for name, each in SEPARATORS.items() if each == separator), "text")


def split_fields(line: str, separator: str, quote: bool) -> list[str]:
    """Return the fields of a line, without blanks around them."""
    if separator == BLANKS:
        return re.split("[ \t]+", line.strip(" \t"))
    quoted = quote and len(separator) == 1
    fields = next(csv.reader([line], delimiter=separator)) if quoted else line.split(separator)
    return [field.strip() for field in fields]


def is_number(field: str) -> bool:
    """Whether a field is a number, which no name of a column is."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def detect_separator(path: str, lines: list[str], quote: bool, wanted: int = 0) -> str:
    """Return the separator of a file by its first lines, and by its name where they do not tell.

    The separator gives the first line as many fields as are wanted, if one does; then three or more; then many that
    are numbers; then, as many to as many other lines as possible. Blanks are taken if there is no other, and only if
    they give all lines as many fields.

    Raises
    ------
    ValueError
        If there is none.
    """
    lines = lines[:_LOOKED_AT]
    name = path.removesuffix(".gz")
    found: list[tuple[tuple[bool, bool, int, float, bool, int], str]] = []
    for order, separator in enumerate(_CANDIDATES):
        first = split_fields(lines[0], separator, quote)
        if len(first) < 2:
            continue
        alike = sum(len(split_fields(line, separator, quote)) == len(first) for line in lines) / len(lines)
        promised = name.endswith("." + format_of(separator))
        numbers = sum(map(is_number, first))
        found.append(((len(first) == wanted, len(first) > 2, numbers, alike, promised, -order), separator))
    if found:
        return max(found)[1]
    rows = [split_fields(line, BLANKS, quote) for line in lines]
    if len(rows[0]) > 2 and all(len(row) == len(rows[0]) for row in rows) and any(map(is_number, rows[-1])):
        return BLANKS
    raise ValueError(
        f"{path} must hold JSON lines, Parquet, or lines with fields separated by a comma, tab, semicolon, |, :: or "
        f"blanks, got {lines[0][:60]!r} as its first line. Name another separator with --separator."
    )
