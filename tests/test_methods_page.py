"""Tests of the page on methods: its code runs in the textbook and on Spark, and its links work."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_mf.benchmarks.rows import read_rows
from spark_mf.studies.textbook.rows import ON_SPARK, PUBLISHED, TextbookRow

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("package", ["spark_mf", "spark_mf.textbook"])
def test_one_word_decides_where_the_same_lines_run(spark, package):
    (block,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    lines = block.splitlines()
    imports = [line for line in lines if line.startswith("from ")]
    (chosen,) = (line for line in imports if line.split()[1] == package)
    rng = np.random.default_rng(0)
    R = rng.normal(0, 1, (12, 2)) @ rng.normal(0, 1, (2, 9))
    users, items = np.nonzero(rng.random(R.shape) < 0.8)
    columns = {"user": users, "item": items, "rating": R[users, items], "held_out": (users + items) % 7 == 0}
    names: dict[str, Any] = {"ratings": spark.createDataFrame(pd.DataFrame(columns))}
    *statements, expression = [line for line in lines if line and line not in imports]

    exec("\n".join([chosen, *statements]), names)
    error = eval(expression, names)

    assert names["als"].__class__.__module__.startswith(package)
    assert 0 < error < float(np.std(columns["rating"]))


def test_the_two_ways_of_l2_differ_by_what_the_committed_rows_say():
    rows = read_rows(PAGE.parent / "results" / "textbook" / "results.jsonl", TextbookRow)
    touched = {row.label: row.textbook or 0.0 for row in rows if row.part == ON_SPARK}
    of_all = {row.label: row.obtained or 0.0 for row in rows if row.part == PUBLISHED and row.label in touched}
    last = [label for label in of_all if label.endswith("test RMSE") and not label.startswith("ALS")]
    apart = {label: abs(touched[label] / of_all[label] - 1) for label in last}
    biased = apart.pop("mini-batch GD, biases: test RMSE")
    assert len(apart) == 3
    assert min(apart.values()) >= 0.01
    assert max(apart.values()) <= 0.015
    assert round(100 * biased, 2) <= 0.02
    assert "differ by 1 to 1.5 %, with biases by 0.02 %" in " ".join(TEXT.split())


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) >= 9
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
