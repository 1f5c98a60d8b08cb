"""Tables and figures of the benchmark for implicit feedback and for high ranks."""

from collections.abc import Sequence

from spark_mf.benchmarks.environment import NATIVE
from spark_mf.benchmarks.figures import Figure, speed, values
from spark_mf.benchmarks.report import BASELINE
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.data import DATASETS, HIGH_RANK_DATA
from spark_mf.benchmarks.speed.points import LIBRARY_SOLVERS
from spark_mf.cli.tables import aligned, shown

OWN = "spark_mf.ALS"
#: Objectives are equal if ours is at most this fraction above the other one.
MAX_OBJECTIVE_EXCESS = 0.01
MIN_SPEED_PYSPARK, MIN_SPEED_LIBRARY, MIN_SPEED_SUBSPACE = 10.0, 1.0, 3.0

_FIGURE_HEADERS = ("figure", "relative to", "reference", "spark_mf", "measured", "target", "reached")
_ROW_HEADERS = (
    "model", "blocks", "fit, s", "set-up, s", "s/iteration", "first, s", "objective", "peak MiB",
)  # fmt: skip

IMPLICIT_READING = f"""\
- The targets are for 2 cores and 20 million ratings. Figures relative to {BASELINE} are for native OpenBLAS and the
  best number of blocks.
- Each figure relative to a library compares its solver with the same solver of {OWN} on the plain objective, at the
  same rank, steps of conjugate gradients, size of subspaces, number of threads, and initial factors. Ratings and
  factors of the libraries are in one process; those of {OWN} pass through Spark.
- `objective`: computed from the factors of the fitted model by one function for all models, over all pairs of a user
  and an item that have training ratings. `objective above` is the excess of ours, as a fraction of the other one.
- `s/iteration`: the median; for {BASELINE}, which has no history, the mean of the fit without its set-up. Iterations of
  {OWN} include the objective, those of the libraries do not."""

HIGH_RANK_READING = f"""\
- The data set is smaller than that of the other points, so that a Cholesky iteration takes at most a few minutes.
- Figures compare the median iterations of the solvers of {OWN}, and their objectives after all iterations.
- `objective`: for implicit feedback over all pairs, as computed from the factors of the fitted model; otherwise that of
  the last iteration."""


def is_high_rank_row(row: ResultRow) -> bool:
    """Return whether a row is one of the data set of high ranks."""
    return row.dataset == DATASETS[HIGH_RANK_DATA]


def is_native(row: ResultRow) -> bool:
    """Return whether a row is one of pyspark with a native library."""
    return (row.blas or "").startswith(f"{NATIVE} (")


def implicit_figures(rows: Sequence[ResultRow]) -> list[Figure]:
    """Return the figures of implicit feedback at each rank, relative to pyspark and to the libraries."""
    found: list[Figure] = []
    for rank in sorted({row.rank for row in rows}):
        here = [row for row in rows if row.rank == rank]
        theirs = [row for row in here if row.model == BASELINE and is_native(row)]
        for solver in ("cholesky", "cg"):
            ours = _of(here, OWN, solver, "weighted")
            name = f"{solver}, rank {rank}"
            found += _pair(name, f"{BASELINE}, OpenBLAS", theirs, ours, MIN_SPEED_PYSPARK)
        for library, solvers in LIBRARY_SOLVERS.items():
            for solver in solvers:
                theirs, ours = _of(here, library, solver, "plain"), _of(here, OWN, solver, "plain")
                found += _pair(f"{solver}, rank {rank}", library, theirs, ours, MIN_SPEED_LIBRARY)
    return found


def high_rank_figures(rows: Sequence[ResultRow]) -> list[Figure]:
    """Return the figures of the solver "subspace", relative to "cholesky"."""
    found: list[Figure] = []
    for is_implicit, kind in ((False, "explicit"), (True, "implicit")):
        here = [row for row in rows if row.is_implicit == is_implicit]
        exact, subspace = (_of(here, OWN, solver, "weighted") for solver in ("cholesky", "subspace"))
        found += _pair(f"subspace, {kind}", "cholesky", exact, subspace, MIN_SPEED_SUBSPACE)
    return found


def timing_cells(row: ResultRow) -> tuple[str, ...]:
    """Return the first cells of a row in all tables: its label, blocks, and the seconds of the fit and its parts."""
    return (
        row.label,
        shown(row.blocks, "d"),
        shown(row.fit_seconds, ".2f"),
        shown(row.setup_seconds, ".2f"),
        shown(row.seconds_per_iteration, ".3f"),
        shown(row.history[0].seconds if row.model != BASELINE and row.history else None, ".3f"),
    )


def objective_table(rows: Sequence[ResultRow], figures: Sequence[Figure]) -> str:
    """Return rows with their objectives, and figures below them, as aligned Markdown tables."""
    cells = [
        (
            *timing_cells(row),
            shown(row.final_objective, ".6g"),
            shown(row.peak_memory_mb, ",.0f"),
        )
        for row in rows
    ]
    judged = [figure.cells() for figure in figures]
    return f"{aligned(_ROW_HEADERS, cells)}\n\n{aligned(_FIGURE_HEADERS, judged)}"


def _pair(
    name: str, against: str, theirs: Sequence[ResultRow], ours: Sequence[ResultRow], least: float
) -> tuple[Figure, Figure]:
    """Return the figures of the speed of an iteration and of the objective."""
    best = min(values(theirs, lambda row: row.final_objective), default=None)
    own = max(values(ours, lambda row: row.final_objective), default=None)
    excess = (own - best) / best if own is not None and best else None
    return (
        speed(f"iteration, {name}", against, theirs, ours, least, lambda row: row.seconds_per_iteration),
        Figure(f"objective above, {name}", against, best, own, excess, MAX_OBJECTIVE_EXCESS, is_limit=True),
    )


def _of(rows: Sequence[ResultRow], model: str, solver: str, regularization: str) -> list[ResultRow]:
    return [row for row in rows if (row.model, row.solver, row.regularization) == (model, solver, regularization)]
