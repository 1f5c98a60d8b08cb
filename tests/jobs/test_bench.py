"""The benchmark job from its command line: a point without its library, and how it ends on bad input."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from spark_mf.benchmarks.native_blas import loaded_libraries
from spark_mf.benchmarks.rows import read_rows
from spark_mf.benchmarks.speed.point_names import OBJECTIVE_POINTS
from spark_mf.benchmarks.speed.settings import BenchSettings
from spark_mf.cli.settings import read_settings

JOB = "bench"
ROOT = Path(__file__).resolve().parents[2]
TINY = ["--users", "60", "--items", "40", "--ratings", "1200", "--rank", "2", "--iterations", "1"]


def test_the_shipped_file_holds_the_defaults():
    file = ROOT / "conf" / "bench.toml"
    assert read_settings(BenchSettings, file, {}) == BenchSettings()
    assert "ratings" in tomllib.loads(file.read_text(encoding="utf-8"))


def test_the_small_set_differs_in_size_and_points_alone():
    small = read_settings(BenchSettings, ROOT / "conf" / "bench_million.toml", {})
    assert small.ratings == 1_000_000
    full = BenchSettings()
    assert replace(small, users=full.users, items=full.items, ratings=full.ratings, points=full.points) == full


def test_the_file_of_objectives_has_the_other_points_and_the_defaults():
    found = read_settings(BenchSettings, ROOT / "conf" / "bench_objectives.toml", {})
    assert found == replace(BenchSettings(), points=OBJECTIVE_POINTS)


def test_a_point_without_openblas_says_what_to_install(job, spark, tmp_path):
    if loaded_libraries(spark):
        pytest.skip("this JVM has found a native library")
    given = ["--output", str(tmp_path / "out"), *TINY]
    assert job.main([*given, "--point", "data"]) == 0
    assert job.main([*given, "--point", "pyspark-openblas"]) == 0
    rows = read_rows(tmp_path / "out" / "results.jsonl")
    assert len(rows) == 2
    assert all("libopenblas0-pthread" in (row.error or "") for row in rows)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--points", "cg,fastest"], "high-rank-implicit-subspace, got 'fastest'."),
        (["--implicit-ranks", "64,0"], "--implicit-ranks"),
        (["--points", "high-rank-cholesky", "--high-rank-ratings", "999999999"], "Ask for fewer"),
        (["--rank", "0"], "--rank must be > 0, got '0'"),
        (["--sgd-step-size", "0"], "--sgd-step-size must be > 0, got '0'"),
        (["--ratings", "999999"], "Ask for fewer"),
        (["--openblas", "absent"], "--openblas must contain libblas.so.3, got absent"),
        (["--config", "absent.toml"], "absent.toml"),
    ],
)
def test_bad_input_is_one_sentence(job, tmp_path, capsys, given, sentence):
    with pytest.raises(SystemExit) as ended:
        job.main(["--output", str(tmp_path / "out"), *TINY, *given])
    assert ended.value.code == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith("bench: ")]
    assert sentence in line
