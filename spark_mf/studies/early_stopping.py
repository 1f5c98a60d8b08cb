"""Study of early stopping: epochs saved, and loss of accuracy."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from spark_mf.benchmarks.drawing import crop_beginnings, draw_curve, new_figure, save_figure
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.tables import aligned
from spark_mf.studies.fits import Fits
from spark_mf.studies.readings import (
    EPOCH,
    TEST_RMSE,
    TRAIN_RMSE,
    best,
    best_rmse,
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

PICTURE = "early_stopping.png"


def run(fits: Fits) -> Iterator[ResultRow]:
    """Fit momentum twice from the same factors, for all epochs and with early stopping."""
    tuning = fits.settings.tuning
    lam = min(tuning.lambdas)
    yield fits.momentum_sgd("all epochs", regParam=lam)
    yield fits.momentum_sgd(f"patience {tuning.patience}", regParam=lam, earlyStoppingPatience=tuning.patience)


def draw(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Draw test and training RMSE by epoch, and mark the best epochs and the epoch after which the fit stopped."""
    fitted = finished(rows)
    if not fitted:
        return []
    figure = new_figure(7.6)
    above, below = figure.subplots(2, sharex=True)
    for axes, value, name in ((above, held_out_rmse, TEST_RMSE), (below, train_rmse, TRAIN_RMSE)):
        for place, row in enumerate(fitted):
            draw_curve(axes, place, row.label, by_iteration(row, value))
        label_axes(axes, "", name)
        # Only the beginning of the longest fit is cropped, because a short fit may consist of little else.
        longest = max(fitted, key=lambda row: len(row.history))
        crop_beginnings(axes, [[error for _, error in by_iteration(longest, value)]])
        _mark_epochs(axes, fitted)
    below.set_xlabel(EPOCH)
    above.set_title(f"Early stopping\n{subject(rows[0])}{without_curve(rows)}", fontsize=11)
    save_figure(figure, folder / PICTURE)
    return [PICTURE]


def _mark_epochs(axes: Axes, fitted: Sequence[ResultRow]) -> None:
    for place, epoch in enumerate(sorted({best(row).iteration for row in fitted})):
        labels = [row.label for row in fitted if best(row).iteration == epoch]
        # Different styles, because the fits may have different best epochs.
        style = (":", "-.")[place % 2]
        axes.axvline(epoch, color="black", linestyle=style, label=f"best epoch of {' and '.join(labels)}: {epoch}")
    for row in fitted:
        if len(row.history) < row.iterations:
            stopped = len(row.history)
            axes.axvline(stopped, color="black", linewidth=2.0, label=f"{row.label}: stopped after {stopped}")


def findings(rows: Sequence[ResultRow]) -> str:
    """Return the epoch after which the fit stopped, the epochs saved, and the errors of both fits."""
    fitted = finished(rows)
    headers = ("fit", "epochs", "best epoch", "best test RMSE", "last test RMSE", "last training RMSE", "seconds")
    cells = [
        (
            row.label,
            f"{len(row.history)}",
            f"{best(row).iteration}",
            f"{best_rmse(row):.4f}",
            f"{last_rmse(row):.4f}",
            f"{train_rmse(last(row)):.4f}",
            f"{sum(record.seconds for record in row.history):.2f}",
        )
        for row in fitted
    ]
    table = aligned(headers, cells)
    if len(fitted) < 2:
        return f"{table}\n\nA fit failed, so the fits cannot be compared."
    fixed, patient = fitted
    saved = patient.iterations - len(patient.history)
    if saved == 0:
        return f"{table}\n\nThe error decreased until the last epoch or shortly before, so no epochs were saved."
    kept = best_rmse(patient)
    return (
        f"{table}\n\nThe fit with early stopping ended after epoch {len(patient.history)} and saved {saved} of "
        f"{fixed.iterations} epochs ({saved / fixed.iterations:.0%}). Its model has the factors of epoch "
        f"{best(patient).iteration}, with a test RMSE {last_rmse(fixed) - kept:.4f} below that of the last epoch of "
        f"the complete fit, and {kept - best_rmse(fixed):.4f} above that of its best epoch."
    )


EARLY_STOPPING = Study(
    name="early-stopping",
    asks="How many epochs does early stopping save for momentum with little regularization, which overfits, and does "
    "it miss a better epoch?",
    row_type=ResultRow,
    pictures=(PICTURE,),
    run=run,
    draw=draw,
    findings=findings,
    given=given_to_fits,
)
