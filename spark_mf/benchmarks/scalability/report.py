"""Report of a scalability measurement in Markdown, from its rows."""

from collections.abc import Sequence
from dataclasses import asdict

from spark_mf.benchmarks.report import failures, pictures, whereabouts
from spark_mf.benchmarks.scalability.rows import ScalabilityRow
from spark_mf.benchmarks.scalability.scaling import Scaled, growth_exponent, scaled
from spark_mf.benchmarks.scalability.settings import EXPERIMENTS, STRONG, WEAK
from spark_mf.cli.tables import aligned, shown

_CORES_HEADERS = ("method", "cores", "ratings", "s/iteration", "speed-up", "efficiency", "set-up, s", "fit, s")
_GROWTH_HEADERS = ("method", "{}", "s/iteration", "× first", "growth", "set-up, s", "fit, s")
_PART_NAMES = ("kernels", "rest of tasks", "serialisation", "shuffle", "scheduling", "idle slots", "driver")

# If other programs use a larger fraction of the processors, times are unreliable.
_QUIET = 0.1


def scalability_table(rows: Sequence[ScalabilityRow]) -> str:
    """Return a table for each experiment that has times, with its name as the heading."""
    parts = []
    for experiment in EXPERIMENTS:
        methods = scaled(rows, experiment)
        if methods:
            parts.append(f"### {experiment}\n\n{_table(methods, experiment)}")
    return "\n\n".join(parts) or "No point has times."


def scalability_report(rows: Sequence[ScalabilityRow], plots: Sequence[str] = ()) -> str:
    """Return the report; `plots` are file names in its folder."""
    first = rows[0]
    sections = [
        "# Scalability of fits",
        f"{len(rows)} points, {sum(row.error is not None for row in rows)} of which failed; {first.iterations} "
        f"iterations (for SGD: epochs), λ = {first.regParam:g}.",
        "## Results\n\n" + scalability_table(rows),
        pictures(plots),
        "## Breakdown of an iteration\n\n" + _breakdowns(rows),
        failures(rows),
        "## How it was measured\n\n" + _READING + _machine(rows),
        "## Environment\n\n" + whereabouts(first) + "\n  Other points differ in the number of cores, see the tables.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _table(methods: dict[str, list[Scaled]], experiment: str) -> str:
    on_cores = experiment in (STRONG, WEAK)
    headers = _CORES_HEADERS if on_cores else tuple(header.format(experiment) for header in _GROWTH_HEADERS)
    cells: list[tuple[str, ...]] = []
    for method, points in methods.items():
        for point in points:
            middle: tuple[str, ...]
            if on_cores:
                middle = (
                    f"{point.size}",
                    f"{point.row.ratings:,}",
                    f"{point.seconds:.3f}",
                    f"{point.speedup:.2f}",
                    f"{point.efficiency:.2f}",
                )
            else:
                growth = shown(growth_exponent(points), ".2f") if point is points[-1] else ""
                times = f"{point.seconds / points[0].seconds:.2f}"
                middle = (f"{point.size:,}", f"{point.seconds:.3f}", times, growth)
            cells.append((method, *middle, f"{point.setup_seconds:.2f}", f"{point.fit_seconds:.2f}"))
    return aligned(headers, cells)


def _breakdowns(rows: Sequence[ScalabilityRow]) -> str:
    """Return the breakdown of a mean iteration in seconds, with one line per point."""
    cells = []
    for row in rows:
        if row.breakdown is not None:
            seconds = [f"{value:.3f}" for value in asdict(row.breakdown).values()]
            cells.append((row.label, *seconds, f"{row.breakdown.total:.3f}", shown(row.shuffle_mb, ",.0f")))
    if not cells:
        return "No point has a breakdown."
    return aligned(("point", *_PART_NAMES, "sum, s", "shuffled MiB"), cells)


def _machine(rows: Sequence[ScalabilityRow]) -> str:
    """Return a further line of a list, on the processor use of other programs."""
    shares = [row.busy_before for row in rows if row.busy_before is not None]
    if not shares:
        return "\n- The processor use of other programs is not known."
    busy = sum(share > _QUIET for share in shares)
    return (
        f"\n- In the second before the session of a point started, other programs used {min(shares):.0%} to "
        f"{max(shares):.0%} of the processors, and more than {_QUIET:.0%} at {busy} of {len(shares)} points"
        + (", whose times are too long and whose ratios are only approximate." if busy else ".")
    )


_READING = """\
- Every point was measured in a separate process and session, after a warm-up fit of a sample. The name of a point is
  METHOD:CORES:RATINGS:RANK:BLOCKS:REPETITION.
- `s/iteration` is the median over the history of the fit. pyspark's ALS has no history: its `s/iteration` is the mean
  of the fit without its set-up, and its set-up is the time of a fit with 0 iterations.
- `speed-up` is relative to the smallest number of cores of the method; in `weak`, the ratings and users grow with the
  cores, and the speed-up includes the larger amount of work. The ideal `efficiency` is 1. The number of items is the
  same at every size, so the part of ALS that depends only on the rows does not grow in proportion. `growth` is p in
  seconds ~ sizeᵖ, from the first size to the last.
- The breakdown comes from Spark's event log. It is the mean of everything after the set-up, including the start of the
  last stage and gathering the model, divided by the number of iterations, and is therefore more than `s/iteration`. For
  pyspark's ALS, the breakdown of the set-up is subtracted. `kernels` is the arithmetic, measured by the fits of
  spark_mf; for pyspark's ALS, all work of tasks is `rest of tasks`. For spark_mf, `rest of tasks` is the pipe between
  the JVM and Python with packing and unpacking, loading broadcasts in Python and, on the ring, where all iterations
  run in one stage, exchanging factors and waiting for other workers. `serialisation` includes loading broadcasts in the
  JVM, and `driver` includes making broadcasts."""
