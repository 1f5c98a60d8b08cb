"""Tests of tables and reports against ratios computed by hand."""

import pytest

from spark_mf.benchmarks.report import comparison_fault, comparison_report, result_table


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_the_table_gives_times_errors_and_ratios(comparison):
    header, _, *rows = cells(result_table(comparison))
    assert header == [
        "model", "blocks", "fit, s", "set-up, s", "s/iteration", "RMSE", "MAE", "× fit", "× iteration",
    ]  # fmt: skip
    # Best of pyspark: fit 12 s, iteration (12 - 4) / 4 = 2 s; ours: fit 3 s, iteration 0.5 s.
    assert rows[0] == [
        "spark_mf.ALS, cholesky",
        "2",
        "3.00",
        "1.00",
        "0.500",
        "0.8750",
        "0.6710",
        "4.0",
        "4.0",
    ]
    assert rows[2][-2:] == ["0.5", "0.4"]
    assert rows[4] == ["spark_mf.ALS, broken", "2", *["–"] * 7]


def test_the_best_fit_and_the_best_iteration_may_be_of_different_runs(make_row):
    rows = [
        make_row(fit_seconds=2.0, setup_seconds=1.0, history=()),
        make_row(model="pyspark.ALS", label="a", fit_seconds=10.0, setup_seconds=2.0, history=()),
        make_row(model="pyspark.ALS", label="b", fit_seconds=11.0, setup_seconds=5.0, history=()),
    ]
    # Fit 10 s of a over 2 s; iteration 6/4 s of b over 1/4 s.
    assert cells(result_table(rows))[2][-2:] == ["5.0", "6.0"]


def test_all_lines_of_the_table_are_of_one_width(comparison):
    assert len({len(line) for line in result_table(comparison).splitlines()}) == 1


def test_without_the_baseline_there_are_no_ratios(make_row):
    assert cells(result_table([make_row()]))[2][-2:] == ["–", "–"]
    assert "there are no ratios" in comparison_report([make_row()])


def test_the_report_says_what_was_compared_and_how(comparison):
    report = comparison_report(comparison, ["fit_time.png"])
    for said in (
        "# spark_mf.ALS, pyspark.ALS on ratings.csv",
        "100,836 ratings by 610 users of 9,724 items",
        "90,824 training and 10,012 test rows",
        "391 of the test rows are cold",
        "0 rows repeat the (user, item) pair",
        "- All methods: rank 16, seed 7.",
        "- spark_mf.ALS; pyspark.ALS: 4 iterations, λ = 0.1; objective (weighted): Σ e² + λ(Σ_u n_u‖u‖² + Σ_i n_i‖v‖²)",
        result_table(comparison),
        "spark_mf.ALS, cg: the fit is 6.0 times as fast, and its test RMSE is 0.0010 higher.",
        "![fit time](fit_time.png)",
        "- spark_mf.ALS, broken: no memory left",
        "(warm-up)",
        "pyspark.ALS, 2 blocks: RMSE by iteration: from further fits.",
        "Master local[2], 2 task slots",
        "python 3.11.2, pyspark 4.3.0",
        "0123456789abcdef0123456789abcdef01234567",
        "2026-01-02T03:04:05+00:00",
    ):
        assert said in report


def test_the_report_tells_sgd_from_als(comparison, make_row_of_sgd):
    biased = make_row_of_sgd()
    plain = make_row_of_sgd(label="spark_mf.SGD, no biases", params={"fitBias": False})
    report = comparison_report([*comparison, biased, plain])
    assert (
        "- spark_mf.SGD, biases: 8 epochs, λ = 0.05, step size 0.01 (0.005 for biases), λ_b = 0.02, sgd, schedule "
        "exponential 0.9, simultaneous updates, initial standard deviation 0.1; objective (weighted): Σ e² + "
    ) in report
    assert "‖v‖²) + λ_b(Σ_u n_u b_u² + Σ_i n_i b_i²) with r̂ = μ + b_u + b_i + u·v, with n_u and n_i ratings" in report
    assert "- spark_mf.SGD, no biases: 8 epochs, λ = 0.05, step size 0.01, sgd, schedule exponential 0.9" in report
    assert "- spark_mf.SGD, biases: the fit is 6.0 times as fast, and its test RMSE is 0.0390 lower." in report
    assert "spark_mf.SGD need not reach the RMSE of ALS and is not checked by --max-rmse-difference" in report
    assert "running training RMSE and objective are computed from the error of each rating just before its" in report
    assert "- Engines: spark_mf.SGD ring." in report
    assert "running" not in comparison_report(comparison)


def test_sgd_may_differ_in_rmse(make_row, make_row_of_sgd):
    theirs = make_row(model="pyspark.ALS", label="pyspark", test_rmse=0.874)
    assert comparison_fault([make_row(), make_row_of_sgd(test_rmse=0.5), theirs], 0.0051) is None
    assert "Run pyspark.ALS and spark_mf.ALS on" in str(comparison_fault([make_row_of_sgd(), theirs], 0.005))


def test_agreement_in_rmse_is_judged_over_every_pair(make_row):
    ours = [make_row(test_rmse=0.875), make_row(label="cg", test_rmse=0.879)]
    theirs = [make_row(model="pyspark.ALS", label="pyspark", test_rmse=0.874)]
    assert comparison_fault(ours + theirs, 0.0051) is None
    assert comparison_fault(ours + theirs, None) is None
    assert comparison_fault(ours + theirs, 0.002) == (
        "the test RMSE of cg is 0.8790 and that of pyspark 0.8740: they differ by 0.0050, more than the allowed 0.002."
    )


@pytest.mark.parametrize("limit", [None, 1.0])
def test_a_failed_run_is_a_fault_whatever_the_rmse(make_row, limit):
    rows = [
        make_row(),
        make_row(model="pyspark.ALS", label="pyspark"),
        make_row(label="failed", test_rmse=None, error="no memory left"),
    ]
    assert comparison_fault(rows, limit) == "1 of 3 runs failed; failed failed first: no memory left"


def test_agreement_needs_both_sides(make_row):
    own, cold = make_row(), make_row(model="pyspark.ALS", label="pyspark", test_rmse=None)
    assert "no two test RMSEs to compare" in str(comparison_fault([own], 0.005))
    assert "no two test RMSEs to compare" in str(comparison_fault([own, cold], 0.005))


@pytest.mark.parametrize("name", ["weighted", "plain", "mean"])
def test_every_regularization_is_spelled_out(make_row, name):
    assert f"objective ({name}): " in comparison_report([make_row(regularization=name)])
    assert f"objective ({name}): {name}" not in comparison_report([make_row(regularization=name)])
