"""Report of a comparison in Markdown, from its result rows, without Spark."""

from collections.abc import Sequence
from typing import Protocol

from spark_mf.benchmarks.rows import ResultRow, fastest
from spark_mf.cli.tables import aligned, shown

OBJECTIVES = {
    "weighted": "Σ e² + λ(Σ_u n_u‖u‖² + Σ_i n_i‖v‖²)",
    "plain": "Σ e² + λ(‖U‖² + ‖V‖²)",
    "mean": "(1/|Ω|) Σ e² + λ(‖U‖² + ‖V‖²)",
}
# Penalties of biases, in addition.
BIAS_PENALTIES = {
    "weighted": "λ_b(Σ_u n_u b_u² + Σ_i n_i b_i²)",
    "plain": "λ_b(Σ_u b_u² + Σ_i b_i²)",
    "mean": "λ_b(Σ_u b_u² + Σ_i b_i²)",
}
# Explanations of the symbols in the objectives.
_LETTERS = {
    "weighted": ", with n_u and n_i ratings of a user and of an item",
    "mean": ", with |Ω| training ratings",
}

BASELINE = "pyspark.ALS"
# Minimizes the same objective by the same method, and therefore must reach the same errors.
SAME_AS_BASELINE = "spark_mf.ALS"
DESCENT = "spark_mf.SGD"

_HEADERS = (
    "model",
    "blocks",
    "fit, s",
    "set-up, s",
    "s/iteration",
    "RMSE",
    "MAE",
    "× fit",
    "× iteration",
)

_TABLE_READING = (
    f"`× fit` and `× iteration` are the speed of a fit and of an iteration, relative to the shortest fit and the "
    f"shortest iteration of {BASELINE} over all numbers of blocks."
)


def result_table(rows: Sequence[ResultRow]) -> str:
    """Return the rows as an aligned Markdown table.

    Errors are those of the test rows. "× fit" and "× iteration" are the speed relative to the shortest fit and the
    shortest iteration of `BASELINE`.
    """
    base_fit = _shortest([row.fit_seconds for row in rows if row.model == BASELINE])
    base_iteration = _shortest([row.seconds_per_iteration for row in rows if row.model == BASELINE])
    cells = [
        (
            row.label,
            shown(row.blocks, "d"),
            shown(row.fit_seconds, ".2f"),
            shown(row.setup_seconds, ".2f"),
            shown(row.seconds_per_iteration, ".3f"),
            shown(row.test_rmse, ".4f"),
            shown(row.test_mae, ".4f"),
            ratio(base_fit, row.fit_seconds),
            ratio(base_iteration, row.seconds_per_iteration),
        )
        for row in rows
    ]
    return aligned(_HEADERS, cells)


def comparison_fault(rows: Sequence[ResultRow], max_rmse_difference: float | None) -> str | None:
    """Return one sentence on the fault of a comparison, or None.

    A fault is a failed run or, if a maximum difference is given, a test RMSE of `SAME_AS_BASELINE` that differs by more
    from one of `BASELINE`.
    """
    failed = [row for row in rows if row.error]
    if failed:
        return f"{len(failed)} of {len(rows)} runs failed; {failed[0].label} failed first: {failed[0].error}"
    if max_rmse_difference is None:
        return None
    judged = [(row, row.test_rmse) for row in rows if row.test_rmse is not None]
    differences = [
        (abs(own_rmse - their_rmse), own, theirs)
        for own, own_rmse in judged
        for theirs, their_rmse in judged
        if own.model == SAME_AS_BASELINE and theirs.model == BASELINE
    ]
    if not differences:
        return (
            f"there are no two test RMSEs to compare. Run {BASELINE} and {SAME_AS_BASELINE} on test rows that are not "
            "all cold."
        )
    difference, own, theirs = max(differences, key=lambda found: found[0])
    if difference <= max_rmse_difference:
        return None
    return (
        f"the test RMSE of {own.label} is {own.test_rmse:.4f} and that of {theirs.label} "
        f"{theirs.test_rmse:.4f}: they differ by {difference:.4f}, more than the allowed {max_rmse_difference:g}."
    )


