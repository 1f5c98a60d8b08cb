"""The page on methods: its lines run in the textbook and on Spark, and its links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

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


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) >= 9
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
