"""Tests of the study of parts-based factors: matching, data with known parts, findings and plot."""

import numpy as np
import pytest

from spark_mf.benchmarks.environment import provenance
from spark_mf.studies.data import load_data
from spark_mf.studies.fits import Fits
from spark_mf.studies.nonnegative import study
from spark_mf.studies.nonnegative.bars import IMAGES_OF_BARS, SIDE, bars
from spark_mf.studies.nonnegative.study import PartsRow
from spark_mf.studies.settings import ExperimentSettings


def test_permuted_scaled_and_negated_parts_are_matched_exactly():
    parts = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 2.0]])
    factors = np.array([[0.0, -3.0, 1.0], [5.0, 0.0, 1.0], [5.0, 0.0, 1.0]])
    matched, similarities = study.match(parts, factors)
    np.testing.assert_allclose(matched, [[1, 0, 0], [0, np.sqrt(0.5), np.sqrt(0.5)]], atol=1e-12)
    np.testing.assert_allclose(similarities, [1, 1])
    # The second part gets the second-best factor, because the best one is taken by the first part.
    parts = np.array([[1.0, 0.0], [1.0, 0.1]])
    matched, similarities = study.match(parts, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert sorted(similarities) == pytest.approx([0, 1])
    assert (matched[similarities.argmin()] == 0).all()


def test_images_are_sums_of_bars_of_full_rank():
    parts = bars()
    assert np.linalg.matrix_rank(parts) == 6
    assert parts.reshape(6, SIDE, SIDE).sum(axis=(1, 2)).tolist() == [SIDE] * 6
    ratings = IMAGES_OF_BARS.make()
    assert ratings.shape == (120, SIDE**2)
    assert (ratings.user_counts >= 6).all()
    # Pixels of no bar contain noise only.
    empty = np.flatnonzero(parts.sum(axis=0) == 0)
    assert ratings.values[np.isin(ratings.items, empty)].max() < 0.6
    assert ratings.values.min() == 0


def test_nonnegative_factors_recover_the_parts_and_others_do_not(spark):
    settings = ExperimentSettings(name="nonnegative", on="spark", iterations=30)
    data = load_data(settings, spark, IMAGES_OF_BARS)
    nonnegative, free = study.run(Fits(settings=settings, data=data, where=provenance(spark)))
    assert (nonnegative.error, free.error) == (None, None)
    assert nonnegative.recovered == 6
    assert nonnegative.similarity > 0.98
    assert free.similarity < 0.9
    assert min(map(min, nonnegative.factors)) >= 0 > min(map(min, free.factors))
    # Both predict held-out pixels about as well as the noise of 0.1 permits.
    assert max(study.rmse_of(nonnegative), study.rmse_of(free)) < 0.15
    assert (nonnegative.params["nonnegative"], free.params["nonnegative"]) == (True, False)


@pytest.fixture
def rows(make_fitted):
    """A fit with the parts as factors, and one whose factors have half of their length in each part."""
    parts = tuple(map(tuple, bars().tolist()))
    unit = tuple(tuple(value / np.sqrt(SIDE) for value in part) for part in parts)

    def fitted(label, rmse, similarity):
        values = {"parts": parts, "factors": unit, "similarities": (similarity,) * 6}
        return PartsRow(**vars(make_fitted(label, [rmse])) | values | {"test_rmse": rmse})

    return [fitted("nonnegative", 0.25, 1.0), fitted("unconstrained", 0.5, 0.5)]


def test_similarities_are_compared(rows):
    told = study.findings(rows)
    assert "The nonnegative factors are closer to the parts, with a mean similarity of 1.0000 against 0.5000." in told
    assert "| nonnegative | 1.0000 | 1.0000 | 6 of 6 | 0.2500 | 0.1250 |" in " ".join(told.split())
    assert "0 of 6" in told
    assert "The test RMSE differs by 0.2500" in told


def test_parts_and_factors_are_images(rows, tmp_path, saved):
    study.draw(rows, tmp_path)
    known, nonnegative, free, bar = saved[0].axes
    image = known.images[0].get_array()
    assert image.shape == (SIDE, 6 * SIDE + 5)
    np.testing.assert_allclose(image[0, :SIDE], 1 / np.sqrt(SIDE))
    np.testing.assert_array_equal(image[1, :SIDE], 0)
    assert np.ma.getmaskarray(np.ma.masked_invalid(image))[:, SIDE].all()
    assert [label.get_text() for label in free.get_xticklabels()] == ["0.50"] * 6
    assert nonnegative.get_ylabel() == "nonnegative\nfactors"
    assert bar.get_ylabel()


def test_failed_fits_are_named(rows, tmp_path, saved):
    failed = PartsRow(**vars(rows[1]) | {"error": "diverged"})
    study.draw([rows[0], failed], tmp_path)
    assert "not drawn (diverged or failed): unconstrained" in saved[0].axes[0].get_title()
    assert "cannot be compared" in study.findings([rows[0], failed])
    assert study.findings([failed]) == "Both fits failed."
    assert study.draw([failed], tmp_path / "none") == []
