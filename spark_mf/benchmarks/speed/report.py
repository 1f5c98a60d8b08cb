"""Report of the benchmark, from its rows alone: speed ratios, and whether they reach their targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spark_mf.benchmarks.environment import NATIVE
from spark_mf.benchmarks.report import BASELINE, report
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.settings import EVALUATED_KERNELS, EVALUATED_SGD, KERNELS_ALONE, SGD_ALONE
from spark_mf.cli.tables import aligned, shown

FIGURES_PLOT = "seconds.png"

OWN = "spark_mf.ALS"
WITHOUT_NATIVE, WITH_NATIVE = f"{BASELINE}, no native BLAS", f"{BASELINE}, OpenBLAS"
MAX_RMSE_DIFFERENCE = 0.002
MAX_SETUP_SECONDS = 12.0
MAX_EPOCH_RATIO = 1.25
MIN_MILLION_UPDATES = 60.0
MAX_EVALUATION_SHARE = 0.1


@dataclass(frozen=True)
class _Asked:
    """Target ratio of pyspark's time to ours; None without a target."""

    exact: float | None = None
    cg: float | None = None
    exact_fit: float | None = None
    cg_fit: float | None = None
    sgd_fit: float | None = None
    recommend: float | None = None


_WITHOUT = _Asked(exact=8, cg=20, cg_fit=12, sgd_fit=15, recommend=10)
_NATIVE = _Asked(exact=4, cg=10, cg_fit=6, sgd_fit=8, recommend=10)
# Of a set up to this size only whole fits were asked for.
_SMALL_RATINGS = 1_000_000
_SMALL = _Asked(exact_fit=5, cg_fit=5)

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
        """Whether the ratio reaches its target; None if it was not measured."""
        if self.measured is None:
            return None
        return self.measured <= self.asked if self.is_limit else self.measured >= self.asked

    def cells(self) -> tuple[str, ...]:
        """Return the figure's line of the table."""
        sign, form = ("≤", ".4g") if self.is_limit else ("≥", ".1f")
        unit = "" if self.is_limit or not self.against else " ×"
        verdict = {None: "not measured", True: "yes", False: "no"}[self.reached]
        if self.reached is False and self.measured is not None and self.asked:
            verdict += f", {self.measured / self.asked:.2f} of it"
        measured = shown(self.measured, form) + (unit if self.measured is not None else "")
        asked = f"{sign} {self.asked:g}{unit}"
        return self.name, self.against, shown(self.theirs, ".4g"), shown(self.ours, ".4g"), measured, asked, verdict


def figures(rows: Sequence[ResultRow]) -> list[Figure]:
    """Return all target figures, against pyspark without and with native BLAS, with its best block count each."""
    is_small = bool(rows) and rows[0].ratings <= _SMALL_RATINGS
    without = [row for row in rows if row.model == BASELINE and row.blas and not _is_native(row)]
    native = [row for row in rows if row.model == BASELINE and _is_native(row)]
    found = []
    for against, theirs, asked in ((WITHOUT_NATIVE, without, _WITHOUT), (WITH_NATIVE, native, _NATIVE)):
        found += _against(rows, against, theirs, _SMALL if is_small else asked)
    if is_small:
        return found
    for name, solver in (("laying out, Cholesky, s", "cholesky"), ("laying out, cg, s", "cg")):
        ours = _own(rows, solver)
        setup = ours[0].setup_seconds if ours else None
        found.append(Figure(name, "", None, setup, setup, MAX_SETUP_SECONDS, is_limit=True))
    return found + _descent_figures(rows)


def _against(rows: Sequence[ResultRow], against: str, theirs: Sequence[ResultRow], asked: _Asked) -> list[Figure]:
    """Return the figures that compare with pyspark."""
    exact, cg = _own(rows, "cholesky"), _own(rows, "cg")
    sgd = [row for row in rows if row.label == EVALUATED_SGD]
    speeds = (
        ("iteration, Cholesky", exact, asked.exact, _iteration),
        ("iteration, cg", cg, asked.cg, _iteration),
        ("whole fit, Cholesky", exact, asked.exact_fit, _fit),
        ("whole fit, cg", cg, asked.cg_fit, _fit),
        ("whole fit, SGD evaluated", sgd, asked.sgd_fit, _fit),
        # Both solvers' models were timed; the slower one counts.
        ("recommendForAllUsers(10)", exact + cg, asked.recommend, lambda row: row.recommend_seconds),
    )
    found = [_speed(name, against, theirs, ours, least, seconds) for name, ours, least, seconds in speeds if least]
    for name, ours in (("RMSE difference, Cholesky", exact), ("RMSE difference, cg", cg)):
        best, own = _fastest_rmse(theirs), ours[0].test_rmse if ours else None
        difference = abs(own - best) if own is not None and best is not None else None
        found.append(Figure(name, against, best, own, difference, MAX_RMSE_DIFFERENCE, is_limit=True))
    if asked.sgd_fit:
        # The evaluated fit keeps its best epoch, which test rows must not choose: the other one keeps its last.
        both = _values([row for row in rows if row.label in (EVALUATED_SGD, SGD_ALONE)], lambda row: row.test_rmse)
        best, own = _fastest_rmse(theirs), max(both, default=None)
        excess = own - best if own is not None and best is not None else None
        found.append(Figure("RMSE above, SGD", against, best, own, excess, 0.0, is_limit=True))
    return found


