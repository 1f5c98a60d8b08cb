"""Report of the speed benchmark: speed ratios, and whether they reach their targets."""

from collections.abc import Sequence
from dataclasses import dataclass

from spark_mf.benchmarks.figures import Figure, speed, values
from spark_mf.benchmarks.report import BASELINE, report
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.objectives_report import (
    HIGH_RANK_READING,
    IMPLICIT_READING,
    OWN,
    high_rank_figures,
    implicit_figures,
    is_high_rank_row,
    is_native,
    objective_table,
    timing_cells,
)
from spark_mf.benchmarks.speed.point_names import NNLS
from spark_mf.benchmarks.speed.points import EVALUATED_KERNELS, EVALUATED_SGD, KERNELS_ALONE, SGD_ALONE
from spark_mf.cli.tables import aligned, shown

FIGURES_PLOT = "seconds.png"

WITHOUT_NATIVE, WITH_NATIVE = f"{BASELINE}, no native BLAS", f"{BASELINE}, OpenBLAS"
MAX_RMSE_DIFFERENCE = 0.002
MAX_SETUP_SECONDS = 12.0
MAX_EPOCH_RATIO = 1.25
MAX_NNLS_RATIO = 3.0
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
# Data sets up to this size have targets for complete fits only.
_SMALL_RATINGS = 1_000_000
_SMALL = _Asked(exact_fit=5, cg_fit=5)

_FIGURE_HEADERS = ("figure", "relative to", "pyspark", "spark_mf", "measured", "target", "reached")
_ROW_HEADERS = (
    "model", "blocks", "fit, s", "set-up, s", "s/iteration", "first, s", "recommend, s", "test RMSE", "peak MiB",
)  # fmt: skip


def figures(rows: Sequence[ResultRow]) -> list[Figure]:
    """Return all figures, relative to pyspark without and with native BLAS, each with the best number of blocks."""
    is_small = bool(rows) and rows[0].ratings <= _SMALL_RATINGS
    without = [row for row in rows if row.model == BASELINE and row.blas and not is_native(row)]
    native = [row for row in rows if row.model == BASELINE and is_native(row)]
    found = []
    for against, theirs, asked in ((WITHOUT_NATIVE, without, _WITHOUT), (WITH_NATIVE, native, _NATIVE)):
        found += _against(rows, against, theirs, _SMALL if is_small else asked)
    if is_small:
        return found
    for name, solver in (("laying out, Cholesky, s", "cholesky"), ("laying out, cg, s", "cg")):
        ours = _own(rows, solver)
        setup = ours[0].setup_seconds if ours else None
        found.append(Figure(name, "", None, setup, setup, MAX_SETUP_SECONDS, is_limit=True))
    return found + _nnls_figures(rows) + _descent_figures(rows)


def _against(rows: Sequence[ResultRow], against: str, theirs: Sequence[ResultRow], asked: _Asked) -> list[Figure]:
    """Return the figures relative to pyspark."""
    exact, cg = _own(rows, "cholesky"), _own(rows, "cg")
    sgd = [row for row in rows if row.label == EVALUATED_SGD]
    speeds = (
        ("iteration, Cholesky", exact, asked.exact, _iteration),
        ("iteration, cg", cg, asked.cg, _iteration),
        ("whole fit, Cholesky", exact, asked.exact_fit, _fit),
        ("whole fit, cg", cg, asked.cg_fit, _fit),
        ("whole fit, SGD evaluated", sgd, asked.sgd_fit, _fit),
        # The models of both solvers were timed, and the slower one is used.
        ("recommendForAllUsers(10)", exact + cg, asked.recommend, lambda row: row.recommend_seconds),
    )
    found = [speed(name, against, theirs, ours, least, seconds) for name, ours, least, seconds in speeds if least]
    for name, ours in (("RMSE difference, Cholesky", exact), ("RMSE difference, cg", cg)):
        best, own = _fastest_rmse(theirs), ours[0].test_rmse if ours else None
        difference = abs(own - best) if own is not None and best is not None else None
        found.append(Figure(name, against, best, own, difference, MAX_RMSE_DIFFERENCE, is_limit=True))
    if asked.sgd_fit:
        # The evaluated fit selects its best epoch on test rows, so the larger RMSE of both fits is used.
        both = values([row for row in rows if row.label in (EVALUATED_SGD, SGD_ALONE)], lambda row: row.test_rmse)
        best, own = _fastest_rmse(theirs), max(both, default=None)
        excess = own - best if own is not None and best is not None else None
        found.append(Figure("RMSE above, SGD", against, best, own, excess, 0.0, is_limit=True))
    return found


