"""The figures of the benchmark from made-up rows whose ratios are known."""

import pytest

from spark_mf.experiments.bench_report import WITH_NATIVE, WITHOUT_NATIVE, bench_report, bench_table, figures

JAVA, NATIVE = "no native library, in Java (VectorBLAS, F2jLAPACK)", "native (JNIBLAS, JNILAPACK): a/libopenblas.so"


@pytest.fixture
def rows(make_row):
    """Own iterations of 0.5 s; pyspark's best ones of 4 s without and of 2 s with a native library."""

    def theirs(blocks, blas, fit, recommend=None, rmse=0.876):
        label = f"pyspark.ALS, {blocks} blocks, {blas[:6]}"
        return make_row(
            model="pyspark.ALS", label=label, blocks=blocks, blas=blas, fit_seconds=fit, setup_seconds=4.0,
            recommend_seconds=recommend, test_rmse=rmse, history=(),
        )  # fmt: skip

    return [
        make_row(recommend_seconds=2.0, setup_seconds=11.0),
        make_row(
            label="spark_mf.ALS, cg", solver="cg", fit_seconds=2.5, recommend_seconds=3.0, setup_seconds=13.0,
            test_rmse=0.879,
        ),
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
        ("whole fit, cg", (8.0, True), (4.8, True)),
        # The slower of the own models counts.
        ("recommendForAllUsers(10)", (29 / 3, False), (10.0, True)),
        # The RMSE is that of the fastest fit.
        ("RMSE difference, Cholesky", (0.001, True), (0.001, True)),
        ("RMSE difference, cg", (0.003, False), (0.003, False)),
    ],
)
def test_ratios_are_against_the_best_block_count(rows, name, without_native, with_native):
    found = by_name(figures(rows))
    for against, (measured, reached) in ((WITHOUT_NATIVE, without_native), (WITH_NATIVE, with_native)):
        figure = found[name, against]
        assert figure.measured == pytest.approx(measured)
        assert figure.reached is reached


def test_laying_out_is_judged_by_its_seconds(rows):
    found = by_name(figures(rows))
    assert found["laying out, Cholesky, s", ""].reached is True
    assert found["laying out, cg, s", ""].reached is False


def test_what_was_not_measured_is_neither_reached_nor_missed(rows, make_row):
    failed = make_row(
        model="pyspark.ALS", label="pyspark.ALS, 2 blocks, OpenBLAS", fit_seconds=None, setup_seconds=None,
        test_rmse=None, history=(), error="install OpenBLAS",
    )  # fmt: skip
    found = by_name(figures([*rows[:2], failed, *rows[4:]]))
    assert found["iteration, cg", WITH_NATIVE].reached is None
    assert found["iteration, cg", WITHOUT_NATIVE].reached is False
    assert "not measured" in bench_table([failed])
    assert "install OpenBLAS" in bench_report([failed])


def test_the_report_says_by_how_much_a_figure_is_missed(rows):
    report = bench_report(rows, ["seconds.png"])
    (line,) = [each for each in report.splitlines() if "iteration, cg" in each and WITHOUT_NATIVE in each]
    assert "≥ 12 ×" in line
    assert "no, 0.67 of it" in line
    assert "](seconds.png)" in report
    assert f"use: {NATIVE}." in report
