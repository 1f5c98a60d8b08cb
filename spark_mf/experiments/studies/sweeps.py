"""Curves over the values of a hyperparameter."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from spark_mf.experiments.drawing import draw_curve

# Where one of the values is 0, so much of the axis round it is linear: a tenth of the smallest other value.
_LINEAR_PART = 0.1


def draw_sweep(
    axes: Axes, place: int, label: str, values: Sequence[float], errors: Sequence[float], ticks: bool = False
) -> None:
    """Draw errors over a logarithmic axis of values, which with ``ticks`` are the only ones that it names."""
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


def mark_lowest(axes: Axes, values: Sequence[float], errors: Sequence[float], name: str) -> None:
    """Mark the lowest error by a star, and say in the legend at which value of ``name`` it lies."""
    lowest = min(range(len(errors)), key=lambda place: errors[place])
    axes.plot(
        values[lowest],
        errors[lowest],
        linestyle="none",
        marker="*",
        markersize=18,
        color="black",
        label=f"lowest test RMSE: {errors[lowest]:.4f} at {name} = {values[lowest]:g}",
    )
