"""Plots of errors over the values of a hyperparameter."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from spark_mf.benchmarks.drawing import draw_curve

# If one of the values is 0, the axis is linear up to this fraction of the smallest other value.
_LINEAR_PART = 0.1


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
