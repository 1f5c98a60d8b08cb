"""Functions to evaluate, plot and report the rows of fits, shared by all studies."""

import json
from collections.abc import Callable, Iterable, Sequence

from matplotlib.axes import Axes

from spark_mf.benchmarks.drawing import Curve
from spark_mf.benchmarks.report import BIAS_PENALTIES, OBJECTIVES
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.tables import aligned, shown
from spark_mf.models.summary import IterationRecord

EPOCH = "epoch, one pass over the training ratings"
TEST_RMSE = "test RMSE, in units of the ratings"
TRAIN_RMSE = "training RMSE, in units of the ratings"
TITLE_POINTS = 11
# More fits of one kind are counted instead, because the table of the study names them.
_FITS_BY_NAME = 2
_SWEPT = ("rank", "regParam", "stepSize", "biasStepSize")

Value = Callable[[IterationRecord], float | None]


def finished(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Return the rows of successful fits."""
    return [row for row in rows if row.error is None]


def last(row: ResultRow) -> IterationRecord:
    """Return the last iteration of a fit."""
    return row.history[-1]


def best(row: ResultRow) -> IterationRecord:
    """Return the first iteration with the lowest test RMSE."""
    return min((each for each in row.history if each.validation_rmse is not None), key=held_out_rmse)


def held_out_rmse(record: IterationRecord) -> float:
    """Return the test RMSE of an iteration, which must have one."""
    assert record.validation_rmse is not None
    return record.validation_rmse


def train_rmse(record: IterationRecord) -> float:
    """Return the training RMSE of an iteration, which must have one."""
    assert record.train_rmse is not None
    return record.train_rmse


def best_rmse(row: ResultRow) -> float:
    """Return the lowest test RMSE of a fit."""
    return held_out_rmse(best(row))


def last_rmse(row: ResultRow) -> float:
    """Return the test RMSE at the end of a fit."""
    return held_out_rmse(last(row))


def by_iteration(row: ResultRow, value: Value) -> Curve:
    """Return a curve of a value by iteration, without iterations that lack the value."""
    points = [(float(record.iteration), value(record)) for record in row.history]
    return [(place, found) for place, found in points if found is not None]


def label_axes(axes: Axes, x: str, y: str, title: str = "") -> None:
    """Set the axis labels and title, and draw a light grid."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    if title:
        axes.set_title(title, fontsize=TITLE_POINTS)


def subject(row: ResultRow) -> str:
    """Return the data set and the package of the estimator, as the second line of titles."""
    return f"{row.dataset}: {row.ratings:,} ratings, rank {row.rank}, {row.model.rpartition('.')[0]}"


def without_curve(rows: Sequence[ResultRow]) -> str:
    """Return a line for titles that names the failed fits, or an empty string."""
    failed = [row.label for row in rows if row.error]
    return f"\nnot drawn (diverged or failed): {', '.join(failed)}" if failed else ""


def error_table(rows: Sequence[ResultRow]) -> str:
    """Return a Markdown table of the best and the last test error and the last training error of each fit."""
    headers = ("fit", "λ", "best iteration", "best test RMSE", "last", "last test RMSE", "last training RMSE")
    return aligned(headers, [(row.label, f"{row.regParam:g}", *_errors(row)) for row in rows])


def _errors(row: ResultRow) -> tuple[str, ...]:
    if row.error:
        return ("failed", "–", "–", "–", "–")
    at_best, at_last = best(row), last(row)
    return (
        f"{at_best.iteration}",
        shown(at_best.validation_rmse, ".4f"),
        f"{at_last.iteration}",
        shown(at_last.validation_rmse, ".4f"),
        shown(at_last.train_rmse, ".4f"),
    )


def lowest(rows: Sequence[ResultRow]) -> ResultRow | None:
    """Return the fit with the lowest test RMSE in its best iteration; None if all fits failed."""
    return min(finished(rows), key=best_rmse, default=None)


def given_to_fits(rows: Sequence[ResultRow]) -> str:
    """Return data, objective and hyperparameters of a study of fits as a Markdown list."""
    row = rows[0]
    lines = [
        f"- Data: {row.dataset}, {row.ratings - row.test_ratings:,} training and {row.test_ratings:,} test ratings "
        f"({row.split}) of {row.items:,} items by {row.users:,} users; {row.cold_test_ratings:,} test ratings have a "
        "user or item without training ratings and are excluded from all errors.",
        "- The best errors are selected on the test ratings and are therefore optimistic. Predictions are not clipped "
        "to the rating scale.",
        f"- Seed {row.seed}.",
    ]
    kinds: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        kinds.setdefault(_kind(row), []).append(row)
    return "\n".join(lines + [f"- {_named(fits)}: {_hyperparameters(fits)}." for fits in kinds.values()])


def _kind(row: ResultRow) -> tuple[str, str]:
    """Return the model and the Params of a fit, except for those over which studies sweep."""
    params = {name: value for name, value in row.params.items() if name not in _SWEPT}
    return row.model, json.dumps(params, sort_keys=True)


def _named(fits: Sequence[ResultRow]) -> str:
    return "; ".join(row.label for row in fits) if len(fits) <= _FITS_BY_NAME else f"{len(fits)} fits"


def _hyperparameters(fits: Sequence[ResultRow]) -> str:
    """Return the hyperparameters of fits of one kind, with all values of those in which they differ."""
    row = fits[0]
    objective = f"objective ({row.regularization}): {OBJECTIVES[row.regularization]}"
    params, biases = row.params, ""
    if params.get("fitBias"):
        own = params.get("biasRegParam")
        biases = f", biases with λ_b = {'λ' if own is None else format(own, 'g')}"
        objective += f" + {BIAS_PENALTIES[row.regularization]}"
    ranks, lambdas = _values(each.rank for each in fits), _values(each.regParam for each in fits)
    if not row.is_sgd:
        return f"{row.model}, rank {ranks}, λ = {lambdas}{biases}, {objective}"
    steps = _values(each.params["stepSize"] for each in fits)
    size = params["batchSize"]
    batch = "for single ratings" if size == 1 else f"for the summed gradient of {size} ratings"
    return (
        f"{row.model}, rank {ranks}, λ = {lambdas}{biases}, {params['optimizer']}, step size {steps} {batch}, initial "
        f"standard deviation {params['initStd']:g}, {objective}"
    )


def _values(given: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(given)))
