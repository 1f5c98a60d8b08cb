"""The job of the studies from its command line: what it leaves, and how it ends on bad input."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spark_mf.benchmarks.rows import read_rows
from spark_mf.cli.settings import read_settings
from spark_mf.studies.registry import STUDIES
from spark_mf.studies.settings import ExperimentSettings

JOB = "experiments"
ROOT = Path(__file__).resolve().parents[2]


def test_convergence_fits_every_method_and_pyspark(job, spark, tmp_path):
    folder = tmp_path / "out"
    given = ["--epochs", "2", "--iterations", "2", "--pyspark-history", "1"]
    assert job.main(["convergence", "--output", str(folder), *given]) == 0
    rows = read_rows(folder / "results.jsonl")
    assert [(row.label, row.model, row.error) for row in rows] == [
        ("SGD", "spark_mf.textbook.SGD", None),
        ("mini-batch SGD", "spark_mf.textbook.SGD", None),
        ("momentum", "spark_mf.textbook.SGD", None),
        ("Adam", "spark_mf.textbook.SGD", None),
        ("ALS", "spark_mf.textbook.ALS", None),
        ("pyspark's ALS", "pyspark.ALS", None),
    ]
    assert [row.master for row in rows] == ["numpy"] * 5 + ["local[2]"]
    # λ = 0.01 of the mean objective, 160 rows of both sides.
    assert (rows[-1].regularization, rows[-1].regParam) == ("weighted", 0.8)
    assert [record.iteration for record in rows[-1].history if record.validation_rmse is not None] == [1, 2]
    files = {"results.jsonl", "report.md", "convergence_by_iteration.png", "convergence_by_time.png"}
    assert {path.name for path in folder.iterdir()} == files


def test_ratings_are_read_and_fitted_by_the_textbook_where_it_is_asked(job, spark, tmp_path):
    ratings = tmp_path / "ratings.csv"
    lines = [f"{user},{item},{1 + (3 * user + item * item) % 5}" for user in range(40) for item in range(20)]
    ratings.write_text("\n".join(["userId,movieId,rating", *lines]))
    given = ["--on", "textbook", "--rank", "2", "--epochs", "2", "--lambdas", "0.1"]
    assert job.main(["generalization-gap", str(ratings), "--output", str(tmp_path / "out"), *given]) == 0
    (row,) = read_rows(tmp_path / "out" / "results.jsonl")
    assert (row.model, row.users, row.items, row.ratings) == ("spark_mf.textbook.SGD", 40, 20, 800)
    assert row.dataset == f"{tmp_path.name}/ratings.csv"


def test_what_is_too_large_for_the_textbook_is_refused_in_one_sentence(job, spark, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("spark_mf.textbook.ratings.MAX_CELLS", 20)
    ratings = tmp_path / "ratings.csv"
    lines = [f"{user},{item},{1 + user % 5}" for user in range(6) for item in range(6)]
    ratings.write_text("\n".join(["user,item,rating", *lines]))
    with pytest.raises(SystemExit) as ended:
        job.main(["rank", str(ratings), "--on", "textbook", "--output", str(tmp_path / "out")])
    assert ended.value.code == 2
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("experiments: ")]
    assert "users × items must be at most 20, got 6 users and 6 items. Use spark_mf.ALS" in sentence
    assert sentence.endswith(" Pass --on spark to do so.")


def test_the_textbook_needs_no_session(tmp_path):
    code = f"""
import runpy, sys
sys.argv = ["experiments.py", "early-stopping", "--output", {str(tmp_path / "out")!r}, "--epochs", "2"]
try:
    runpy.run_path("jobs/experiments.py", run_name="__main__")
except SystemExit as ended:
    assert ended.code == 0
from pyspark import SparkContext
sys.exit(SparkContext._gateway is not None)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "all epochs: test RMSE" in done.stderr
    assert "written to" in done.stdout


def test_a_study_whose_fits_all_fail_ends_with_code_1(job, tmp_path, capsys):
    given = ["--momentum-step-size", "1000", "--epochs", "5", "--output", str(tmp_path / "out")]
    assert job.main(["early-stopping", *given]) == 1
    assert "all fits failed, the first one with: the parameters are no longer finite" in capsys.readouterr().err
    rows = read_rows(tmp_path / "out" / "results.jsonl")
    assert [row.test_rmse for row in rows] == [None, None]


def test_the_ratings_may_not_be_in_the_output(job, spark, tmp_path, capsys):
    ratings = tmp_path / "report.md"
    ratings.write_text("user,item,rating\n1,2,3.0\n")
    with pytest.raises(SystemExit) as ended:
        job.main(["rank", str(ratings), "--output", str(tmp_path), "--overwrite"])
    assert ended.value.code == 2
    assert "output must not contain the data to be read" in capsys.readouterr().err
    assert ratings.exists()


def test_all_studies_are_described(job, capsys):
    with pytest.raises(SystemExit) as ended:
        job.main(["--list"])
    assert ended.value.code == 0
    listed = capsys.readouterr().out
    assert all(re.search(rf"^{study.name} ", listed, re.MULTILINE) for study in STUDIES)


def test_make_runs_all_studies():
    (names,) = re.findall(r"^EXPERIMENTS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert names.split() == [study.name for study in STUDIES]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "update-paths, adam-vs-momentum, implicit, nonnegative, got nothing. --list describes them."),
        (["tank"], "adam-vs-momentum, implicit, nonnegative, got 'tank'. --list describes them."),
        (["rank", "--on", "numpy"], "--on must be one of textbook, spark, got 'numpy'."),
        (["rank", "--ranks", "0"], "each value of --ranks must be > 0, got '0'"),
        (["rank", "--ranks", ""], "--ranks must not be empty. Pass at least one value"),
        (["rank", "--lambdas", "-1"], "each value of --lambdas must be >= 0, got '-1'"),
        (["rank", "--step-factors", "0"], "each value of --step-factors must be > 0, got '0'"),
        (["rank", "--epochs", "0"], "--epochs must be > 0, got '0'"),
        (["rank", "--test-fraction", "1"], "--test-fraction must be < 1, got '1'"),
        (["rank", "--patience", "0"], "--patience must be > 0, got '0'"),
        (
            ["update-paths", "r.csv", "--on", "textbook"],
            "RATINGS must not be given for the study update-paths, got 'r.csv'",
        ),
        (["landscape", "--on", "spark"], "--on must be textbook for the study landscape, got spark. Pass"),
    ],
)
def test_bad_options_are_refused_before_any_work(job, tmp_path, capsys, arguments, sentence):
    with pytest.raises(SystemExit) as ended:
        job.main([*arguments, "--output", str(tmp_path / "out")])
    assert ended.value.code == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert sentence in told
    assert not (tmp_path / "out").exists()


def test_the_shipped_configuration_holds_every_default():
    file = ROOT / "conf" / "experiments.toml"
    assert read_settings(ExperimentSettings, file, {}) == ExperimentSettings()
    optional = [line.removeprefix("# ") for line in file.read_text().splitlines() if re.match(r"# \w+ = ", line)]
    shown = tomllib.loads("\n".join(optional))
    unset = {name for name, value in vars(ExperimentSettings()).items() if value is None}
    assert set(shown) == unset
    assert set(tomllib.loads(file.read_text())) == set(vars(ExperimentSettings())) - unset
    # What stands there of the hyperparameters is what holds without ratings.
    tuned = vars(ExperimentSettings().tuning)
    assert {name: tuned[name] for name in tuned if name in shown} == {
        name: tuple(value) if isinstance(value, list) else value for name, value in shown.items() if name in tuned
    }
