"""Definition of a study, and functions that run a study and write its rows, plots and report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spark_mf.benchmarks.report import failures, pictures, whereabouts
from spark_mf.cli.output import OutputFolder
from spark_mf.studies.data import PUBLISHED_RATINGS, OwnRatings
from spark_mf.studies.fits import Fits

REPORT = "report.md"


@dataclass(frozen=True, kw_only=True)
class Study:
    """One experiment.

    Attributes
    ----------
    name : str
        Name of the study in the settings of the job.
    asks : str
        Question that the study answers, in one or two sentences.
    row_type : type
        Dataclass of the rows.
    pictures : tuple[str, ...]
        File names of the plots.
    run : Callable[[Fits], Iterator[Any]]
        Yields the rows.
    draw : Callable[[Sequence[Any], Path], list[str]]
        Writes the plots that have rows to a folder, and returns their names.
    findings : Callable[[Sequence[Any]], str]
        Returns the results: tables and sentences in Markdown.
    given : Callable[[Sequence[Any]], str]
        Returns data and hyperparameters as a Markdown list.
    needs_spark : bool
        Whether the study needs a session even with the estimators of the textbook.
    textbook_only : bool
        Whether the study supports only the estimators of the textbook.
    takes_ratings : bool
        Whether the study accepts RATINGS.
    own_ratings : OwnRatings
        Ratings without RATINGS.
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
    own_ratings: OwnRatings = PUBLISHED_RATINGS

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the output files besides the rows."""
        return (REPORT, *self.pictures)


def run_study(study: Study, fits: Fits, folder: OutputFolder) -> list[Any]:
    """Run a study, write rows, plots and report to the folder, and return the rows."""
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
    """Return the report in Markdown.

    Parameters
    ----------
    study : Study
    rows : Sequence
        Rows of the study; at least one.
    drawn : Sequence[str]
        File names of the plots in the folder of the report.
    """
    sections = [
        f"# {study.name.replace('-', ' ').capitalize()}",
        study.asks,
        "## Results\n\n" + study.findings(rows),
        pictures(drawn),
        failures(rows),
        "## Data and hyperparameters\n\n" + study.given(rows),
        "## Environment\n\n" + whereabouts(rows[0]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
