"""Aligned Markdown tables, and the formatting of numbers in their cells."""

from collections.abc import Sequence


def aligned(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with padded columns: the first is left-aligned, the others are right-aligned."""
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]

    def line(texts: Sequence[str]) -> str:
        padded = [
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(texts, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * (width - 1) + ":") if place else "-" * width for place, width in enumerate(widths)]
    return "\n".join([line(headers), line(rule), *map(line, cells)])


def shown(value: float | None, form: str) -> str:
    """Return a formatted number, or a dash for None."""
    return "–" if value is None else format(value, form)