def comparison_report(rows: Sequence[ResultRow], plots: Sequence[str] = ()) -> str:
    """Return the report in Markdown.

    Parameters
    ----------
    rows : Sequence[ResultRow]
        Runs of one comparison; at least one.
    plots : Sequence[str]
        File names of plots in the folder of the report.
    """
    results = f"{result_table(rows)}\n\n{standings(rows)}\n\n{_TABLE_READING}"
    return report(rows, results, plots)


def report(rows: Sequence[ResultRow], results: str, plots: Sequence[str] = ()) -> str:
    """Return a report in Markdown: `results`, and the sections on data, failures, measurement and environment."""
    first = rows[0]
    sections = [
        f"# {', '.join(dict.fromkeys(row.model for row in rows))} on {first.dataset}",
        "## What was compared\n\n" + _subject(rows),
        "## Results\n\n" + results,
        pictures(plots),
        failures(rows),
        "## How it was measured\n\n" + _measured(rows),
        "## Environment\n\n" + whereabouts(first),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _subject(rows: Sequence[ResultRow]) -> str:
    row = rows[0]
    train = row.ratings - row.test_ratings
    chosen = row.split or f"drawn at random with seed {row.seed}"
    lines = [
        f"- Data: {row.dataset}, {row.ratings:,} ratings by {row.users:,} users of {row.items:,} items.",
        f"- Split: {train:,} training and {row.test_ratings:,} test rows, {chosen}; "
        f"{row.cold_test_ratings:,} of the test rows are cold (their user or item has no "
        "training row) and are excluded from all errors.",
        f"- Duplicates: {row.duplicates:,} rows repeat the (user, item) pair of another row. Each is a separate "
        "observation, as for pyspark's ALS.",
        f"- All methods: rank {' or '.join(map(str, sorted({each.rank for each in rows})))}, seed {row.seed}.",
    ]
    named: dict[str, list[str]] = {}
    for row in rows:
        # Runs of ALS differ in their solvers, runs of SGD in their objectives.
        named.setdefault(_hyperparameters(row), []).append(row.label if row.is_sgd else row.model)
    lines += [f"- {'; '.join(dict.fromkeys(names))}: {given}." for given, names in named.items()]
    return "\n".join(lines)


def _hyperparameters(row: ResultRow) -> str:
    """Return the hyperparameters and the objective of a row, except for those that all methods share."""
    name, letters = row.regularization, _LETTERS.get(row.regularization, "")
    objective = OBJECTIVES.get(name, name)
    if row.is_implicit:
        objective = objective.replace("Σ e²", "Σ_all c(p − u·v)²")
        letters += ", c = 1 + α·r, and p = 1 for r > 0 and 0 otherwise"
        return (
            f"{row.iterations} iterations, α = {row.params['alpha']:g}, λ = {row.regParam:g}; objective ({name}): "
            f"{objective}{letters}"
        )
    if not row.is_sgd:
        return f"{row.iterations} iterations, λ = {row.regParam:g}; objective ({name}): {objective}{letters}"
    params, more = row.params, ""
    step = params["stepSize"]
    if params["fitBias"]:
        bias_step, bias_lambda = params.get("biasStepSize", step), params.get("biasRegParam", row.regParam)
        more = f" ({bias_step:g} for biases), λ_b = {bias_lambda:g}"
        objective += f" + {BIAS_PENALTIES[name]} with r̂ = μ + b_u + b_i + u·v"
    decay = f" {params['decay']:g}" if params["schedule"] in ("exponential", "inverse") else ""
    return (
        f"{row.iterations} epochs, λ = {row.regParam:g}, step size {step:g}{more}, {params['optimizer']}, schedule "
        f"{params['schedule']}{decay}, {params['updateOrder']} updates, initial standard deviation "
        f"{params['initStd']:g}; "
        f"objective ({name}): {objective}{letters}"
    )


def standings(rows: Sequence[ResultRow]) -> str:
    """Return the time and error of each row relative to the fastest fit of `BASELINE`, as a Markdown list."""
    best = fastest(rows, BASELINE)
    if best is None or best.fit_seconds is None:
        return f"No run of {BASELINE} succeeded, so there are no ratios."
    lines = [f"Relative to {best.label}, the fastest fit of {BASELINE}:\n"]
    for row in rows:
        if row.model == best.model or row.fit_seconds is None:
            continue
        line = f"- {row.label}: the fit is {ratio(best.fit_seconds, row.fit_seconds)} times as fast"
        if row.test_rmse is not None and best.test_rmse is not None:
            line += f", and its test RMSE is {abs(row.test_rmse - best.test_rmse):.4f} "
            line += "lower" if row.test_rmse <= best.test_rmse else "higher"
        lines.append(line + ".")
    if any(row.model == DESCENT for row in rows):
        lines.append(
            f"\n{DESCENT} need not reach the RMSE of ALS and is not checked by --max-rmse-difference: with biases it "
            "is a different model, and without biases it has a different λ and another solution than ALS."
        )
    return "\n".join(lines) if len(lines) > 1 else ""


def failures(rows: Sequence[ResultRow]) -> str:
    """Return a Markdown section with the errors of failed runs, or an empty string."""
    failed = [f"- {row.label}: {row.error}" for row in rows if row.error]
    return "## Failures\n\n" + "\n".join(failed) if failed else ""


def _measured(rows: Sequence[ResultRow]) -> str:
    memory = "; ".join(f"{row.label}: {row.peak_memory_mb:,.0f}" for row in rows if row.peak_memory_mb)
    lines = [
        "- All methods use the same training rows, which are cached in memory before the first fit, and are evaluated "
        + ("" if rows[0].is_implicit else "on the same test rows ")
        + "by the same function.",
        "- Each method is fitted once on a sample of the training rows before the measurement (warm-up). The times "
        "therefore exclude loading classes and kernels, compiling, and starting workers.",
        "- `fit` is the wall-clock time of one call of `fit`, set-up included. It is a single run, so differences of a "
        "few per cent are noise. Besides set-up and iterations, it includes starting the stage of the iterations and "
        "gathering the model; curves by time begin after all this time, and end with the fit.",
    ]
    lines += [f"- {row.label}: {note}" for row in rows for note in row.notes]
    if any(row.model == DESCENT for row in rows):
        lines.append(
            f"- An iteration of {DESCENT} is an epoch, one pass over the training ratings. Its running training RMSE "
            "and objective are computed from the error of each rating just before its update, on average half an epoch "
            "behind the model. All test RMSEs are those of the model after the iteration."
        )
    engines = dict.fromkeys(f"{row.model} {row.engine}" for row in rows if row.engine)
    if engines:
        lines.append("- Engines: " + ", ".join(engines) + ".")
    if memory:
        lines.append(
            f"- Peak resident memory during the fit, in MiB ({memory}), of the driver, its JVM and its Python workers "
            "together; the JVM may still hold memory that earlier fits allocated."
        )
    return "\n".join(lines)


class _Placed(Protocol):
    """A row with the fields of `ResultRow` on the environment of its run."""

    @property
    def master(self) -> str: ...
    @property
    def cores(self) -> int: ...
    @property
    def versions(self) -> dict[str, str]: ...
    @property
    def git(self) -> str | None: ...
    @property
    def started_at(self) -> str: ...


def whereabouts(row: _Placed) -> str:
    """Return the environment of a run as a Markdown list."""
    versions = ", ".join(f"{name} {value}" for name, value in row.versions.items())
    return "\n".join(
        [
            f"- Master {row.master}, {row.cores} task slots.",
            f"- Versions: {versions}.",
            f"- Commit: {row.git or 'not run from a checkout'}.",
            f"- Started: {row.started_at}.",
        ]
    )


def pictures(names: Sequence[str]) -> str:
    """Return the plots of a report in Markdown."""
    return "\n\n".join(f"![{name.rpartition('.')[0].replace('_', ' ')}]({name})" for name in names)


def _shortest(seconds: Sequence[float | None]) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


def ratio(base: float | None, seconds: float | None) -> str:
    """Return `base` divided by `seconds`, or a dash if either is missing."""
    return shown(base / seconds if base and seconds else None, ".1f")
