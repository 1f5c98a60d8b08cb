"""Tests of the study of RMSE against ranking metrics: fits, findings for rows of known metrics, and its data."""

import numpy as np
import pytest

from spark_mf.studies.implicit import study
from spark_mf.studies.implicit.selected import SELECTED_RATINGS, selected_ratings
from spark_mf.studies.implicit.study import RankedRow
from spark_mf.studies.study import study_report


def test_every_family_is_fitted_with_its_values(make_fits):
    rows = list(study.run(make_fits(name="implicit")))
    assert [row.label for row in rows] == [
        "SGD with biases",
        "ALS, λ = 0.001",
        "ALS, λ = 0.01",
        "ALS with biases, λ = 0.001",
        "ALS with biases, λ = 0.01",
        "implicit ALS, α = 0.5",
        "implicit ALS, α = 2",
        "iALS, α₀ = 0.1",
        "iALS, α₀ = 1",
    ]
    assert [row.error for row in rows] == [None] * 9
    assert [row.family for row in rows] == [row.label.partition(",")[0] for row in rows]
    assert [row.regularization for row in rows[1::6]] == ["mean", "frequency"]
    assert [row.params.get("fitBias", False) for row in rows] == [True, False, False, True, True, *[False] * 4]
    # Explicit models have the RMSE of the fit; the scores of implicit ones would have an RMSE of more than 2.
    assert all(row.test_rmse == row.history[-1].validation_rmse for row in rows[:5])
    assert all(0.5 < study.rmse_of(row) < 1.5 for row in rows[5:])
    # Recommendations of implicit feedback, even after two iterations, are better than those of ratings.
    assert max(map(study.ndcg_of, rows[5:])) > max(map(study.ndcg_of, rows[:5]))


def test_which_items_are_rated_depends_on_taste_and_popularity():
    ratings = SELECTED_RATINGS.make()
    again = selected_ratings(np.random.default_rng(42))
    np.testing.assert_array_equal(ratings.matrix, again.matrix)
    assert (ratings.user_counts > 0).all()
    assert (ratings.item_counts > 0).all()
    assert set(np.unique(ratings.values)) <= set(np.arange(0.5, 5.1, 0.5))
    # Popular items have higher ratings.
    means = np.array([ratings.values[ratings.items == item].mean() for item in range(150)])
    assert np.corrcoef(means, np.log(ratings.item_counts))[0, 1] > 0.3


@pytest.fixture
def rows(make_fitted):
    """Three models: the lowest RMSE belongs to the worst recommendations."""

    def ranked(label, rmse, ndcg, **params):
        row = make_fitted(label, [rmse], params=params)
        changes = {"test_rmse": rmse, "recall": ndcg / 2, "ndcg": ndcg, "popular_ndcg": 0.15, "ranked_users": 7}
        return RankedRow(**vars(row) | changes)

    return [
        ranked("ALS, λ = 0.1", 0.7, 0.1),
        ranked("ALS, λ = 1", 0.8, 0.2),
        ranked("iALS, α₀ = 1", 0.9, 0.4, implicitPrefs=True, unobservedWeight=1.0, regularization="frequency"),
    ]


def test_the_model_of_the_lowest_error_and_of_the_best_recommendations_are_compared(rows):
    assert study.places(rows) == {"ALS, λ = 0.1": (1, 3), "ALS, λ = 1": (2, 2), "iALS, α₀ = 1": (3, 1)}
    told = study.findings(rows)
    assert "ALS, λ = 0.1 has the lowest test RMSE, 0.7000, but is number 3 of 3 by nDCG@10, with 0.1000." in told
    assert "iALS, α₀ = 1 has the highest nDCG@10, 0.4000, with a test RMSE of 0.9000." in told
    assert "most popular items has an nDCG@10 of 0.1500. The rank correlation of low RMSE and high nDCG is -1" in told
    assert "λ = 0.1 has both the lowest test RMSE, 0.7000, and the highest nDCG@10, 0.1000" in study.findings(rows[:1])


def test_models_are_points_of_error_and_quality(rows, tmp_path, saved):
    assert study.draw(rows, tmp_path) == ["implicit.png"]
    above, below = saved[0].axes
    points = {line.get_label(): line.get_xydata().tolist() for line in above.lines}
    assert points["ALS"] == [[0.7, 0.1], [0.8, 0.2]]
    assert points["iALS"] == [[0.9, 0.4]]
    assert {line.get_label(): line.get_xydata().tolist() for line in below.lines}["ALS"] == [[1, 3], [2, 2]]
    assert points["lowest RMSE: ALS, λ = 0.1"] == [[0.7, 0.1]]
    assert points["highest nDCG@10: iALS, α₀ = 1"] == [[0.9, 0.4]]
    assert "cropped" not in above.get_xlabel()


def test_a_much_larger_error_is_cropped(rows, tmp_path, saved):
    worst = RankedRow(**vars(rows[1]) | {"label": "ALS, λ = 9", "test_rmse": 3.0})
    study.draw([*rows, worst], tmp_path)
    assert saved[0].axes[0].get_xlim()[1] == pytest.approx(1.4 * 0.7)
    assert "(1 models with up to 3.00 are cropped)" in saved[0].axes[0].get_xlabel()


def test_the_report_says_what_is_measured(rows):
    told = study_report(study.IMPLICIT, rows, [])
    assert "means over 7 users" in told
    assert "- ALS, λ = 0.1; ALS, λ = 1: spark_mf.ALS, rank 16, λ = 0.1, objective (weighted)" in told
    assert "- iALS: spark_mf.ALS, rank 16, λ = 0.1, objective: Σ_{r > 0} (1 − u·v)²" in told


def test_failed_fits_are_named_and_not_drawn(rows, tmp_path, saved):
    failed = RankedRow(**vars(rows[0]) | {"label": "lost", "error": "diverged", "test_rmse": None, "ndcg": None})
    study.draw([*rows, failed], tmp_path)
    assert "not drawn (diverged or failed): lost" in saved[0].axes[0].get_title()
    assert study.draw([failed], tmp_path / "none") == []
    assert study.findings([failed]) == "Every fit diverged or failed."
