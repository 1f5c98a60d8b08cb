"""Speed-up, efficiency and growth of times, from rows."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from spark_mf.benchmarks.scalability.breakdown import Breakdown
from spark_mf.benchmarks.scalability.rows import ScalabilityRow
from spark_mf.benchmarks.scalability.settings import BLOCKS, RANK, RATINGS, STRONG, WEAK

#: What grows in each experiment.
GROWS: dict[str, Callable[[ScalabilityRow], int]] = {
    STRONG: lambda row: row.cores,
    WEAK: lambda row: row.cores,
    RATINGS: lambda row: row.ratings,
    RANK: lambda row: row.rank,
    BLOCKS: lambda row: row.blocks or 0,
}


@dataclass(frozen=True)
class Scaled:
    """The median of a point's repetitions, against the same method on the fewest cores of the experiment.

    Attributes
    ----------
    size : int
        What grows, as `GROWS` says.
    seconds : float
        Of an iteration.
    setup_seconds, fit_seconds : float
    speedup : float
        How many times as much work per second as the base: for ``weak`` the work grows with the cores, else the
        ratio of the times.
    efficiency : float
        Of experiments on more cores, speedup over the ratio of cores: 1 is ideal. Else 1 over the ratio of times.
    row : ScalabilityRow
        The repetition whose iteration took the median, or the next longer.
    """

    size: int
    seconds: float
    setup_seconds: float
    fit_seconds: float
    speedup: float
    efficiency: float
    row: ScalabilityRow

    @property
    def breakdown(self) -> Breakdown | None:
        """Of the repetition in `row`."""
        return self.row.breakdown


def scaled(rows: Sequence[ScalabilityRow], experiment: str) -> dict[str, list[Scaled]]:
    """Return the points of an experiment that have times, by method, smallest size first.

    Where the smallest point of a method failed, its next one is the base.
    """
    points: dict[str, dict[int, list[ScalabilityRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if experiment in row.experiments and row.seconds_per_iteration is not None:
            points[row.method][GROWS[experiment](row)].append(row)
    return {method: _against_smallest(sizes, experiment) for method, sizes in points.items()}


def _against_smallest(sizes: dict[int, list[ScalabilityRow]], experiment: str) -> list[Scaled]:
    found: list[Scaled] = []
    for size in sorted(sizes):
        repeated = sorted(sizes[size], key=_seconds)
        seconds = median(map(_seconds, repeated))
        base_size, base = (found[0].size, found[0].seconds) if found else (size, seconds)
        ratio, grown = base / seconds, size / base_size
        speedup = ratio * grown if experiment == WEAK else ratio
        found.append(
            Scaled(
                size=size,
                seconds=seconds,
                setup_seconds=median(row.setup_seconds or 0.0 for row in repeated),
                fit_seconds=median(row.fit_seconds or 0.0 for row in repeated),
                speedup=speedup,
                efficiency=speedup / grown if experiment in (STRONG, WEAK) else ratio,
                row=repeated[len(repeated) // 2],
            )
        )
    return found


def _seconds(row: ScalabilityRow) -> float:
    return row.seconds_per_iteration or 0.0


def growth_exponent(points: Sequence[Scaled]) -> float | None:
    """Return the p of seconds ~ sizeᵖ between the smallest and the largest point; None of fewer than two."""
    if len(points) < 2 or points[0].seconds <= 0 or points[-1].seconds <= 0:
        return None
    return math.log(points[-1].seconds / points[0].seconds) / math.log(points[-1].size / points[0].size)
