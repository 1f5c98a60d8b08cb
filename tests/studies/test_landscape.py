"""Tests of the study of the loss landscape: directions, objectives, and the position of the solution."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.benchmarks.environment import numpy_provenance
from spark_mf.studies import landscape
from spark_mf.studies.data import load_data
from spark_mf.studies.fits import Fits
from spark_mf.studies.settings import ExperimentSettings
from spark_mf.studies.study import study_report
from spark_mf.textbook import ALS, Ratings
from spark_mf.textbook.loss import loss


@given(st.integers(2, 200), st.integers(0, 2**32))
def test_directions_have_length_one_and_a_right_angle(size, seed):
    found = landscape.directions(np.random.default_rng(seed), size)
    assert found.shape == (2, size)
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-6)


@pytest.fixture(scope="module")
def surface():
    """A surface computed once: rank 1 on the published set."""
    settings = ExperimentSettings(rank=1, lambdas=(0.001,), seed=5)
    fits = Fits(settings=settings, data=load_data(settings, None), where=numpy_provenance())
    (row,) = landscape.run(fits)
    return fits, row


def test_the_solution_is_in_the_middle_and_the_lowest(surface):
    _, row = surface
    heights = np.array(row.objectives)
    assert heights.shape == (41, 41)
    assert row.offsets[20] == 0
    assert heights[20, 20] == pytest.approx(row.at_solution, rel=1e-12)
    assert heights.min() == heights[20, 20]


def test_heights_are_those_of_the_objective_along_the_directions(surface):
    fits, row = surface
    ratings = fits.data.ratings
    model = ALS(rank=1, maxIter=2_000, tol=1e-6, regParam=0.001, regularization="mean", seed=5).fit(ratings)
    first, second = landscape.directions(np.random.default_rng(5), 160) * row.norm
    assert row.norm == pytest.approx(np.sqrt((model.U**2).sum() + (model.V**2).sum()))
    # The first direction runs across (columns), the second upwards (rows).
    point = np.concatenate([model.U, model.V])[:, 0] + row.offsets[3] * first + row.offsets[33] * second
    U, V = point[:100, None], point[100:, None]
    expected = loss(ratings.matrix, ratings.observed, U, V, 0.001, "mean")
    assert row.objectives[33][3] == pytest.approx(expected, rel=1e-9)


def test_a_solution_that_is_no_minimum_is_told(surface):
    _, row = surface
    assert "No point of the slice has a lower objective than the solution" in landscape.findings([row])
    assert "increases monotonically from the solution" in landscape.findings([row])
    lower = np.array(row.objectives)
    lower[4, 7] = row.at_solution / 2
    dented = dataclasses.replace(row, objectives=tuple(map(tuple, lower.tolist())))
    told = landscape.findings([dented])
    assert "1 points of the slice have a lower objective than the solution" in told
    assert f"lowest of 1,681 points, at ({row.offsets[7]:g}, {row.offsets[4]:g})" in told


def test_a_fit_that_is_refused_is_a_row_without_a_picture(surface, tmp_path):
    fits, _ = surface
    twice = Ratings.from_columns({"user": np.array([4, 4]), "item": np.array([7, 7]), "rating": np.array([3.0, 1.0])})
    (row,) = landscape.run(dataclasses.replace(fits, data=dataclasses.replace(fits.data, ratings=twice)))
    assert "must contain each (user, item) pair at most once" in (row.error or "")
    assert landscape.draw([row], tmp_path) == []
    report = study_report(landscape.LANDSCAPE, [row], [])
    assert "ALS, λ = 0.001: ratings must contain each (user, item) pair at most once, got 1 duplicates." in report


def test_the_solution_is_marked_and_the_bar_has_a_unit(surface, tmp_path, saved):
    landscape.draw([surface[1]], tmp_path)
    axes, bar = saved[0].axes
    assert axes.lines[0].get_xydata().tolist() == [[0, 0]]
    assert axes.get_xlabel() == "1st direction, relative to the solution's norm"
    assert bar.get_ylabel() == "objective (mean), in squared units of the ratings, logarithmic"
