"""Study of the paths of ALS, GD and ALS+GD on a problem with two parameters."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from spark_mf.benchmarks.drawing import COLORS, MARKERS, new_figure, save_figure
from spark_mf.benchmarks.environment import utc_now
from spark_mf.cli.tables import aligned
from spark_mf.studies.fits import Fits
from spark_mf.studies.readings import label_axes
from spark_mf.studies.study import Study
from spark_mf.textbook import ALS, gradient, loss
from spark_mf.textbook.half_steps.inner_steps import descend_rows
from spark_mf.textbook.ratings import Matrix

PICTURE = "update_paths.png"

# One rating of one item by one user, and initial factors away from the valley u·v = r.
RATING, LAMBDA, START = 2.0, 0.3, (3.0, 2.5)
STEP, INNER_STEPS = 0.05, 2
_SMALL_GRADIENT, _MOST_MOVES = 1e-3, 5_000
_CONTOURS = 22
# Minimum distance of markers, relative to the size of the plot.
_APART = 0.02

_R, _OBSERVED, _PENALTY = np.array([[RATING]]), np.array([[True]]), np.array([LAMBDA])

Point = tuple[Matrix, Matrix]


@dataclass(frozen=True, kw_only=True)
class PathRow:
    """Path of one method.

    Attributes
    ----------
    label : str
        Name of the method in tables and plots.
    rating, regParam : float
        r and λ of the objective (r − u·v)² + λ(u² + v²).
    stepSize : float | None
        Step size; None for ALS, which solves exactly.
    u, v : tuple[float, ...]
        Points of the path, including the initial point.
    objectives : tuple[float, ...]
        Objective at each point.
    gradient : float
        Norm of the gradient at the last point.
    updates : int
        Number of updates of u, of v, or of both simultaneously.
    iterations : int
        Number of iterations, each of which updates both.
    master, cores, versions, git, started_at
        As in `ResultRow`.
    """

    label: str
    rating: float
    regParam: float
    stepSize: float | None
    u: tuple[float, ...]
    v: tuple[float, ...]
    objectives: tuple[float, ...]
    gradient: float
    updates: int
    iterations: int
    master: str
    cores: int
    versions: dict[str, str]
    git: str | None
    started_at: str
    error: str | None = None

    def to_json(self) -> str:
        """Return one line of JSON without a line end."""
        return json.dumps(asdict(self), allow_nan=False, ensure_ascii=False)


def run(fits: Fits) -> Iterator[PathRow]:
    """Run each method from the same initial point until the gradient is close to 0."""
    exact = ALS(rank=1, regParam=LAMBDA, regularization="plain")

    def solve(fixed: Matrix, old: Matrix) -> Matrix:
        return exact.half_step(_R, _OBSERVED, fixed, _PENALTY, old)

    def descend(fixed: Matrix, old: Matrix) -> Matrix:
        return descend_rows(_R, _OBSERVED, fixed, _PENALTY, old, 1, stepSize=STEP)

    yield _path(fits, "ALS", None, alternating(solve, 1), 2)
    yield _path(fits, "GD", STEP, descending(), 1)
    yield _path(fits, f"ALS+GD, {INNER_STEPS} inner steps", STEP, alternating(descend, INNER_STEPS), 2 * INNER_STEPS)


def alternating(move: Callable[[Matrix, Matrix], Matrix], moves: int) -> Iterator[Point]:
    """Yield points while alternating between `moves` updates of v for a fixed u and of u for a fixed v, without end."""
    u, v = _start()
    while True:
        for _ in range(moves):
            v = move(u, v)
            yield u, v
        for _ in range(moves):
            u = move(v, u)
            yield u, v


def descending() -> Iterator[Point]:
    """Yield the points of gradient descent on u and v simultaneously, without end."""
    u, v = _start()
    while True:
        du, dv = gradient(_R, _OBSERVED, u, v, LAMBDA)
        u, v = u - STEP * du, v - STEP * dv
        yield u, v


def _start() -> Point:
    return np.array([[START[0]]]), np.array([[START[1]]])


def _path(fits: Fits, label: str, step: float | None, points: Iterator[Point], a_round: int) -> PathRow:
    started_at = utc_now()
    path = [_start()]
    while (length := _gradient_length(path[-1])) > _SMALL_GRADIENT and len(path) <= _MOST_MOVES:
        path.append(next(points))
    updates = len(path) - 1
    return PathRow(
        label=label,
        rating=RATING,
        regParam=LAMBDA,
        stepSize=step,
        u=tuple(u.item() for u, _ in path),
        v=tuple(v.item() for _, v in path),
        objectives=tuple(loss(_R, _OBSERVED, u, v, LAMBDA) for u, v in path),
        gradient=length,
        updates=updates,
        iterations=-(-updates // a_round),
        **vars(fits.where),
        started_at=started_at,
    )


def _gradient_length(point: Point) -> float:
    return float(np.linalg.norm(np.concatenate(gradient(_R, _OBSERVED, *point, LAMBDA))))


def minimum(rating: float, lam: float) -> tuple[float, float]:
    """Return u = v = √(r − λ) of the minimum with u > 0, and its objective 2λr − λ², for 0 ≤ λ < r.

    At a minimum the gradient is 0: v(r − u·v) = λu and u(r − u·v) = λv, so u² = v² and r − u² = λ.
    """
    return float(np.sqrt(rating - lam)), 2 * lam * rating - lam**2


def draw(rows: Sequence[PathRow], folder: Path) -> list[str]:
    """Draw the paths on contours of the objective."""
    place, lowest = minimum(rows[0].rating, rows[0].regParam)
    figure = new_figure(7.6)
    axes = figure.add_subplot()
    _draw_contours(axes, rows, lowest)
    for at, row in enumerate(rows):
        axes.plot(
            row.u,
            row.v,
            label=f"{row.label}: {row.updates} updates",
            color=COLORS[(1, 0, 5)[at % 3]],
            marker=MARKERS[at],
            markevery=_apart(row),
            markersize=8 - at,
            markerfacecolor="none",
            linestyle=("-", "--", ":")[at % 3],
            linewidth=1.8 - 0.3 * at,
        )
    axes.plot(place, place, linestyle="none", marker="*", markersize=18, color="black", label=f"minimum, {lowest:.4g}")
    axes.annotate("start", (rows[0].u[0], rows[0].v[0]), (6, 6), textcoords="offset points")
    label_axes(axes, "u, factor of the user (√ of the rating unit)", "v, factor of the item (√ of the rating unit)")
    axes.set_title(
        f"Paths to the minimum of (r − uv)² + λ(u² + v²)\nr = {rows[0].rating:g}, λ = {rows[0].regParam:g}", fontsize=11
    )
    save_figure(figure, folder / PICTURE)
    return [PICTURE]


def _draw_contours(axes: Axes, rows: Sequence[PathRow], lowest: float) -> None:
    rating, lam = rows[0].rating, rows[0].regParam
    across = [np.linspace(*_margins([each for row in rows for each in getattr(row, name)]), 200) for name in ("u", "v")]
    u, v = np.meshgrid(*across)
    heights = (rating - u * v) ** 2 + lam * (u**2 + v**2)
    # The contours are spaced logarithmically, because evenly spaced ones would leave the valley empty.
    levels = lowest + np.geomspace(1e-3, heights.max() - lowest, _CONTOURS)
    axes.contour(u, v, heights, levels=levels, colors="0.75", linewidths=0.8)


def _margins(values: Sequence[float]) -> tuple[float, float]:
    margin = 0.08 * (max(values) - min(values))
    return min(values) - margin, max(values) + margin


def _apart(row: PathRow) -> list[int]:
    """Return the points that get a marker, without points that are too close to each other near the minimum."""
    points = np.array([row.u, row.v]).T
    least = _APART * max(np.ptp(row.u), np.ptp(row.v))
    marked = [0]
    for place in range(1, len(points)):
        if np.linalg.norm(points[place] - points[marked[-1]]) >= least:
            marked.append(place)
    return marked


def findings(rows: Sequence[PathRow]) -> str:
    """Return the updates and iterations of each method, and the methods with the fewest and the most."""
    place, lowest = minimum(rows[0].rating, rows[0].regParam)
    headers = ("method", "updates", "iterations", "u", "v", "objective", "gradient")
    table = aligned(
        headers,
        [
            (
                row.label,
                f"{row.updates}",
                f"{row.iterations}",
                f"{row.u[-1]:.4f}",
                f"{row.v[-1]:.4f}",
                f"{row.objectives[-1]:.6f}",
                f"{row.gradient:.1e}",
            )
            for row in rows
        ],
    )
    fewest = min(rows, key=lambda row: row.iterations)
    most = max(rows, key=lambda row: row.iterations)
    zigzags = [row.label for row in rows if all(a == b or c == d for a, b, c, d in _moves(row))]
    return (
        f"{table}\n\nThe minimum is {lowest:.6g}, at u = v = {place:.4f} and at u = v = {-place:.4f}. {fewest.label} "
        f"needs the fewest iterations, {fewest.iterations}, and {most.label} the most, {most.iterations}; an "
        f"iteration updates both factors. Every update of {' and of '.join(zigzags) or 'none'} is parallel to an "
        "axis, so the paths zigzag."
    )


def _moves(row: PathRow) -> Iterator[tuple[float, float, float, float]]:
    """Yield u before and after, and v before and after, each update."""
    return zip(row.u, row.u[1:], row.v, row.v[1:], strict=False)


def given(rows: Sequence[PathRow]) -> str:
    """Return the problem and the step sizes as a Markdown list."""
    row = rows[0]
    steps = "; ".join(f"{each.label}: step size {each.stepSize:g}" for each in rows if each.stepSize is not None)
    return (
        f"- One rating r = {row.rating:g} of one item by one user, rank 1, λ = {row.regParam:g}, objective (plain): "
        f"(r − uv)² + λ(u² + v²); initial point ({row.u[0]:g}, {row.v[0]:g}).\n"
        f"- {steps}; ALS solves exactly. Each method stops when the norm of the gradient is at most "
        f"{_SMALL_GRADIENT:g}, or after {_MOST_MOVES} updates."
    )


UPDATE_PATHS = Study(
    name="update-paths",
    asks="How do ALS, gradient descent and ALS with inner gradient descent move to the minimum? One rating of one item "
    "by one user has two parameters, so the paths can be plotted.",
    row_type=PathRow,
    pictures=(PICTURE,),
    run=run,
    draw=draw,
    findings=findings,
    given=given,
    textbook_only=True,
    takes_ratings=False,
)
