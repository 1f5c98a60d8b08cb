"""What a study is, and how one is run: rows as they are won, then pictures and a report from the rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spark_mf.benchmarks.report import failures, pictures, whereabouts
from spark_mf.cli.output import OutputFolder
from spark_mf.studies.fits import Fits

REPORT = "report.md"


@dataclass(frozen=True, kw_only=True)
class Study:
    """One experiment.

    Attributes
    ----------
    name : str
        As the job is told.
    asks : str
        What it is to show, in one or two sentences.
    row_type : type
        Of its rows, a dataclass that `read_rows` reads.
    pictures : tuple[str, ...]
        File names of what it draws.
    run : Callable[[Fits], Iterator[Any]]
        Makes its rows one by one.
    draw : Callable[[Sequence[Any], Path], list[str]]
        Writes the pictures that the rows allow into a folder, and returns their names.
    findings : Callable[[Sequence[Any]], str]
        What the rows say: tables and sentences in Markdown.
    given : Callable[[Sequence[Any]], str]
        What was fitted to what, as a Markdown list.
    needs_spark : bool
        Whether it needs a session even where the textbook is fitted.
    textbook_only : bool
        Whether it needs what only the textbook's estimators offer.
    takes_ratings : bool
        Whether RATINGS mean anything to it.
    """

    name: str
    asks: str
    row_type: type
    pictures: tuple[str, ...]
    run: Callable[[Fits], Iterator[Any]]
    draw: Callable[[Sequence[Any], Path], list[str]]
    findings: Callable[[Sequence[Any]], str]
    given: Callable[[Sequence[Any]], str]
    needs_spark: bool = False
    textbook_only: bool = False
    takes_ratings: bool = True

    @property
    def files(self) -> tuple[str, ...]:
        """Names of what it leaves beside its rows."""
        return (REPORT, *self.pictures)


def run_study(study: Study, fits: Fits, folder: OutputFolder) -> list[Any]:
    """Run a study, leave rows, pictures and report in the folder, and return the rows."""
    folder.start()
    rows = []
    for row in study.run(fits):
        folder.add(row)
        rows.append(row)
    drawn = study.draw(rows, folder.path)
    (folder.path / REPORT).write_text(study_report(study, rows, drawn), encoding="utf-8")
    folder.finish(rows)
    return rows


def study_report(study: Study, rows: Sequence[Any], drawn: Sequence[str]) -> str:
    """The report in Markdown, from the rows alone.

    Parameters
    ----------
    rows : Sequence
        Of the study's type; at least one.
    drawn : Sequence[str]
        File names of its pictures, beside the report.
    """
    sections = [
        f"# {study.name.replace('-', ' ').capitalize()}",
        study.asks,
        "## Results\n\n" + study.findings(rows),
        pictures(drawn),
        failures(rows),
        "## Data and hyperparameters\n\n" + study.given(rows),
        "## Where\n\n" + whereabouts(rows[0]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
