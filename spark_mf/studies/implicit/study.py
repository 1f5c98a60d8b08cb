"""Study of RMSE against ranking metrics, for models of ratings and models of implicit feedback."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from spark_mf.benchmarks.drawing import COLORS, MARKERS, new_figure, save_figure
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.tables import aligned
from spark_mf.studies.fits import Fits
from spark_mf.studies.implicit.ranking import TOP, RankingTest
from spark_mf.studies.implicit.selected import SELECTED_RATINGS
from spark_mf.studies.readings import TEST_RMSE, given_to_fits, label_axes, subject, without_curve
from spark_mf.studies.study import Study

PICTURE = "implicit.png"
# Larger test RMSEs, relative to the lowest one, are outside the upper panel.
_LARGEST = 1.4


@dataclass(frozen=True, kw_only=True)
class RankedRow(ResultRow):
    """One fit and the quality of its recommendations.

    Its `test_rmse` is that of predicted ratings. Scores of models of implicit feedback are preferences and not ratings;
    theirs is the RMSE of a + b·score, where a and b are fitted to the training ratings.

    Attributes
    ----------
    recall, ndcg : float | None
        Mean recall@10 and nDCG@10 of the users with relevant held-out ratings; None if the fit failed.
    popular_ndcg : float | None
        Mean nDCG@10 if the items with the most training ratings are recommended to all users.
    ranked_users : int
        Number of these users.
    """

    recall: float | None = None
    ndcg: float | None = None
    popular_ndcg: float | None = None
    ranked_users: int = 0

    @property
    def is_implicit(self) -> bool:
        """Whether the model is one of implicit feedback."""
        return bool(self.params.get("implicitPrefs"))

    @property
    def family(self) -> str:
        """Kind of model, with the same marker in the plot."""
        if self.is_sgd:
            return "SGD with biases"
        if not self.is_implicit:
            return "ALS with biases" if self.params.get("fitBias") else "ALS"
        return "implicit ALS" if self.params.get("unobservedWeight") is None else "iALS"


def run(fits: Fits) -> Iterator[RankedRow]:
    """Fit models of the ratings with each λ, and models of implicit feedback with each α and α₀."""
    for row in _rows(fits):
        assert isinstance(row, RankedRow)
        yield row


def _rows(fits: Fits) -> Iterator[ResultRow]:
    tuning, test = fits.settings.tuning, RankingTest.of(fits.data)
    explicit = replace(fits, row_type=RankedRow, measure=test.measure)
    implicit = replace(explicit, measure=lambda model: _measure_scores(test, model))
    yield explicit.biased_sgd("SGD with biases")
    for lam in tuning.lambdas:
        yield explicit.als(f"ALS, λ = {lam:g}", regParam=lam)
    for lam in tuning.lambdas:
        yield explicit.als(f"ALS with biases, λ = {lam:g}", regParam=lam, fitBias=True)
    own: dict[str, Any] = {"implicitPrefs": True, "regularization": "weighted", "regParam": tuning.implicit_reg_param}
    for alpha in tuning.alphas:
        yield implicit.als(f"implicit ALS, α = {alpha:g}", **own, alpha=alpha)
    own |= {"regularization": "frequency", "regParam": tuning.ials_reg_param}
    for weight in tuning.unobserved_weights:
        yield implicit.als(f"iALS, α₀ = {weight:g}", **own, unobservedWeight=weight)


def _measure_scores(test: RankingTest, model: Any) -> dict[str, Any]:
    return test.measure(model) | {"test_rmse": test.calibrated_rmse(model)}


def rmse_of(row: RankedRow) -> float:
    """Return the test RMSE of a successful fit."""
    assert row.test_rmse is not None
    return row.test_rmse


def ndcg_of(row: RankedRow) -> float:
    """Return the nDCG of a successful fit."""
    assert row.ndcg is not None
    return row.ndcg


def places(rows: Sequence[RankedRow]) -> dict[str, tuple[int, int]]:
    """Return the places of each fit by RMSE and by nDCG, from 1 for the best, by label; ties keep the order of fits."""
    by_rmse = [row.label for row in sorted(rows, key=rmse_of)]
    by_ndcg = [row.label for row in sorted(rows, key=lambda row: -ndcg_of(row))]
    return {row.label: (by_rmse.index(row.label) + 1, by_ndcg.index(row.label) + 1) for row in rows}


def draw(rows: Sequence[RankedRow], folder: Path) -> list[str]:
    """Draw nDCG by test RMSE, and below the places of the models by both."""
    fitted = finished_ranked(rows)
    if not fitted:
        return []
    figure = new_figure(9.6)
    above, below = figure.subplots(2)
    found = places(fitted)
    for at, family in enumerate(dict.fromkeys(row.family for row in fitted)):
        members = [row for row in fitted if row.family == family]
        _points(above, at, family, [(rmse_of(row), ndcg_of(row)) for row in members])
        _points(below, at, family, [found[row.label] for row in members])
    popular = fitted[0].popular_ndcg
    if popular is not None:
        above.axhline(popular, color="black", linestyle=":", label=f"most popular items, {popular:.3f}")
    _mark(above, "*", min(fitted, key=rmse_of), "lowest RMSE")
    _mark(above, "P", max(fitted, key=ndcg_of), f"highest nDCG@{TOP}")
    label_axes(above, TEST_RMSE, f"nDCG@{TOP}, higher is better")
    _crop_errors(above, [rmse_of(row) for row in fitted])
    ends = (1, len(fitted))
    below.plot(ends, ends, color="0.6", linestyle="--", label="equal places")
    below.invert_yaxis()
    label_axes(below, "place by test RMSE, 1 is the best", f"place by nDCG@{TOP}, 1 is the best")
    above.set_title(
        f"Error of ratings and quality of recommendations\n{subject(fitted[0])}{without_curve(rows)}", fontsize=11
    )
    save_figure(figure, folder / PICTURE)
    return [PICTURE]


def finished_ranked(rows: Sequence[RankedRow]) -> list[RankedRow]:
    """Return the rows of successful fits."""
    return [row for row in rows if row.error is None]


def _points(axes: Axes, at: int, family: str, points: Sequence[tuple[float, float]]) -> None:
    axes.plot(
        *zip(*points, strict=True),
        label=family,
        linestyle="none",
        marker=MARKERS[at],
        color=COLORS[at],
        markersize=8,
        markerfacecolor="none",
        markeredgewidth=1.8,
    )


def _mark(axes: Axes, marker: str, row: RankedRow, reason: str) -> None:
    label = f"{reason}: {row.label}"
    axes.plot(rmse_of(row), ndcg_of(row), linestyle="none", marker=marker, markersize=9, color="black", label=label)


def _crop_errors(axes: Axes, errors: Sequence[float]) -> None:
    """Crop the axis of errors if a few large ones would hide the differences between the others."""
    lowest, largest = min(errors), _LARGEST * min(errors)
    hidden = sum(error > largest for error in errors)
    if hidden:
        axes.set_xlim(lowest - 0.05 * (largest - lowest), largest)
        axes.set_xlabel(f"{axes.get_xlabel()} ({hidden} models with up to {max(errors):.2f} are cropped)")


def findings(rows: Sequence[RankedRow]) -> str:
    """Return all models by nDCG with their places, and compare the best by RMSE with the best by nDCG."""
    fitted = finished_ranked(rows)
    if not fitted:
        return "Every fit diverged or failed."
    found = places(fitted)
    headers = ("model", f"nDCG@{TOP}", f"recall@{TOP}", "test RMSE", "place by nDCG", "place by RMSE")
    cells = [
        (row.label, f"{ndcg_of(row):.4f}", f"{row.recall:.4f}", f"{rmse_of(row):.4f}", f"{by_ndcg}", f"{by_rmse}")
        for row in sorted(fitted, key=lambda row: -ndcg_of(row))
        for by_rmse, by_ndcg in [found[row.label]]
    ]
    return f"{aligned(headers, cells)}\n\n{_comparison(fitted)}"


def _comparison(fitted: Sequence[RankedRow]) -> str:
    lowest, best = min(fitted, key=rmse_of), max(fitted, key=ndcg_of)
    popular = f"Recommending the most popular items has an nDCG@{TOP} of {fitted[0].popular_ndcg:.4f}."
    if lowest is best:
        return (
            f"{best.label} has both the lowest test RMSE, {rmse_of(best):.4f}, and the highest nDCG@{TOP}, "
            f"{ndcg_of(best):.4f}. {popular}"
        )
    place = places(fitted)[lowest.label][1]
    return (
        f"{lowest.label} has the lowest test RMSE, {rmse_of(lowest):.4f}, but is number {place} of {len(fitted)} by "
        f"nDCG@{TOP}, with {ndcg_of(lowest):.4f}. {best.label} has the highest nDCG@{TOP}, {ndcg_of(best):.4f}, with a "
        f"test RMSE of {rmse_of(best):.4f}. {popular} The rank correlation of low RMSE and high nDCG is "
        f"{rank_correlation(fitted):.2f}, where 1 is the same order."
    )


def rank_correlation(rows: Sequence[RankedRow]) -> float:
    """Return Spearman's rank correlation of −RMSE and nDCG; 1 for a single fit."""
    by_rmse, by_ndcg = np.array(list(places(rows).values())).T
    return float(np.corrcoef(by_rmse, by_ndcg)[0, 1]) if len(rows) > 1 else 1.0


