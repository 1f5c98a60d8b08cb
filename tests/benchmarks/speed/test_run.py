"""Tests of the points of the benchmark, and of their rows and ratings."""

import json
from dataclasses import replace

import pytest

from spark_mf.benchmarks.measuring import Bench
from spark_mf.benchmarks.methods import new_estimator, param_values
from spark_mf.benchmarks.native_blas import loaded_libraries
from spark_mf.benchmarks.own_process import recorded_rows
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.data import DATA, VALIDATES, counts_of, read_set, with_validation, write_set
from spark_mf.benchmarks.speed.point import measure_point
from spark_mf.benchmarks.speed.point_names import DEFAULT_POINTS, POINTS
from spark_mf.benchmarks.speed.points import (
    EVALUATED_KERNELS,
    EVALUATED_SGD,
    KERNELS_ALONE,
    PLAIN_PROCESS,
    SGD_ALONE,
    point_methods,
)
from spark_mf.benchmarks.speed.run import BENCH_FILES, bench, points_to_measure, record, write_data
from spark_mf.benchmarks.speed.settings import BenchSettings
from spark_mf.cli.output import OutputFolder

TINY = BenchSettings(users=60, items=40, ratings=1200, rank=2, iterations=2, sgd_epochs=3, sgd_item_blocks=4)


@pytest.fixture
def folder(tmp_path):
    return OutputFolder(tmp_path / "out", BENCH_FILES, overwrite=True)


@pytest.fixture(scope="module")
def measured(spark, tmp_path_factory):
    """A folder with ratings and the rows of three points; no point but that of OpenBLAS needs a JVM of its own."""
    if loaded_libraries(spark):
        pytest.skip("this session's JVM has loaded a native library, which cannot be undone")
    folder = OutputFolder(tmp_path_factory.mktemp("bench") / "out", BENCH_FILES, overwrite=True)
    for point in (DATA, "cg"):
        measure_point(TINY, folder, point)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "warm_up", lambda *_: None)  # as many fits again; that of cg shows that it works
        for point in ("sgd", "sgd-one-process", "pyspark-java"):
            measure_point(TINY, folder, point)
    return folder


@pytest.fixture
def a_point_row(make_row):
    """Makes a row of one of `TINY`'s points."""

    def make(label, **changes):
        return make_row(
            label=label, ratings=1200, rank=2, iterations=2, regParam=TINY.reg_param, seed=0, cores=2, **changes
        )

    return make


def test_no_two_methods_share_a_label():
    labels = [method.label for point in POINTS for method in point_methods(point, TINY)]
    assert len(labels) == len(set(labels)) == 39


def test_all_that_is_asked_for_is_in_the_rows(measured):
    rows = recorded_rows(measured, ResultRow)
    assert [(row.model, row.solver, row.blocks) for row in rows] == [
        ("spark_mf.ALS", "cg", None),
        ("spark_mf.SGD", "sgd", None),
        ("spark_mf.SGD", "sgd", None),
        ("kernels of spark_mf.SGD", "sgd", None),
        ("kernels of spark_mf.SGD", "sgd", None),
        ("pyspark.ALS", "cholesky", 2),
        ("pyspark.ALS", "cholesky", 10),
    ]
    for row in rows:
        assert row.error is None
        assert (row.dataset, row.ratings, row.rank, row.cores) == ("generated", 1200, 2, 2)
        assert row.iterations == (2 if row.model.endswith("ALS") else 3)
        assert row.fit_seconds is not None
        assert row.setup_seconds is not None
        assert row.test_rmse is not None
        assert 0 < row.setup_seconds <= row.fit_seconds
        assert 0 < row.test_rmse < 3
        assert json.loads(row.to_json())["seconds_per_iteration"] is not None
        assert (row.blas is None) == (row.model != "pyspark.ALS")
    # Of pyspark's models only that of the faster fit recommends.
    assert rows[0].recommend_seconds is not None
    faster = min(rows[5:], key=lambda row: row.fit_seconds or 0.0)
    assert [row for row in rows[5:] if row.recommend_seconds is not None] == [faster]


def test_epochs_in_one_process_are_those_of_the_fit(measured):
    rows = {row.label: row for row in recorded_rows(measured, ResultRow)}
    through_spark, in_one_process = rows[EVALUATED_SGD], rows[EVALUATED_KERNELS]
    for fitted, plain in zip(through_spark.history, in_one_process.history, strict=True):
        assert plain.train_rmse == pytest.approx(fitted.train_rmse, rel=1e-5)
        assert plain.validation_rmse == pytest.approx(fitted.validation_rmse, rel=1e-5)
        assert plain.step_size == pytest.approx(fitted.step_size)
    # The evaluation changes nothing, and costs something.
    last = rows[SGD_ALONE].test_rmse
    assert last == pytest.approx(through_spark.history[-1].validation_rmse, rel=1e-5)
    alone = [record.seconds for record in rows[KERNELS_ALONE].history]
    assert all(whole.seconds > part for whole, part in zip(in_one_process.history, alone, strict=True))


