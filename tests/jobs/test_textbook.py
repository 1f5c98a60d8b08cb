"""The textbook's job from its command line."""

import json

import pytest

from jobs.textbook import main


def test_an_unknown_choice_is_refused_in_a_sentence(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["--output", str(tmp_path / "out"), "--on", "paper"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "textbook: --on must be one of textbook, both, got 'paper'.\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_every_published_number_is_obtained_and_spark_agrees(capsys, tmp_path):
    folder = tmp_path / "out"
    assert main(["--output", str(folder), "--cost-ratings", "50000", "--cost-users", "2000"]) == 0
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert [row["part"] for row in rows].count("published") == 17
    assert [row["part"] for row in rows].count("on Spark") == 17
    assert "17 of 17 are within 1%" in capsys.readouterr().out
    assert "17 of 17 published numbers" in (folder / "report.md").read_text()
