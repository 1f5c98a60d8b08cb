"""Layout of text files, detected from their first lines: separator, header and names of the columns."""

import json
import re
from dataclasses import dataclass

from spark_mf.data.readers.column_names import is_known
from spark_mf.data.readers.quotes import End, follow_quotes, joined_lines
from spark_mf.data.readers.separators import BLANKS, detect_separator, is_number, split_fields
from spark_mf.storage.encodings import Encoding
from spark_mf.storage.files import FileHead

# The order in u.data and ratings.dat of MovieLens, which have no header.
POSITIONS = ("user", "item", "rating", "timestamp")
RATINGS, NETFLIX, MATRIX = LAYOUTS = ("ratings", "netflix", "matrix")
# A regular expression with the same meaning in Java and Python.
ITEM_LINE = r"^\s*(\d+):\s*$"

# With more fields, the parser of Spark fails, and the whole job with it.
MOST_FIELDS = 20_000


@dataclass(frozen=True)
class TextLayout:
    """Layout of the lines of text files.

    Attributes
    ----------
    separator : str or None
        None for JSON lines.
    quote : bool
        Whether fields may be quoted.
    encoding : Encoding
    kind : str
        One of `LAYOUTS`.
    names : list[str]
        Names of the columns; for a matrix, of those before its ratings.
    header : str or None
        First line of every file, if it is a header.
    first_fields : list[str]
        Fields of the first line, which may be a header.
    lines : list[str]
        First lines, without the header, of the first file that has more than a header.
    """

    separator: str | None
    quote: bool
    encoding: Encoding
    kind: str
    names: list[str]
    header: str | None
    first_fields: list[str]
    lines: list[str]

    def may_span(self, read: list[str]) -> frozenset[int]:
        """Return the numbers of the fields that may contain line ends, which are quoted fields of columns not read."""
        if not self.quote or self.kind != RATINGS or self.separator is None:
            return frozenset()
        return frozenset(n for n, name in enumerate(self.names) if name not in read)

    def sample(self, read: list[str]) -> list[dict[str, str]]:
        """Return the first rows by column name, without those with too few or too many fields."""
        if self.separator is None:
            return [_texts(row) for line in self.lines if (row := _json_object(line)) is not None]
        lines = (("", line) for line in self.lines if not self.is_item_line(line))
        records = joined_lines(lines, self.separator, len(self.names), self.may_span(read))
        fields = [split_fields(text, self.separator, self.quote) for text, skipped in records if not skipped]
        width = len(self.first_fields) if self.kind == MATRIX else len(self.names)
        return [dict(zip(self.names, row, strict=False)) for row in fields if len(row) == width]

    def is_item_line(self, line: str) -> bool:
        """Return whether a line names the item of the following lines."""
        return self.kind == NETFLIX and re.search(ITEM_LINE, line) is not None


def json_layout(heads: list[FileHead], encoding: Encoding) -> TextLayout:
    """Return the layout of JSON lines, with the keys of the first objects as columns.

    Raises
    ------
    ValueError
        If no line is a JSON object.
    """
    lines = [line for head in heads for line in head.lines(encoding)]
    names: dict[str, None] = {}
    for line in lines:
        names |= dict.fromkeys(_json_object(line) or ())
    if not names:
        raise ValueError(
            f"{heads[0].path} must hold one JSON object per line, got {lines[0][:60]!r} as its first line. Write each "
            "rating as an object on its own line."
        )
    return TextLayout(None, False, encoding, RATINGS, list(names), None, [], lines)


