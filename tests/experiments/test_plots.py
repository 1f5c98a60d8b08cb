"""Plots: which curves and bars are drawn from rows, and with what labels."""

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from spark_mf.experiments import plots
from spark_mf.summary import IterationRecord


@pytest.fixture
def saved(monkeypatch):
    """The figures that were saved, so that a test can look at what they hold."""
    figures = []
    save = Figure.savefig

    def remember(figure, *given, **named):
        figures.append(figure)
        save(figure, *given, **named)

    monkeypatch.setattr(Figure, "savefig", remember)
    return figures


def lines_of(figure):
    (axes,) = figure.axes
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


def test_time_begins_with_the_set_up_and_passes_over_iterations_without_a_mark(tmp_path, comparison, saved):
    plots.draw_convergence_by_time(comparison, tmp_path / "plot.png")
    lines = lines_of(saved[0])
    # 1 s of set-up and 0.5 s an iteration; 4 s and 2 s, with marks at iterations 1 and 4.
    assert lines["spark_mf.ALS, cholesky"].get_xdata().tolist() == [1.5, 2.0, 2.5, 3.0]
    assert lines["pyspark.ALS, 2 blocks"].get_xdata().tolist() == [6.0, 12.0]


def test_bars_stack_set_up_and_iterations(tmp_path, comparison, saved):
    plots.draw_fit_time(comparison, tmp_path / "plot.png")
    (axes,) = saved[0].axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [1.0, 2.0, 1.0, 1.0, 4.0, 20.0, 4.0, 8.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.label for row in comparison[:4]]


def test_curves_differ_without_their_colours(tmp_path, make_row, saved):
    rows = [make_row(label=str(k)) for k in range(6)]
    plots.draw_convergence_by_iteration(rows, tmp_path / "plot.png")
    looks = {(line.get_marker(), str(line._dash_pattern)) for line in saved[0].axes[0].lines}
    assert len(looks) == 6


def test_a_first_iteration_far_off_does_not_flatten_the_others(tmp_path, make_row, saved):
    history = tuple(
        IterationRecord(k, 0.5, None, None, rmse) for k, rmse in enumerate([2.7, 0.95, 0.88, 0.87], start=1)
    )
    plots.draw_convergence_by_iteration([make_row(history=history)], tmp_path / "plot.png")
    (axes,) = saved[0].axes
    low, high = axes.get_ylim()
    assert 0.8 < low < 0.87
    assert 0.95 < high < 1.0
    assert "iteration 1 lies above, at up to 2.70" in axes.get_ylabel()


def test_axes_have_names_and_units(tmp_path, comparison, saved):
    plots.draw_all(comparison[3:], tmp_path)
    labels = [(figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) for figure in saved]
    assert labels == [
        ("iteration", "test RMSE, in units of the ratings"),
        ("seconds since the fit began, set-up included", "test RMSE, in units of the ratings"),
        ("seconds", ""),
    ]


def test_the_benchmark_has_a_bar_for_each_iteration_and_fit(saved, tmp_path, comparison):
    plots.draw_benchmark(comparison, tmp_path / "seconds.png")
    iterations, fits = saved[0].axes
    # The row that failed has no bar.
    assert [bar.get_width() for bar in iterations.patches] == [0.5, 0.5, 5.0, 2.0]
    assert [text.get_text() for text in fits.texts] == ["3.00 s", "2.00 s", "24.00 s", "12.00 s"]
    labels = [label.get_text() for label in iterations.get_yticklabels()]
    assert labels == [row.label for row in comparison if not row.error]