def _descent_figures(rows: Sequence[ResultRow]) -> list[Figure]:
    """Return what was asked of SGD's epochs themselves, against its kernels in one process."""
    by_label = {row.label: row.seconds_per_iteration for row in rows}
    spark, spark_alone = by_label.get(EVALUATED_SGD), by_label.get(SGD_ALONE)
    kernels, kernels_alone = by_label.get(EVALUATED_KERNELS), by_label.get(KERNELS_ALONE)
    ratings = next((row.ratings - row.test_ratings for row in rows), 0)
    updates = ratings / spark / 1e6 if spark else None
    found = []
    for name, ours, theirs in (
        ("epoch through Spark / in one process, evaluated", spark, kernels),
        ("epoch through Spark / in one process", spark_alone, kernels_alone),
    ):
        ratio = ours / theirs if ours and theirs else None
        found.append(Figure(name, "", theirs, ours, ratio, MAX_EPOCH_RATIO, is_limit=True))
    found.append(Figure("million updates/s, evaluated", "", None, updates, updates, MIN_MILLION_UPDATES))
    for name, whole, alone in (
        ("evaluation's share of an epoch", spark, spark_alone),
        ("evaluation's share in one process", kernels, kernels_alone),
    ):
        share = 1 - alone / whole if whole and alone else None
        found.append(Figure(name, "", None, share, share, MAX_EVALUATION_SHARE, is_limit=True))
    return found


def bench_table(rows: Sequence[ResultRow]) -> str:
    """Return the rows, and below them the figures, as aligned tables that are Markdown too."""
    cells = [
        (
            row.label,
            shown(row.blocks, "d"),
            shown(row.fit_seconds, ".2f"),
            shown(row.setup_seconds, ".2f"),
            shown(row.seconds_per_iteration, ".3f"),
            shown(row.history[0].seconds if row.model != BASELINE and row.history else None, ".3f"),
            shown(row.recommend_seconds, ".2f"),
            shown(row.test_rmse, ".4f"),
            shown(row.peak_memory_mb, ",.0f"),
        )
        for row in rows
    ]
    judged = [figure.cells() for figure in figures(rows)]
    return f"{aligned(_ROW_HEADERS, cells)}\n\n{aligned(_FIGURE_HEADERS, judged)}"


def bench_report(rows: Sequence[ResultRow], plots: Sequence[str] = ()) -> str:
    """Return the whole report, in Markdown; ``plots`` are file names of pictures beside it."""
    libraries = [
        f"- Linear algebra that the JVM of {row.label} was seen to use: {row.blas}." for row in rows if row.blas
    ]
    return report(rows, "\n".join([bench_table(rows), "", _READING, *libraries]), plots)


_READING = f"""\
- The figures are asked of rank 64, 10 iterations, 20 epochs and 2 cores, on 20 million ratings; of a set of at most
  one million other figures are asked. Each is against pyspark at the block count that is best at it; RMSE against
  its fastest fit.
- `s/iteration`: of {OWN} the median of its history, beside it the first; each also computes the objective and the
  training RMSE. Of {BASELINE} the mean of the fit without its set-up, as it keeps no history. Of SGD the median epoch.
- `evaluated`: the RMSE of all test rows was computed after each epoch. The fit through Spark got them as validation
  rows and keeps its best epoch by them, so that its own test RMSE is not judged but the worse of it and that of the
  fit without evaluation, which keeps its last epoch.
- SGD's kernels: the same cells, schedule and seeds in one process without Spark, one thread a user block. The
  evaluation's share is by the medians of two fits through Spark, in one process by parts of one run's epochs.
- `recommend`: recommendForAllUsers(10), the result read to its end and thrown away, on the model that was just
  fitted; of {BASELINE} on the model of its fastest fit alone.
- Each line of {OWN}, SGD, its kernels, and each library that pyspark was run with, had a process of its own."""


def _is_native(row: ResultRow) -> bool:
    return (row.blas or "").startswith(f"{NATIVE} (")


def _own(rows: Sequence[ResultRow], solver: str) -> list[ResultRow]:
    """Return the rows of `OWN` with a solver on the engine that it takes by itself."""
    return [row for row in rows if row.model == OWN and row.solver == solver and row.engine != "broadcast"]


def _iteration(row: ResultRow) -> float | None:
    return row.seconds_per_iteration


def _fit(row: ResultRow) -> float | None:
    return row.fit_seconds


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


def _fastest_rmse(theirs: Sequence[ResultRow]) -> float | None:
    timed = [row for row in theirs if row.fit_seconds is not None]
    fastest = min(timed, key=lambda row: row.fit_seconds or 0.0, default=None)
    return fastest.test_rmse if fastest else None


def _values(rows: Sequence[ResultRow], value: Callable[[ResultRow], float | None]) -> list[float]:
    return [found for row in rows if (found := value(row)) is not None]