def text_layout(
    heads: list[FileHead],
    path: str,
    encoding: Encoding,
    *,
    separator: str | None,
    quote: bool,
    kind: str | None,
    columns: tuple[str, ...],
) -> TextLayout:
    """Return the layout of separated text that begins with `heads`.

    Parameters
    ----------
    heads : list[FileHead]
    path : str
        Path of the files, for messages.
    encoding : Encoding
    separator, kind : str or None
        None to detect them.
    quote : bool
        Whether fields may be quoted.
    columns : tuple[str, ...]
        Names of the columns of text without a header, or of those before the ratings of a matrix; may be empty.

    Returns
    -------
    TextLayout

    Raises
    ------
    ValueError
        If a file has no rows, files differ, no separator fits, the header repeats a name, or the columns have no names
        and their number does not determine their order.
    """
    firsts = [first_line(head, encoding) for head in heads]
    if kind is None:
        kind = NETFLIX if re.search(ITEM_LINE, firsts[0]) else RATINGS
    lines = [line for line in heads[0].lines(encoding) if kind != NETFLIX or not re.search(ITEM_LINE, line)]
    if not lines:
        raise ValueError(f"{heads[0].path} must hold ratings, got only the numbers of items.")
    separator = separator or detect_separator(heads[0].path, lines, quote, 0 if kind == MATRIX else len(columns))
    quote = quote and separator != BLANKS
    first = split_fields(lines[0], separator, quote)
    if len(first) > MOST_FIELDS:
        raise ValueError(f"{heads[0].path} must have at most {MOST_FIELDS} columns, got {len(first)}.")
    if kind == MATRIX:
        second = split_fields(lines[1], separator, quote) if len(lines) > 1 else []
        header = _is_matrix_header(first, second, columns)
    else:
        header = kind == RATINGS and not columns and not any(map(is_number, first))
    for head, begins in zip(heads[1:], firsts[1:], strict=True):
        alike = begins == lines[0] if header else _is_row(begins, separator, quote, kind, columns)
        if not alike:
            raise ValueError(
                f"The files of {path} must be alike, got {heads[0].path}, which begins with {firsts[0][:60]!r}, and "
                f"{head.path}, which begins with {begins[:60]!r}. Give a path that has only the files of ratings."
            )
    names = _names(lines[0], separator, quote, header, kind, columns, heads[0].path)
    filled = next((rows for head in heads if (rows := head.lines(encoding)[header:])), [])
    return TextLayout(separator, quote, encoding, kind, names, lines[0] if header else None, first, filled)


def first_line(head: FileHead, encoding: Encoding) -> str:
    """Return the first line of a file that is not blank.

    Raises
    ------
    ValueError
        If all lines are blank.
    """
    lines = head.lines(encoding)
    if not lines:
        raise ValueError(f"{head.path} must hold ratings, got only blank lines.")
    return lines[0]


def _names(
    line: str, separator: str, quote: bool, header: bool, kind: str, columns: tuple[str, ...], path: str
) -> list[str]:
    """Return the names of the columns, from the fields of the first line if needed."""
    first = split_fields(line, separator, quote)
    if kind == MATRIX:
        if len(first) <= len(columns):
            raise ValueError(
                f"{path} must have more than {len(columns)} columns, got {len(first)}. Name with --columns only those "
                "before the ratings."
            )
        return list(columns)
    if columns:
        names = list(columns)
        spans = quote and follow_quotes(line, separator)[0] is End.OPEN
        if len(names) != len(first) and not (spans and len(first) < len(names)):
            raise ValueError(
                f"columns must name {len(first)} columns, as many as {path} has, got {len(names)}: "
                f"{', '.join(names)}. Its first line is {first!r}."
            )
    elif header:
        names = [field or f"column{n}" for n, field in enumerate(first, start=1)]
    else:
        positions = [name for name in POSITIONS if kind != NETFLIX or name != "item"]
        if len(first) not in (len(positions) - 1, len(positions)):
            raise ValueError(
                f"{path} must have {len(positions) - 1} or {len(positions)} columns if it has no header "
                f"({', '.join(positions)}), got {len(first)}. Name its columns in their order with --columns, or give "
                "--layout matrix if each line holds the ratings of one user."
            )
        names = positions[: len(first)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"The header of {path} must name each column once, got {', '.join(repeated)} several times. "
            "Rename one of them."
        )
    return names


def _is_matrix_header(first: list[str], second: list[str], columns: tuple[str, ...]) -> bool:
    """Return whether the first line of a matrix is a header, by text among the ratings or by its first fields."""
    if any(field and not is_number(field) for field in first[len(columns) :]):
        return True
    corner = zip(first[: len(columns)], second, strict=False)
    return any(a in columns or is_known("user", a) or (not is_number(a) and is_number(b)) for a, b in corner)


def _is_row(line: str, separator: str, quote: bool, kind: str, columns: tuple[str, ...]) -> bool:
    """Return whether a line can be the first of a file without a header."""
    if kind == NETFLIX:
        return re.search(ITEM_LINE, line) is not None
    return bool(columns) or any(map(is_number, split_fields(line, separator, quote)))


def _json_object(line: str) -> dict[str, object] | None:
    try:
        found = json.loads(line, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _texts(row: dict[str, object]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else "" for name, value in row.items()}
