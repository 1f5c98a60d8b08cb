"""Quotes of separated text: lines whose quotes do not close, and records that span several lines."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# A field that has not ended by then is not looked at any further: a quote is missing.
MOST_LINES = 1000


class End(Enum):
    """How the quotes of a line stand at its end."""

    CLOSED = "every field is complete"
    OPEN = "the last field goes on in the next line"
    BROKEN = "a quote inside a field that began on an earlier line is not doubled"


def unclosed(text: Column, separator: str) -> Column:
    """Whether the quotes of a line do not close, in Spark's functions.

    True where a field begins with a quote and no quote ends it, or where the last field begins with a quote that is
    not the last character. Quotes inside of unquoted fields count for nothing.
    """
    between = rf"\Q{separator}\E"
    # Doubled quotes stand for themselves. Of an odd run, one is left, where the run begins or ends a field.
    single = F.replace(text, F.lit('""'), F.lit(""))
    # Possessive and without nested groups, so that neither long lines nor many quotes take long or much stack.
    rest = F.regexp_replace(single, rf'(^|{between})"[^"]*+" *(?=\z|{between})', "$1")
    last = F.substring_index(text, separator, -1)
    stray = last.startswith('"') & ~F.rtrim(last).endswith('"')
    return text.contains('"') & (rest.rlike(rf'(^|{between})"[^"]*+\z') | stray)


def follow_quotes(line: str, separator: str, field: int = 0, inside: bool = False) -> tuple[End, int]:
    """Follow a line's quotes to its end.

    Parameters
    ----------
    line, separator : str
    field : int
        Number of the field that the line begins in, from 0.
    inside : bool
        Whether that field is quoted and began on an earlier line.

    Returns
    -------
    how the line ends, and the number of the field it ends in
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
        # What follows a quote that ends no field belongs to the field, as Spark has it.
        end = line.find(separator, at)
        if end < 0:
            return End.CLOSED, field
        at, field = end + len(separator), field + 1


def joined_lines(
    lines: Iterable[tuple[str, str]], separator: str, columns: int, may_span: frozenset[int]
) -> Iterator[tuple[str, bool]]:
    """Join the lines of records whose quoted fields span several.

    A line whose quotes do not close begins such a record if, within `MOST_LINES` lines of the same file, the quoted
    fields that span lines all end as RFC 4180 has it, all are among `may_span`, and the record then has all its
    fields. Otherwise it stays as it is, and so do the lines that follow it.

    Parameters
    ----------
    lines : pairs of file and line, in their order
    columns : how many fields a record has
    may_span : numbers of the fields that may hold line ends, from 0

    Yields
    ------
    For each line, its record's text, with line feeds between the lines, and False; or for lines that are part of an
    earlier record, the line and True.
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
    """How many lines the record of a first line has; 1 if it does not span lines, or not properly."""
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
    """Join the lines of records that span several, as `joined_lines`; lazy.

    One task reads a file from its beginning to its end, sorted on disk where it is large: where a field begins cannot
    be told from a part of a file.

    Parameters
    ----------
    lines : DataFrame of `text`, `file`, `block` and `position`

    Returns
    -------
    DataFrame
        The same rows, with the boolean `skipped`, true for lines that are part of an earlier record
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
    """Where the quote is that ends a field whose text begins at a place, or -1."""
    for found in re.compile('"+').finditer(line, at):
        if len(found[0]) % 2:
            return found.end() - 1
    return -1
