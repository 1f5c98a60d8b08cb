"""Tests of the settings and points of scalability measurements."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from spark_mf.benchmarks.measuring import RatingCounts
from spark_mf.benchmarks.own_process import INTERRUPTED, recorded_rows
from spark_mf.benchmarks.scalability import run
from spark_mf.benchmarks.scalability.methods import METHODS
from spark_mf.benchmarks.scalability.point import measure_point, record_point
from spark_mf.benchmarks.scalability.points import points_of
from spark_mf.benchmarks.scalability.rows import ScalabilityRow, unmeasured_point
from spark_mf.benchmarks.scalability.run import measure_points, points_to_measure, write_data
from spark_mf.benchmarks.scalability.settings import RATINGS, STRONG, WEAK, ScalabilitySettings
from spark_mf.cli.output import OutputFolder
from spark_mf.cli.settings import read_settings

JOB = Path(__file__).parents[3] / "jobs" / "scalability.py"
TINY = ScalabilitySettings(
    experiments=(STRONG, WEAK), methods=("cg", "sgd"), cores=(1, 2), ratings=2_000, ratings_per_user=20, items=50,
    rank=4, iterations=2,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return OutputFolder(tmp_path / "out", run.SCALABILITY_FILES, overwrite=True)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Whatever the machine has."""
    monkeypatch.setattr(run.os, "cpu_count", lambda: 2)


@pytest.fixture
def counted(monkeypatch, make_row):
    """As if all ratings were written."""
    names = RatingCounts.__dataclass_fields__
    counts = RatingCounts(**{name: getattr(make_row(), name) for name in names})
    monkeypatch.setattr(run, "counts_of", lambda *_: counts)
    return counts


def test_a_point_is_measured_once_for_all_its_experiments():
    points = {point.name: point.experiments for point in points_of(TINY)}
    assert points == {
        "cg:1:1000:4:own:1": (WEAK,), "sgd:1:1000:4:own:1": (WEAK,),
        "cg:1:2000:4:own:1": (STRONG,), "sgd:1:2000:4:own:1": (STRONG,),
        "cg:2:2000:4:own:1": (STRONG, WEAK), "sgd:2:2000:4:own:1": (STRONG, WEAK),
    }  # fmt: skip


def test_growth_is_on_the_most_cores_and_of_one_thing():
    settings = replace(
        TINY, experiments=("ratings", "rank", "blocks"), methods=("cg",), ratings_sizes=(1_000, 2_000), ranks=(4, 8),
        block_counts=(2, 6),
    )  # fmt: skip
    assert [point.name for point in points_of(settings)] == [
        "cg:2:1000:4:own:1", "cg:2:2000:4:own:1", "cg:2:2000:4:2:1", "cg:2:2000:4:6:1", "cg:2:2000:8:own:1",
    ]  # fmt: skip


