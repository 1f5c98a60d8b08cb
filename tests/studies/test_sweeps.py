"""Tests of the studies that sweep λ, rank and step size: fits, and findings for rows with known errors."""

import pytest

from spark_mf.studies import adam_vs_momentum, rank, regularization


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


def test_regularization_fits_each_lambda_of_both_methods(make_fits):
    rows = list(regularization.run(make_fits()))
    assert [(row.model.rpartition(".")[2], row.regParam) for row in rows] == [
        ("SGD", 0.01),
        ("SGD", 0.1),
        ("ALS", 0.001),
        ("ALS", 0.01),
    ]
    # SGD has biases.
    assert [row.params.get("fitBias", False) for row in rows] == [True, True, False, False]


@pytest.fixture
def lambdas(make_fitted):
    """ALS at three λ; its lowest test RMSE is 0.7 at λ = 0.1, in the second of its iterations."""
    return [
        make_fitted("a", [0.9, 1.0], regParam=0.01),
        make_fitted("b", [0.8, 0.7, 0.75], regParam=0.1),
        make_fitted("c", [1.2, 1.1], regParam=1.0),
    ]


def test_the_lowest_error_is_marked_on_a_logarithmic_axis_and_named(tmp_path, lambdas, saved):
    assert regularization.draw(lambdas, tmp_path) == ["regularization.png"]
    (axes,) = saved[0].axes
    lines = lines_of(axes)
    assert lines["test RMSE"].get_xydata().tolist() == [[0.01, 0.9], [0.1, 0.7], [1.0, 1.1]]
    assert lines["training RMSE"].get_ydata().tolist() == [0.45, 0.35, 0.55]
    assert lines["ALS: lowest test RMSE, 0.7000 at λ = 0.1"].get_xydata().tolist() == [[0.1, 0.7]]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "λ of the weighted objective"
    assert axes.get_ylabel() == "ALS: RMSE, in units of the ratings"


def test_no_penalty_at_all_has_a_place_on_the_axis(tmp_path, lambdas, saved):
    lambdas[0].params["regParam"] = 0.0
    regularization.draw(lambdas, tmp_path)
    assert saved[0].axes[0].get_xscale() == "symlog"
    assert lines_of(saved[0].axes[0])["test RMSE"].get_xdata().tolist() == [0.0, 0.1, 1.0]


def test_the_best_lambda_is_that_of_the_lowest_error(lambdas):
    told = regularization.findings(lambdas)
    assert (
        "ALS: the lowest test RMSE is 0.7000, with λ = 0.1, inside the range; it varies by 0.4000 over all λ." in told
    )
    assert "at the end of the range" in regularization.findings(lambdas[1:])


def test_a_lambda_that_failed_is_named_and_not_drawn(tmp_path, lambdas, make_fitted, saved):
    rows = [*lambdas, make_fitted("d", [], regParam=0.001, error="diverged")]
    regularization.draw(rows, tmp_path)
    assert lines_of(saved[0].axes[0])["test RMSE"].get_xdata().tolist() == [0.01, 0.1, 1.0]
    assert "not drawn (diverged or failed): d" in saved[0].axes[0].get_title()
    assert "| d   | 0.001 |         failed |" in regularization.findings(rows)


def test_rank_fits_each_rank_at_each_lambda_once(make_fits):
    rows = list(rank.run(make_fits(rank_reg_param=0.001)))
    assert [(row.rank, row.regParam) for row in rows] == [(1, 0.001), (1, 0.01), (2, 0.001), (2, 0.01)]


@pytest.fixture
def ranks(make_fitted):
    """Ranks 1, 2 and 4 at λ = 0.1, where 2 is best, and at λ = 1, which is better for rank 4 alone."""
    fixed = {1: 0.9, 2: 0.8, 4: 1.0}
    other = {1: 1.1, 2: 1.2, 4: 0.85}
    return [
        make_fitted(label, [2.0, errors[k]], rank=k, regParam=lam)
        for errors, lam, text in ((fixed, 0.1, "rank {}, common λ"), (other, 1.0, "rank {}, λ = 1"))
        for k, label in ((k, text.format(k)) for k in errors)
    ]


