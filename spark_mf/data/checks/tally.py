"""Counts of rows by fault, line numbers, and the narrowest type of the ids, in one pass."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import unquote

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from spark_mf.data.checks.rejects import (
    BLANK,
    NO_INTEGER,
    NO_TEXT,
    REPEATS_HEADER,
    SKIPPED,
    UNCLOSED,
    USABLE,
    ClassifiedRows,
    classify,
    readable_path,
)
from spark_mf.data.readers.sources import RatingsSource
from spark_mf.data.readers.time_choice import TimeColumn

logger = logging.getLogger(__name__)

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_NOWHERE = -1
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class _Part:
    """A part of a text file that one task reads."""

    file: str
    block: int
    first_position: int
    lines_before: int  # in the file's earlier parts
    header_position: int  # of the file's header, or _NOWHERE


@dataclass(frozen=True)
class Tally:
    """Numbers of rows, in total and by fault; blank and skipped lines and headers are not counted as rows.

    Attributes
    ----------
    classified : ClassifiedRows
        The rows that were counted, with comparable times.
    rows, blank_lines, skipped_lines : int
    faults : dict[str, int]
        Number of rows by their first fault, in the order of the checks.
    id_types : dict[str, str]
        "int", "bigint" or "string" for user and item: the narrowest type for the ids of all rows without a fault, or
        whose only fault is their time.
    parts : tuple[_Part, ...]
        One for each task that reads text; empty for other formats.
    """

    classified: ClassifiedRows
    rows: int
    blank_lines: int
    skipped_lines: int
    faults: dict[str, int]
    id_types: dict[str, str]
    parts: tuple[_Part, ...]

    @property
    def source(self) -> RatingsSource:
        """Source of the rows."""
        return self.classified.source

    @property
    def faulty(self) -> int:
        """Number of rows with a fault."""
        return sum(self.faults.values())

    def locate(self, rows: DataFrame) -> DataFrame:
        """Return rows with a `reason` for a report: columns `reason`, `file`, `line` (bigint, from 1) and `text`.

        For Parquet, `line` is the number of the row in its file; rows of a DataFrame have neither file nor line.
        Headers of text files are left out.
        """
        line = F.lit(None).cast("bigint") if self.source.format == "table" else F.col("offset") + 1
        if self.source.is_text:
            schema = "file string, block bigint, first_position bigint, lines_before bigint, header_position bigint"
            parts = rows.sparkSession.createDataFrame([tuple(vars(part).values()) for part in self.parts], schema)
            rows = rows.join(F.broadcast(parts), ["file", "block"]).where("position != header_position")
            line = F.col("offset") - F.col("first_position") + F.col("lines_before") + 1
        return rows.select(
            "reason",
            readable_path(F.col("file")).alias("file"),
            line.alias("line"),
            F.make_valid_utf8("text").alias("text"),
        )


def classify_and_count(
    source: RatingsSource,
    min_rating: float | None = None,
    max_rating: float | None = None,
    *,
    persist: bool = False,
) -> tuple[ClassifiedRows, Tally]:
    """Find and count the faults of all rows; if quotes do not close, read again with fields that span lines.

    Parameters
    ----------
    source : RatingsSource
    min_rating, max_rating : float, optional
        Bounds of usable ratings.
    persist : bool
        Whether to cache the parsed rows of text. Rows of Parquet are not cached, because reading them again is as fast.

    Returns
    -------
    classified : ClassifiedRows
    tally : Tally

    Raises
    ------
    ValueError
        See `count_faults`.
    """
    classified = classify(source, min_rating, max_rating)
    if persist and source.format not in ("parquet", "table"):
        classified.known.persist()
    try:
        tally = count_faults(classified)
        if UNCLOSED not in tally.faults or source.joined is None:
            return classified, tally
    except BaseException:
        classified.known.unpersist()
        raise
    classified.known.unpersist()
    return classify_and_count(source.with_joined_lines(), min_rating, max_rating, persist=persist)


def count_faults(classified: ClassifiedRows) -> Tally:
    """Count faults and find the format of the times in one Spark job; the driver holds a few numbers per task.

    Raises
    ------
    ValueError
        If there are no rows, a text file does not begin with the header of the first file, or the format of the times
        is ambiguous, mixed or unknown.
    """
    source = classified.source
    times = source.times if source.has_times else None
    is_open = times is not None and not times.is_certain
    looked_at = times.with_ticks(classified.known) if times is not None and is_open else classified.known
    integer_sides = [side for side, kind in source.id_types.items() if kind == "integer"]
    place = ["file", "block"] if source.is_text else []
    groups = (
        looked_at.groupBy(*place, "fault")
        .agg(
            F.count("*").alias("rows"),
            F.min("position").alias("first"),
            *(F.min(side).alias(f"least_{side}") for side in integer_sides),
            *(F.max(side).alias(f"most_{side}") for side in integer_sides),
            *(times.evidence_columns() if times is not None and is_open else []),
        )
        .collect()
    )
    header = classified.reasons.index(REPEATS_HEADER) + 1 if source.has_header else None
    parts = _parts(groups, header) if source.is_text else ()
    counted = {code: sum(g["rows"] for g in groups if g["fault"] == code) for code in {g["fault"] for g in groups}}
    if header is not None:
        counted[header] -= sum(part.header_position != _NOWHERE for part in parts)
    if not any(number for code, number in counted.items() if code not in (BLANK, SKIPPED)):
        raise ValueError(f"{source.name} must have at least one row of ratings, got none.")
    usable = [group for group in groups if group["fault"] == USABLE]
    types = {side: _narrowest(usable, side) if side in integer_sides else "string" for side in source.id_types}
    # Until fields are joined, lines inside quoted fields may look like rows, so their times are not used.
    if times is not None and not (source.joined is not None and counted.get(classified.reasons.index(UNCLOSED) + 1)):
        classified, undated = _with_times(classified, times, looked_at, usable)
        counted[USABLE] = counted.get(USABLE, 0) - undated
        counted[len(classified.reasons)] = undated
    faults = {reason: counted[n] for n, reason in enumerate(classified.reasons, start=1) if counted.get(n)}
    rows = counted.get(USABLE, 0) + sum(faults.values())
    return Tally(classified, rows, counted.get(BLANK, 0), counted.get(SKIPPED, 0), faults, types, parts)


def _with_times(
    classified: ClassifiedRows, times: TimeColumn, looked_at: DataFrame, usable: list[Row]
) -> tuple[ClassifiedRows, int]:
    """Return the rows with times in their format, and the number of usable rows whose time it does not read."""
    rows = looked_at.where(F.col("fault") == USABLE)
    format, unreadable = times.formats[0], 0
    if not times.is_certain:
        found = times.evidence(usable)
        format = times.choose(rows, found)
        unreadable = found.given - found.read[format]
    note = times.note(rows, format)
    logger.info("%s", note)
    return classified.with_times(format, unreadable, note), unreadable


def refuse_faults(tally: Tally) -> None:
    """Raise an error if ratings have faulty rows.

    Raises
    ------
    ValueError
        If there are faulty rows; the message has their number by reason, and the first of them.
    """
    if not tally.faulty:
        return
    located = tally.locate(tally.classified.faulty())
    first = located.orderBy("file", "line").first()
    if first is None:
        raise RuntimeError(
            f"{tally.source.name} must not change while it is read, got no unusable row on reading it again. Read it "
            "once more."
        )
    where = f"{'row' if tally.source.format == 'parquet' else 'line'} {first['line']} of {first['file']}"
    reasons = ", ".join(f"{number:,} × {reason}" for reason, number in tally.faults.items())
    way_out = "Correct or remove them, or set them aside with jobs/check_ratings.py --on-bad reject"
    if any(NO_INTEGER in reason for reason in tally.faults):
        way_out += ", or read ids as text with id_type string"
    if any(NO_TEXT in reason for reason in tally.faults):
        way_out += ", or name the encoding of the file with --encoding"
    if UNCLOSED in tally.faults:
        way_out += ", or take quotes as they are with --quote none"
    raise ValueError(
        f"{tally.faulty:,} of {tally.rows:,} rows of {tally.source.name} cannot be used ({reasons}). The first is "
        f"{'' if first['line'] is None else where + ', '}{first['text'][:_SHOWN_CHARACTERS]!r} ({first['reason']}). "
        f"{way_out}."
    )


def file_of_uri(uri: str) -> str:
    """Return the result of `readable_path`, computed in Python."""
    return re.sub("^file:/+", "/", unquote(uri))


def _parts(groups: Iterable[Row], header: int | None) -> tuple[_Part, ...]:
    parts = []
    ordered = sorted(groups, key=lambda group: (group["file"], group["block"]))
    for file, of_file in groupby(ordered, key=lambda group: group["file"]):
        lines_before, header_found = 0, header is None
        for block, of_part in groupby(of_file, key=lambda group: group["block"]):
            found = list(of_part)
            firsts = {group["fault"]: group["first"] for group in found}
            filled = [first for fault, first in firsts.items() if fault != BLANK]
            header_position = _NOWHERE
            if filled and not header_found:
                if firsts.get(header) != min(filled):
                    raise ValueError(
                        f"{file_of_uri(file)} must begin with the header of the first file, got another first line. "
                        "Give it the same header, or give a path that has only the files of ratings."
                    )
                header_position, header_found = min(filled), True
            parts.append(_Part(file, block, min(firsts.values()), lines_before, header_position))
            lines_before += sum(group["rows"] for group in found)
    return tuple(parts)


def _narrowest(usable: list[Row], side: str) -> str:
    fits = all(group[f"least_{side}"] >= _INT_MIN and group[f"most_{side}"] <= _INT_MAX for group in usable)
    return "int" if fits else "bigint"
