"""The README's Python blocks run, one after the other, as a reader would paste them into one session."""

import re
from pathlib import Path
from typing import Any

import pytest

from spark_mf.experiments.bench_report import figures
from spark_mf.experiments.rows import read_rows

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
    assert model.summary.validationRmseHistory[-1] < 1.0
    assert "RMSE" in capsys.readouterr().out


def test_measured_ratios_are_those_of_the_committed_rows():
    """Every speed ratio that the benchmark's rows give stands in the README's table, and no other does."""
    rows = read_rows(RESULTS / "results.jsonl")
    measured = [f"{figure.measured:.1f} ×" for figure in figures(rows) if figure.measured and not figure.is_limit]
    cells = README.read_text(encoding="utf-8").split("|")
    stated = [cell.strip() for cell in cells if re.fullmatch(r"[\d.]+ ×", cell.strip())]
    assert measured
    assert sorted(stated) == sorted(measured)
