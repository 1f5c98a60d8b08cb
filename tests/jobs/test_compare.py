"""The comparison job from its command line: what it leaves, and how it ends on bad input."""

import json
import tomllib
from pathlib import Path

import pytest

from spark_mf.benchmarks.compare import COMPARISON_FILES
from spark_mf.benchmarks.compare_settings import CompareSettings
from spark_mf.benchmarks.measuring import Bench
from spark_mf.benchmarks.methods import new_estimator, param_values
from spark_mf.benchmarks.rows import read_rows
from spark_mf.cli.settings import read_settings

JOB = "compare"
ROOT = Path(__file__).resolve().parents[2]
TINY = [
    "--generated-users", "60", "--generated-items", "40", "--generated-ratings", "1200", "--rank", "2",
    "--max-iter", "2", "--pyspark-history", "1", "--sgd-epochs", "3", "--sgd-init-std", "0.5",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(job, spark, tmp_path_factory):
    """A folder that a tiny comparison left, and what it returned."""
    folder = tmp_path_factory.mktemp("compare") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "warm_up", lambda *_: None)  # as many fits again; comparisons of a file warm up
        return folder, job.main(["--output", str(folder), *TINY])


def test_all_methods_run_and_agree(finished):
    folder, code = finished
    rows = read_rows(folder / "results.jsonl")
    assert [row.error for row in rows] == [None] * 6
    assert code == 0
    assert [(row.model, row.solver, row.blocks) for row in rows] == [
        ("spark_mf.ALS", "cholesky", None),
        ("spark_mf.ALS", "cg", None),
        ("spark_mf.SGD", "sgd", None),
        ("spark_mf.SGD", "sgd", None),
        ("pyspark.ALS", "cholesky", 10),
        ("pyspark.ALS", "cholesky", 2),
    ]
    for row in rows:
        iterations = 3 if row.model == "spark_mf.SGD" else 2
        assert (row.dataset, row.ratings, row.rank, row.iterations) == ("generated", 1200, 2, iterations)
        assert row.users <= 60
        assert row.items <= 40
        assert 0 < row.test_ratings < 300
        assert row.test_mae is not None
        assert row.test_rmse is not None
        assert row.test_mae < row.test_rmse < 3
        assert row.setup_seconds is not None
        assert row.fit_seconds is not None
        assert 0 < row.setup_seconds <= row.fit_seconds
        assert [record.iteration for record in row.history] == list(range(1, iterations + 1))
        # The history ends where the model was tested.
        assert row.history[-1].validation_rmse == pytest.approx(row.test_rmse, abs=1e-3)


def test_the_folder_holds_rows_report_and_plots_and_nothing_else(finished):
    folder, _ = finished
    assert {path.name for path in folder.iterdir()} == {"results.jsonl", *COMPARISON_FILES}
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "spark_mf.ALS, cholesky" in report
    assert all(f"]({name})" in report for name in COMPARISON_FILES if name.endswith(".png"))


def test_only_one_curve_of_pyspark_is_measured(finished):
    first = [row.history[0].validation_rmse for row in read_rows(finished[0] / "results.jsonl")]
    assert sum(rmse is not None for rmse in first[:4]) == 4
    assert sum(rmse is not None for rmse in first[4:]) == 1


def test_rows_of_sgd_say_how_it_descended(finished):
    rows = read_rows(finished[0] / "results.jsonl")
    biased, plain = (row for row in rows if row.model == "spark_mf.SGD")
    assert biased.params.items() >= {"regParam": 0.05, "biasRegParam": 0.02, "biasStepSize": 0.005}.items()
    assert (biased.params["fitBias"], plain.params) == (True, {**biased.params, "fitBias": False})
    # The default schedule multiplies the step by 0.95 each epoch.
    assert [record.step_size for record in biased.history] == pytest.approx([0.015, 0.01425, 0.0135375])
    assert {row.engine for row in rows if row.model != "pyspark.ALS"} == {"ring"}
    assert [row.is_sgd for row in rows] == [row.model == "spark_mf.SGD" for row in rows]


def test_an_estimator_made_of_a_row_has_its_params(finished):
    for row in read_rows(finished[0] / "results.jsonl"):
        assert row.params["userCol"] == "user"
        assert param_values(new_estimator(row.model, row.params)) == row.params


