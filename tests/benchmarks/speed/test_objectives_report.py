"""Tests of the figures of implicit feedback and of high ranks, from rows with known ratios."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from spark_mf.benchmarks.rows import read_rows
from spark_mf.benchmarks.speed.data import DATASETS, HIGH_RANK_DATA
from spark_mf.benchmarks.speed.objectives_report import high_rank_figures, implicit_figures
from spark_mf.benchmarks.speed.report import bench_report, bench_table, figures
from tests.records import record

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks.md"
NATIVE = "native (JNIBLAS, JNILAPACK): a/libopenblas.so"


@pytest.fixture
def implicit_row(make_row):
    """Makes a row of implicit feedback with equal seconds in all 4 iterations."""

    def make(model, solver, seconds, objective, *, plain=True, rank=64, **changes):
        kind = "plain" if plain else "weighted"
        return make_row(
            model=model, label=f"{model}, {solver}, {kind}, {rank}", solver=solver, rank=rank, regularization=kind,
            params={"implicitPrefs": True, "alpha": 1.0}, objective=objective, test_rmse=None, test_mae=None,
            history=tuple(record(k, seconds) for k in (1, 2, 3, 4)), **changes,
        )  # fmt: skip

    return make


@pytest.fixture
def rows(implicit_row):
    def pyspark(blocks, fit, objective, blas=NATIVE):
        row = implicit_row(
            "pyspark.ALS", "cholesky", 0.0, objective, plain=False, fit_seconds=fit, setup_seconds=4.0, blas=blas
        )
        return replace(row, label=f"{row.label}, {blocks}, {blas}", history=())

    return [
        implicit_row("spark_mf.ALS", "cholesky", 0.5, 1010.0, plain=False),
        implicit_row("spark_mf.ALS", "cg", 0.25, 1020.0, plain=False),
        # Iterations of 6 s, and of 5 s for the best number of blocks; the one without a native library is ignored.
        pyspark(2, 28.0, 1000.0),
        pyspark(10, 24.0, 1001.0),
        pyspark(10, 4.4, 900.0, blas="no native library, in Java"),
        implicit_row("spark_mf.ALS", "cholesky", 2.0, 500.0),
        implicit_row("spark_mf.ALS", "cg", 1.0, 505.0),
        implicit_row("spark_mf.ALS", "subspace", 1.6, 490.0),
        implicit_row("implicit", "cg", 1.5, 505.0),
        implicit_row("irspack", "cholesky", 1.0, 500.0),
        implicit_row("irspack", "cg", 2.0, 490.0),
        # At another rank, where it has no counterpart.
        implicit_row("implicit", "cg", 3.0, 400.0, rank=128),
    ]


def by_name(found):
    return {(figure.name, figure.against): figure for figure in found}


@pytest.mark.parametrize(
    ("name", "against", "measured", "reached"),
    [
        ("iteration, cholesky, rank 64", "pyspark.ALS, OpenBLAS", 10.0, True),
        ("iteration, cg, rank 64", "pyspark.ALS, OpenBLAS", 20.0, True),
        ("objective above, cholesky, rank 64", "pyspark.ALS, OpenBLAS", 0.01, True),
        ("objective above, cg, rank 64", "pyspark.ALS, OpenBLAS", 0.02, False),
        ("iteration, cg, rank 64", "implicit", 1.5, True),
        ("objective above, cg, rank 64", "implicit", 0.0, True),
        ("iteration, cholesky, rank 64", "irspack", 0.5, False),
        ("iteration, cg, rank 64", "irspack", 2.0, True),
        ("objective above, cg, rank 64", "irspack", 15 / 490, False),
        ("iteration, subspace, rank 64", "irspack", None, None),
        ("iteration, cg, rank 128", "implicit", None, None),
    ],
)
def test_solvers_are_compared_with_the_same_solver_at_the_same_rank(rows, name, against, measured, reached):
    figure = by_name(implicit_figures(rows))[name, against]
    assert figure.measured == (None if measured is None else pytest.approx(measured))
    assert figure.reached is reached


def test_subspace_is_compared_with_cholesky_by_kind_of_feedback(make_row, implicit_row):
    name = DATASETS[HIGH_RANK_DATA]

    def explicit(solver, seconds, objective):
        history = (record(1, seconds, 2 * objective), record(2, seconds, objective))
        return make_row(label=solver, solver=solver, history=history, dataset=name)

    rows = [
        explicit("cholesky", 3.0, 100.0),
        explicit("subspace", 1.0, 102.0),
        implicit_row("spark_mf.ALS", "cholesky", 4.0, 100.0, plain=False, dataset=name),
        implicit_row("spark_mf.ALS", "subspace", 2.0, 99.0, plain=False, dataset=name),
    ]
    found = by_name(high_rank_figures(rows))
    measured = {figure: (value.measured, value.reached) for (figure, _), value in found.items()}
    assert measured == {
        "iteration, subspace, explicit": (3.0, True),
        "objective above, subspace, explicit": (pytest.approx(0.02), False),
        "iteration, subspace, implicit": (2.0, False),
        "objective above, subspace, implicit": (pytest.approx(-0.01), True),
    }


@pytest.mark.parametrize(("seconds", "reached"), [(1.5, True), (1.6, False)])
def test_nonnegative_factors_are_compared_with_cholesky(make_row, seconds, reached):
    slow = tuple(record(k, seconds) for k in (1, 2))
    rows = [
        make_row(ratings=20_000_000),
        make_row(label="spark_mf.ALS, nnls", solver="nnls", history=slow, ratings=20_000_000),
    ]
    figure = by_name(figures(rows))["iteration, nnls / Cholesky", ""]
    assert figure.measured == pytest.approx(2 * seconds)
    assert figure.reached is reached


def test_the_report_has_a_chapter_for_each_data_set_and_kind_of_feedback(rows, make_row):
    high_rank = make_row(label="at a high rank", rank=512, dataset=DATASETS[HIGH_RANK_DATA])
    missing = replace(rows[8], history=(), fit_seconds=None, objective=None, error="not measured: run make bench-env")
    report = bench_report([make_row(), *rows[:8], missing, *rows[9:], high_rank], ["seconds.png"])
    explicit, implicit, last = report.split("\n# ")
    assert "seconds.png" in explicit
    assert "rank 64 or 128" in implicit
    assert "seconds.png" not in implicit
    assert "α = 1, λ = 0.1; objective (plain): Σ_all c(p − u·v)² + λ(‖U‖² + ‖V‖²), c = 1 + α·r" in implicit
    assert "run make bench-env" in implicit
    assert "rank 512" in last
    # Rows of only one kind are a report, too.
    assert "not measured" in bench_table(rows[3:5])
    assert bench_report(rows).startswith("# spark_mf.ALS, pyspark.ALS, implicit, irspack on ratings.csv\n")


def test_the_page_has_the_ratios_of_the_committed_rows():
    results = PAGE.parent / "results"
    found = implicit_figures(read_rows(results / "objectives-20m" / "results.jsonl"))
    found += high_rank_figures(read_rows(results / "high-rank" / "results.jsonl"))
    measured = [f"{figure.measured:.1f} ×" for figure in found if figure.measured is not None and not figure.is_limit]
    cells = [cell.strip() for cell in PAGE.read_text(encoding="utf-8").split("|")]
    stated = [cell for cell in cells if re.fullmatch(r"[\d.]+ ×", cell)]
    assert len(measured) >= 13
    assert sorted(stated) == sorted(measured)
