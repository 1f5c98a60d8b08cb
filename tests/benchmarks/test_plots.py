"""Tests of the curves, bars and labels of plots."""

import dataclasses

import pytest
from matplotlib.image import imread

from spark_mf.benchmarks import plots
from tests.records import record


def lines_of(figure, panel=0):
    axes = figure.axes[panel]
    return {line.get_label(): line for line in axes.lines}


def test_all_plots_are_written_as_pictures(tmp_path, comparison):
    assert plots.draw_all(comparison, tmp_path) == list(plots.PLOTS)
    for name in plots.PLOTS:
        height, width, _ = imread(tmp_path / name).shape
        assert width > 800
        assert height > 300


def test_failed_runs_alone_make_no_plot(tmp_path, make_row):
    failed = make_row(fit_seconds=None, history=(), error="no memory left")
    assert plots.draw_all([failed], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_curves_hold_only_what_was_measured(tmp_path, comparison, saved):
    plots.draw_convergence_by_iteration(comparison, tmp_path / "plot.png")
    lines = lines_of(saved[0])
    assert list(lines) == ["spark_mf.ALS, cholesky", "spark_mf.ALS, cg", "pyspark.ALS, 2 blocks"]
    assert lines["pyspark.ALS, 2 blocks"].get_xydata().tolist() == [[1, 0.9], [4, 0.9]]


def test_training_errors_are_drawn_below(tmp_path, comparison, make_row_of_sgd, saved):
    plots.draw_convergence_by_iteration([*comparison, make_row_of_sgd()], tmp_path / "plot.png")
    lines = lines_of(saved[0], panel=1)
    assert list(lines) == ["spark_mf.ALS, cholesky", "spark_mf.ALS, cg", "spark_mf.SGD, biases"]
    assert lines["spark_mf.SGD, biases"].get_ydata()[7] == 0.825
    assert [line.get_color() for line in lines.values()] == [plots.COLORS[place] for place in (0, 1, 5)]
    legend = [text.get_text() for text in saved[0].legends[0].get_texts()]
    assert legend == [*list(lines)[:2], "pyspark.ALS, 2 blocks", "spark_mf.SGD, biases"]


def test_a_panel_without_curves_says_so(tmp_path, comparison, saved):
    plots.draw_convergence_by_iteration(comparison[2:4], tmp_path / "plot.png")
    assert [text.get_text() for text in saved[0].axes[1].texts] == ["not measured"]


def test_markers_of_long_curves_stay_apart_and_mark_the_end(tmp_path, make_row, saved):
    history = tuple(record(k, 0.5, None, None, 1 / k) for k in range(1, 51))
    plots.draw_convergence_by_iteration([make_row(history=history)], tmp_path / "plot.png")
    (line,) = lines_of(saved[0]).values()
    assert line.get_markevery() == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 49]


@pytest.mark.parametrize(("seconds", "scale"), [(12.0, "linear"), (200.0, "log")])
def test_times_far_apart_are_drawn_over_a_logarithmic_axis(tmp_path, comparison, saved, seconds, scale):
    slow = (*comparison[3].history[:-1], record(4, seconds, None, None, 0.9))
    rows = [comparison[0], dataclasses.replace(comparison[3], history=slow, fit_seconds=seconds + 10)]
    plots.draw_convergence_by_time(rows, tmp_path / "plot.png")
    assert saved[0].axes[1].get_xscale() == scale


def test_time_begins_with_all_that_is_no_iteration_and_passes_over_iterations_without_a_mark(
    tmp_path, comparison, saved
):
    plots.draw_convergence_by_time(comparison, tmp_path / "plot.png")
    lines = lines_of(saved[0])
    # 1 s of set-up and 0.5 s an iteration; 4 s and 2 s, with marks at iterations 1 and 4.
    assert lines["spark_mf.ALS, cholesky"].get_xdata().tolist() == [1.5, 2.0, 2.5, 3.0]
    assert lines["pyspark.ALS, 2 blocks"].get_xdata().tolist() == [6.0, 12.0]


