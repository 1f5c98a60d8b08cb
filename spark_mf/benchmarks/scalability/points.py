"""The points of a measurement: what is fitted on what, each once however many experiments need it."""

from dataclasses import dataclass, replace

from spark_mf.benchmarks.methods import Method
from spark_mf.benchmarks.scalability.methods import scaled_method
from spark_mf.benchmarks.scalability.settings import (
    BLOCKS,
    RANK,
    RATINGS,
    STRONG,
    WEAK,
    ScalabilitySettings,
)


@dataclass(frozen=True)
class Point:
    """One fit in a process of its own.

    Attributes
    ----------
    method : str
        Out of `spark_mf.benchmarks.scalability.methods.METHODS`.
    cores, ratings, rank : int
    blocks : int | None
        None where the experiment does not set them.
    repetition : int
        From 1.
    experiments : tuple[str, ...]
        Those that it is a point of.
    """

    method: str
    cores: int
    ratings: int
    rank: int
    blocks: int | None
    repetition: int
    experiments: tuple[str, ...]

    @property
    def name(self) -> str:
        """Unique name of the point, in one word."""
        blocks = "own" if self.blocks is None else self.blocks
        return f"{self.method}:{self.cores}:{self.ratings}:{self.rank}:{blocks}:{self.repetition}"

    def fitted(self, settings: ScalabilitySettings) -> Method:
        """Return the method that it fits."""
        shared = {"maxIter": settings.iterations, "regParam": settings.reg_param, "seed": settings.seed}
        params = {"rank": self.rank, **shared}
        return scaled_method(self.method, params, self.cores, self.blocks, settings.pyspark_blocks)


def points_of(settings: ScalabilitySettings) -> list[Point]:
    """Return all points, those on the fewest ratings and cores first, so that what is wrong shows early."""
    found: dict[str, Point] = {}
    for repetition in range(1, settings.repetitions + 1):
        for method in settings.methods:
            for experiment in settings.experiments:
                for cores, ratings, rank, blocks in _shapes(settings, experiment):
                    point = Point(method, cores, ratings, rank, blocks, repetition, (experiment,))
                    same = found.get(point.name)
                    found[point.name] = replace(same, experiments=(*same.experiments, experiment)) if same else point
    order = {method: place for place, method in enumerate(settings.methods)}
    return sorted(
        found.values(), key=lambda p: (p.repetition, p.ratings, p.cores, p.rank, p.blocks or 0, order[p.method])
    )


def _shapes(settings: ScalabilitySettings, experiment: str) -> list[tuple[int, int, int, int | None]]:
    """Return cores, ratings, rank and blocks of the points of an experiment."""
    most, ratings, rank = max(settings.cores), settings.ratings, settings.rank
    shapes: dict[str, list[tuple[int, int, int, int | None]]] = {
        STRONG: [(cores, ratings, rank, None) for cores in settings.cores],
        WEAK: [(cores, ratings * cores // most, rank, None) for cores in settings.cores],
        RATINGS: [(most, size, rank, None) for size in settings.ratings_sizes],
        RANK: [(most, ratings, each, None) for each in settings.ranks],
        BLOCKS: [(most, ratings, rank, each) for each in settings.block_counts],
    }
    return shapes[experiment]
