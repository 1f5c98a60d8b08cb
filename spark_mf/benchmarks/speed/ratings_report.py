"""Table, plot and report of the benchmark of preparing ratings."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from spark_mf.benchmarks.drawing import COLORS, MARKERS
from spark_mf.benchmarks.speed.ratings import CHECK, GENERATE, PARTITION, STEPS, StepRow
from spark_mf.cli.tables import aligned, shown

GROWTH_PLOT = "growth.png"
REPORT = "report.md"

_HEADERS = ("step", "ratings", "s", "million ratings/s", "s, whole job", "driver MiB", "all processes MiB")
_ASKED_PER_SECOND = 1_000_000
_ASKED_RATINGS, _ASKED_SECONDS = 20_000_000, 15.0


def step_table(rows: Sequence[StepRow]) -> str:
    """Return the rows as an aligned Markdown table, and a list of the targets below it."""
    cells = [
        (
            row.step,
            f"{row.ratings:,}",
            shown(row.seconds, ".1f"),
            shown(None if row.ratings_per_second is None else row.ratings_per_second / 1e6, ".2f"),
            shown(row.job_seconds, ".1f"),
            shown(row.driver_memory_mb, ",.0f"),
            shown(row.peak_memory_mb, ",.0f"),
        )
        for row in rows
    ]
    return "\n".join([aligned(_HEADERS, cells), "", *(f"- {line}" for line in _judged(rows))])


def draw_growth(rows: Sequence[StepRow], path: Path) -> None:
    """Draw seconds by ratings on logarithmic axes, with one curve per step and lines of linear growth."""
    figure = Figure(figsize=(8.0, 5.4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for step, color, marker in zip(STEPS, COLORS, MARKERS, strict=False):
        measured = [(row.ratings, row.seconds) for row in rows if row.step == step and row.seconds is not None]
        if not measured:
            continue
        ratings, seconds = zip(*measured, strict=True)
        axes.plot(ratings, seconds, color=color, marker=marker, label=step)
        from_last = [seconds[-1] * each / ratings[-1] for each in ratings]
        axes.plot(ratings, from_last, color=color, linestyle=":", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="ratings", ylabel="seconds")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(alpha=0.3, which="both")
    axes.set_title(f"Seconds by ratings on {rows[0].master}; dotted: linear growth to the largest size", fontsize=11)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, format="png")


def step_report(rows: Sequence[StepRow], plot: str | None) -> str:
    """Return the report in Markdown; `plot` is a file name in its folder."""
    first = rows[0]
    versions = ", ".join(f"{name} {version}" for name, version in first.versions.items())
    picture = ["", f"![seconds by ratings]({plot})"] if plot else []
    failed = [f"- {row.step} {row.ratings:,}: {row.error}" for row in rows if row.error]
    return "\n".join(
        [
            "# Generating, checking and partitioning ratings",
            "",
            step_table(rows),
            *failed,
            *picture,
            "",
            f"- {first.master}, {first.cores} cores, a driver heap of {first.driver_heap} at every size; {versions}; "
            f"commit {first.git or 'unknown'}; started {first.started_at}.",
            "- Every point was measured in a separate process and JVM, after a warm-up on 100,000 ratings.",
            f"- `s` is the time of the step alone: {GENERATE} is generating and writing; {CHECK} is reading, checking "
            f"(including duplicates) and writing; {PARTITION} is laying out by user and by item, and writing. The "
            "whole job also counts or checks its input.",
            "- `driver` is the Python process of the driver. All processes are the driver, the JVM and the Python "
            "workers; memory pages that workers share are counted for each of them.",
            "",
        ]
    )


def _judged(rows: Sequence[StepRow]) -> list[str]:
    """Return the target of each step and the measured value, at the size of the target or above."""
    lines = []
    for step in (GENERATE, CHECK):
        speeds = {row.ratings: row.ratings_per_second for row in rows if row.step == step and row.ratings_per_second}
        large = {ratings: speed for ratings, speed in speeds.items() if ratings >= _ASKED_RATINGS}
        if large:
            slowest = min(large.values())
            lines.append(
                f"{step}: target {_ASKED_PER_SECOND / 1e6:.1f}, measured {slowest / 1e6:.2f} million ratings/s"
            )
    for row in rows:
        if row.step == PARTITION and row.ratings == _ASKED_RATINGS and row.seconds is not None:
            lines.append(
                f"{PARTITION} {_ASKED_RATINGS:,} ratings: target {_ASKED_SECONDS:.0f} s, measured {row.seconds:.1f} s"
            )
    return lines