def test_curves_by_time_end_with_the_fit(tmp_path, make_row_of_sgd, saved):
    # 0.5 s of set-up, 8 epochs of 0.125 s and half a second in which a stage starts and ends.
    plots.draw_convergence_by_time([make_row_of_sgd()], tmp_path / "plot.png")
    (line,) = lines_of(saved[0]).values()
    assert line.get_xdata().tolist() == [1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875, 2.0]


def test_bars_stack_set_up_stages_and_iterations(tmp_path, comparison, make_row_of_sgd, saved):
    plots.draw_fit_time([comparison[0], *comparison[2:4], make_row_of_sgd()], tmp_path / "plot.png")
    (axes,) = saved[0].axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [1.0, 0.0, 2.0, 4.0, 0.0, 20.0, 4.0, 0.0, 8.0, 0.5, 0.5, 1.0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[2:] == ["pyspark.ALS, 2 blocks\n4 iterations", "spark_mf.SGD, biases\n8 epochs"]


def test_curves_differ_without_their_colours(tmp_path, make_row, saved):
    rows = [make_row(label=str(k)) for k in range(6)]
    plots.draw_convergence_by_iteration(rows, tmp_path / "plot.png")
    looks = {(line.get_marker(), str(line._dash_pattern)) for line in saved[0].axes[0].lines}
    assert len(looks) == 6


def test_a_beginning_far_off_does_not_flatten_the_others(tmp_path, make_row, saved):
    history = tuple(record(k, 0.5, None, None, rmse) for k, rmse in enumerate([2.7, 0.95, 0.88, 0.87], start=1))
    plots.draw_convergence_by_iteration([make_row(history=history)], tmp_path / "plot.png")
    axes = saved[0].axes[0]
    low, high = axes.get_ylim()
    assert 0.8 < low < 0.87
    assert 0.95 < high < 1.0
    assert "first values, up to 2.70, are cropped" in axes.get_ylabel()


@pytest.mark.parametrize(("epochs", "scale"), [(50, "linear"), (51, "log")])
def test_many_epochs_are_drawn_over_a_logarithmic_axis(tmp_path, comparison, make_row, saved, epochs, scale):
    history = tuple(record(k, 0.5, None, None, 1 / k) for k in range(1, epochs + 1))
    plots.draw_convergence_by_iteration([comparison[0], make_row(label="SGD", history=history)], tmp_path / "plot.png")
    assert saved[0].axes[1].get_xscale() == scale


def test_axes_have_names_and_units(tmp_path, comparison, saved):
    plots.draw_all(comparison[3:], tmp_path)
    by_iteration, by_time, fits = (figure.axes for figure in saved)
    for above, below in (by_iteration, by_time):
        assert above.get_ylabel() == "test RMSE, in units of the ratings"
        assert below.get_ylabel() == "training RMSE (spark_mf.SGD: running)"
    assert by_iteration[1].get_xlabel() == "iteration or epoch"
    assert by_time[1].get_xlabel().startswith("seconds since the start of the fit, with all overhead")
    assert fits[0].get_xlabel() == "seconds"


def test_the_benchmark_has_a_bar_for_each_iteration_and_fit(saved, tmp_path, comparison):
    plots.draw_benchmark(comparison, tmp_path / "seconds.png")
    iterations, fits = saved[0].axes
    # The row that failed has no bar.
    assert [bar.get_width() for bar in iterations.patches] == [0.5, 0.5, 5.0, 2.0]
    assert [text.get_text() for text in fits.texts] == ["3.00 s", "2.00 s", "24.00 s", "12.00 s"]
    labels = [label.get_text() for label in iterations.get_yticklabels()]
    assert labels == [f"{row.label}\n4 iterations" for row in comparison if not row.error]
