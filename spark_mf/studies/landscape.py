"""Study of the loss landscape around a solution: a slice of the objective along two random directions."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spark_mf.benchmarks.drawing import new_figure, save_figure
from spark_mf.benchmarks.environment import utc_now
from spark_mf.benchmarks.measuring import first_sentence
from spark_mf.benchmarks.report import OBJECTIVES
from spark_mf.benchmarks.rows import HasParams, ParamValues
from spark_mf.cli.tables import aligned
from spark_mf.studies.fits import Fits, params_of
from spark_mf.studies.readings import label_axes
from spark_mf.studies.study import Study
from spark_mf.textbook import ALS, Ratings
from spark_mf.textbook.model import Parameters

PICTURE = "landscape.png"
_POINTS = 41
# The slice extends as far as the solution is from the origin; a smaller slice would show only a convex region.
_REACH = 1.0
_CONTOURS = 24
# ALS has converged when an iteration changes the predictions by less.
_TOL, _MAX_ITERATIONS = 1e-6, 2_000


@dataclass(frozen=True, kw_only=True)
class SurfaceRow(HasParams):
    """Objective on a grid around a solution, or the error of a failed fit.

    Attributes
    ----------
    label : str
        Name of the fit.
    dataset, ratings, users, items, params
        As in `ResultRow`, except that ratings are the training ratings.
    iterations : int
        Number of iterations of ALS.
    norm : float
        Norm of the vector of all factors of the solution; 0 if the fit failed, and then there is no grid.
    offsets : tuple[float, ...]
        Positions along each direction, relative to the norm of the solution; ascending, including 0.
    objectives : tuple[tuple[float, ...], ...]
        Objective at each offset along the second direction (rows) and the first (columns).
    at_solution : float
        Objective at the solution.
    master, cores, versions, git, started_at
        As in `ResultRow`.
    """

    label: str
    dataset: str
    ratings: int
    users: int
    items: int
    params: ParamValues
    iterations: int = 0
    norm: float = 0.0
    offsets: tuple[float, ...] = ()
    objectives: tuple[tuple[float, ...], ...] = ()
    at_solution: float = 0.0
    master: str
    cores: int
    versions: dict[str, str]
    git: str | None
    started_at: str
    error: str | None = None

    def to_json(self) -> str:
        """Return one line of JSON without a line end."""
        keys = {**asdict(self), "rank": self.rank, "seed": self.seed, "params": dict(sorted(self.params.items()))}
        return json.dumps(keys, allow_nan=False, ensure_ascii=False)


def directions(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Return two random orthonormal directions as float64[2, size], by the Gram-Schmidt process."""
    first, second = rng.standard_normal((2, size))
    first = first / np.linalg.norm(first)
    second = second - (second @ first) * first
    return np.array([first, second / np.linalg.norm(second)])


def run(fits: Fits) -> Iterator[SurfaceRow]:
    """Fit ALS to convergence and evaluate its objective on a grid around the solution.

    The grid is θ + α·d₁ + β·d₂ (Li, Xu, Taylor, Studer and Goldstein 2018, "Visualizing the loss landscape of neural
    nets", eq. 1), where θ contains all factors of both sides, and the directions are not scaled by row.
    """
    tuning, counts = fits.settings.tuning, fits.data.counts
    als = ALS(
        rank=tuning.rank,
        maxIter=_MAX_ITERATIONS,
        tol=_TOL,
        regParam=tuning.middle_lambda,
        regularization=tuning.regularization,
        seed=fits.settings.seed,
    )
    row = SurfaceRow(
        label=f"ALS, λ = {tuning.middle_lambda:g}",
        dataset=counts.dataset,
        ratings=len(fits.data.ratings),
        users=counts.users,
        items=counts.items,
        params=params_of(als),
        **vars(fits.where),
        started_at=utc_now(),
    )
    try:
        row = _surface(row, als, fits.data.ratings)
    except (ArithmeticError, ValueError) as fault:
        row = replace(row, error=first_sentence(fault))
    yield row


def _surface(row: SurfaceRow, als: ALS, ratings: Ratings) -> SurfaceRow:
    model = als.fit(ratings)
    solution = np.concatenate([model.U, model.V]).ravel()
    norm = float(np.linalg.norm(solution))
    slopes = norm * directions(np.random.default_rng(row.seed), solution.size)
    offsets = np.linspace(-_REACH, _REACH, _POINTS)
    moved = ((solution + a * slopes[0] + b * slopes[1] for a in offsets) for b in offsets)
    return replace(
        row,
        iterations=model.summary.totalIterations,
        norm=norm,
        offsets=tuple(offsets.tolist()),
        objectives=tuple(tuple(_objective(als, ratings, point) for point in line) for line in moved),
        at_solution=_objective(als, ratings, solution),
    )