def test_each_rank_has_its_errors_at_the_lambda_of_all_and_at_its_own(tmp_path, ranks, saved):
    assert [(each.rank, each.fixed.regParam, each.made_up.regParam) for each in rank.by_rank(ranks)] == [
        (1, 0.1, 0.1),
        (2, 0.1, 0.1),
        (4, 0.1, 1.0),
    ]
    rank.draw(ranks, tmp_path)
    (axes,) = saved[0].axes
    lines = lines_of(axes)
    assert lines["test RMSE, λ = 0.1"].get_xydata().tolist() == [[1, 0.9], [2, 0.8], [4, 1.0]]
    assert lines["training RMSE, λ = 0.1"].get_ydata().tolist() == [0.45, 0.4, 0.5]
    assert lines["test RMSE, best λ for each rank"].get_ydata().tolist() == [0.9, 0.8, 0.85]
    assert [text.get_text() for text in axes.texts] == ["0.1", "0.1", "1", "best λ"]
    assert axes.get_xticks().tolist() == [1, 2, 4]
    assert axes.get_xlabel() == "rank"


def test_more_rank_overfits_from_the_best_one_on(ranks):
    told = rank.findings(ranks)
    assert "With λ = 0.1, the test RMSE is lowest at rank 2, 0.8000" in told
    assert "at rank 4, the training RMSE is 0.5000 and the test RMSE 1.0000. There, λ = 1 decreases the test" in told
    assert "decreases the test RMSE by 0.1500." in told
    assert "lowest at rank 2, 0.8000 with λ = 0.1" in told


def test_more_rank_that_does_not_overfit_is_said(ranks):
    assert "the largest tried, so higher ranks do not overfit" in rank.findings([row for row in ranks if row.rank < 4])


def test_optimizers_are_fitted_at_multiples_of_their_steps(make_fits):
    rows = list(adam_vs_momentum.run(make_fits(adam_step_size=0.5, momentum_step_size=0.001, batch_step_size=0.002)))
    steps = {name: [row.params["stepSize"] for row in found] for name, found in by_optimizer(rows).items()}
    assert steps == {"plain": [0.002, 0.02], "momentum": [0.001, 0.01], "Adam": [0.5, 5.0]}


def by_optimizer(rows):
    return adam_vs_momentum.by_optimizer(rows)


@pytest.fixture
def optimizers(make_fitted, sgd_params):
    """Two optimizers of three steps each; momentum's largest step diverged."""

    def fitted(optimizer, size, errors, **changes):
        changed = {**sgd_params, "optimizer": optimizer, "stepSize": size}
        return make_fitted(f"{optimizer} {size}", errors, solver=optimizer, params=changed, **changes)

    return [
        fitted("momentum", 0.1, [1.0, 0.98]),
        fitted("momentum", 1.0, [1.0, 0.8]),
        fitted("momentum", 10.0, [], error="diverged"),
        fitted("adam", 0.1, [0.9, 0.71]),
        fitted("adam", 1.0, [0.9, 0.7]),
        fitted("adam", 10.0, [0.72, 3.0]),
    ]


def test_sensitivity_is_the_best_error_by_step_and_divergence_a_cross(tmp_path, optimizers, saved):
    adam_vs_momentum.draw(optimizers, tmp_path)
    curves, sensitivity = saved
    lines = lines_of(sensitivity.axes[0])
    assert lines["momentum"].get_xydata().tolist() == [[0.1, 0.98], [1.0, 0.8]]
    assert lines["Adam"].get_ydata().tolist() == [0.71, 0.7, 0.72]
    assert lines["momentum: diverged or failed"].get_xdata().tolist() == [10.0]
    assert sensitivity.axes[0].get_xscale() == "log"
    assert list(lines_of(curves.axes[0])) == ["0.1", "1", "10: diverged or failed"]
    assert lines_of(curves.axes[1])["10"].get_ydata().tolist() == [0.72, 3.0]


def test_the_range_of_good_steps_is_told(optimizers):
    told = adam_vs_momentum.findings(optimizers)
    assert "Momentum: the lowest test RMSE is 0.8000, with step size 1 in epoch 2. 1 of 3 step sizes, from" in told
    assert "from 1 to 1, are within 5% of it; 1 diverged or failed." in told
    assert "Adam: the lowest test RMSE is 0.7000, with step size 1 in epoch 2. 3 of 3 step sizes, from 0.1 to" in told
    assert "from 0.1 to 10, are within 5% of it; 0 diverged or failed." in told
