"""Tests of the studies of convergence, early stopping and the generalization gap."""

import pytest

from spark_mf.benchmarks.measuring import RatingCounts
from spark_mf.studies import convergence, early_stopping, generalization_gap
from spark_mf.studies.readings import held_out_rmse


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


@pytest.mark.parametrize(
    ("regularization", "expected"),
    [
        # 610 users and 9,724 items, 90,824 training ratings: the weights of all rows must sum to as much.
        ("weighted", 0.3),
        ("plain", 0.3 * (610 + 9724) / (2 * 90_824)),
        ("mean", 0.3 * (610 + 9724) / 2),
    ],
)
def test_pyspark_is_given_the_lambda_whose_weights_sum_to_the_same(regularization, expected):
    data = RatingCounts(
        dataset="made up",
        users=610,
        items=9_724,
        ratings=100_836,
        test_ratings=10_012,
        cold_test_ratings=0,
        duplicates=0,
    )
    assert convergence.weighted_lambda(0.3, regularization, data) == pytest.approx(expected)


def test_convergence_tells_the_lowest_and_when_each_was_near_its_end(make_fitted):
    rows = [
        make_fitted("SGD", [3.0, 2.0, 1.009, 1.0]),
        make_fitted("ALS", [0.9, 0.91]),
        make_fitted("lost", [], error="diverged"),
    ]
    told = convergence.findings(rows)
    assert "ALS has the lowest test RMSE, 0.9000 in iteration 1." in told
    assert "last test RMSE of the method: SGD 3; ALS 2." in told
    assert "pyspark's ALS supports" not in told
    theirs = make_fitted("pyspark's ALS", [0.95], model="pyspark.ALS", regularization="plain")
    assert "pyspark's ALS supports only the weighted objective" in convergence.findings([*rows, theirs])


@pytest.fixture
def stopped(make_fitted):
    """A fit of five epochs, best in the second, and one that ended after three."""
    errors = [1.0, 0.6, 0.7, 0.8, 0.9]
    return [make_fitted("all epochs", errors), make_fitted("patience 1", errors[:3], iterations=5)]


def test_stopping_early_fits_the_same_start_twice(make_fits):
    fixed, patient = early_stopping.run(make_fits(epochs=40, momentum_step_size=0.002, patience=2))
    assert len(fixed.history) == 40
    assert len(patient.history) < 40
    common = [held_out_rmse(record) for record in fixed.history[: len(patient.history)]]
    assert [held_out_rmse(record) for record in patient.history] == common
    # It ended after the second epoch in turn without a lower error.
    assert common.index(min(common)) == len(common) - 3


def test_epochs_saved_and_error_kept_are_counted(stopped):
    told = early_stopping.findings(stopped)
    assert "ended after epoch 3 and saved 2 of 5 epochs (40%)" in told
    assert "factors of epoch 2, with a test RMSE 0.3000 below that of the last epoch of the complete fit" in told
    assert ", and 0.0000 above that of its best epoch." in told


def test_a_fit_that_never_stopped_saves_nothing(stopped):
    assert "no epochs were saved" in early_stopping.findings([stopped[0], stopped[0]])


def test_best_and_last_epochs_are_marked(tmp_path, stopped, saved):
    early_stopping.draw(stopped, tmp_path)
    for axes in saved[0].axes:
        lines = lines_of(axes)
        assert lines["best epoch of all epochs and patience 1: 2"].get_xdata() == [2, 2]
        assert lines["patience 1: stopped after 3"].get_xdata() == [3, 3]
    assert lines_of(saved[0].axes[0])["patience 1"].get_ydata().tolist() == [1.0, 0.6, 0.7]
    assert saved[0].axes[1].get_xlabel() == "epoch, one pass over the training ratings"


def test_the_gap_is_fitted_at_the_ends_and_the_middle_of_the_sweep(make_fits):
    rows = list(generalization_gap.run(make_fits(lambdas=(1.0, 0.001, 0.01, 0.1, 0.5))))
    assert [row.regParam for row in rows] == [0.001, 0.1, 1.0]


def test_the_gap_is_test_less_training_error(tmp_path, make_fitted, saved):
    # The training RMSE is half of the test RMSE, and so is the gap.
    rows = [make_fitted("λ = 0", [2.0, 1.0, 1.2]), make_fitted("λ = 1", [2.0, 1.6, 1.4])]
    generalization_gap.draw(rows, tmp_path)
    above, below = saved[0].axes
    assert lines_of(above)["λ = 0: training"].get_ydata().tolist() == [1.0, 0.5, 0.6]
    assert lines_of(below)["λ = 0: test"].get_ydata().tolist() == [1.0, 0.5, 0.6]
    told = generalization_gap.findings(rows)
    assert "widest with λ = 1 (0.7000) and narrowest with λ = 0 (0.6000)" in told
    assert "lowest with λ = 0 (1.2000), which also has the narrowest gap." in told
