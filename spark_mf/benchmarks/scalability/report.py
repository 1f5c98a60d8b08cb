"""Report of a scalability measurement in Markdown, from its rows alone."""

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

# Other programs that take more of the machine than this make times doubtful.
_QUIET = 0.1


def scalability_table(rows: Sequence[ScalabilityRow]) -> str:
    """Return a table for each experiment that has times, below its name."""
    parts = []
    for experiment in EXPERIMENTS:
        methods = scaled(rows, experiment)
        if methods:
            parts.append(f"### {experiment}\n\n{_table(methods, experiment)}")
    return "\n\n".join(parts) or "No point has times."


def scalability_report(rows: Sequence[ScalabilityRow], plots: Sequence[str] = ()) -> str:
    """Return the whole report; ``plots`` are file names of pictures beside it."""
    first = rows[0]
    sections = [
        "# How fits scale",
        f"{len(rows)} points, {sum(row.error is not None for row in rows)} of them failed; {first.iterations} "
        f"iterations (of SGD epochs), λ = {first.regParam:g}.",
        "## Results\n\n" + scalability_table(rows),
        pictures(plots),
        "## What an iteration went into\n\n" + _breakdowns(rows),
        failures(rows),
        "## How it was measured\n\n" + _READING + _machine(rows),
        "## Where\n\n" + whereabouts(first) + "\n  Other points: the same, on the cores that the tables give.",
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
    """Return seconds of a mean iteration, one line a point."""
    cells = []
    for row in rows:
        if row.breakdown is not None:
            seconds = [f"{value:.3f}" for value in asdict(row.breakdown).values()]
            cells.append((row.label, *seconds, f"{row.breakdown.total:.3f}", shown(row.shuffle_mb, ",.0f")))
    if not cells:
        return "No point has a breakdown."
    return aligned(("point", *_PART_NAMES, "sum, s", "shuffled MiB"), cells)


def _machine(rows: Sequence[ScalabilityRow]) -> str:
    """Return how much other programs took of the machine, as a further line of a list."""
    shares = [row.busy_before for row in rows if row.busy_before is not None]
    if not shares:
        return "\n- How busy the machine was with other programs is not known."
    busy = sum(share > _QUIET for share in shares)
    return (
        f"\n- In the second before a point's session started, other programs took {min(shares):.0%} to "
        f"{max(shares):.0%} of the machine's processors, more than {_QUIET:.0%} at {busy} of {len(shares)} points"
        + (": their times are too long by what others took, and ratios of them are rough." if busy else ".")
    )


_READING = """\
- Every point had a process and a session of its own, with one fit of a sample before the clock starts. A point's name
  is METHOD:CORES:RATINGS:RANK:BLOCKS:REPETITION.
- `s/iteration` is the median of the fit's own history; of pyspark's ALS, which keeps none, the mean of the fit without
  its set-up, and the set-up is that of a fit of no iterations.
- `speed-up` is against the method's own fewest cores; in `weak` the ratings and users grow with the cores, and the
  speed-up counts the grown work. `efficiency` is 1 where it is ideal. Items are as many at every size, so that the part
  of ALS that grows with rows alone does not grow in full. `growth` is p of seconds ~ sizeᵖ from the first size to the
  last.
- The breakdown comes from Spark's event log. It is a mean over all that follows the set-up, starting the last stage and
  gathering the model included, divided by the iterations, and so more than `s/iteration`; of pyspark's ALS the
  set-up's own breakdown is taken off. `kernels` is the arithmetic, by the clock of our own fits; pyspark's ALS has
  none, and all work of its tasks is `rest of tasks`. Of ours that is the pipe between the JVM and Python, packing and
  unpacking there, and on the ring, where an iteration is inside one stage, exchanging factors and waiting for others.
  Driver and broadcasts that it makes are `driver`, loading broadcasts in the JVM is `serialisation`, in Python
  `rest of tasks`."""
