"""Points of the benchmark that fit other libraries for implicit feedback, without Spark."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spark_mf.benchmarks.environment import PACKAGE, PeakMemory, Provenance, git_commit, software_versions
from spark_mf.benchmarks.implicit_objective import IndexedRatings, implicit_objective
from spark_mf.benchmarks.libraries.running import fit_library, library_python
from spark_mf.benchmarks.measuring import first_sentence, unmeasured_row
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.data import DATA, read_arrays, require_counts
from spark_mf.benchmarks.speed.point_names import LIBRARY_POINTS
from spark_mf.benchmarks.speed.points import point_methods
from spark_mf.benchmarks.speed.settings import BenchSettings
from spark_mf.cli.phases import phase
from spark_mf.models.summary import IterationRecord

logger = logging.getLogger(__name__)

_NOTE = "Fitted without Spark in a process of its own, which reads the ratings before the fit, and without a warm-up."


def measure_library(settings: BenchSettings, folder: Path, point: str, keep: Callable[[ResultRow], None]) -> None:
    """Fit a library by each of its solvers at each rank, with as many threads as the benchmark has cores.

    Parameters
    ----------
    settings : BenchSettings
    folder : Path
        With the ratings.
    point : str
        A key of `LIBRARY_POINTS`.
    keep : Callable[[ResultRow], None]
        Gets every row at once; one of a fit that failed has ``error``.

    Raises
    ------
    FileNotFoundError
        When the folder lacks the ratings.
    """
    counts = require_counts(folder / DATA, settings.description)
    library, methods = LIBRARY_POINTS[point], point_methods(point, settings)
    where = Provenance(f"{settings.cores} threads", settings.cores, software_versions(), git_commit(PACKAGE))
    rows = [unmeasured_row(method, counts, where) for method in methods]
    try:
        python = library_python(settings.library_python)
        with phase("reading the ratings"):
            ratings = IndexedRatings.of(*read_arrays(folder / DATA, "train"))
    except Exception as fault:
        logger.warning("%s: %s", point, first_sentence(fault))
        for row in rows:
            keep(replace(row, error=first_sentence(fault)))
        return
    for row in rows:
        try:
            row = _measured(row, python, library, ratings)
        except Exception as fault:  # The other rows are still wanted.
            logger.warning("%s failed: %s", row.label, first_sentence(fault))
            row = replace(row, error=first_sentence(fault))
        keep(row)


def _measured(row: ResultRow, python: Path, library: str, ratings: IndexedRatings) -> ResultRow:
    with phase(f"{row.label}: fitting", ticking=True), PeakMemory() as memory:
        fit = fit_library(python, library, ratings, row.params, row.cores)
    with phase(f"{row.label}: objective"):
        objective = implicit_objective(ratings, fit.user_factors, fit.item_factors, row.params)
    return replace(
        row,
        fit_seconds=fit.setup_seconds + sum(fit.seconds),
        setup_seconds=fit.setup_seconds,
        history=tuple(IterationRecord(k, seconds) for k, seconds in enumerate(fit.seconds, start=1)),
        objective=objective,
        peak_memory_mb=memory.megabytes,
        versions={**row.versions, library: fit.version},
        notes=(_NOTE,),
    )
