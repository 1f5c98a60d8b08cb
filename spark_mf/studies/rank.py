"""Study of the rank: errors of ALS with one λ for all ranks, and with the best λ of each rank."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spark_mf.benchmarks.drawing import draw_sweep, new_figure, save_figure
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.tables import aligned
from spark_mf.studies.fits import Fits
from spark_mf.studies.readings import (
    finished,
    given_to_fits,
    label_axes,
    last,
    last_rmse,
    train_rmse,
    without_curve,
)
from spark_mf.studies.study import Study

PICTURE = "rank.png"
_FIXED = "rank {rank}, common λ"


def run(fits: Fits) -> Iterator[ResultRow]:
    """Fit ALS with each rank and the common λ, and then with each other λ."""
    tuning = fits.settings.tuning
    for rank in tuning.ranks:
        yield fits.als(_FIXED.format(rank=rank), rank=rank, regParam=tuning.rank_reg_param)
        for lam in tuning.lambdas:
            if lam != tuning.rank_reg_param:
                yield fits.als(f"rank {rank}, λ = {lam:g}", rank=rank, regParam=lam)


@dataclass(frozen=True)
class RankErrors:
    """Fits of a rank: the fit with the common λ, and the fit with the lowest last test RMSE of all λ."""

    rank: int
    fixed: ResultRow
    made_up: ResultRow


def by_rank(rows: Sequence[ResultRow]) -> list[RankErrors]:
    """Return the fits of each rank whose fit with the common λ succeeded."""
    found = []
    for rank in sorted({row.rank for row in rows}):
        fitted = [row for row in finished(rows) if row.rank == rank]
        fixed = [row for row in fitted if row.label == _FIXED.format(rank=rank)]
        if fixed:
            found.append(RankErrors(rank, fixed[0], min(fitted, key=last_rmse)))
    return found


def draw(rows: Sequence[ResultRow], folder: Path) -> list[str]:
    """Draw test and training RMSE by rank, with the common λ and with the best λ of each rank."""
    ranks = by_rank(rows)
    if not ranks:
        return []
    places = [float(each.rank) for each in ranks]
    lam = ranks[0].fixed.regParam
    figure = new_figure(5.6)
    axes = figure.add_subplot()
    curves = (
        (f"test RMSE, λ = {lam:g}", [last_rmse(each.fixed) for each in ranks]),
        (f"training RMSE, λ = {lam:g}", [train_rmse(last(each.fixed)) for each in ranks]),
        ("test RMSE, best λ for each rank", [last_rmse(each.made_up) for each in ranks]),
        ("training RMSE, best λ for each rank", [train_rmse(last(each.made_up)) for each in ranks]),
    )
    for place, (label, errors) in enumerate(curves):
        draw_sweep(axes, place, label, places, errors, ticks=True)
    for each in ranks:
        at = float(each.rank), last_rmse(each.made_up)
        # Above the axes, where no curve crosses the numbers.
        axes.annotate(
            f"{each.made_up.regParam:g}", at, (at[0], 1.01), textcoords=("data", "axes fraction"), ha="center"
        )
    axes.text(-0.01, 1.01, "best λ", transform=axes.transAxes, ha="right")
    row = rows[0]
    label_axes(axes, "rank", "last RMSE, in units of the ratings")
    figure.suptitle(
        f"RMSE of ALS by rank\n{row.dataset}: {row.ratings:,} ratings, {row.model}{without_curve(rows)}", fontsize=11
    )
    save_figure(figure, folder / PICTURE)
    return [PICTURE]


def findings(rows: Sequence[ResultRow]) -> str:
    """Return the errors by rank, the rank from which on fits overfit, and the λ that compensates for it."""
    ranks = by_rank(rows)
    if not ranks:
        return "Every fit with the common λ failed."
    headers = ("rank", "λ", "test RMSE", "training RMSE", "best λ", "its test RMSE", "its training RMSE")
    table = aligned(headers, [_cells(each) for each in ranks])
    lam = ranks[0].fixed.regParam
    at_best = min(ranks, key=lambda each: last_rmse(each.fixed))
    above = [each for each in ranks if each.rank > at_best.rank]
    if above:
        worst = max(above, key=lambda each: last_rmse(each.fixed))
        fixed = last_rmse(worst.fixed)
        effect = (
            f"With λ = {lam:g}, the test RMSE is lowest at rank {at_best.rank}, {last_rmse(at_best.fixed):.4f}. "
            f"Higher ranks overfit: at rank {worst.rank}, the training RMSE is {train_rmse(last(worst.fixed)):.4f} and "
            f"the test RMSE {fixed:.4f}. There, λ = {worst.made_up.regParam:g} decreases the test RMSE by "
            f"{fixed - last_rmse(worst.made_up):.4f}."
        )
    else:
        effect = (
            f"With λ = {lam:g}, the test RMSE is lowest at rank {at_best.rank}, the largest tried, so higher ranks do "
            "not overfit."
        )
    best_of_all = min(ranks, key=lambda each: last_rmse(each.made_up))
    return (
        f"{table}\n\n{effect}\n\nWith the best λ for each rank, the test RMSE is lowest at rank {best_of_all.rank}, "
        f"{last_rmse(best_of_all.made_up):.4f} with λ = {best_of_all.made_up.regParam:g}. All errors are those after "
        "the last iteration."
    )


def _cells(each: RankErrors) -> tuple[str, ...]:
    cells = [f"{each.rank}"]
    for row in (each.fixed, each.made_up):
        cells += [f"{row.regParam:g}", f"{last_rmse(row):.4f}", f"{train_rmse(last(row)):.4f}"]
    return tuple(cells)


RANK = Study(
    name="rank",
    asks="From which rank on do more factors fit the training ratings better and the test ratings worse, and which λ "
    "compensates for it?",
    row_type=ResultRow,
    pictures=(PICTURE,),
    run=run,
    draw=draw,
    findings=findings,
    given=given_to_fits,
)
