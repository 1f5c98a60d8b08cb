"""Table and plot of generated ratings, from their description and counts, without Spark."""

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spark_mf.cli.tables import aligned

_COLOR = "#0072B2"


class Histogram(NamedTuple):
    """Equidistant centres of the bars, float64[n], and the number of ratings in each bar, int64[n]."""

    middles: NDArray[np.float64]
    counts: NDArray[np.int64]


def generated_table(description: Mapping[str, Any]) -> str:
    """Return the description of generated ratings as an aligned Markdown table."""
    spec = description["spec"]
    cells = [
        ("ratings", f"{description['ratings']:,}"),
        ("users with ratings", f"{description['users']:,} of {spec['users']:,}"),
        ("items with ratings", f"{description['items']:,} of {spec['items']:,}"),
        ("density", f"{description['density']:.3%}"),
        ("mean rating", f"{description['mean_rating']:.3f}"),
        ("ratings per user: min, median, max", _spread(description["ratings_per_user"])),
        ("ratings per item: min, median, max", _spread(description["ratings_per_item"])),
        ("noise floor, RMSE", f"{description['noise_floor_rmse']:.4f}"),
    ]
    for side, part in description["splits"].items():
        cells.append((f"noise floor of {part['ratings']:,} {side} ratings", f"{part['noise_floor_rmse']:.4f}"))
    cells.append(("time to generate and write", f"{description['seconds']:.1f} s"))
    cells.append(("ratings per second", f"{description['ratings_per_second']:,.0f}"))
    return aligned(("generated", ""), cells)


def ratings_picture(histogram: Histogram, per_user: NDArray[np.int64], per_item: NDArray[np.int64]) -> bytes:
    """Return histograms of the ratings and of the ratings per user and item, as PNG.

    Parameters
    ----------
    histogram : Histogram
    per_user, per_item : int64[n]
        Number of ratings of each user and of each item.
    """
    figure = Figure(figsize=(12.0, 3.8), dpi=120, layout="constrained")
    given, active, popular = figure.subplots(1, 3)
    width = histogram.middles[1] - histogram.middles[0]
    given.bar(histogram.middles, histogram.counts, width=0.9 * width, color=_COLOR)
    given.set_title("Ratings", fontsize=11)
    given.set_xlabel("rating")
    given.set_ylabel("number of ratings")
    _draw_tail(active, per_user, "user")
    _draw_tail(popular, per_item, "item")
    for axes in (given, active, popular):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _draw_tail(axes: Axes, sizes: NDArray[np.int64], whose: str) -> None:
    ordered = np.sort(sizes[sizes > 0])[::-1]
    ranks = np.arange(1, len(ordered) + 1)
    # A curve of a few hundred points looks like one of millions, and is drawn immediately.
    some = np.unique(np.geomspace(1, len(ordered), 400).round().astype(np.int64)) - 1
    axes.loglog(ranks[some], ordered[some], color=_COLOR, linewidth=2)
    axes.set_title(f"Ratings per {whose}, descending", fontsize=11)
    axes.set_xlabel(f"{whose}s, by rank")
    axes.set_ylabel(f"ratings per {whose}")


def _spread(spread: Mapping[str, float]) -> str:
    median = f"{spread['median']:,.1f}".removesuffix(".0")
    return f"{spread['min']:,}, {median}, {spread['max']:,}"
