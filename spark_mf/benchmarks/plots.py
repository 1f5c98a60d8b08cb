"""Plots of result rows as PNG files, without Spark or a display."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from spark_mf.benchmarks.drawing import (
    COLORS,
    Curve,
    crop_beginnings,
    draw_curve,
    new_figure,
    save_figure,
)
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.models.summary import IterationRecord

CONVERGENCE_BY_ITERATION = "convergence_by_iteration.png"
CONVERGENCE_BY_TIME = "convergence_by_time.png"
FIT_TIME = "fit_time.png"
PLOTS = (CONVERGENCE_BY_ITERATION, CONVERGENCE_BY_TIME, FIT_TIME)

# If times differ by a larger factor, the axis is logarithmic.
_LINEAR_RANGE = 20.0
# With more epochs, the axis is logarithmic, because a linear one would compress the few iterations of ALS.
_LINEAR_ITERATIONS = 50

Value = Callable[[IterationRecord], float | None]


def draw_all(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Write the plots of a comparison that have data, and return the names of their files."""
    drawn = []
    if any(record.validation_rmse is not None for row in rows for record in row.history):
        draw_convergence_by_iteration(rows, folder / CONVERGENCE_BY_ITERATION)
        draw_convergence_by_time(rows, folder / CONVERGENCE_BY_TIME)
        drawn += [CONVERGENCE_BY_ITERATION, CONVERGENCE_BY_TIME]
    if any(row.fit_seconds is not None for row in rows):
        draw_fit_time(rows, folder / FIT_TIME)
        drawn.append(FIT_TIME)
    return drawn


def draw_convergence_by_iteration(rows: Sequence[ResultRow], path: Path) -> None:
    """Draw test RMSE, and below it training RMSE, after each iteration or epoch, with one curve per row."""
    figure = _convergence(rows, lambda row: [float(record.iteration) for record in row.history])
    figure.axes[0].set_title(f"RMSE by iteration (ALS) or epoch (SGD)\n{_subject(rows[0])}", fontsize=11)
    figure.axes[1].set_xlabel("iteration or epoch")
    if max((len(row.history) for row in rows), default=0) > _LINEAR_ITERATIONS:
        figure.axes[1].set_xscale("log")
        figure.axes[1].xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    else:
        figure.axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    save_figure(figure, path)


def draw_convergence_by_time(rows: Sequence[ResultRow], path: Path) -> None:
    """Draw test RMSE, and below it training RMSE, by the time since the start of the fit, including its overhead."""
    figure = _convergence(rows, _moments)
    figure.axes[0].set_title(f"RMSE by time\n{_subject(rows[0])}", fontsize=11)
    figure.axes[1].set_xlabel("seconds since the start of the fit, with all overhead before the first iteration")
    moments = [moment for row in rows for moment in _moments(row)]
    if max(moments) > _LINEAR_RANGE * min(moments) > 0:
        figure.axes[1].set_xscale("log")
        figure.axes[1].xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    else:
        figure.axes[1].set_xlim(left=0)
    save_figure(figure, path)


def _moments(row: ResultRow) -> list[float]:
    """Return the seconds from the start of the fit to the end of each iteration, with all overhead before the first."""
    outside = row.seconds_outside_iterations or 0.0
    return list(accumulate((record.seconds for record in row.history), initial=outside))[1:]


def _convergence(rows: Sequence[ResultRow], places: Callable[[ResultRow], list[float]]) -> Figure:
    """Return two panels with a common horizontal axis, on which `places` positions the records of a row."""
    figure = new_figure(8.4)
    above, below = figure.subplots(2, sharex=True)
    _draw_errors(above, rows, places, _test_rmse, "test RMSE, in units of the ratings")
    _draw_errors(below, rows, places, _train_rmse, "training RMSE (spark_mf.SGD: running)")
    return figure


def _draw_errors(
    axes: Axes, rows: Sequence[ResultRow], places: Callable[[ResultRow], list[float]], value: Value, label: str
) -> None:
    curves = [_curve(row, places(row), value) for row in rows]
    for place, (row, curve) in enumerate(zip(rows, curves, strict=True)):
        draw_curve(axes, place, row.label, curve)
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    crop_beginnings(axes, [[error for _, error in curve] for curve in curves if curve])
    if not any(curves):
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)


def _curve(row: ResultRow, places: list[float], value: Value) -> Curve:
    values = zip(places, map(value, row.history), strict=True)
    return [(place, found) for place, found in values if found is not None]


def draw_fit_time(rows: Sequence[ResultRow], path: Path) -> None:
    """Draw the seconds of each fit as a stacked bar of set-up, iterations and the rest."""
    timed = [row for row in rows if row.fit_seconds is not None]
    figure = new_figure(1.9 + 0.55 * len(timed))
    axes = figure.add_subplot()
    _fit_bars(axes, timed)
    axes.set_title(f"Time of a complete fit\n{_subject(timed[0])}", fontsize=11)
    save_figure(figure, path)


def draw_benchmark(rows: Sequence[ResultRow], path: Path) -> None:
    """Draw the seconds of an iteration, and below them those of a complete fit, as bars."""
    timed = [row for row in rows if row.fit_seconds is not None]
    figure = new_figure(3.4 + 1.1 * len(timed))
    above, below = figure.subplots(2)
    seconds = [row.seconds_per_iteration or 0.0 for row in timed]
    above.barh(range(len(timed)), seconds, color=COLORS[0], edgecolor="black")
    _finish_bars(above, timed, seconds)
    above.set_title(f"Time of an iteration or epoch\n{_subject(timed[0])}", fontsize=11)
    _fit_bars(below, timed)
    below.set_title("Time of a complete fit", fontsize=11)
    save_figure(figure, path)


def _fit_bars(axes: Axes, timed: Sequence[ResultRow]) -> None:
    looks = (("set-up", "#BBBBBB", "///"), ("starting stages, gathering the model", "#FFFFFF", ".."))
    for place, row in enumerate(timed):
        total, setup, outside = row.fit_seconds or 0.0, row.setup_seconds or 0.0, row.seconds_outside_iterations or 0.0
        parts = (setup, max(0.0, outside - setup), total - max(setup, outside))
        begin = 0.0
        for seconds, (label, color, hatch) in zip(
            parts, (*looks, ("iterations or epochs", COLORS[0], "")), strict=True
        ):
            named = label if place == 0 else None  # one legend entry for all bars of a kind
            axes.barh(place, seconds, left=begin, color=color, edgecolor="black", hatch=hatch, label=named)
            begin += seconds
    _finish_bars(axes, timed, [row.fit_seconds or 0.0 for row in timed])


def _finish_bars(axes: Axes, timed: Sequence[ResultRow], seconds: Sequence[float]) -> None:
    longest = max(seconds)
    for place, value in enumerate(seconds):
        axes.text(value + 0.01 * longest, place, f"{value:.2f} s", va="center")
    axes.set_yticks(range(len(timed)), [_passes(row) for row in timed])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * longest)
    axes.set_xlabel("seconds")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def _test_rmse(record: IterationRecord) -> float | None:
    return record.validation_rmse


def _train_rmse(record: IterationRecord) -> float | None:
    return record.train_rmse


def _subject(row: ResultRow) -> str:
    return f"{row.dataset}: {row.ratings:,} ratings, rank {row.rank}, {row.master}"


def _passes(row: ResultRow) -> str:
    """Return the label of a row and its number of iterations or epochs."""
    return f"{row.label}\n{row.iterations} {'epochs' if row.is_sgd else 'iterations'}"
