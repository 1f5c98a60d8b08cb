"""Plots of scaling as PNG files, without Spark."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from spark_mf.benchmarks.drawing import COLORS, draw_curve, new_figure, save_figure
from spark_mf.benchmarks.scalability.rows import ScalabilityRow
from spark_mf.benchmarks.scalability.scaling import Scaled, scaled
from spark_mf.benchmarks.scalability.settings import BLOCKS, RANK, RATINGS, STRONG, WEAK

BREAKDOWN = "breakdown.png"
PLOTS = (*(f"{experiment}.png" for experiment in (STRONG, WEAK, RATINGS, RANK, BLOCKS)), BREAKDOWN)

# Parts of a breakdown: legend, colour, and a hatch that is distinct in black and white.
_PARTS = {
    "kernels": ("kernels", COLORS[0], ""),
    "tasks": ("rest of tasks (pipe to Python, ring); pyspark: all work of tasks", "#56B4E9", "||"),
    "serialization": ("serialisation in the JVM", "#E69F00", "xx"),
    "shuffle": ("shuffle", "#009E73", "\\\\"),
    "scheduling": ("scheduling", "#CC79A7", ".."),
    "idle": ("slots without a task", "#FFFFFF", "//"),
    "driver": ("driver alone (gathering, broadcasting)", "#BBBBBB", "--"),
}
# Axis label of the size in each experiment.
_GROWN = {STRONG: "cores", WEAK: "cores", RATINGS: "ratings", RANK: "rank", BLOCKS: "blocks"}
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
_IDEAL: dict[str, Any] = {"color": "0.5", "linestyle": ":", "linewidth": 1.2, "zorder": 0}


def draw_scalability(rows: Sequence[ScalabilityRow], folder: Path) -> list[str]:
    """Draw every experiment that has times, and the breakdown, and return the names of the files."""
    drawn = []
    for experiment in (STRONG, WEAK):
        if any(len(points) > 1 for points in scaled(rows, experiment).values()):
            draw_cores(rows, experiment, folder / f"{experiment}.png")
            drawn.append(f"{experiment}.png")
    for experiment in (RATINGS, RANK, BLOCKS):
        if any(len(points) > 1 for points in scaled(rows, experiment).values()):
            draw_growth(rows, experiment, folder / f"{experiment}.png")
            drawn.append(f"{experiment}.png")
    if any(row.breakdown is not None and row.breakdown.total > 0 for row in rows):
        draw_breakdown(rows, folder / BREAKDOWN)
        drawn.append(BREAKDOWN)
    return drawn


def draw_cores(rows: Sequence[ScalabilityRow], experiment: str, path: Path) -> None:
    """Draw seconds per iteration, speed-up and efficiency by cores, with ideal lines."""
    methods = scaled(rows, experiment)
    cores = sorted({point.size for points in methods.values() for point in points})
    figure = new_figure(10.5)
    seconds, speedup, efficiency = figure.subplots(3, sharex=True)
    _draw_methods(seconds, methods, lambda point: point.seconds)
    _draw_methods(speedup, methods, lambda point: point.speedup)
    _draw_methods(efficiency, methods, lambda point: point.efficiency)
    for points in methods.values():
        base = points[0]
        falls = [base.seconds * (base.size / each if experiment == STRONG else 1.0) for each in cores]
        seconds.plot(cores, falls, **_IDEAL)
    speedup.plot(cores, [each / cores[0] for each in cores], label="ideal", **_IDEAL)
    efficiency.axhline(1.0, **_IDEAL)
    _logarithmic(seconds)
    # All but the efficiency are logarithmic, so that ideal lines are straight.
    speedup.set_yscale("log", base=2)
    speedup.yaxis.set_major_formatter(_PLAIN)
    seconds.set_xscale("log", base=2)
    seconds.set_ylabel("seconds per iteration")
    speedup.set_ylabel("speed-up" if experiment == STRONG else "speed-up, for work that grows with the cores")
    efficiency.set(ylabel="efficiency", xlabel=_GROWN[experiment])
    efficiency.set_xticks(cores, list(map(str, cores)))
    efficiency.xaxis.set_minor_formatter(NullFormatter())
    efficiency.set_ylim(bottom=0)
    for axes in (speedup, efficiency):
        axes.grid(alpha=0.3)
    data = f"{max(row.ratings for row in rows if experiment in row.experiments):,} ratings"
    what = f"the same {data}" if experiment == STRONG else f"ratings grow with the cores, up to {data}"
    seconds.set_title(f"{experiment.capitalize()} scaling: {what}, rank {_common_rank(rows, experiment)}", fontsize=11)
    save_figure(figure, path)


def draw_growth(rows: Sequence[ScalabilityRow], experiment: str, path: Path) -> None:
    """Draw seconds per iteration by size on logarithmic axes, with lines of known growth."""
    methods = scaled(rows, experiment)
    figure = new_figure(6.4)
    axes = figure.add_subplot()
    _draw_methods(axes, methods, lambda point: point.seconds)
    sizes = sorted({point.size for points in methods.values() for point in points})
    lowest = min(point.seconds for points in methods.values() for point in points)
    for power, label in {RATINGS: ((1, "linear"),), RANK: ((1, "linear"), (2, "quadratic")), BLOCKS: ()}[experiment]:
        start = lowest * 0.5
        line = [start * (size / sizes[0]) ** power for size in sizes]
        axes.plot(sizes, line, **_IDEAL)
        axes.annotate(label, (sizes[-1], line[-1]), color="0.35", ha="right", va="bottom")
    _logarithmic(axes)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(sizes, [_short(size) for size in sizes])
    axes.set(ylabel="seconds per iteration", xlabel=_GROWN[experiment])
    cores = max(row.cores for row in rows if experiment in row.experiments)
    axes.set_title(f"Growth with {experiment} on {cores} cores; dotted: reference slopes", fontsize=11)
    if experiment == BLOCKS:
        axes.set_title(f"Growth with the number of blocks on {cores} cores", fontsize=11)
    save_figure(figure, path)


def draw_breakdown(rows: Sequence[ScalabilityRow], path: Path) -> None:
    """Draw the breakdown of an iteration as fractions, with one bar per number of cores."""
    experiment = next(
        (each for each in (STRONG, WEAK, RATINGS, RANK, BLOCKS) if any(each in row.experiments for row in rows)), STRONG
    )
    bars = [
        (f"{method}: {point.size:,}", point)
        for method, points in scaled(rows, experiment).items()
        for point in points
        if point.breakdown is not None and point.breakdown.total > 0
    ]
    figure = new_figure(2.2 + 0.34 * len(bars))
    axes = figure.add_subplot()
    for place, (_, point) in enumerate(bars):
        assert point.breakdown is not None
        whole, begin = point.breakdown.total, 0.0
        for name, seconds in asdict(point.breakdown).items():
            label, color, hatch = _PARTS[name]
            axes.barh(
                place, seconds / whole, left=begin, color=color, hatch=hatch, edgecolor="black", linewidth=0.6,
                label=label if place == 0 else None,
            )  # fmt: skip
            begin += seconds / whole
        axes.text(1.01, place, f"{whole:.3g} s", va="center")
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.25)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("fraction of a mean iteration, including everything after the set-up")
    axes.set_title(f"Breakdown of an iteration, by {_GROWN[experiment]}", fontsize=11)
    save_figure(figure, path)


def _draw_methods(axes: Axes, methods: dict[str, list[Scaled]], value: Callable[[Scaled], float]) -> None:
    for place, (method, points) in enumerate(methods.items()):
        draw_curve(axes, place, method, [(point.size, value(point)) for point in points])


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_PLAIN)
    axes.grid(alpha=0.3, which="both")


def _common_rank(rows: Sequence[ScalabilityRow], experiment: str) -> int:
    return next(row.rank for row in rows if experiment in row.experiments)


def _short(size: int) -> str:
    return f"{size / 1e6:g} M" if size >= 1_000_000 else f"{size:,}"
