"""Quotes in separated text: lines with open quotes, and records that span several lines."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# A quoted field with more lines counts as a missing quote.
MOST_LINES = 1000


class End(Enum):
    """State of the quotes at the end of a line."""

    CLOSED = "every field is complete"
    OPEN = "the last field continues in the next line"
    BROKEN = "a quote inside a field that began on an earlier line is not doubled"


def unclosed(text: Column, separator: str) -> Column:
    """Return whether the quotes of a line do not close, as a Spark column.

    This is true if a field begins with a quote and no quote ends it, or if the last field begins with a quote and does
    not end with one. Quotes inside unquoted fields are ignored.
    """
    between = rf"\Q{separator}\E"
    # Doubled quotes are literal. An odd run leaves one quote, at the start or the end of a field.
    single = F.replace(text, F.lit('""'), F.lit(""))
    # Possessive and without nested groups, so that long lines and many quotes take little time and stack.
    rest = F.regexp_replace(single, rf'(^|{between})"[^"]*+" *(?=\z|{between})', "$1")
    last = F.substring_index(text, separator, -1)
    stray = last.startswith('"') & ~F.rtrim(last).endswith('"')
    return text.contains('"') & (rest.rlike(rf'(^|{between})"[^"]*+\z') | stray)


def follow_quotes(line: str, separator: str, field: int = 0, inside: bool = False) -> tuple[End, int]:
    """Follow the quotes of a line to its end.

    Parameters
    ----------
    line, separator : str
    field : int
        Number of the field that the line begins in, from 0.
    inside : bool
        Whether that field is quoted and began on an earlier line.

    Returns
    -------
    end : End
    field : int
        Number of the field that the line ends in.
    """
    at = 0
    while True:
        if inside or line.startswith('"', at):
            end = _closing_quote(line, at if inside else at + 1)
            if end < 0:
                return End.OPEN, field
            rest = line[end + 1 :].lstrip(" ")
            if not rest:
                return End.CLOSED, field
            if inside and not rest.startswith(separator):
                return End.BROKEN, field
            at, inside = end + 1, False
        # Text after a closing quote belongs to the field, as in Spark.
        end = line.find(separator, at)
        if end < 0:
            return End.CLOSED, field
        at, field = end + len(separator), field + 1


def joined_lines(
    lines: Iterable[tuple[str, str]], separator: str, columns: int, may_span: frozenset[int]
) -> Iterator[tuple[str, bool]]:
    """Join the lines of records whose quoted fields span several lines.

    A line with open quotes begins such a record if, within `MOST_LINES` lines of the same file, all quoted fields that
    span lines end as in RFC 4180 and are among `may_span`, and the record has all its fields. Otherwise the line and
    the following lines stay unchanged.

    Parameters
    ----------
    lines : Iterable[tuple[str, str]]
        File and text of each line, in order.
    separator : str
    columns : int
        Number of fields of a record.
    may_span : frozenset[int]
        Numbers of the fields that may contain line ends, from 0.

    Yields
    ------
    text : str
        For the first line of a record, the whole record with line feeds between its lines; else the line.
    skipped : bool
        Whether the line is part of an earlier record.
    """
    source = iter(lines)
    ahead: deque[tuple[str, str]] = deque()

    def line(number: int) -> tuple[str, str] | None:
        while len(ahead) <= number and (more := next(source, None)) is not None:
            ahead.append(more)
        return ahead[number] if number < len(ahead) else None

    while (first := line(0)) is not None:
        length = _record_length(line, first, separator, columns, may_span)
        record = [ahead.popleft()[1] for _ in range(length)]
        yield "\n".join(record), False
        for each in record[1:]:
            yield each, True


def _record_length(
    line: Callable[[int], tuple[str, str] | None],
    first: tuple[str, str],
    separator: str,
    columns: int,
    may_span: frozenset[int],
) -> int:
    """Return the number of lines of a record; 1 if it does not span lines, or not correctly."""
    file, text = first
    if '"' not in text:
        return 1
    end, field = follow_quotes(text, separator)
    length = 1
    while end is End.OPEN:
        following = line(length)
        if field not in may_span or following is None or following[0] != file or length == MOST_LINES:
            return 1
        end, field = follow_quotes(following[1], separator, field, inside=True)
        length += 1
    return length if end is End.CLOSED and field == columns - 1 else 1


def join_in_files(lines: DataFrame, separator: str, columns: int, may_span: frozenset[int]) -> DataFrame:
    """Join the lines of records that span several lines, as `joined_lines` does. Lazy.

    One task reads each file from beginning to end, sorted on disk if it is large, because a part of a file does not
    show where its first field begins.

    Parameters
    ----------
    lines : DataFrame
        Columns `text`, `file`, `block` and `position`.
    separator : str
    columns : int
        Number of fields of a record.
    may_span : frozenset[int]
        Numbers of the fields that may contain line ends, from 0.

    Returns
    -------
    DataFrame
        The same rows with the boolean column `skipped`, true for lines that are part of an earlier record.
    """

    def join(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        waiting: deque[pa.RecordBatch] = deque()

        def each_line() -> Iterator[tuple[str, str]]:
            for batch in batches:
                if batch.num_rows:
                    waiting.append(batch)
                    yield from zip(batch.column("file").to_pylist(), batch.column("text").to_pylist(), strict=True)

        texts: list[str] = []
        skipped: list[bool] = []
        for text, skip in joined_lines(each_line(), separator, columns, may_span):
            texts.append(text)
            skipped.append(skip)
            if len(texts) == waiting[0].num_rows:
                batch = waiting.popleft()
                kept = [batch.column(name) for name in ("file", "block", "position")]
                arrays = [pa.array(texts, batch.column("text").type), *kept, pa.array(skipped)]
                yield pa.RecordBatch.from_arrays(arrays, ["text", "file", "block", "position", "skipped"])
                texts, skipped = [], []

    valid = lines.select(F.make_valid_utf8("text").alias("text"), "file", "block", "position")
    ordered = valid.repartition("file").sortWithinPartitions("file", "block", "position")
    return ordered.mapInArrow(join, "text string, file string, block bigint, position bigint, skipped boolean")


def _closing_quote(line: str, at: int) -> int:
    """Return the position of the quote that ends a field whose text begins at a position, or -1."""
    for found in re.compile('"+').finditer(line, at):
        if len(found[0]) % 2:
            return found.end() - 1
    return -1
