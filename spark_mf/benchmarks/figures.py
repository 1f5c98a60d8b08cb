"""Figures of a benchmark: what was measured, and whether it reaches its target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.tables import shown

Value = Callable[[ResultRow], float | None]


@dataclass(frozen=True)
class Figure:
    """A measured figure and its target.

    Attributes
    ----------
    name, against : str
        Name of the figure, and of the reference that it is relative to, or "".
    theirs, ours : float | None
        Values of the reference, such as pyspark, and of spark_mf; None if not measured or not needed.
    measured : float | None
        Value of the figure; None if a row is missing.
    asked : float
        Target, a minimum or a maximum.
    is_limit : bool
        Whether the target is a maximum.
    """

    name: str
    against: str
    theirs: float | None
    ours: float | None
    measured: float | None
    asked: float
    is_limit: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the figure reaches its target; None if it was not measured."""
        if self.measured is None:
            return None
        return self.measured <= self.asked if self.is_limit else self.measured >= self.asked

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the figure for the table."""
        sign, form = ("≤", ".4g") if self.is_limit else ("≥", ".1f")
        unit = "" if self.is_limit or not self.against else " ×"
        verdict = {None: "not measured", True: "yes", False: "no"}[self.reached]
        if self.reached is False and self.measured is not None and self.asked:
            verdict += f", {self.measured / self.asked:.2f} of it"
        measured = shown(self.measured, form) + (unit if self.measured is not None else "")
        asked = f"{sign} {self.asked:g}{unit}"
        return self.name, self.against, shown(self.theirs, ".4g"), shown(self.ours, ".4g"), measured, asked, verdict


def speed(
    name: str, against: str, theirs: Sequence[ResultRow], ours: Sequence[ResultRow], asked: float, seconds: Value
) -> Figure:
    """Return the figure of how many times as fast as the best of some rows the slowest of ours is."""
    best = min(values(theirs, seconds), default=None)
    own = max(values(ours, seconds), default=None)
    return Figure(name, against, best, own, best / own if best is not None and own else None, asked)


def values(rows: Sequence[ResultRow], value: Value) -> list[float]:
    """Return the values of the rows that have one."""
    return [found for row in rows if (found := value(row)) is not None]