def test_validation_rows_are_the_test_rows(measured, spark):
    counts = counts_of(measured.path / DATA, TINY.description)
    assert counts is not None
    marked = with_validation(read_set(spark, measured.path / DATA, counts)).train
    assert marked.where(VALIDATES).count() == counts.test_ratings
    assert marked.count() == counts.ratings


def test_written_ratings_are_reused_only_for_their_description(measured, spark):
    counts = counts_of(measured.path / DATA, TINY.description)
    assert counts is not None
    assert counts_of(measured.path / DATA, replace(TINY, seed=1).description) is None
    data = read_set(spark, measured.path / DATA, counts)
    assert data.train.count() == counts.ratings - counts.test_ratings
    with pytest.raises(ValueError, match="must contain 1201 ratings"):
        read_set(spark, measured.path / DATA, replace(counts, ratings=1201))


def test_an_unfinished_set_is_none(spark, tmp_path):
    write_set(spark, tmp_path, TINY.description)
    assert counts_of(tmp_path, TINY.description) is not None
    (tmp_path / "test" / "_SUCCESS").unlink()
    assert counts_of(tmp_path, TINY.description) is None


def test_params_are_those_of_what_was_fitted(measured):
    rows = recorded_rows(measured, ResultRow)
    for row in rows:
        model = "spark_mf.SGD" if row.model == PLAIN_PROCESS else row.model
        assert param_values(new_estimator(model, row.params)) == row.params
    evaluated, alone, *kernels = (row.params for row in rows if row.is_sgd)
    assert evaluated == {**alone, "validationIndicatorCol": VALIDATES}
    assert kernels == [alone, alone]
    assert (alone["numUserBlocks"], alone["numItemBlocks"], alone["momentum"]) == (2, 4, 0.9)


def test_points_that_have_rows_are_measured_only_again(measured):
    assert points_to_measure(TINY, measured, again=False) == [
        "cholesky", "cholesky-broadcast", "cg-broadcast", "nnls", "pyspark-openblas",
    ]  # fmt: skip
    assert points_to_measure(replace(TINY, points=("cg",)), measured, again=True) == ["cg"]


def test_rows_of_other_settings_are_not_mixed(measured):
    other = replace(TINY, rank=3, points=("pyspark-openblas",))
    with pytest.raises(ValueError, match=r"rank must be 2, as in the row of .*, got 3\. Use another output folder"):
        points_to_measure(other, measured, again=False)
    assert points_to_measure(replace(TINY, rank=3), measured, again=True) == list(DEFAULT_POINTS)


def test_rows_of_another_descent_are_not_mixed(measured):
    other = replace(TINY, sgd_step_size=0.5, points=("cg",))
    with pytest.raises(ValueError, match=r"^stepSize must be 0\.03, as in the row of .*, got 0\.5\. Use another"):
        points_to_measure(other, measured, again=False)


def test_failed_points_are_tried_again(folder, a_point_row):
    record(TINY, folder, a_point_row("spark_mf.ALS, cg", error="no memory left"))
    record(TINY, folder, a_point_row("spark_mf.ALS, cholesky"))
    assert [row.label for row in recorded_rows(folder, ResultRow)] == ["spark_mf.ALS, cholesky", "spark_mf.ALS, cg"]
    assert points_to_measure(replace(TINY, points=("cholesky", "cg")), folder, again=False) == ["cg"]


def test_impossible_ratings_and_folders_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="Ask for fewer"):
        points_to_measure(replace(TINY, ratings=2400), folder, again=False)
    with pytest.raises(FileNotFoundError, match="--openblas"):
        points_to_measure(replace(TINY, openblas=str(tmp_path)), folder, again=False)


def test_a_killed_point_is_a_row_and_stops_no_other(measured, tmp_path):
    folder = OutputFolder(tmp_path / "out", BENCH_FILES, overwrite=True)
    (folder.path / DATA).symlink_to(measured.path / DATA)
    note = tmp_path / "note"
    command = ["-c", f"import sys; open({str(note)!r}, 'a').write(sys.argv[-1] + ' '); sys.exit(9)"]
    rows = bench(TINY, folder, command, ["cg", "pyspark-java"])
    assert note.read_text() == "cg pyspark-java "
    assert [row.label for row in rows] == [
        "spark_mf.ALS, cg", "pyspark.ALS, 2 blocks, no native BLAS", "pyspark.ALS, 10 blocks, no native BLAS",
    ]  # fmt: skip
    assert {row.error for row in rows} == {"the process of this point ended before it was measured"}
    assert "ended before it was measured" in (folder.path / "report.md").read_text(encoding="utf-8")


def test_the_report_is_made_of_earlier_rows_too(measured):
    rows = bench(TINY, measured, [], [])
    assert rows == recorded_rows(measured, ResultRow)
    assert all((measured.path / name).stat().st_size > 0 for name in BENCH_FILES)


def test_without_ratings_nothing_is_measured(folder):
    with pytest.raises(RuntimeError, match="ended with exit code 3"):
        write_data(TINY, folder, ["-c", "raise SystemExit(3)"], ["cg"])
