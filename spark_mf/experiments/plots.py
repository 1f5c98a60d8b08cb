"""Pictures of result rows, as PNG files; nothing here needs Spark or a screen.

Figures are made without pyplot: it would keep them in global state, and look for a display.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from spark_mf.experiments.rows import ResultRow
from spark_mf.summary import IterationRecord

CONVERGENCE_BY_ITERATION = "convergence_by_iteration.png"
CONVERGENCE_BY_TIME = "convergence_by_time.png"
FIT_TIME = "fit_time.png"
PLOTS = (CONVERGENCE_BY_ITERATION, CONVERGENCE_BY_TIME, FIT_TIME)

# Okabe and Ito's colours, told apart by the colour-blind; markers and dashes tell them apart in print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_WIDTH_INCHES = 8.0
_DPI = 120
# Curves whose times differ by more are drawn over a logarithmic axis.
_LINEAR_RANGE = 20.0
# So much of a curve is its steep beginning.
_BEGINNING = 0.15
# Markers stay apart on curves of many epochs.
_MOST_MARKERS = 12

Value = Callable[[IterationRecord], float | None]
Curve = list[tuple[float, float]]


def draw_all(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Write every plot of a comparison that its rows allow, and return the names of the files.

    A plot whose figures no row has (all runs failed) is not made.
    """
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
    """Test RMSE, and below it training RMSE, after each iteration or epoch; one line a row."""
    figure = _convergence(rows, lambda row: [float(record.iteration) for record in row.history])
    figure.axes[0].set_title(f"RMSE by iteration (ALS) or epoch (SGD)\n{_subject(rows[0])}", fontsize=11)
    figure.axes[1].set_xlabel("iteration or epoch")
    figure.axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    _save(figure, path)


def draw_convergence_by_time(rows: Sequence[ResultRow], path: Path) -> None:
    """Test RMSE, and below it training RMSE, by the seconds since the fit began, all that is no iteration included."""
    figure = _convergence(rows, _moments)
    figure.axes[0].set_title(f"RMSE by time\n{_subject(rows[0])}", fontsize=11)
    figure.axes[1].set_xlabel("seconds since the fit began; all that is not an iteration counted before the first")
    moments = [moment for row in rows for moment in _moments(row)]
    if max(moments) > _LINEAR_RANGE * min(moments) > 0:
        figure.axes[1].set_xscale("log")
        figure.axes[1].xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    else:
        figure.axes[1].set_xlim(left=0)
    _save(figure, path)


def _moments(row: ResultRow) -> list[float]:
    """Seconds since the fit began at the end of each iteration, the last one's at the end of the fit."""
    outside = row.seconds_outside_iterations or 0.0
    return list(accumulate((record.seconds for record in row.history), initial=outside))[1:]


def _convergence(rows: Sequence[ResultRow], places: Callable[[ResultRow], list[float]]) -> Figure:
    """Two panels over one horizontal axis, on which ``places`` gives the records of a row."""
    figure = Figure(figsize=(_WIDTH_INCHES, 8.4), dpi=_DPI, layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    _draw_errors(above, rows, places, _test_rmse, "test RMSE, in units of the ratings")
    _draw_errors(below, rows, places, _train_rmse, "training RMSE (of SGD: running)")
    return figure


def _draw_errors(
    axes: Axes, rows: Sequence[ResultRow], places: Callable[[ResultRow], list[float]], value: Value, label: str
) -> None:
    curves = [_curve(row, places(row), value) for row in rows]
    _draw_curves(axes, rows, curves)
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    _crop_beginnings(axes, [[error for _, error in curve] for curve in curves if curve])
    if not any(curves):
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)


def _curve(row: ResultRow, places: list[float], value: Value) -> Curve:
    values = zip(places, map(value, row.history), strict=True)
    return [(place, found) for place, found in values if found is not None]