def _objective(als: ALS, ratings: Ratings, point: NDArray[np.float64]) -> float:
    n_users, n_items = ratings.shape
    U, V = np.split(point.reshape(n_users + n_items, -1), [n_users])
    return als.objective(ratings, Parameters.without_biases(U, V))


def draw(rows: Sequence[SurfaceRow], folder: Path) -> list[str]:
    """Draw contours of the objective along both directions, and mark the solution."""
    (row,) = rows
    if row.error:
        return []
    heights = np.array(row.objectives)
    levels = np.geomspace(heights.min(), heights.max(), _CONTOURS)
    figure = new_figure(7.0)
    axes = figure.add_subplot()
    filled = axes.contourf(row.offsets, row.offsets, heights, levels=levels, cmap="cividis", norm="log")
    axes.contour(row.offsets, row.offsets, heights, levels=levels, colors="black", linewidths=0.4)
    label = f"solution of ALS, {row.at_solution:.4g}"
    axes.plot(0, 0, marker="*", markersize=18, color="white", markeredgecolor="black", linestyle="none", label=label)
    bar = figure.colorbar(filled, ax=axes, format="{x:.3g}", ticks=levels[:: len(levels) // 8])
    bar.minorticks_off()
    bar.set_label(f"objective ({row.regularization}), in squared units of the ratings, logarithmic")
    label_axes(axes, "1st direction, relative to the solution's norm", "2nd direction, relative to the solution's norm")
    axes.set_aspect("equal")
    axes.set_title(
        f"Objective around a solution, on a plane through {row.rank * (row.users + row.items):,} dimensions\n"
        f"{row.dataset}: rank {row.rank}, λ = {row.regParam:g}",
        fontsize=11,
    )
    save_figure(figure, folder / PICTURE)
    return [PICTURE]


def findings(rows: Sequence[SurfaceRow]) -> str:
    """Return the objective at the solution, its minimum on the grid and its values at the corners, as a table."""
    (row,) = rows
    if row.error:
        return "The fit failed, so there is no solution to examine."
    heights = np.array(row.objectives)
    b, a = np.unravel_index(heights.argmin(), heights.shape)
    corners = heights[[0, 0, -1, -1], [0, -1, 0, -1]]
    table = aligned(
        ("objective", "value"),
        [
            ("at the solution", f"{row.at_solution:.6g}"),
            (f"lowest of {heights.size:,} points, at ({row.offsets[a]:g}, {row.offsets[b]:g})", f"{heights.min():.6g}"),
            ("corners, lowest", f"{corners.min():.6g}"),
            ("corners, highest", f"{corners.max():.6g}"),
        ],
    )
    lower = int((heights < row.at_solution).sum())
    comparison = (
        "No point of the slice has a lower objective than the solution."
        if lower == 0
        else f"{lower} points of the slice have a lower objective than the solution, so it is not a minimum."
    )
    rises = (
        "The objective increases monotonically from the solution along both directions."
        if _rises_outward(heights)
        else "The objective does not increase monotonically along the directions: there is more than one valley."
    )
    return f"{table}\n\n{comparison} {rises}"


def given(rows: Sequence[SurfaceRow]) -> str:
    """Return data and hyperparameters as a Markdown list."""
    (row,) = rows
    return (
        f"- Data: {row.dataset}, {row.ratings:,} training ratings of {row.items:,} items by {row.users:,} users.\n"
        f"- ALS of the textbook, rank {row.rank}, λ = {row.regParam:g}, {row.iterations:,} iterations (tol {_TOL:g}, "
        f"maxIter {_MAX_ITERATIONS:,}); objective ({row.regularization}): {OBJECTIVES[row.regularization]}.\n"
        f"- Seed {row.seed}. The solution has norm {row.norm:.4g}. It is not unique, because a common rotation of all "
        "factors changes no prediction."
    )


def _rises_outward(heights: NDArray[np.float64]) -> bool:
    middle = len(heights) // 2
    lines = heights[middle, :], heights[:, middle]
    return all((np.diff(line[middle:]) > 0).all() and (np.diff(line[: middle + 1]) < 0).all() for line in lines)


LANDSCAPE = Study(
    name="landscape",
    asks="What does the objective look like around a solution? A slice along two random orthogonal directions "
    "through all factors.",
    row_type=SurfaceRow,
    pictures=(PICTURE,),
    run=run,
    draw=draw,
    findings=findings,
    given=given,
    textbook_only=True,
)