@pytest.mark.usefixtures("spark")
def test_every_method_is_on_its_engine_with_its_blocks():
    found = {}
    for method in METHODS:
        point = replace(points_of(TINY)[0], method=method, cores=2, blocks=6)
        fitted = point.fitted(TINY)
        estimator = fitted.estimator()
        engine = estimator.getEngine() if hasattr(estimator, "getEngine") else None
        found[fitted.label] = (engine, estimator.getNumUserBlocks(), estimator.getNumItemBlocks(), estimator.getRank())
    assert found == {
        **{f"spark_mf.ALS, {solver}, {engine}": (engine, 6, 6, 4)
           for solver in ("cholesky", "cg", "gd") for engine in ("ring", "broadcast")},
        "spark_mf.SGD, ring": ("ring", 2, 6, 4),
        "spark_mf.SGD, stages": ("stages", 2, 6, 4),
        "pyspark.ALS": (None, 6, 6, 4),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"methods": ()}, "experiments, methods and cores must not be empty"),
        ({"master": "local[4]"}, r"master must contain \{cores\} .* 'local\[\{cores\}\]', got 'local\[4\]'"),
        (
            {"experiments": ("blocks",), "block_counts": (1, 4)},
            "block_counts must be at least 2, the largest number of cores, got 1",
        ),
        ({"experiments": ("rank",), "ranks": ()}, "sizes of the experiment rank must not be empty"),
        ({"spark_conf": ("spark.executor.memory",)}, "spark_conf must be KEY=VALUE.*, got 'spark.executor.memory'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        replace(TINY, **changes)


def test_the_file_says_the_defaults():
    assert read_settings(ScalabilitySettings, JOB.parents[1] / "conf" / "scalability.toml", {}) == ScalabilitySettings()


def test_masters_give_each_point_its_cores():
    assert TINY.master_of(2) == "local[2]"
    cluster = replace(TINY, master="spark://host:7077", cores=(64,), spark_conf=("spark.executor.memory=1g",))
    assert cluster.master_of(64) == "spark://host:7077"
    assert cluster.conf_of(64)["spark.cores.max"] == "64"
    assert cluster.conf_of(64)["spark.executor.memory"] == "1g"


def test_what_cannot_be_measured_is_refused(folder, monkeypatch):
    with pytest.raises(ValueError, match="cores must be at most 2, the cores of this machine, got 3"):
        points_to_measure(replace(TINY, cores=(3,)), folder, again=False)
    cluster = replace(TINY, cores=(3,), master="spark://host:7077")
    assert len(points_to_measure(cluster, folder, again=False)) == 2
    with pytest.raises(ValueError, match="Ask for fewer"):
        points_to_measure(replace(TINY, ratings_per_user=49, items=50), folder, again=False)
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    with pytest.raises(RuntimeError, match="Run the job with python"):
        points_to_measure(TINY, folder, again=False)


def test_an_unknown_point_and_missing_ratings_are_refused(folder):
    with pytest.raises(ValueError, match="--point must be a point of these settings, got cg:9"):
        measure_point(TINY, folder, "cg:9")
    with pytest.raises(FileNotFoundError, match="contains no ratings"):
        measure_point(TINY, folder, "cg:1:1000:4:own:1")
    with pytest.raises(RuntimeError, match="1,000 ratings were not written: their process ended with exit code 3"):
        write_data(TINY, folder, ["-c", "raise SystemExit(3)"], points_of(TINY))


def test_a_killed_point_is_a_row_and_is_tried_again(folder, counted):
    points = points_of(TINY)[:2]
    rows = measure_points(TINY, folder, ["-c", "raise SystemExit(9)"], points)
    assert [(row.label, row.error) for row in rows] == [(point.name, INTERRUPTED) for point in points]
    assert INTERRUPTED in (folder.path / "report.md").read_text(encoding="utf-8")
    assert points_to_measure(TINY, folder, again=False) == points_of(TINY)


def test_measured_points_are_kept_and_serve_further_experiments(folder, counted, make_row):
    kept = points_of(TINY)[-1]
    where = run.Provenance("local[2]", 2, {}, None)
    record_point(folder, unmeasured_point(kept, TINY, counted, where))
    assert kept not in points_to_measure(TINY, folder, again=False)
    assert kept in points_to_measure(TINY, folder, again=True)
    more = replace(TINY, experiments=(RATINGS,), ratings_sizes=(2_000,))
    assert kept.name not in [point.name for point in points_to_measure(more, folder, again=False)]
    assert recorded_rows(folder, ScalabilityRow)[0].experiments == (STRONG, WEAK, RATINGS)
    with pytest.raises(
        ValueError, match=r"iterations must be 2, as in the row of .*, got 3\. Use another output folder"
    ):
        points_to_measure(replace(TINY, iterations=3), folder, again=False)


@pytest.mark.slow
def test_a_point_end_to_end(tmp_path):
    out = tmp_path / "out"
    options = {"experiments": STRONG, "methods": "cg,pyspark", "cores": 2, "ratings": 2_000, "ratings-per-user": 20,
               "items": 50, "rank": 4, "iterations": 2, "pyspark-blocks": 2, "driver-memory": "1g"}  # fmt: skip
    given = [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [sys.executable, str(JOB), "--output", str(out), *given],
        capture_output=True, text=True, timeout=900, env={**os.environ, "PYSPARK_PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [(row["model"], row["engine"], row["error"]) for row in rows] == [
        ("spark_mf.ALS", "ring", None), ("pyspark.ALS", None, None),
    ]  # fmt: skip
    for row in rows:
        assert row["cores"] == 2
        assert row["test_rmse"] > 0
        assert row["breakdown"]["tasks"] > 0
        assert (row["breakdown"]["kernels"] > 0) == (row["model"] == "spark_mf.ALS")
    # Nothing of the fit after its set-up is left out, or counted twice.
    ring = rows[0]
    after_setup = ring["fit_seconds"] - ring["setup_seconds"]
    assert 2 * sum(ring["breakdown"].values()) == pytest.approx(after_setup, abs=0.01)
    assert (out / "breakdown.png").exists()
