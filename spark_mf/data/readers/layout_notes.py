"""Notes that describe the detected layout of text files."""

from collections.abc import Collection

from spark_mf.data.readers.separators import describe
from spark_mf.data.readers.text import MATRIX, NETFLIX, TextLayout

_KINDS = {
    "ratings": "ratings, one per line",
    NETFLIX: "netflix, a line such as 17: before the ratings of item 17",
    MATRIX: "matrix, the ratings of one user per line",
}


def format_note(described: str, *, asked: bool) -> str:
    """Return the note on the format of a file."""
    return f"format: {described} ({'as requested' if asked else 'guessed from the first lines'})"


def layout_notes(layout: TextLayout, asked: Collection[str]) -> list[str]:
    """Return the notes on a layout except for its columns; `asked` contains the names of the given options."""
    described = "JSON lines" if layout.separator is None else describe(layout.separator)
    notes = [
        format_note(described, asked="separator" in asked or "format" in asked),
        f"encoding: {layout.encoding.name} ({'as requested' if 'encoding' in asked else 'by default'})",
    ]
    if layout.separator is None:
        return notes
    how = "as requested" if "layout" in asked else "guessed" if layout.kind == NETFLIX else "by default"
    header = "none" if layout.header is None else "the first line"
    if layout.header is None and layout.kind != MATRIX:
        header += ", columns are named by " + (
            "--columns" if "columns" in asked else "position (use --columns for other names)"
        )
    return [
        *notes,
        f"quotes: {'double' if layout.quote else 'none'}",
        f"layout: {_KINDS[layout.kind]} ({how})",
        f"header: {header}",
    ]


def why_named(layout: TextLayout, asked: Collection[str]) -> dict[str, str]:
    """Return the description of each column by its name, for text without a header."""
    if layout.separator is None or layout.header is not None:
        return {}
    why = {
        name: f"{name} (column {n}, named by --columns)" if "columns" in asked else f"column {n} (by position)"
        for n, name in enumerate(layout.names, start=1)
    }
    return why | ({"item": "the number on the line before (by the layout)"} if layout.kind == NETFLIX else {})