@pytest.mark.slow
def test_engines_are_those_asked_for(job, spark, tmp_path):
    given = ["--methods", "cg,sgd", "--als-engine", "broadcast", "--sgd-engine", "stages", "--sgd-epochs", "1"]
    assert job.main(["--output", str(tmp_path / "out"), *TINY, *given]) == 0
    rows = read_rows(tmp_path / "out" / "results.jsonl")
    assert [(row.error, row.engine) for row in rows] == [(None, "broadcast"), (None, "stages")]


def refused(job, capsys, *arguments: str) -> str:
    """The one sentence that a run with bad input ends with."""
    with pytest.raises(SystemExit) as ended:
        job.main(list(arguments))
    assert ended.value.code == 2
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("compare: ")]
    return sentence


def test_a_finished_folder_is_not_overwritten_unasked(job, finished, capsys):
    folder, _ = finished
    before = (folder / "results.jsonl").read_bytes()
    assert "which is not empty. Give another one, or --overwrite" in refused(job, capsys, "--output", str(folder))
    assert (folder / "results.jsonl").read_bytes() == before


def test_bad_ratings_leave_an_earlier_run_as_it_was(job, spark, tmp_path, capsys):
    (tmp_path / "results.jsonl").write_text("precious")
    absent = str(tmp_path / "absent.csv")
    assert "absent.csv" in refused(job, capsys, absent, "--output", str(tmp_path), "--overwrite")
    assert (tmp_path / "results.jsonl").read_text() == "precious"


def test_a_real_file_is_read_and_disagreement_is_exit_code_1(job, spark, tmp_path, capsys):
    ratings = tmp_path / "ratings.csv"
    lines = [f"{user},{item},{1 + (3 * user + item * item) % 5}" for user in range(40) for item in range(20)]
    # One pair twice, and an item that only one user rated, which may be cold.
    ratings.write_text("\n".join(["userId,movieId,rating", *lines, lines[0], "1,99,3"]))
    given = ["--rank", "2", "--max-iter", "1", "--methods", "cg,pyspark-cores", "--max-rmse-difference", "0"]
    assert job.main([str(ratings), "--output", str(tmp_path / "out"), *given]) == 1
    own, theirs = read_rows(tmp_path / "out" / "results.jsonl")
    assert (own.ratings, own.users, own.items, own.duplicates) == (802, 40, 21, 1)
    assert own.dataset == f"{tmp_path.name}/ratings.csv"
    assert own.test_rmse != theirs.test_rmse
    captured = capsys.readouterr()
    assert "they differ by" in captured.err
    assert "| spark_mf.ALS, cg " in captured.out


@pytest.mark.slow
def test_ids_that_pyspark_does_not_take_are_numbered_for_all(job, spark, tmp_path):
    ratings = tmp_path / "ratings.csv"
    lines = [f"Ann {user},{2**40 + item},{1 + (user + item) % 5}" for user in range(30) for item in range(20)]
    ratings.write_text("\n".join(["user,item,rating", *lines]))
    given = ["--rank", "2", "--max-iter", "1", "--methods", "cg,pyspark-cores", "--pyspark-history", ""]
    assert job.main([str(ratings), "--output", str(tmp_path / "out"), *given]) == 0
    rows = read_rows(tmp_path / "out" / "results.jsonl")
    assert [(row.error, row.users, row.items) for row in rows] == [(None, 30, 20)] * 2
    assert "user ids and item ids were numbered, as pyspark's" in (rows[0].split or "")


def test_the_ratings_may_not_be_in_the_output(job, spark, tmp_path, capsys):
    ratings = tmp_path / "report.md"
    ratings.write_text("user,item,rating\n1,2,3.0\n")
    sentence = refused(job, capsys, str(ratings), "--output", str(tmp_path), "--overwrite")
    assert "output must not contain the data to be read" in sentence
    assert sentence.endswith("Give another output.")
    assert ratings.exists()


