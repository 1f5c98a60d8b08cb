"""What was understood of text files, in sentences for people."""

from collections.abc import Collection

from spark_mf.data.readers.separators import describe
from spark_mf.data.readers.text import MATRIX, NETFLIX, TextLayout

_KINDS = {
    "ratings": "ratings, one a line",
    NETFLIX: "netflix, a line such as 17: before the ratings of item 17",
    MATRIX: "matrix, the ratings of one user a line",
}


def format_note(described: str, *, asked: bool) -> str:
    """Say which format a file has."""
    return f"format: {described} ({'as asked' if asked else 'guessed from the first lines'})"


def layout_notes(layout: TextLayout, asked: Collection[str]) -> list[str]:
    """Say everything about a layout but its columns; `asked` has the names of the options that were given."""
    described = "JSON lines" if layout.separator is None else describe(layout.separator)
    notes = [
        format_note(described, asked="separator" in asked or "format" in asked),
        f"encoding: {layout.encoding.name} ({'as asked' if 'encoding' in asked else 'by default'})",
    ]
    if layout.separator is None:
        return notes
    how = "as asked" if "layout" in asked else "guessed" if layout.kind == NETFLIX else "by default"
    header = "none" if layout.header is None else "the first line"
    if layout.header is None and layout.kind != MATRIX:
        header += ", columns go by " + (
            "--columns" if "columns" in asked else "position (--columns names them otherwise)"
        )
    return [
        *notes,
        f"quotes: {'double' if layout.quote else 'none'}",
        f"layout: {_KINDS[layout.kind]} ({how})",
        f"header: {header}",
    ]


def why_named(layout: TextLayout, asked: Collection[str]) -> dict[str, str]:
    """Name → which column it is and why, for text without a header."""
    if layout.separator is None or layout.header is not None:
        return {}
    why = {
        name: f"{name} (column {n}, as --columns has it)" if "columns" in asked else f"column {n} (by position)"
        for n, name in enumerate(layout.names, start=1)
    }
    return why | ({"item": "the number on the line before (by the layout)"} if layout.kind == NETFLIX else {})
