"""Common elements of all plots: figure width, curve styles, and the legend.

Figures are made without pyplot, which would keep them in global state and look for a display.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator, StrMethodFormatter

# The colours of Okabe and Ito are distinct for colour-blind people; markers and dashes are distinct in black and white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9", "#7F7F7F", "#8C564B")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 2)), (0, (3, 1)), (0, (6, 2, 1, 2)))
_WIDTH_INCHES = 8.0
_DPI = 120
# Fraction of a curve that is regarded as its steep beginning.
_BEGINNING = 0.15
# Limited so that markers do not overlap on curves of many epochs.
_MOST_MARKERS = 12
# If one of the values of a sweep is 0, the axis is linear up to this fraction of the smallest other value.
_LINEAR_PART = 0.1

Curve = Sequence[tuple[float, float]]


def new_figure(height: float) -> Figure:
    """Return an empty figure of the common width and `height` inches, with a layout that makes room for labels."""
    return Figure(figsize=(_WIDTH_INCHES, height), dpi=_DPI, layout="constrained")


def draw_curve(axes: Axes, place: int, label: str, curve: Curve) -> None:
    """Draw a curve in the style of its position in the figure; a curve without points is not drawn."""
    if not curve:
        return
    # Exact solvers have almost the same curve. Later lines are thinner, with smaller hollow markers, so that all are
    # visible.
    axes.plot(
        *zip(*curve, strict=True),
        label=label,
        color=COLORS[place % len(COLORS)],
        marker=MARKERS[place % len(MARKERS)],
        markevery=sorted({*range(0, len(curve), -(-len(curve) // _MOST_MARKERS)), len(curve) - 1}),
        linestyle=_DASHES[place % len(_DASHES)],
        markersize=max(5.0, 10.0 - 1.5 * place),
        markerfacecolor="none",
        linewidth=max(1.4, 2.6 - 0.4 * place),
    )


def crop_beginnings(axes: Axes, curves: Sequence[Sequence[float]]) -> None:
    """Crop the vertical axis if the large errors at the beginning of curves would hide later differences."""
    later = [error for curve in curves for error in curve[max(1, round(_BEGINNING * len(curve))) :]]
    first = [curve[0] for curve in curves]
    if not later:
        return
    margin = 0.1 * (max(later) - min(later))
    if margin > 0 and max(first) > max(later) + margin:
        lowest = min(min(curve) for curve in curves)
        axes.set_ylim(lowest - margin, max(later) + margin)
        axes.set_ylabel(f"{axes.get_ylabel()}\n(first values, up to {max(first):.2f}, are cropped)")


def save_figure(figure: Figure, path: Path, *, legend: bool = True) -> None:
    """Write the figure as PNG, with one legend for all its axes unless they have their own."""
    if legend:
        # Below the axes, where it covers no curve or bar; a label in several axes has one entry.
        named: dict[Any, Any] = {}
        for axes in figure.axes:
            handles, labels = axes.get_legend_handles_labels()
            named.update(zip(labels, handles, strict=True))
        figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, format="png")


def draw_sweep(
    axes: Axes, place: int, label: str, values: Sequence[float], errors: Sequence[float], ticks: bool = False
) -> None:
    """Draw errors by value on a logarithmic axis; with `ticks`, the ticks are exactly the values."""
    draw_curve(axes, place, label, list(zip(values, errors, strict=True)))
    if min(values) > 0:
        axes.set_xscale("log")
    else:
        above = [value for value in values if value > 0]
        axes.set_xscale("symlog", linthresh=_LINEAR_PART * min(above, default=1.0))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    if ticks:
        axes.xaxis.set_major_locator(FixedLocator(list(values)))
        axes.xaxis.set_minor_locator(NullLocator())


def mark_lowest(axes: Axes, values: Sequence[float], errors: Sequence[float], of: str, by: str) -> None:
    """Mark the lowest error with a star; `of` is the name of the curve and `by` that of the hyperparameter."""
    lowest = min(range(len(errors)), key=lambda place: errors[place])
    axes.plot(
        values[lowest],
        errors[lowest],
        linestyle="none",
        marker="*",
        markersize=18,
        color="black",
        label=f"{of}: lowest test RMSE, {errors[lowest]:.4f} at {by} = {values[lowest]:g}",
    )


def spread_errors(axes: Axes) -> None:
    """Make the error axis logarithmic, so that both large errors and small differences are visible."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