def _nnls_figures(rows: Sequence[ResultRow]) -> list[Figure]:
    """Return the figure of nonnegative factors, relative to the Cholesky solver."""
    nnls, exact = (
        max(values(_own(rows, solver), lambda row: row.seconds_per_iteration), default=None)
        for solver in (NNLS, "cholesky")
    )
    ratio = nnls / exact if nnls and exact else None
    return [Figure("iteration, nnls / Cholesky", "", exact, nnls, ratio, MAX_NNLS_RATIO, is_limit=True)]


def _descent_figures(rows: Sequence[ResultRow]) -> list[Figure]:
    """Return the figures of the epochs of SGD, relative to its kernels in one process."""
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


def has_own_plot(row: ResultRow) -> bool:
    """Return whether a row is one of explicit ratings on the data set of most points, which the plot shows."""
    return not row.is_implicit and not is_high_rank_row(row)


def bench_table(rows: Sequence[ResultRow]) -> str:
    """Return the rows, and the figures below them, as aligned Markdown tables."""
    return "\n\n".join(table for _, table, _ in _sections(rows))


def _sections(rows: Sequence[ResultRow]) -> list[tuple[list[ResultRow], str, str]]:
    """Return the rows that belong together, their tables, and how to read them."""
    explicit = [row for row in rows if has_own_plot(row)]
    high_rank = [row for row in rows if is_high_rank_row(row)]
    implicit = [row for row in rows if row.is_implicit and not is_high_rank_row(row)]
    sections = (
        (explicit, _explicit_table, _READING),
        (implicit, lambda found: objective_table(found, implicit_figures(found)), IMPLICIT_READING),
        (high_rank, lambda found: objective_table(found, high_rank_figures(found)), HIGH_RANK_READING),
    )
    return [(found, table(found), reading) for found, table, reading in sections if found]


def _explicit_table(rows: Sequence[ResultRow]) -> str:
    cells = [
        (
            *timing_cells(row),
            shown(row.recommend_seconds, ".2f"),
            shown(row.test_rmse, ".4f"),
            shown(row.peak_memory_mb, ",.0f"),
        )
        for row in rows
    ]
    judged = [figure.cells() for figure in figures(rows)]
    return f"{aligned(_ROW_HEADERS, cells)}\n\n{aligned(_FIGURE_HEADERS, judged)}"


def bench_report(rows: Sequence[ResultRow], plots: Sequence[str] = ()) -> str:
    """Return the report in Markdown, with a chapter for each data set and kind of feedback.

    `plots` are file names in its folder, which the chapter of explicit ratings shows.
    """
    chapters = []
    for found, table, reading in _sections(rows):
        libraries = [
            f"- Linear algebra library that the JVM of {row.label} was observed to use: {row.blas}."
            for row in found
            if row.blas
        ]
        results = "\n".join([table, "", reading, *libraries])
        chapters.append(report(found, results, plots if has_own_plot(found[0]) else ()))
    return "\n".join(chapters)


_READING = f"""\
- The targets are for rank 64, 10 iterations, 20 epochs and 2 cores, on 20 million ratings; data sets of at most one
  million ratings have other targets. Each figure is relative to pyspark with its best number of blocks for this figure,
  and the RMSE is relative to its fastest fit.
- `s/iteration`: for {OWN}, the median of its history, which also has the time of the first iteration; each iteration
  includes the objective and the training RMSE. For {BASELINE}, which has no history, the mean of the fit without its
  set-up. For SGD, the median epoch.
- `evaluated`: the RMSE of all test rows is computed after each epoch. The fit on Spark uses them as validation rows and
  selects its best epoch on them. Therefore the larger of its test RMSE and that of the fit without evaluation, which
  keeps its last epoch, is compared.
- Kernels of SGD: the same cells, schedule and seeds in one process without Spark, with one thread per user block. The
  evaluation's share comes from the medians of two fits on Spark, and from the parts of the epochs of one run in one
  process.
- `recommend`: recommendForAllUsers(10), with the complete result read and discarded, on the fitted model; for
  {BASELINE}, only on the model of its fastest fit.
- Each line of {OWN}, SGD and its kernels, and each library of pyspark, was measured in a separate process."""


def _own(rows: Sequence[ResultRow], solver: str) -> list[ResultRow]:
    """Return the rows of `OWN` with a solver on its automatically selected engine."""
    return [row for row in rows if row.model == OWN and row.solver == solver and row.engine != "broadcast"]


def _iteration(row: ResultRow) -> float | None:
    return row.seconds_per_iteration


def _fit(row: ResultRow) -> float | None:
    return row.fit_seconds


def _fastest_rmse(theirs: Sequence[ResultRow]) -> float | None:
    timed = [row for row in theirs if row.fit_seconds is not None]
    fastest = min(timed, key=lambda row: row.fit_seconds or 0.0, default=None)
    return fastest.test_rmse if fastest else None
