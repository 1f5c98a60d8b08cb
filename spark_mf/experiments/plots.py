"""Pictures of result rows, as PNG files; nothing here needs Spark or a screen.

Figures are made without pyplot: it would keep them in global state, and look for a display.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spark_mf.experiments.rows import ResultRow

CONVERGENCE_BY_ITERATION = "convergence_by_iteration.png"
CONVERGENCE_BY_TIME = "convergence_by_time.png"
FIT_TIME = "fit_time.png"
PLOTS = (CONVERGENCE_BY_ITERATION, CONVERGENCE_BY_TIME, FIT_TIME)

# Okabe and Ito's colours, told apart by the colour-blind; markers and dashes tell them apart in print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_WIDTH_INCHES = 8.0
_DPI = 120


def draw_all(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Write every plot of a comparison that its rows allow, and return the names of the files.

    A plot whose figures no row has (all runs failed) is not made.
    """
    drawn = []
    if any(_measured(row) for row in rows):
        draw_convergence_by_iteration(rows, folder / CONVERGENCE_BY_ITERATION)
        draw_convergence_by_time(rows, folder / CONVERGENCE_BY_TIME)
        drawn += [CONVERGENCE_BY_ITERATION, CONVERGENCE_BY_TIME]
    if any(row.fit_seconds is not None for row in rows):
        draw_fit_time(rows, folder / FIT_TIME)
        drawn.append(FIT_TIME)
    return drawn


def draw_convergence_by_iteration(rows: Sequence[ResultRow], path: Path) -> None:
    """Test RMSE after each iteration; one line a row, a marker where it was measured."""

    def points(row: ResultRow) -> list[tuple[float, float]]:
        return [(float(iteration), rmse) for iteration, rmse in _measured(row)]

    figure, axes = _new_figure(rows, "iteration", "Test RMSE by iteration")
    _draw_curves(axes, rows, points)
    _crop_first_iteration(axes, rows)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _save(figure, axes, path)


def draw_convergence_by_time(rows: Sequence[ResultRow], path: Path) -> None:
    """Test RMSE by the seconds since the fit began, set-up included."""

    def points(row: ResultRow) -> list[tuple[float, float]]:
        elapsed = row.setup_seconds or 0.0
        moments = {}
        for record in row.history:
            elapsed += record.seconds
            moments[record.iteration] = elapsed
        return [(moments[iteration], rmse) for iteration, rmse in _measured(row)]

    figure, axes = _new_figure(rows, "seconds since the fit began, set-up included", "Test RMSE by time")
    _draw_curves(axes, rows, points)
    _crop_first_iteration(axes, rows)
    axes.set_xlim(left=0)
    _save(figure, axes, path)


def draw_fit_time(rows: Sequence[ResultRow], path: Path) -> None:
    """Seconds of each fit, as bars of set-up and iterations side by side."""
    timed = [row for row in rows if row.fit_seconds is not None]
    figure = Figure(figsize=(_WIDTH_INCHES, 1.9 + 0.55 * len(timed)), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    _fit_bars(axes, timed)
    axes.set_title(f"Time of the whole fit, {timed[0].iterations} iterations\n{_subject(timed[0])}", fontsize=11)
    _save(figure, axes, path)


def draw_benchmark(rows: Sequence[ResultRow], path: Path) -> None:
    """Seconds of an iteration, and of each whole fit, as bars one above the other."""
    timed = [row for row in rows if row.fit_seconds is not None]
    figure = Figure(figsize=(_WIDTH_INCHES, 3.4 + 1.1 * len(timed)), dpi=_DPI, layout="constrained")
    above, below = figure.subplots(2)
    seconds = [row.seconds_per_iteration or 0.0 for row in timed]
    above.barh(range(len(timed)), seconds, color=COLORS[0], edgecolor="black")
    _finish_bars(above, timed, seconds)
    above.set_title(f"Time of an iteration\n{_subject(timed[0])}", fontsize=11)
    _fit_bars(below, timed)
    below.set_title(f"Time of the whole fit, {timed[0].iterations} iterations", fontsize=11)
    _save(figure, below, path)


def _fit_bars(axes: Axes, timed: Sequence[ResultRow]) -> None:
    for place, row in enumerate(timed):
        total, setup = row.fit_seconds or 0.0, row.setup_seconds or 0.0
        named = place == 0  # One legend entry for all bars of a kind.
        axes.barh(place, setup, color="#BBBBBB", edgecolor="black", hatch="///", label="set-up" if named else None)
        axes.barh(
            place,
            total - setup,
            left=setup,
            color=COLORS[0],
            edgecolor="black",
            label="iterations" if named else None,
        )
    _finish_bars(axes, timed, [row.fit_seconds or 0.0 for row in timed])


def _finish_bars(axes: Axes, timed: Sequence[ResultRow], seconds: Sequence[float]) -> None:
    longest = max(seconds)
    for place, value in enumerate(seconds):
        axes.text(value + 0.01 * longest, place, f"{value:.2f} s", va="center")
    axes.set_yticks(range(len(timed)), [row.label for row in timed])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * longest)
    axes.set_xlabel("seconds")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def _measured(row: ResultRow) -> list[tuple[int, float]]:
    return [(r.iteration, r.validation_rmse) for r in row.history if r.validation_rmse is not None]


def _draw_curves(
    axes: Axes, rows: Sequence[ResultRow], points: Callable[[ResultRow], list[tuple[float, float]]]
) -> None:
    for place, row in enumerate(rows):
        curve = points(row)
        if not curve:
            continue
        # Exact solvers give almost the same curve: later lines are thinner and their markers smaller and
        # hollow, so that all stay visible.
        axes.plot(
            *zip(*curve, strict=True),
            label=row.label,
            color=COLORS[place % len(COLORS)],
            marker=MARKERS[place % len(MARKERS)],
            linestyle=_DASHES[place % len(_DASHES)],
            markersize=max(4.0, 10.0 - 2.0 * place),
            markerfacecolor="none",
            linewidth=max(1.0, 2.5 - 0.5 * place),
        )


def _crop_first_iteration(axes: Axes, rows: Sequence[ResultRow]) -> None:
    """Let curves come in from above: the first iteration is so far off that it would flatten all the others."""
    later = [rmse for row in rows for iteration, rmse in _measured(row) if iteration > 1]
    first = [rmse for row in rows for iteration, rmse in _measured(row) if iteration == 1]
    if not later or not first:
        return
    margin = 0.1 * (max(later) - min(later))
    if margin > 0 and max(first) > max(later) + margin:
        axes.set_ylim(min(later) - margin, max(later) + margin)
        axes.set_ylabel(f"{axes.get_ylabel()}\n(iteration 1 lies above, at up to {max(first):.2f})")


def _new_figure(rows: Sequence[ResultRow], x_label: str, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH_INCHES, 5.4), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel("test RMSE, in units of the ratings")
    axes.set_title(f"{title}\n{_subject(rows[0])}", fontsize=11)
    axes.grid(alpha=0.3)
    return figure, axes


def _subject(row: ResultRow) -> str:
    return (
        f"{row.dataset}: {row.ratings:,} ratings, rank {row.rank}, "
        f"λ {row.regParam:g} ({row.regularization}), {row.master}"
    )


def _save(figure: Figure, axes: Axes, path: Path) -> None:
    # Below the axes, where no curve or bar can run into it.
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, format="png")
