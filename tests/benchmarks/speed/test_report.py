"""Tests of the figures of the benchmark, from rows with known ratios."""

from dataclasses import replace

import pytest

from spark_mf.benchmarks.speed.points import EVALUATED_KERNELS, EVALUATED_SGD, KERNELS_ALONE, SGD_ALONE
from spark_mf.benchmarks.speed.report import WITH_NATIVE, WITHOUT_NATIVE, bench_report, bench_table, figures
from tests.records import record

JAVA, NATIVE = "no native library, in Java (VectorBLAS, F2jLAPACK)", "native (JNIBLAS, JNILAPACK): a/libopenblas.so"


@pytest.fixture
def rows(make_row):
    """Own iterations of 0.5 s; pyspark's best ones of 4 s without and of 2 s with a native library."""

    def theirs(blocks, blas, fit, recommend=None, rmse=0.876):
        label = f"pyspark.ALS, {blocks} blocks, {blas[:6]}"
        return make_row(
            model="pyspark.ALS", label=label, blocks=blocks, blas=blas, fit_seconds=fit, setup_seconds=4.0,
            recommend_seconds=recommend, test_rmse=rmse, history=(), ratings=20_000_000, test_ratings=2_000_000,
        )  # fmt: skip

    def ours(**changes):
        return make_row(ratings=20_000_000, test_ratings=2_000_000, **changes)

    def descent(label, seconds, fit, rmse):
        history = tuple(record(k, seconds, None, None, rmse) for k in (1, 2, 3))
        return ours(model=label, label=label, solver="sgd", fit_seconds=fit, test_rmse=rmse, history=history)

    return [
        ours(recommend_seconds=2.0, setup_seconds=11.0, engine="ring"),
        ours(
            label="spark_mf.ALS, cg", solver="cg", fit_seconds=2.5, recommend_seconds=3.0, setup_seconds=13.0,
            test_rmse=0.879, engine="ring",
        ),
        # Far too slow, but it is not what counts.
        ours(label="spark_mf.ALS, cg, broadcast", solver="cg", fit_seconds=99.0, engine="broadcast"),
        descent(EVALUATED_SGD, 0.25, 1.25, 0.87),
        descent(SGD_ALONE, 0.24, 1.2, 0.88),
        descent(EVALUATED_KERNELS, 0.2, 5.0, 0.87),
        descent(KERNELS_ALONE, 0.15, 4.0, 0.87),
        theirs(2, NATIVE, 12.0, recommend=30.0),
        theirs(10, NATIVE, 14.0),
        theirs(2, JAVA, 24.0, rmse=0.9),
        theirs(10, JAVA, 20.0, recommend=29.0),
    ]  # fmt: skip


def by_name(found):
    return {(figure.name, figure.against): figure for figure in found}


@pytest.mark.parametrize(
    ("name", "without_native", "with_native"),
    [
        ("iteration, Cholesky", (8.0, True), (4.0, True)),
        ("iteration, cg", (8.0, False), (4.0, False)),
        ("whole fit, cg", (8.0, False), (4.8, False)),
        ("whole fit, SGD evaluated", (16.0, True), (9.6, True)),
        # The slower of the own models counts.
        ("recommendForAllUsers(10)", (29 / 3, False), (10.0, True)),
        # The RMSE is that of the fastest fit.
        ("RMSE difference, Cholesky", (0.001, True), (0.001, True)),
        ("RMSE difference, cg", (0.003, False), (0.003, False)),
        # The worse one of both fits counts, and may be lower than pyspark's but not higher.
        ("RMSE above, SGD", (0.004, False), (0.004, False)),
    ],
)
def test_ratios_are_against_the_best_block_count(rows, name, without_native, with_native):
    found = by_name(figures(rows))
    for against, (measured, reached) in ((WITHOUT_NATIVE, without_native), (WITH_NATIVE, with_native)):
        figure = found[name, against]
        assert figure.measured == pytest.approx(measured)
        assert figure.reached is reached


@pytest.mark.parametrize(
    ("name", "measured", "reached"),
    [
        ("epoch through Spark / in one process, evaluated", 1.25, True),
        ("epoch through Spark / in one process", 1.6, False),
        ("million updates/s, evaluated", 72.0, True),
        ("evaluation's share of an epoch", 0.04, True),
        ("evaluation's share in one process", 0.25, False),
    ],
)
def test_epochs_are_judged_against_the_kernels_alone(rows, name, measured, reached):
    figure = by_name(figures(rows))[name, ""]
    assert figure.measured == pytest.approx(measured)
    assert figure.reached is reached
    assert "×" not in figure.cells()[5]


def test_a_lower_rmse_of_sgd_is_as_asked(rows):
    lower = [replace(row, test_rmse=0.8) if "SGD" in row.label else row for row in rows]
    figure = by_name(figures(lower))["RMSE above, SGD", WITH_NATIVE]
    assert figure.measured == pytest.approx(-0.076)
    assert figure.reached is True


def test_a_small_set_is_judged_by_whole_fits(rows):
    small = [replace(row, ratings=1_000_000) for row in rows]
    found = by_name(figures(small))
    assert {name for name, _ in found} == {
        "whole fit, Cholesky", "whole fit, cg", "RMSE difference, Cholesky", "RMSE difference, cg",
    }  # fmt: skip
    assert found["whole fit, Cholesky", WITHOUT_NATIVE].measured == pytest.approx(20 / 3)
    assert found["whole fit, Cholesky", WITHOUT_NATIVE].reached is True
    assert found["whole fit, cg", WITH_NATIVE].reached is False


def test_laying_out_is_judged_by_its_seconds(rows):
    found = by_name(figures(rows))
    assert found["laying out, Cholesky, s", ""].reached is True
    assert found["laying out, cg, s", ""].reached is False


def test_what_was_not_measured_is_neither_reached_nor_missed(rows, make_row):
    failed = make_row(
        model="pyspark.ALS", label="pyspark.ALS, 2 blocks, OpenBLAS", fit_seconds=None, setup_seconds=None,
        test_rmse=None, history=(), error="install OpenBLAS",
    )  # fmt: skip
    found = by_name(figures([*rows[:7], failed, *rows[9:]]))
    assert found["iteration, cg", WITH_NATIVE].reached is None
    assert found["iteration, cg", WITHOUT_NATIVE].reached is False
    assert "not measured" in bench_table([failed])
    assert "install OpenBLAS" in bench_report([failed])


def test_the_report_says_by_how_much_a_figure_is_missed(rows):
    report = bench_report(rows, ["seconds.png"])
    (line,) = [each for each in report.splitlines() if "iteration, cg" in each and WITHOUT_NATIVE in each]
    assert "≥ 20 ×" in line
    assert "no, 0.40 of it" in line
    assert "](seconds.png)" in report
    assert f"use: {NATIVE}." in report
