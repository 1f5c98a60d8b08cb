"""Tests of result rows: round trip, and errors with file and line."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spark_mf.benchmarks.rows import ResultRow, fastest, read_rows
from spark_mf.studies.landscape import SurfaceRow
from tests.records import record

RESULTS = Path(__file__).parents[2] / "docs" / "results"
OF_FITS = [
    file for file in sorted(RESULTS.rglob("results.jsonl")) if file.parent.name not in ("ratings", "update-paths")
]
#: Rows of fits that earlier versions wrote, without `params`.
EARLIER = [file for file in OF_FITS if '"params"' not in file.read_text(encoding="utf-8")]

DESIGN_KEYS = {
    "model", "dataset", "users", "items", "ratings", "rank", "iterations", "params", "seed",
    "fit_seconds", "setup_seconds", "test_rmse", "test_mae", "history", "master", "cores", "versions",
    "git", "started_at", "error",
}  # fmt: skip


def test_rows_come_back_as_they_were_written(tmp_path, comparison):
    file = tmp_path / "results.jsonl"
    file.write_text("".join(row.to_json() + "\n" for row in comparison), encoding="utf-8")
    assert read_rows(file) == comparison


def test_a_line_has_every_key_of_the_design(make_row):
    line = json.loads(make_row().to_json())
    assert set(line) >= DESIGN_KEYS
    of_fits = {"iteration", "seconds", "objective", "train_rmse", "validation_rmse", "kernel_seconds"}
    records = of_fits | {"step_size", "product_change"}
    assert set(line["history"][0]) == records


def test_absent_values_are_null(make_row):
    line = json.loads(make_row(fit_seconds=None, git=None).to_json())
    assert line["fit_seconds"] is None
    assert line["git"] is None
    assert line["error"] is None


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_json_lacks_are_refused(make_row, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        make_row(test_rmse=number).to_json()


def test_seconds_per_iteration_leave_out_the_set_up(make_row):
    assert make_row(fit_seconds=3.0, setup_seconds=1.0, iterations=4, history=()).seconds_per_iteration == 0.5
    assert make_row(setup_seconds=None, history=()).seconds_per_iteration is None


def test_seconds_per_iteration_are_the_median_where_each_was_timed(make_row):
    history = tuple(record(k, seconds, None, None, None) for k, seconds in enumerate((9.0, 0.25, 0.5), 1))
    row = make_row(history=history)
    assert row.seconds_per_iteration == 0.5
    assert json.loads(row.to_json())["seconds_per_iteration"] == 0.5


def test_seconds_outside_iterations_are_the_rest_of_the_fit(make_row, make_row_of_sgd):
    assert make_row_of_sgd().seconds_outside_iterations == 1.0  # 2 s without 8 epochs of 0.125 s
    assert make_row(history=()).seconds_outside_iterations == 1.0  # what was measured as set-up
    assert make_row(fit_seconds=1.5).seconds_outside_iterations == 0.0  # clocks that disagree


def test_a_row_of_sgd_keeps_how_it_descended(tmp_path, make_row_of_sgd):
    file = tmp_path / "results.jsonl"
    rows = [make_row_of_sgd(), make_row_of_sgd(params={"fitBias": False})]
    file.write_text("".join(row.to_json() + "\n" for row in rows), encoding="utf-8")
    assert read_rows(file) == rows
    line = json.loads(rows[0].to_json())
    assert line["params"]["biasRegParam"] == 0.02
    assert list(line["params"]) == sorted(line["params"])
    assert line["history"][1]["step_size"] == pytest.approx(0.009)


@pytest.mark.parametrize("file", EARLIER, ids=lambda file: file.parent.name)
def test_a_row_of_an_earlier_version_keeps_its_hyperparameters(file):
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    row_type: Any = ResultRow if "model" in lines[0] else SurfaceRow
    for line, row in zip(lines, read_rows(file, row_type), strict=True):
        shared = ("rank", "regParam", "regularization", "seed")
        assert [getattr(row, name) for name in shared] == [line[name] for name in shared]
        assert row.params["maxIter"] == row.iterations == line["iterations"]
        step = line.get("step") or {}
        assert {name: row.params.get(name) for name in step} == step
        if row_type is ResultRow:
            assert row.is_sgd == bool(step)
            assert row.params.get("fitBias", False) == ("biasRegParam" in row.params)


def test_an_upgraded_row_is_written_with_its_params(tmp_path):
    (file,) = (file for file in EARLIER if file.parent.name == "early-stopping")
    rows = read_rows(file)
    again = tmp_path / "results.jsonl"
    again.write_text("".join(row.to_json() + "\n" for row in rows), encoding="utf-8")
    assert read_rows(again) == rows
    assert "step" not in json.loads(again.read_text(encoding="utf-8").splitlines()[0])


def test_pyspark_has_the_weighted_objective_and_no_param_for_it(make_row):
    row = make_row(model="pyspark.ALS")
    del row.params["regularization"]
    assert row.regularization == "weighted"


def test_fastest_passes_over_failed_runs(make_row, comparison):
    assert fastest(comparison, "pyspark.ALS") == comparison[3]
    assert fastest([make_row(fit_seconds=None)], "spark_mf.ALS") is None


def test_keys_of_later_versions_are_ignored(tmp_path, make_row):
    file = tmp_path / "results.jsonl"
    file.write_text(json.dumps({**json.loads(make_row().to_json()), "invented_later": 1}))
    assert read_rows(file) == [make_row()]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda row: row.pop("params"), "key 'params' is missing"),
        (lambda row: row["params"].pop("rank"), "key 'params.rank' is missing"),
        (lambda row: row["params"].update(rank="ten"), "key 'params.rank' must be an integer, got \"ten\""),
        (lambda row: row["params"].update(rank=True), "key 'params.rank' must be an integer, got true"),
        (lambda row: row["params"].update(regParam=math.nan), "key 'params.regParam' must be a finite number, got NaN"),
        (lambda row: row.update(test_rmse=math.nan), "key 'test_rmse' must be a finite number, got NaN"),
        (lambda row: row.update(versions=["3.11"]), "key 'versions' must be an object, got "),
        (lambda row: row.update(history={}), "key 'history' must be a list, got {}"),
        (lambda row: row["history"][1].pop("seconds"), r"key 'history\[1\].seconds' is missing"),
        (lambda row: row.update(history=[3]), r"key 'history\[0\]' must be an object, got 3"),
    ],
)
def test_a_faulty_line_is_named_with_its_fault(tmp_path, make_row, change, fault):
    faulty = json.loads(make_row().to_json())
    change(faulty)
    file = tmp_path / "results.jsonl"
    file.write_text(f"{make_row().to_json()}\n{json.dumps(faulty)}\n")
    with pytest.raises(ValueError, match=f"results.jsonl, line 2: {fault}"):
        read_rows(file)


def test_a_line_that_is_no_json_is_named(tmp_path, make_row):
    file = tmp_path / "results.jsonl"
    file.write_text(f"{make_row().to_json()}\n{make_row().to_json()[:50]}\n")
    with pytest.raises(ValueError, match=r"results.jsonl, line 2: invalid JSON"):
        read_rows(file)


def test_a_missing_or_empty_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.jsonl does not exist"):
        read_rows(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ValueError, match=r"empty.jsonl must contain at least one row, got none"):
        read_rows(tmp_path / "empty.jsonl")


def test_rows_plots_and_reports_do_not_load_spark():
    code = (
        "import sys; from spark_mf.benchmarks import plots, report, rows; from spark_mf.cli import output, settings; "
        "sys.exit('pyspark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
