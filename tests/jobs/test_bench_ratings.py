"""The benchmark of ratings from its command line: a row for every step at every size, and a sentence for bad input."""

import tomllib
from pathlib import Path

import pytest

from spark_mf.benchmarks.speed import ratings as bench_module
from spark_mf.benchmarks.speed.ratings import STEPS, BenchRatingsSettings, StepRow
from spark_mf.benchmarks.speed.ratings_report import draw_growth, step_report, step_table
from spark_mf.cli.settings import read_settings
from spark_mf.ratings.typed_json import from_json

JOB = "bench_ratings"
ROOT = Path(__file__).resolve().parents[2]
SIZES = (10_000, 20_000)


@pytest.fixture
def in_this_process(job, spark, monkeypatch):
    """Points run in the session of the tests instead of in processes of their own, and warm up with less."""

    def run(settings, command, step, ratings):
        folder = Path(command[command.index("--output") + 1]) / "data"
        return bench_module.measure_step(settings, folder, step, ratings)

    monkeypatch.setattr(bench_module, "_in_a_process", run)
    monkeypatch.setattr(bench_module, "_warm_up", lambda *_: None)
    monkeypatch.setattr(bench_module, "ITEMS", 500)


def number(value: float | None) -> float:
    assert value is not None
    return value


def read(folder: Path) -> list[StepRow]:
    lines = (folder / "results.jsonl").read_text().splitlines()
    return [from_json(StepRow, line) for line in lines]


@pytest.mark.slow
def test_every_step_is_measured_at_every_size(job, in_this_process, tmp_path, capsys):
    assert job.main(["--output", str(tmp_path / "out"), "--sizes", ",".join(map(str, SIZES))]) == 0
    rows = read(tmp_path / "out")
    assert [(row.ratings, row.step) for row in rows] == [(size, step) for size in SIZES for step in STEPS]
    for row in rows:
        assert row.error is None
        assert 0 < number(row.seconds) <= number(row.job_seconds)
        assert row.ratings_per_second == row.ratings / number(row.seconds)
        assert 0 < number(row.driver_memory_mb) < number(row.peak_memory_mb)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.jsonl", "report.md", "growth.png"}
    report = (tmp_path / "out" / "report.md").read_text()
    assert "](growth.png)" in report
    assert step_table(rows) in report
    assert step_table(rows) in capsys.readouterr().out


def test_a_step_that_fails_has_a_row_that_says_so(job, in_this_process, tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("no space left")

    monkeypatch.setattr(bench_module, "_RUNS", dict.fromkeys(STEPS, lambda *_: 0.5) | {"check": broken})
    assert job.main(["--output", str(tmp_path / "out"), "--sizes", "10000"]) == 1
    rows = read(tmp_path / "out")
    assert [row.error for row in rows] == [None, "no space left", None]
    assert "check 10,000: no space left" in (tmp_path / "out" / "report.md").read_text()


def test_a_process_that_dies_has_a_row_too(tmp_path):
    command = ["-c", "import sys; sys.exit(3)"]
    row = bench_module._in_a_process(BenchRatingsSettings(), command, "check", 10_000)
    assert row.error == "its process ended with exit code 3 before it was measured"
    assert (row.step, row.ratings, row.master, row.seconds) == ("check", 10_000, "local[2]", None)


def made_up(step: str, ratings: int, seconds: float | None) -> StepRow:
    return StepRow(
        step=step, ratings=ratings, users=1, items=1, seconds=seconds, driver_heap="4g", master="local[2]", cores=2,
        versions={"python": "3"}, git=None, started_at="now",
    )  # fmt: skip


def test_the_report_judges_what_was_asked_at_20_million():
    rows = [made_up("generate", 20_000_000, 16.0), made_up("generate", 100_000_000, 50.0)]
    rows += [made_up("partition", 1_000_000, 3.0), made_up("partition", 20_000_000, 13.0)]
    table = step_table(rows)
    assert "generate: target 1.0, measured 1.25 million ratings/s" in table
    assert "partition 20,000,000 ratings: target 15 s, measured 13.0 s" in table
    assert "check:" not in table
    assert "commit unknown" in step_report(rows, None)


def test_the_plot_leaves_out_what_failed(tmp_path):
    draw_growth([made_up("generate", 10, 1.0), made_up("check", 10, None)], tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sizes", "10"], "each value of --sizes must be >= 10000, got '10'"),
        (["--cores", "0"], "--cores must be > 0, got '0'"),
    ],
)
def test_bad_options_are_one_sentence(job, tmp_path, capsys, arguments, sentence):
    with pytest.raises(SystemExit) as ended:
        job.main(["--output", str(tmp_path / "out"), *arguments])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_shipped_configuration_holds_every_default():
    file = ROOT / "conf" / "bench_ratings.toml"
    assert read_settings(BenchRatingsSettings, file, {}) == BenchRatingsSettings()
    assert set(tomllib.loads(file.read_text())) == set(vars(BenchRatingsSettings()))
