"""Study of the gap between test and training error during training."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from spark_mf.benchmarks.drawing import crop_beginnings, draw_curve, new_figure, save_figure
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.tables import aligned
from spark_mf.models.summary import IterationRecord
from spark_mf.studies.fits import Fits
from spark_mf.studies.readings import (
    EPOCH,
    by_iteration,
    finished,
    given_to_fits,
    held_out_rmse,
    label_axes,
    last,
    last_rmse,
    subject,
    train_rmse,
    without_curve,
)
from spark_mf.studies.study import Study

PICTURE = "generalization_gap.png"


def run(fits: Fits) -> Iterator[ResultRow]:
    """Fit momentum with the smallest, the middle and the largest λ of the sweep."""
    tuning = fits.settings.tuning
    for lam in sorted({min(tuning.lambdas), tuning.middle_lambda, max(tuning.lambdas)}):
        yield fits.momentum_sgd(f"λ = {lam:g}", regParam=lam)


def gap(record: IterationRecord) -> float:
    """Return test RMSE minus training RMSE."""
    return held_out_rmse(record) - train_rmse(record)


def draw(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Draw test and training RMSE by epoch, and their difference below."""
    fitted = finished(rows)
    if not fitted:
        return []
    figure = new_figure(8.6)
    above, below = figure.subplots(2, sharex=True)
    for place, row in enumerate(fitted):
        draw_curve(above, 2 * place, f"{row.label}: test", by_iteration(row, held_out_rmse))
        draw_curve(above, 2 * place + 1, f"{row.label}: training", by_iteration(row, train_rmse))
        # In the style of the test curve, so that one legend entry stands for both.
        draw_curve(below, 2 * place, f"{row.label}: test", by_iteration(row, gap))
    label_axes(above, "", "RMSE, in units of the ratings")
    drawn = [by_iteration(row, value) for row in fitted for value in (held_out_rmse, train_rmse)]
    crop_beginnings(above, [[error for _, error in curve] for curve in drawn])
    label_axes(below, EPOCH, "test minus training RMSE, in units of the ratings")
    above.set_title(f"Generalization gap of momentum\n{subject(rows[0])}{without_curve(rows)}", fontsize=11)
    save_figure(figure, folder / PICTURE)
    return [PICTURE]


def findings(rows: Sequence[ResultRow]) -> str:
    """Return the gap at the end of each fit, and how it depends on λ."""
    fitted = finished(rows)
    headers = ("fit", "last training RMSE", "last test RMSE", "gap", "largest gap", "at epoch")
    cells = []
    for row in fitted:
        peak = max(row.history, key=gap)
        errors = (f"{value:.4f}" for value in (train_rmse(last(row)), last_rmse(row), gap(last(row)), gap(peak)))
        cells.append((row.label, *errors, f"{peak.iteration}"))
    parts = [aligned(headers, cells)]
    if len(fitted) > 1:
        widest, narrowest = (choose(fitted, key=lambda row: gap(last(row))) for choose in (max, min))
        lowest = min(fitted, key=last_rmse)
        parts.append(
            f"At the end, the gap is widest with {widest.label} ({gap(last(widest)):.4f}) and narrowest with "
            f"{narrowest.label} ({gap(last(narrowest)):.4f}). The test error is lowest with {lowest.label} "
            f"({last_rmse(lowest):.4f})"
            + (
                ", which also has the narrowest gap."
                if lowest is narrowest
                else ", so the model with the narrowest gap is not the best."
            )
        )
    if any(row.model == "spark_mf.SGD" for row in fitted):
        parts.append(
            "The training RMSE of spark_mf.SGD is computed from the error of each rating just before its update. It "
            "lags by half an epoch, so the gaps of the first epochs are underestimated."
        )
    return "\n\n".join(parts)


GENERALIZATION_GAP = Study(
    name="generalization-gap",
    asks="How do training and test error diverge during a fit, and how does λ affect the gap between them?",
    row_type=ResultRow,
    pictures=(PICTURE,),
    run=run,
    draw=draw,
    findings=findings,
    given=given_to_fits,
)
