"""Tests of speed-up, efficiency and growth, and of plots and report."""

import pytest

from spark_mf.benchmarks.own_process import recorded_rows
from spark_mf.benchmarks.scalability.plots import PLOTS, draw_scalability
from spark_mf.benchmarks.scalability.point import busy_share, record_point
from spark_mf.benchmarks.scalability.report import scalability_report, scalability_table
from spark_mf.benchmarks.scalability.rows import ScalabilityRow
from spark_mf.benchmarks.scalability.scaling import growth_exponent, scaled
from spark_mf.benchmarks.scalability.settings import BLOCKS, RANK, RATINGS, STRONG, WEAK
from spark_mf.cli.output import OutputFolder

METHOD = "spark_mf.ALS, cg, ring"


def test_strong_speedup_is_against_the_fewest_cores(make_point):
    rows = [make_point(STRONG, 4, 2.0), make_point(STRONG, 1, 6.0), make_point(STRONG, 2, 3.0)]
    points = scaled(rows, STRONG)[METHOD]
    assert [(point.size, point.speedup, point.efficiency) for point in points] == [
        (1, 1.0, 1.0), (2, 2.0, 1.0), (4, 3.0, 0.75),
    ]  # fmt: skip


def test_weak_speedup_counts_the_grown_work(make_point):
    rows = [make_point(WEAK, 2, 4.0, ratings=200), make_point(WEAK, 8, 5.0, ratings=800)]
    points = scaled(rows, WEAK)[METHOD]
    assert [(point.speedup, point.efficiency) for point in points] == [(1.0, 1.0), (pytest.approx(3.2), 0.8)]


def test_repetitions_count_by_their_median(make_point):
    rows = [make_point(STRONG, 1, seconds, repetition=k) for k, seconds in ((1, 9.0), (2, 2.0), (3, 3.0))]
    (point,) = scaled(rows, STRONG)[METHOD]
    assert (point.seconds, point.row.repetition) == (3.0, 3)


def test_failed_points_are_no_base(make_point):
    rows = [make_point(STRONG, 1, None, fit_seconds=None, error="lost"), make_point(STRONG, 2, 3.0)]
    (point,) = scaled(rows, STRONG)[METHOD]
    assert (point.size, point.speedup) == (2, 1.0)
    assert scaled(rows, WEAK) == {}


def test_growth_is_the_exponent(make_point):
    rows = [make_point(RANK, 2, seconds, rank=rank) for rank, seconds in ((8, 1.0), (16, 3.0), (32, 16.0))]
    points = scaled(rows, RANK)[METHOD]
    assert growth_exponent(points) == pytest.approx(2.0)
    assert growth_exponent(points[:1]) is None


@pytest.fixture
def written(make_point, tmp_path):
    """A folder with rows of every experiment, one of them failed."""
    folder = OutputFolder(tmp_path / "out", PLOTS, overwrite=True)
    for method, slower in ((METHOD, 1.0), ("pyspark.ALS", 9.0)):
        for cores, seconds in ((1, 4.0), (2, 2.5), (4, 2.0)):
            record_point(folder, make_point(STRONG, cores, slower * seconds, method=method, ratings=800))
            record_point(folder, make_point(WEAK, cores, slower * 2.0, method=method, ratings=100 * cores))
        for size in (1, 2, 4):
            record_point(folder, make_point(RATINGS, 4, slower * size, method=method, ratings=10_000_000 * size))
            record_point(folder, make_point(RANK, 4, slower * size**2, method=method, rank=8 * size))
            record_point(folder, make_point(BLOCKS, 4, slower, method=method, blocks=8 * size))
    failed = make_point(STRONG, 8, None, method=METHOD, fit_seconds=None, setup_seconds=None, error="no room")
    record_point(folder, failed)
    return folder


def test_rows_come_back_as_they_were(written, make_point):
    rows = recorded_rows(written, ScalabilityRow)
    assert make_point(STRONG, 2, 2.5, ratings=800) in rows
    assert len(rows) == 31


def test_every_experiment_is_drawn_from_rows_that_were_read_back(written, saved):
    rows = recorded_rows(written, ScalabilityRow)
    assert draw_scalability(rows, written.path) == list(PLOTS)
    assert all((written.path / name).stat().st_size > 10_000 for name in PLOTS)
    strong = saved[0].axes
    lines = {line.get_label(): line for line in strong[1].get_lines()}
    assert list(lines[METHOD].get_ydata()) == [1.0, 1.6, 2.0]
    assert list(lines["ideal"].get_ydata()) == [1.0, 2.0, 4.0]
    bars = [bar for bar in saved[-1].axes[0].patches if bar.get_y() < 0]  # of the first point
    assert [bar.get_width() for bar in bars] == pytest.approx([0.375, 0.125, 0.125, 0.0625, 0.0625, 0.125, 0.125])
    assert len({(bar.get_hatch(), bar.get_facecolor()) for bar in bars}) == 7
    assert len({bar.get_hatch() for bar in bars}) == 7


def test_one_size_is_no_curve(make_point, tmp_path):
    row = make_point(STRONG, 1, 2.0)
    assert draw_scalability([row], tmp_path) == ["breakdown.png"]


def test_the_report_has_tables_failures_and_the_machine(written):
    rows = recorded_rows(written, ScalabilityRow)
    report = scalability_report(rows, PLOTS)
    line = next(line for line in report.splitlines() if line.startswith(f"| {METHOD} |     4 |"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [METHOD, "4", "800", "2.000", "2.00", "0.50", "1.00", "3.00"]
    assert "31 points, 1 of which failed" in report
    assert ": no room" in report
    assert "is not known" in report
    assert "](strong.png)" in report
    growth = next(line for line in report.splitlines() if line.startswith("| pyspark.ALS") and "40,000,000" in line)
    assert [cell.strip() for cell in growth.strip("|").split("|")][2:5] == ["36.000", "4.00", "1.00"]


def test_without_times_the_table_says_so(make_point):
    assert scalability_table([make_point(STRONG, 1, None, fit_seconds=None, error="lost")]) == "No point has times."


def test_a_busy_machine_is_told(make_point):
    rows = [make_point(STRONG, 1, 2.0, busy_before=0.02), make_point(STRONG, 2, 1.0, busy_before=0.5)]
    report = scalability_report(rows)
    assert "2% to 50%" in report
    assert "at 1 of 2 points, whose times are too long" in report


def test_the_busy_share_is_of_all_processors(monkeypatch):
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: {0.5: 40.04}[interval])
    assert busy_share(0.5) == 0.4
    monkeypatch.undo()
    assert 0 <= busy_share(0.01) <= 1