def draw_fit_time(rows: Sequence[ResultRow], path: Path) -> None:
    """Seconds of each fit, as bars of set-up and iterations side by side."""
    timed = [row for row in rows if row.fit_seconds is not None]
    figure = Figure(figsize=(_WIDTH_INCHES, 1.9 + 0.55 * len(timed)), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    _fit_bars(axes, timed)
    axes.set_title(f"Time of the whole fit\n{_subject(timed[0])}", fontsize=11)
    _save(figure, path)


def draw_benchmark(rows: Sequence[ResultRow], path: Path) -> None:
    """Seconds of an iteration, and of each whole fit, as bars one above the other."""
    timed = [row for row in rows if row.fit_seconds is not None]
    figure = Figure(figsize=(_WIDTH_INCHES, 3.4 + 1.1 * len(timed)), dpi=_DPI, layout="constrained")
    above, below = figure.subplots(2)
    seconds = [row.seconds_per_iteration or 0.0 for row in timed]
    above.barh(range(len(timed)), seconds, color=COLORS[0], edgecolor="black")
    _finish_bars(above, timed, seconds)
    above.set_title(f"Time of an iteration, or epoch\n{_subject(timed[0])}", fontsize=11)
    _fit_bars(below, timed)
    below.set_title("Time of the whole fit", fontsize=11)
    _save(figure, path)


def _fit_bars(axes: Axes, timed: Sequence[ResultRow]) -> None:
    looks = (("set-up", "#BBBBBB", "///"), ("starting stages, gathering the model", "#FFFFFF", ".."))
    for place, row in enumerate(timed):
        total, setup, outside = row.fit_seconds or 0.0, row.setup_seconds or 0.0, row.seconds_outside_iterations or 0.0
        parts = (setup, max(0.0, outside - setup), total - max(setup, outside))
        begin = 0.0
        for seconds, (label, color, hatch) in zip(
            parts, (*looks, ("iterations or epochs", COLORS[0], "")), strict=True
        ):
            named = label if place == 0 else None  # One legend entry for all bars of a kind.
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


def _draw_curves(axes: Axes, rows: Sequence[ResultRow], curves: Sequence[Curve]) -> None:
    for place, (row, curve) in enumerate(zip(rows, curves, strict=True)):
        if not curve:
            continue
        # Exact solvers give almost the same curve: later lines are thinner and their markers smaller and
        # hollow, so that all stay visible.
        axes.plot(
            *zip(*curve, strict=True),
            label=row.label,
            color=COLORS[place % len(COLORS)],
            marker=MARKERS[place % len(MARKERS)],
            markevery=sorted({*range(0, len(curve), -(-len(curve) // _MOST_MARKERS)), len(curve) - 1}),
            linestyle=_DASHES[place % len(_DASHES)],
            markersize=max(5.0, 10.0 - 1.5 * place),
            markerfacecolor="none",
            linewidth=max(1.4, 2.6 - 0.4 * place),
        )


def _crop_beginnings(axes: Axes, curves: Sequence[Sequence[float]]) -> None:
    """Let curves come in from above: their beginnings are so far off that they would flatten all the others."""
    later = [error for curve in curves for error in curve[max(1, round(_BEGINNING * len(curve))) :]]
    first = [curve[0] for curve in curves]
    if not later:
        return
    margin = 0.1 * (max(later) - min(later))
    if margin > 0 and max(first) > max(later) + margin:
        axes.set_ylim(min(later + first) - margin, max(later) + margin)
        axes.set_ylabel(f"{axes.get_ylabel()}\n(beginnings lie above, at up to {max(first):.2f})")


def _subject(row: ResultRow) -> str:
    return f"{row.dataset}: {row.ratings:,} ratings, rank {row.rank}, {row.master}"


def _passes(row: ResultRow) -> str:
    """A row's label and how often it went over the ratings, in the words of its model."""
    return f"{row.label}\n{row.iterations} {'iterations' if row.step is None else 'epochs'}"


def _save(figure: Figure, path: Path) -> None:
    # Below the axes, where no curve or bar can run into it; a row that is in any of the axes is in it once.
    legend: dict[Any, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        legend.update(zip(labels, handles, strict=True))
    figure.legend(list(legend.values()), list(legend), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, format="png")