def test_too_few_ratings_to_split_are_refused(job, spark, tmp_path, capsys):
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("user,item,rating\n1,2,3.0\n")
    sentence = refused(job, capsys, str(ratings), "--output", str(tmp_path / "out"))
    assert "the split must leave at least one" in sentence
    assert "Use more ratings or another split" in sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rank", "0"], "--rank must be > 0, got '0'"),
        (["--reg-param", "-1"], "--reg-param must be >= 0, got '-1'"),
        (["--test-fraction", "1"], "--test-fraction must be < 1, got '1'"),
        (
            ["--methods", "als"],
            "--methods must be one of cholesky, cg, sgd, sgd-plain, pyspark-10, pyspark-cores, got 'als'.",
        ),
        (["--pyspark-history", "0"], "each value of --pyspark-history must be > 0, got '0'"),
        (["--format", "xls"], "--format must be one of csv, tsv, dat, json, parquet, got 'xls'."),
        (
            ["--config", "absent.toml"],
            "--config must be the path of a TOML file, got absent.toml, which does not exist.",
        ),
        (["--split", "half"], "--split must be one of random, leave-out, time, column, got 'half'."),
        (["--split", "leave-out"], "--leave-out must be given with --split leave-out, got none"),
        (["--split", "column", "r.csv"], "--split-col must be given with --split column, got none"),
        (["--leave-out", "2"], "--leave-out must be given with --split leave-out only, got 2 with --split random"),
        (["--split-col", "fold"], "--split-col must be given with --split column only, got 'fold' with --split random"),
        (
            ["--timestamp-col", "ts", "r.csv"],
            "--timestamp-col must be given with --split time or leave-out only, got 'ts' with",
        ),
        (
            ["--time-format", "us", "r.csv"],
            "--time-format must be given with --split time or --timestamp-col only, got",
        ),
        (
            ["--time-format", "soon", "r.csv"],
            "--time-format must be one of iso, us, european, seconds, milliseconds or a datetime pattern with a year, "
            "such as dd.MM.yyyy, got 'soon'.",
        ),
        (["--split", "time"], "RATINGS must be given with --split time, because generated ratings have no column"),
        (
            ["--split", "leave-out", "--leave-out", "1", "--timestamp-col", "ts"],
            "RATINGS must be given with --split leave-out",
        ),
        (["--sgd-step-size", "0"], "--sgd-step-size must be > 0, got '0'"),
        (["--sgd-epochs", "0"], "--sgd-epochs must be > 0, got '0'"),
        (
            ["--sgd-schedule", "cosine"],
            "--sgd-schedule must be one of constant, exponential, inverse, boldDriver, got 'cosine'.",
        ),
        (["--sgd-decay", "1.5"], "--sgd-decay must be in (0, 1] with --sgd-schedule exponential, got 1.5"),
        (["--sgd-engine", "broadcast"], "--sgd-engine must be one of auto, ring, stages, got 'broadcast'."),
        (["--als-engine", "stages"], "--als-engine must be one of auto, broadcast, ring, got 'stages'."),
        (["--ranc", "3"], "unrecognized arguments: --ranc "),
    ],
)
def test_bad_options_are_refused_before_any_work(job, tmp_path, capsys, arguments, sentence):
    assert sentence in refused(job, capsys, "--output", str(tmp_path / "out"), *arguments)
    assert not (tmp_path / "out").exists()


def test_an_output_is_asked_for(job, capsys):
    assert "the following arguments are required: --output" in refused(job, capsys)


def test_the_shipped_configuration_holds_every_default(tmp_path):
    file = ROOT / "conf" / "compare.toml"
    assert read_settings(CompareSettings, file, {}) == CompareSettings()
    optional = [line.removeprefix("# ") for line in file.read_text().splitlines() if line.startswith("# ")]
    shown = tomllib.loads("\n".join(line for line in optional if " = " in line))
    unset = {name for name, value in vars(CompareSettings()).items() if value is None}
    assert set(shown) == unset
    assert set(tomllib.loads(file.read_text())) == set(vars(CompareSettings())) - unset


def test_rows_are_plain_json(finished):
    lines = (finished[0] / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON")) for line in lines]
    assert [row["model"] for row in rows] == ["spark_mf.ALS"] * 2 + ["spark_mf.SGD"] * 2 + ["pyspark.ALS"] * 2
