"""Separators of fields: names in options, splitting of lines, and detection."""

import csv
import re

# Separators that have their own format; all others have the format "text".
SEPARATORS = {"dat": "::", "tsv": "\t", "csv": ","}
# Runs of blanks and tabs.
BLANKS = " "
_NAMED = {"tab": "\t", "\\t": "\t", "blank": BLANKS}
# If several fit equally well, the first is chosen.
_CANDIDATES = ("::", "\t", ",", ";", "|")
_DESCRIPTIONS = {
    ",": "comma-separated text",
    "\t": "tab-separated text",
    ";": "semicolon-separated text",
    BLANKS: "text separated by blanks",
}
_LOOKED_AT = 100

ALLOWED = "one character that is not a letter, digit, quote, backslash or line end, or one of ::, tab, \\t, blank"


def parse_separator(text: str) -> str:
    """Return the separator that an option names.

    Raises
    ------
    ValueError
        If it is not a valid separator.
    """
    found = _NAMED.get(text, text)
    if found != "::" and (len(found) != 1 or found.isalnum() or found in "\"'\\\r\n\0"):
        raise ValueError(f"separator must be {ALLOWED}, got {text!r}. Leave it out to have it detected.")
    return found


def describe(separator: str) -> str:
    """Return the description of text with a separator."""
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
    """Return whether a field is a number, which a name of a column is not."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def detect_separator(path: str, lines: list[str], quote: bool, wanted: int = 0) -> str:
    """Return the separator of a file, detected from its first lines and, if they are ambiguous, from its name.

    Separators are preferred if they give the first line the wanted number of fields, then if they give it at least
    three fields, then by the number of fields that are numbers, then by the number of other lines with as many fields.
    Blanks are chosen only if no other separator fits and they give all lines the same number of fields.

    Raises
    ------
    ValueError
        If no separator fits.
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
