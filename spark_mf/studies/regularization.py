"""Study of the regularization: sweeps of λ for SGD with biases and for ALS."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from spark_mf.benchmarks.drawing import draw_sweep, mark_lowest, new_figure, save_figure
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.studies.fits import Fits
from spark_mf.studies.readings import (
    best,
    best_rmse,
    error_table,
    finished,
    given_to_fits,
    label_axes,
    lowest,
    subject,
    train_rmse,
    without_curve,
)
from spark_mf.studies.study import Study

PICTURE = "regularization.png"


def run(fits: Fits) -> Iterator[ResultRow]:
    """Fit SGD with biases, and then ALS, with each λ of their sweeps."""
    tuning = fits.settings.tuning
    for lam in tuning.biased_lambdas:
        yield fits.biased_sgd(f"SGD, λ = {lam:g}", regParam=lam)
    for lam in tuning.lambdas:
        yield fits.als(f"ALS, λ = {lam:g}", regParam=lam)


def by_method(rows: Sequence[ResultRow]) -> dict[str, list[ResultRow]]:
    """Return the rows of each method that has any, sorted by λ."""
    sgd = [row for row in rows if row.is_sgd]
    als = [row for row in rows if not row.is_sgd]
    named = {"SGD with biases": sgd, "ALS": als}
    return {name: sorted(found, key=lambda row: row.regParam) for name, found in named.items() if found}


def draw(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Draw test and training RMSE by λ, with a panel for each method, and mark the lowest test RMSE."""
    panels = {name: finished(found) for name, found in by_method(rows).items() if finished(found)}
    if not panels:
        return []
    figure = new_figure(0.8 + 3.8 * len(panels))
    all_axes = figure.subplots(len(panels), squeeze=False)[:, 0]
    for axes, (name, found) in zip(all_axes, panels.items(), strict=True):
        _panel(axes, name, found)
    all_axes[0].set_title(
        f"RMSE by λ, in the epoch or iteration with the lowest test RMSE\n{subject(rows[0])}{without_curve(rows)}",
        fontsize=11,
    )
    save_figure(figure, folder / PICTURE)
    return [PICTURE]


def _panel(axes: Axes, name: str, rows: Sequence[ResultRow]) -> None:
    places = [row.regParam for row in rows]
    tested = [best_rmse(row) for row in rows]
    draw_sweep(axes, 0, "test RMSE", places, tested)
    draw_sweep(axes, 1, "training RMSE", places, [train_rmse(best(row)) for row in rows])
    mark_lowest(axes, places, tested, name, "λ")
    label_axes(axes, f"λ of the {rows[0].regularization} objective", f"{name}: RMSE, in units of the ratings")


def findings(rows: Sequence[ResultRow]) -> str:
    """Return the errors by λ, and the best λ of each method with its position in the range."""
    parts = [error_table(rows)]
    for name, found in by_method(rows).items():
        at_best = lowest(found)
        if at_best is None:
            parts.append(f"{name}: every fit failed.")
            continue
        tried = [row.regParam for row in finished(found)]
        where = "inside the range" if min(tried) < at_best.regParam < max(tried) else "at the end of the range"
        errors = [best_rmse(row) for row in finished(found)]
        parts.append(
            f"{name}: the lowest test RMSE is {min(errors):.4f}, with λ = {at_best.regParam:g}, {where}; it varies by "
            f"{max(errors) - min(errors):.4f} over all λ."
        )
    return "\n\n".join(parts)


REGULARIZATION = Study(
    name="regularization",
    asks="How does λ affect test and training error, and which λ is best for SGD with biases and for ALS?",
    row_type=ResultRow,
    pictures=(PICTURE,),
    run=run,
    draw=draw,
    findings=findings,
    given=given_to_fits,
)
