"""Tests of the README: its Python blocks run in order, and its numbers are those of committed results."""

import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from spark_mf.benchmarks.rows import read_rows
from spark_mf.benchmarks.speed.ratings import STEPS, StepRow
from spark_mf.benchmarks.speed.report import figures
from spark_mf.ratings.typed_json import from_json

README = Path(__file__).parents[1] / "README.md"
RESULTS = README.parent / "docs" / "results" / "als-20m"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_there_are_blocks_to_run():
    assert len(BLOCKS) >= 2


def test_blocks_run_in_order(spark, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"spark": spark}
    for number, block in enumerate(BLOCKS, 1):
        try:
            exec(compile(block, f"README.md, block {number}", "exec"), names)
        except Exception as error:
            pytest.fail(f"block {number} of the README fails with {error!r}:\n{block}")
    model = names["model"]
    assert model.rank == 16
    assert model.summary.metricHistory("validation_rmse")[-1] < 1.0
    assert "RMSE" in capsys.readouterr().out
    recalls = names["preferences"].summary.metricHistory("validation_recall")
    assert names["best"].validation_recall == max(recalls) > 0
    biased = names["biased"]
    assert biased.hasBias
    assert biased.summary.metricHistory("validation_rmse")[biased.summary.bestIteration - 1] < 1.0


def test_measured_ratios_are_those_of_the_committed_rows():
    """Every speed ratio that the benchmark's rows give stands in the README's table, and no other does."""
    rows = read_rows(RESULTS / "results.jsonl")
    measured = [f"{figure.measured:.1f} ×" for figure in figures(rows) if figure.theirs and not figure.is_limit]
    cells = README.read_text(encoding="utf-8").split("|")
    stated = [cell.strip() for cell in cells if re.fullmatch(r"[\d.]+ ×", cell.strip())]
    assert measured
    assert sorted(stated) == sorted(measured)
    (updates,) = (figure.measured for figure in figures(rows) if figure.name.startswith("million updates/s"))
    assert f"{updates:.0f} million updates a second" in " ".join(README.read_text(encoding="utf-8").split())


def test_the_page_on_ratings_states_the_speeds_of_the_committed_rows():
    lines = (README.parent / "docs" / "results" / "ratings" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [from_json(StepRow, line) for line in lines]
    speeds = {(row.ratings, row.step): (row.ratings_per_second or 0) / 1e6 for row in rows}
    page = " ".join((README.parent / "docs" / "ratings.md").read_text(encoding="utf-8").split())
    for ratings, sentence in (
        (20_000_000, "20 million ratings are generated at {:.1f}, checked at {:.1f} and partitioned at {:.1f} million"),
        (100_000_000, "100 million at {:.1f}, {:.1f} and {:.1f}."),
    ):
        assert sentence.format(*(speeds[ratings, step] for step in STEPS)) in page


def test_errors_of_sgd_are_the_means_of_the_table_behind_them():
    page = (README.parent / "docs" / "sgd.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    splits = [[float(error) for error in row[-3:]] for row in cells if row[0].isdigit()]
    (means,) = ([float(error) for error in row[-3:]] for row in cells if row[0] == "mean")
    assert len(splits) == 5
    for split in [*splits, means]:
        assert split[0] - split[1] == pytest.approx(split[2], abs=1.01e-4)
    assert means == pytest.approx([fmean(column) for column in zip(*splits, strict=True)], abs=0.6e-4)
    text = " ".join(README.read_text(encoding="utf-8").split())
    assert f"its test RMSE is {means[1]:.4f} and that of pyspark's ALS {means[0]:.4f}" in text
