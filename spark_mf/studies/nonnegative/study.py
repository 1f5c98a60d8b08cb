"""Study of parts-based factors: ALS with and without nonnegative factors on images with known parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from spark_mf.benchmarks.drawing import new_figure, save_figure
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.tables import aligned
from spark_mf.models.factors import factors_arrays
from spark_mf.studies.fits import Fits
from spark_mf.studies.nonnegative.bars import IMAGES_OF_BARS, SIDE, bars
from spark_mf.studies.readings import TITLE_POINTS, given_to_fits, last, subject, train_rmse, without_curve
from spark_mf.studies.study import Study
from spark_mf.textbook import Model

PICTURE = "nonnegative.png"
_LAMBDA = 0.01
# Width of the gap between images, in pixels.
_GAP = 1
# Similarity from which on a part counts as recovered.
_RECOVERED = 0.95

Matrix = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class PartsRow(ResultRow):
    """One fit and its factors, matched with the known parts.

    Attributes
    ----------
    parts : tuple[tuple[float, ...], ...]
        The known parts, each over all items.
    factors : tuple[tuple[float, ...], ...]
        The factor matched with each part, over all items, with length 1 and the sign that makes it more similar; none
        if the fit failed.
    similarities : tuple[float, ...]
        Absolute cosine of the angle between each part and its factor.
    """

    parts: tuple[tuple[float, ...], ...] = ()
    factors: tuple[tuple[float, ...], ...] = ()
    similarities: tuple[float, ...] = ()

    @property
    def similarity(self) -> float:
        """Mean similarity of the parts and their factors."""
        return float(np.mean(self.similarities))

    @property
    def recovered(self) -> int:
        """Number of parts whose factor has almost the same direction."""
        return sum(each >= _RECOVERED for each in self.similarities)


def match(parts: Matrix, factors: Matrix) -> tuple[Matrix, Matrix]:
    """Return a different factor for each part, such that the sum of the absolute cosines is as large as possible.

    Parameters
    ----------
    parts : float64[k, items]
    factors : float64[items, K], K ≥ k
        One factor in each column.

    Returns
    -------
    matched : float64[k, items]
        Factors of length 1, or 0 for a factor of zeros, with the sign for which the cosine is not negative.
    similarities : float64[k]
        Absolute cosines.
    """
    lengths = np.linalg.norm(factors, axis=0)
    directions = factors / np.where(lengths > 0, lengths, 1)
    cosines = parts @ directions / np.linalg.norm(parts, axis=1)[:, None]
    rows, columns = linear_sum_assignment(-np.abs(cosines))
    found = cosines[rows, columns]
    return directions.T[columns] * np.where(found < 0, -1, 1)[:, None], np.abs(found)


def run(fits: Fits) -> Iterator[PartsRow]:
    """Fit ALS with and without nonnegative factors, with as many factors as there are parts."""
    for row in _rows(fits):
        assert isinstance(row, PartsRow)
        yield row


def _rows(fits: Fits) -> Iterator[ResultRow]:
    parts = bars()
    measured = replace(fits, row_type=PartsRow, measure=partial(_measure, parts))
    params: dict[str, Any] = {"rank": len(parts), "regParam": _LAMBDA, "regularization": "weighted"}
    yield measured.als("nonnegative", **params, nonnegative=True)
    yield measured.als("unconstrained", **params)


def _measure(parts: Matrix, model: Any) -> dict[str, Any]:
    items = model.V if isinstance(model, Model) else factors_arrays(model.itemFactors)[1]
    matched, similarities = match(parts, items.astype(np.float64))
    return {"parts": _tuples(parts), "factors": _tuples(matched), "similarities": tuple(similarities.tolist())}


def _tuples(rows: Matrix) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, rows.tolist()))


def draw(rows: Sequence[PartsRow], folder: Path) -> list[str]:
    """Draw the known parts, and below them the matching factors of each fit, as images."""
    fitted = [row for row in rows if row.error is None]
    if not fitted:
        return []
    parts = np.array(fitted[0].parts)
    strips = [("known parts", parts / np.linalg.norm(parts, axis=1)[:, None], [""] * len(parts))]
    for row in fitted:
        strips.append((f"{row.label}\nfactors", np.array(row.factors), [f"{each:.2f}" for each in row.similarities]))
    largest = max(np.abs(images).max() for _, images, _ in strips)
    figure = new_figure(1.2 + 1.25 * len(strips))
    all_axes = figure.subplots(len(strips))
    for axes, (name, images, labels) in zip(all_axes, strips, strict=True):
        drawn = axes.imshow(_strip(images), cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.set_xticks([(SIDE + _GAP) * place + (SIDE - 1) / 2 for place in range(len(images))], labels)
        axes.set_yticks([])
        axes.set_ylabel(name)
        axes.set_facecolor("0.75")  # the colour of the gaps
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    all_axes[-1].set_xlabel("similarity of each factor and the part above it: absolute cosine")
    bar = figure.colorbar(drawn, ax=all_axes)
    bar.set_label("value of a pixel, relative to the length of the factor")
    all_axes[0].set_title(
        f"Parts of images and factors of ALS\n{subject(fitted[0])}{without_curve(rows)}", fontsize=TITLE_POINTS
    )
    save_figure(figure, folder / PICTURE, legend=False)
    return [PICTURE]


def _strip(images: Matrix) -> Matrix:
    """Return images side by side with gaps of NaN, as float64[SIDE, n·(SIDE + gap) − gap]."""
    gap = np.full((SIDE, _GAP), np.nan)
    pieces = [piece for image in images for piece in (image.reshape(SIDE, SIDE), gap)]
    return np.hstack(pieces[:-1])


def findings(rows: Sequence[PartsRow]) -> str:
    """Return the similarity of parts and factors, and the errors, of both fits."""
    fitted = [row for row in rows if row.error is None]
    if not fitted:
        return "Both fits failed."
    headers = ("factors", "mean similarity", "lowest", "parts recovered", "test RMSE", "training RMSE")
    cells = [
        (
            row.label,
            f"{row.similarity:.4f}",
            f"{min(row.similarities):.4f}",
            f"{row.recovered} of {len(row.parts)}",
            f"{row.test_rmse:.4f}",
            f"{train_rmse(last(row)):.4f}",
        )
        for row in fitted
    ]
    table = aligned(headers, cells)
    if len(fitted) < 2:
        return f"{table}\n\nA fit failed, so the fits cannot be compared."
    nonnegative, free = fitted
    closer, other = sorted(fitted, key=lambda row: -row.similarity)
    return (
        f"{table}\n\nThe {closer.label} factors are closer to the parts, with a mean similarity of "
        f"{closer.similarity:.4f} against {other.similarity:.4f}. A part counts as recovered with a similarity of at "
        f"least {_RECOVERED:g}. The test RMSE differs by {abs(rmse_of(nonnegative) - rmse_of(free)):.4f}: without the "
        "constraint, every rotation of the factors makes the same predictions, and the initial factors determine it."
    )


def rmse_of(row: PartsRow) -> float:
    """Return the test RMSE of a successful fit."""
    assert row.test_rmse is not None
    return row.test_rmse


def given(rows: Sequence[PartsRow]) -> str:
    """Return data and hyperparameters as a Markdown list."""
    return (
        f"{given_to_fits(rows)}\n- Users are images, items are the {SIDE} × {SIDE} pixels, and ratings are their "
        "brightness: the sum of the bars of an image, with random brightness, and noise. Each part is matched with a "
        "different factor, such that the sum of the absolute cosines is largest."
    )


NONNEGATIVE = Study(
    name="nonnegative",
    asks="Do nonnegative factors recover the parts of which data consist, and do unconstrained factors? Images that "
    "are sums of bars, with missing pixels.",
    row_type=PartsRow,
    pictures=(PICTURE,),
    run=run,
    draw=draw,
    findings=findings,
    given=given,
    takes_ratings=False,
    own_ratings=IMAGES_OF_BARS,
)
