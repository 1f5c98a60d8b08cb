"""What the benchmark found, from its rows alone: how many times as fast, and whether that is what was asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spark_mf.experiments.environment import NATIVE
from spark_mf.experiments.report import BASELINE, aligned, report, shown
from spark_mf.experiments.rows import ResultRow

FIGURES_PLOT = "seconds.png"

OWN = "spark_mf.ALS"
WITHOUT_NATIVE, WITH_NATIVE = f"{BASELINE}, no native BLAS", f"{BASELINE}, OpenBLAS"
MAX_RMSE_DIFFERENCE = 0.002
MAX_SETUP_SECONDS = 12.0

_FIGURE_HEADERS = ("figure", "against", "pyspark", "spark_mf", "measured", "asked", "reached")
_ROW_HEADERS = (
    "model", "blocks", "fit, s", "set-up, s", "s/iteration", "first, s", "recommend, s", "test RMSE", "peak MiB",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One asked figure and what was measured.

    Attributes
    ----------
    name, against : str
        What is measured, and what it is compared with; "" where with nothing.
    theirs, ours : float | None
        What pyspark and spark_mf took; None where not measured or not needed.
    measured : float | None
        The figure itself; None where a row for it is missing.
    asked : float
        The least that was asked for, or the most.
    is_limit : bool
        Whether ``asked`` is the most.
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
        """Whether the figure is as asked; None where it was not measured."""
        if self.measured is None:
            return None
        return self.measured <= self.asked if self.is_limit else self.measured >= self.asked

    def cells(self) -> tuple[str, ...]:
        """The figure's line of the table."""
        sign, form = ("≤", ".4g") if self.is_limit else ("≥", ".1f")
        unit = "" if self.is_limit else " ×"
        verdict = {None: "not measured", True: "yes", False: "no"}[self.reached]
        if self.reached is False and self.measured is not None:
            verdict += f", {self.measured / self.asked:.2f} of it"
        measured = shown(self.measured, form) + (unit if self.measured is not None else "")
        asked = f"{sign} {self.asked:g}{unit}"
        return self.name, self.against, shown(self.theirs, ".4g"), shown(self.ours, ".4g"), measured, asked, verdict


def figures(rows: Sequence[ResultRow]) -> list[Figure]:
    """Every figure that is asked for, against pyspark without and with native BLAS, at its best block count each."""
    without = [row for row in rows if row.model == BASELINE and row.blas and not _is_native(row)]
    native = [row for row in rows if row.model == BASELINE and _is_native(row)]
    exact, cg = ([row for row in rows if row.model == OWN and row.solver == name] for name in ("cholesky", "cg"))
    found = []
    for against, theirs, factors in (
        (WITHOUT_NATIVE, without, (7, 12, 8, 10)),
        (WITH_NATIVE, native, (3.5, 6, 4, 10)),
    ):
        found += [
            _speed("iteration, Cholesky", against, theirs, exact, factors[0], _iteration),
            _speed("iteration, cg", against, theirs, cg, factors[1], _iteration),
            _speed("whole fit, cg", against, theirs, cg, factors[2], lambda row: row.fit_seconds),
            # Both solvers' models were timed; the slower one counts.
            _speed(
                "recommendForAllUsers(10)", against, theirs, exact + cg, factors[3], lambda row: row.recommend_seconds
            ),
            _rmse_difference("RMSE difference, Cholesky", against, theirs, exact),
            _rmse_difference("RMSE difference, cg", against, theirs, cg),
        ]
    for name, ours in (("laying out, Cholesky, s", exact), ("laying out, cg, s", cg)):
        setup = ours[0].setup_seconds if ours else None
        found.append(Figure(name, "", None, setup, setup, MAX_SETUP_SECONDS, is_limit=True))
    return found


def bench_table(rows: Sequence[ResultRow]) -> str:
    """The rows, and below them the figures, as aligned tables that are Markdown too."""
    cells = [
        (
            row.label,
            shown(row.blocks, "d"),
            shown(row.fit_seconds, ".2f"),
            shown(row.setup_seconds, ".2f"),
            shown(row.seconds_per_iteration, ".3f"),
            shown(row.history[0].seconds if row.model == OWN and row.history else None, ".3f"),
            shown(row.recommend_seconds, ".2f"),
            shown(row.test_rmse, ".4f"),
            shown(row.peak_memory_mb, ",.0f"),
        )
        for row in rows
    ]
    judged = [figure.cells() for figure in figures(rows)]
    return f"{aligned(_ROW_HEADERS, cells)}\n\n{aligned(_FIGURE_HEADERS, judged)}"


def bench_report(rows: Sequence[ResultRow], plots: Sequence[str] = ()) -> str:
    """The whole report, in Markdown; ``plots`` are file names of pictures beside it."""
    libraries = [
        f"- Linear algebra that the JVM of {row.label} was seen to use: {row.blas}." for row in rows if row.blas
    ]
    return report(rows, "\n".join([bench_table(rows), "", _READING, *libraries]), plots)


_READING = f"""\
- The figures are asked of 20 million ratings, rank 64, 10 iterations and 2 cores. Each is against pyspark at
  the block count that is best at it; RMSE against its fastest fit.
- `s/iteration`: of {OWN} the median of its history, beside it the first; each also computes the objective and the
  training RMSE. Of {BASELINE} the mean of the fit without its set-up, as it keeps no history.
- `recommend`: recommendForAllUsers(10), the result read to its end and thrown away, on the model that was just
  fitted; of {BASELINE} on the model of its fastest fit alone.
- Each line of spark_mf, and each library that pyspark was run with, had a process and a JVM of its own."""


def _is_native(row: ResultRow) -> bool:
    return (row.blas or "").startswith(f"{NATIVE} (")


def _iteration(row: ResultRow) -> float | None:
    return row.seconds_per_iteration


def _speed(
    name: str,
    against: str,
    theirs: Sequence[ResultRow],
    ours: Sequence[ResultRow],
    asked: float,
    seconds: Callable[[ResultRow], float | None],
) -> Figure:
    best = min(_values(theirs, seconds), default=None)
    own = max(_values(ours, seconds), default=None)
    return Figure(name, against, best, own, best / own if best is not None and own else None, asked)


def _rmse_difference(name: str, against: str, theirs: Sequence[ResultRow], ours: Sequence[ResultRow]) -> Figure:
    timed = [row for row in theirs if row.fit_seconds is not None]
    fastest = min(timed, key=lambda row: row.fit_seconds or 0.0, default=None)
    best = fastest.test_rmse if fastest else None
    own = ours[0].test_rmse if ours else None
    difference = abs(own - best) if own is not None and best is not None else None
    return Figure(name, against, best, own, difference, MAX_RMSE_DIFFERENCE, is_limit=True)


def _values(rows: Sequence[ResultRow], value: Callable[[ResultRow], float | None]) -> list[float]:
    return [found for row in rows if (found := value(row)) is not None]
