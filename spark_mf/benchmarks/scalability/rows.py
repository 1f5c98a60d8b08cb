"""The rows of a measurement of scaling."""

from dataclasses import dataclass, replace

from spark_mf.benchmarks.environment import Provenance
from spark_mf.benchmarks.measuring import RatingCounts, unmeasured_row
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.scalability.breakdown import Breakdown
from spark_mf.benchmarks.scalability.points import Point
from spark_mf.benchmarks.scalability.settings import ScalabilitySettings


@dataclass(frozen=True, kw_only=True)
class ScalabilityRow(ResultRow):
    """One point, or its failure; ``label`` is the point's name.

    Attributes
    ----------
    experiments : tuple[str, ...]
        Those that the point belongs to.
    method : str
        What was fitted, as tables and plots name it.
    repetition : int
        From 1; repetitions of a point differ in nothing else.
    busy_before : float | None
        Part of the machine's processors that other programs kept busy just before the point; None where not known.
    breakdown : Breakdown | None
        Of a mean iteration, with all that follows the set-up; None where the event log was not read.
    shuffle_mb : float | None
        MiB that tasks of the whole fit read from and wrote for each other through Spark.
    """

    experiments: tuple[str, ...]
    method: str
    repetition: int
    busy_before: float | None = None
    breakdown: Breakdown | None = None
    shuffle_mb: float | None = None


def unmeasured_point(
    point: Point, settings: ScalabilitySettings, counts: RatingCounts, where: Provenance
) -> ScalabilityRow:
    """Return the row of a point with all that is known before its fit, which starts now."""
    method = point.fitted(settings)
    row = unmeasured_row(method, counts, where)
    named = replace(row, label=point.name, cores=point.cores)
    return ScalabilityRow(
        **vars(named), experiments=point.experiments, method=method.label, repetition=point.repetition
    )