def given(rows: Sequence[RankedRow]) -> str:
    """Return data, measures and hyperparameters as a Markdown list."""
    explicit, implicit = ([row for row in rows if row.is_implicit is kind] for kind in (False, True))
    users = max(row.ranked_users for row in rows)
    lines = [
        given_to_fits(explicit or rows[:1]),
        f"- nDCG@{TOP} and recall@{TOP} are means over {users:,} users. The relevant items of a user are those of the "
        "held-out ratings of at least the mean training rating; items with a training rating of the user are not "
        "recommended.",
        "- Scores of implicit ALS and iALS are preferences of 0 to 1 and not ratings. Their RMSE is that of "
        "a + b·score, where a and b minimize the squared errors of the training ratings. A rating is the "
        "strength r of an observation.",
    ]
    forms = {
        "implicit ALS": "Σ_all (1 + α|r|)(p − u·v)² + λ(Σ_u n_u‖u‖² + Σ_i n_i‖v‖²)",
        "iALS": "Σ_{r > 0} (1 − u·v)² + α₀ Σ_all (u·v)² + λ(Σ_u (n_u + α₀m)‖u‖² + Σ_i (n_i + α₀n)‖v‖²), with n users "
        "and m items",
    }
    for family, form in forms.items():
        members = [row for row in implicit if row.family == family]
        if members:
            row = members[0]
            lines.append(f"- {family}: {row.model}, rank {row.rank}, λ = {row.regParam:g}, objective: {form}.")
    return "\n".join(lines)


IMPLICIT = Study(
    name="implicit",
    asks="Does the model with the lowest RMSE also make the best recommendations? Models of ratings against models of "
    "implicit feedback, by test RMSE, nDCG and recall.",
    row_type=RankedRow,
    pictures=(PICTURE,),
    run=run,
    draw=draw,
    findings=findings,
    given=given,
    own_ratings=SELECTED_RATINGS,
)
