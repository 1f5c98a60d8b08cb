"""The benchmark of SGD's kernels from its command line."""

import json
from pathlib import Path

import pytest

from spark_mf.benchmarks.speed.kernels import BenchKernelsSettings
from spark_mf.cli.settings import read_settings

JOB = "bench_kernels"
ROOT = Path(__file__).resolve().parents[2]


def test_the_shipped_file_holds_the_defaults():
    assert read_settings(BenchKernelsSettings, ROOT / "conf" / "bench_kernels.toml", {}) == BenchKernelsSettings()


def test_the_job_leaves_rows_report_and_plot(job, tmp_path, capsys):
    output = tmp_path / "out"
    assert job.main(["--output", str(output), "--ranks", "4", "--ratings", "500", "--threads", "1"]) == 0
    rows = [json.loads(line) for line in (output / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 6
    assert {path.name for path in output.iterdir()} == {"results.jsonl", "report.md", "updates_by_rank.png"}
    assert "Memory bandwidth: 1 threads" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--ranks", "0,8"], "each value of --ranks must be > 0, got '0'"),
        (["--threads", "0"], "--threads must be > 0, got '0'"),
    ],
)
def test_bad_input_is_one_sentence(job, tmp_path, capsys, given, sentence):
    with pytest.raises(SystemExit) as ended:
        job.main(["--output", str(tmp_path / "out"), *given])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
