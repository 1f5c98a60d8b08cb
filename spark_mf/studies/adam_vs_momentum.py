"""Study of mini-batch SGD with Adam, momentum and plain updates, and of their sensitivity to the step size."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from spark_mf.benchmarks.drawing import COLORS, draw_curve, draw_sweep, new_figure, save_figure, spread_errors
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.studies.fits import Fits
from spark_mf.studies.readings import (
    EPOCH,
    TEST_RMSE,
    best,
    best_rmse,
    by_iteration,
    error_table,
    finished,
    given_to_fits,
    held_out_rmse,
    label_axes,
    lowest,
    subject,
)
from spark_mf.studies.study import Study

CURVES, SENSITIVITY = "adam_vs_momentum.png", "sensitivity_to_step.png"
_NAMES = {"sgd": "plain", "momentum": "momentum", "adam": "Adam"}
# Maximum relative excess of an error that counts as near the lowest one.
_NEAR = 0.05
_FAILED = "diverged or failed"


def run(fits: Fits) -> Iterator[ResultRow]:
    """Fit mini-batch SGD with each optimizer and each multiple of its step size."""
    tuning = fits.settings.tuning
    steps = {"sgd": tuning.batch_step_size, "momentum": tuning.momentum_step_size, "adam": tuning.adam_step_size}
    for optimizer, name in _NAMES.items():
        step = steps[optimizer]
        for factor in tuning.step_factors:
            yield fits.batch_sgd(
                f"{name}, step {factor * step:g}",
                optimizer=optimizer,
                stepSize=factor * step,
                regParam=tuning.middle_lambda,
            )


def step_of(row: ResultRow) -> float:
    """Return the step size of a fit."""
    return row.params["stepSize"]


def by_optimizer(rows: Sequence[ResultRow]) -> dict[str, list[ResultRow]]:
    """Return the rows of each optimizer that has any, sorted by step size."""
    named = {name: [row for row in rows if row.solver == solver] for solver, name in _NAMES.items()}
    return {name: sorted(found, key=step_of) for name, found in named.items() if found}


def draw(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Draw the test RMSE over epochs, with a panel for each optimizer, and its minimum by step size."""
    if not finished(rows):
        return []
    _draw_curves(by_optimizer(rows), folder / CURVES)
    _draw_sensitivity(by_optimizer(rows), folder / SENSITIVITY)
    return [CURVES, SENSITIVITY]


def _draw_curves(found: dict[str, list[ResultRow]], path: Path) -> None:
    figure = new_figure(1.2 + 3.4 * len(found))
    all_axes = figure.subplots(len(found), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (name, rows) in zip(all_axes, found.items(), strict=True):
        for place, row in enumerate(rows):
            label = f"{step_of(row):.4g}" + (f": {_FAILED}" if row.error else "")
            # An empty curve adds a fit that diverged to the legend.
            draw_curve(axes, place, label, by_iteration(row, held_out_rmse) or [(float("nan"), float("nan"))])
        label_axes(axes, "", f"{name}:\n{TEST_RMSE}")
        spread_errors(axes)
        # Beside its panel, because each optimizer has different step sizes.
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, title="step size")
    all_axes[-1].set_xlabel(EPOCH)
    all_axes[0].set_title(
        f"Test RMSE by optimizer and step size\n{subject(next(iter(found.values()))[0])}", fontsize=11
    )
    save_figure(figure, path, legend=False)


def _draw_sensitivity(found: dict[str, list[ResultRow]], path: Path) -> None:
    figure = new_figure(5.4)
    axes = figure.add_subplot()
    for place, (name, rows) in enumerate(found.items()):
        fitted = finished(rows)
        if fitted:
            errors = [best_rmse(row) for row in fitted]
            draw_sweep(axes, place, name, [step_of(row) for row in fitted], errors)
        _mark_failed(axes, place, name, rows)
    spread_errors(axes)
    label_axes(axes, "step size for the summed gradient of a batch", f"best {TEST_RMSE}")
    axes.set_title(f"Lowest test RMSE by step size\n{subject(next(iter(found.values()))[0])}", fontsize=11)
    save_figure(figure, path)


def _mark_failed(axes: Axes, place: int, name: str, rows: Sequence[ResultRow]) -> None:
    """Draw a cross at the upper edge for each step size that diverged."""
    failed = [step_of(row) for row in rows if row.error]
    if failed:
        axes.plot(
            failed,
            [0.97 - 0.04 * place] * len(failed),
            transform=axes.get_xaxis_transform(),
            linestyle="none",
            marker="x",
            markersize=10,
            markeredgewidth=2.5,
            color=COLORS[place],
            label=f"{name}: {_FAILED}",
        )


def findings(rows: Sequence[ResultRow]) -> str:
    """Return the errors, the best step size of each optimizer, and the range of step sizes with similar errors."""
    parts = [error_table(rows)]
    for name, found in by_optimizer(rows).items():
        at_best = lowest(found)
        if at_best is None:
            parts.append(f"{name.capitalize()}: every fit diverged or failed.")
            continue
        bound = (1 + _NEAR) * best_rmse(at_best)
        near = [step_of(row) for row in finished(found) if best_rmse(row) <= bound]
        failed = sum(row.error is not None for row in found)
        parts.append(
            f"{name[0].upper()}{name[1:]}: the lowest test RMSE is {best_rmse(at_best):.4f}, with step size "
            f"{step_of(at_best):g} in epoch {best(at_best).iteration}. {len(near)} of {len(found)} step sizes, from "
            f"{min(near):g} to {max(near):g}, are within {_NEAR:.0%} of it; {failed} diverged or failed."
        )
    return "\n\n".join(parts)


ADAM_VS_MOMENTUM = Study(
    name="adam-vs-momentum",
    asks="How do plain mini-batch SGD, momentum and Adam converge with different step sizes, and how sensitive are "
    "they to the step size?",
    row_type=ResultRow,
    pictures=(CURVES, SENSITIVITY),
    run=run,
    draw=draw,
    findings=findings,
    given=given_to_fits,
)
