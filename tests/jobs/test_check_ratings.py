"""The checking job from its command line: what it leaves, complete or not, and how it ends on bad input."""

import gzip
import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from spark_mf.cli.commands.check import CHECKED_FILES, CheckSettings
from spark_mf.cli.settings import read_settings
from spark_mf.data.reading import read_ratings
from spark_mf.storage.folders import ratings_path, read_description

JOB = "check_ratings"
ROOT = Path(__file__).resolve().parents[2]
LINES = [
    "userId,movieId,rating,timestamp",
    "1,10,3.5,100",
    "1,20,4,101",
    "",
    "2,10,five,102",
    "2,10,1,103",
    "2,10,2,104",
]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Six lines: one good user, one bad rating, one repeated pair."""
    path = tmp_path_factory.mktemp("source") / "ratings.csv.gz"
    path.write_bytes(gzip.compress("\r\n".join(LINES).encode()))
    return path


@pytest.fixture(scope="module")
def finished(job, spark, source, tmp_path_factory):
    """A folder that a run left."""
    folder = tmp_path_factory.mktemp("check") / "out"
    assert job.main([str(source), "--output", str(folder), "--on-bad", "reject", "--duplicates", "mean"]) == 0
    return folder


def refused(job, capsys, *arguments: str) -> str:
    """The one sentence that a run with bad input ends with."""
    with pytest.raises(SystemExit) as ended:
        job.main(list(arguments))
    assert ended.value.code == 2
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("check_ratings: ")]
    return sentence


def test_rows_in_are_rows_accepted_and_rejected(spark, source, finished):
    assert {path.name for path in finished.iterdir() if path.name[0] != "."} == {*CHECKED_FILES, "description.json"}
    ratings = spark.read.parquet(ratings_path(spark, str(finished)))
    assert ratings.schema.simpleString() == "struct<user:int,item:int,rating:float,timestamp:bigint>"
    assert sorted(map(tuple, ratings.collect())) == [(1, 10, 3.5, 100), (1, 20, 4.0, 101), (2, 10, 1.5, 104)]
    files = (finished / "rejected").glob("*.json")
    rejected = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    assert sorted(rejected, key=lambda row: row["line"]) == [
        {"reason": "rating is not a number", "file": str(source), "line": 5, "text": "2,10,five,102"},
        {
            "reason": "its rating is part of the mean of its user and item",
            "file": str(source),
            "line": 6,
            "text": "2,10,1,103",
        },
    ]


def test_the_summary_says_what_was_found(job, spark, source, finished, tmp_path, capsys):
    described = read_description(spark, str(finished))
    assert (described["rows"], described["accepted"], described["rejected"]) == (5, 3, 2)
    assert described["reasons"]["rating is not a number"] == 1
    assert (described["ranges"]["least_user"], described["ranges"]["most_timestamp"]) == (1, 104)
    again = ["--on-bad", "reject", "--duplicates", "last", "--id-type", "string"]
    assert job.main([str(source), "--output", str(tmp_path / "out"), *again]) == 0
    shown = capsys.readouterr()
    assert "check_ratings: 2 of 5 rows were rejected; their lines and reasons are in " in shown.err
    table = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert table.partition("\n\n")[2].strip() in shown.out
    cells = {
        cell[0]: cell[1] for line in table.splitlines() if len(cell := [c.strip() for c in line.split("|")[1:-1]]) == 2
    }
    expected = {
        "rows read": "5",
        "accepted": "3",
        "rejected": "2",
        "- rating is not a number": "1",
        "- a later row rates the same item by the same user": "1",
        "blank lines": "1",
        "repeated pairs of user and item": "1",
        "users": "2",
        "user ids": "string, '1' to '2'",
        "ratings per user: min, median, max": "1, 1.5, 2",
        "rating: min, mean, max": "2, 3.167, 4",
        "timestamps": "100 to 104",
    }
    assert expected.items() <= cells.items()


def test_what_was_understood_is_said_before_any_work(job, spark, tmp_path, capsys, monkeypatch):
    """Even when nothing can be counted."""
    (tmp_path / "a.txt").write_bytes("10|1|caf\xe9|3\n20|2|x|4\n".encode("latin-1"))
    options = ["--separator", "|", "--encoding", "latin-1", "--columns", "item,user,name,rating"]
    with monkeypatch.context() as patch:
        patch.setattr("spark_mf.data.checks.tally.count_faults", lambda classified: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            job.main([str(tmp_path / "a.txt"), "--output", str(tmp_path / "out"), *options])
    said = capsys.readouterr().err.splitlines()
    assert said[1:12] == [
        "format: text separated by | (as requested)",
        "encoding: latin-1 (as requested)",
        "quotes: double",
        "layout: ratings, one per line (by default)",
        "header: none, columns are named by --columns",
        "user column: user (column 2, named by --columns)",
        "item column: item (column 1, named by --columns)",
        "rating column: rating (column 4, named by --columns)",
        "timestamp column: none (not found)",
        "user ids: integers (guessed)",
        "item ids: integers (guessed)",
    ]
    assert job.main([str(tmp_path / "a.txt"), "--output", str(tmp_path / "out"), *options]) == 0
    assert sorted(map(tuple, read_ratings(spark, tmp_path / "out").ratings.collect())) == [(1, 10, 3.0), (2, 20, 4.0)]


def test_lines_inside_quotes_are_in_the_summary(job, tmp_path, capsys):
    (tmp_path / "a.csv").write_text('user,item,rating,review\n1,2,5,"My list:\n7,8,1,boring\n9,9,2,bad"\n2,2,4,fine\n')
    assert job.main([str(tmp_path / "a.csv"), "--output", str(tmp_path / "out")]) == 0
    table = "".join(capsys.readouterr().out.split())
    assert "|rowsread|2|" in table
    assert "|linesinsidequotedfields|2|" in table


def test_parquet_and_the_output_of_a_job_are_read_too(job, spark, finished, tmp_path, capsys):
    assert job.main([str(finished), "--output", str(tmp_path / "out"), "--min-user-ratings", "2"]) == 0
    assert read_ratings(spark, tmp_path / "out").rows == 2
    row = json.loads(
        next(file.read_text() for file in (tmp_path / "out/rejected").glob("*.json") if file.stat().st_size)
    )
    assert row["reason"] == "its user has fewer than 2 usable ratings"
    assert json.loads(row["text"]) == {"user": 2, "item": 10, "rating": 1.5, "timestamp": 104}


def test_times_are_written_and_summed_up_as_times(job, spark, tmp_path, capsys):
    """Dates before 1900, too, of which the option says what they are; and none where none are wanted."""
    source = tmp_path / "ratings.csv"
    source.write_text("user,item,rating,date\n1,1,1,01/02/1850\n1,2,2,03/04/2019 1:30\n")
    sentence = refused(job, capsys, str(source), "--output", str(tmp_path / "out"))
    assert "got '01/02/1850' and '03/04/2019 1:30', and all may be US or European dates. Set time_format (" in sentence
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        assert job.main([str(source), "--output", str(tmp_path / "out"), "--time-format", "european"]) == 0
    finally:
        spark.conf.unset("spark.sql.session.timeZone")
    times = "1850-02-01 00:00:00Z to 2019-04-03 01:30:00Z"
    assert f"| timestamps | {times} |" in re.sub(" +", " ", (tmp_path / "out" / "summary.md").read_text())
    described = read_description(spark, str(tmp_path / "out"))
    assert described["ranges"]["most_timestamp"] == "2019-04-03 01:30:00Z"
    assert described["notes"][-1] == "timestamp: European dates, D.M.YYYY (as requested)"
    written = read_ratings(spark, tmp_path / "out").ratings.selectExpr("min(unix_seconds(timestamp))")
    assert written.collect() == [(-3_784_147_200,)]
    assert job.main([str(source), "--output", str(tmp_path / "none"), "--timestamp-col", ""]) == 0
    assert read_ratings(spark, tmp_path / "none").ratings.columns == ["user", "item", "rating"]


def test_bad_rows_and_duplicates_are_refused_by_default(job, spark, source, tmp_path, capsys):
    sentence = refused(job, capsys, str(source), "--output", str(tmp_path / "out"))
    assert "1 of 5 rows of" in sentence
    assert f"The first is line 5 of {source}, '2,10,five,102' (rating is not a number)" in sentence
    sentence = refused(job, capsys, str(source), "--output", str(tmp_path / "out"), "--on-bad", "reject")
    assert "must have one rating of each user and item, got 1 " in sentence
    assert "choose with duplicates to keep all, the last, or their mean or sum" in sentence
    assert list((tmp_path / "out").iterdir()) == []


def test_a_run_that_dies_half_way_leaves_the_earlier_one_complete(
    job, spark, source, finished, tmp_path, capsys, monkeypatch
):
    """It dies while overwriting a complete run, after its ratings were written."""
    shutil.copytree(finished, tmp_path / "out")
    assert read_ratings(spark, tmp_path / "out").rows == 3
    arguments = [str(source), "--output", str(tmp_path / "out"), "--on-bad", "reject", "--duplicates", "keep"]
    with monkeypatch.context() as patch:
        patch.setattr("spark_mf.cli.commands.check._column_ranges", lambda ratings: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            job.main([*arguments, "--overwrite"])
    assert (tmp_path / "out" / "_unfinished" / "ratings" / "_SUCCESS").exists()
    assert read_ratings(spark, tmp_path / "out").rows == 3
    capsys.readouterr()
    assert "which is not empty. Give another one, or --overwrite" in refused(job, capsys, *arguments)
    assert job.main([*arguments, "--overwrite"]) == 0
    assert read_ratings(spark, tmp_path / "out").rows == 4


def test_a_killed_write_of_sparks_own_is_refused(job, spark, finished, tmp_path, capsys):
    shutil.copytree(finished / "ratings", tmp_path / "killed")
    (tmp_path / "killed" / "_SUCCESS").unlink()
    (tmp_path / "killed" / "_temporary").mkdir()
    sentence = refused(job, capsys, str(tmp_path / "killed"), "--output", str(tmp_path / "out"))
    assert "must be written completely, got a folder with _temporary and without _SUCCESS" in sentence


def test_the_input_may_not_be_in_the_output(job, spark, finished, capsys):
    inside = str(finished / "ratings")
    sentence = refused(job, capsys, inside, "--output", str(finished), "--overwrite")
    assert "output must not contain the data to be read, got" in sentence
    assert sentence.endswith("Give another output.")
    assert ratings_path(spark, str(finished)) == inside


def test_an_output_that_cannot_be_written(job, spark, source, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "inside", Path("/proc/no-such-folder")):
        sentence = refused(job, capsys, str(source), "--output", str(output))
        assert f"got {output}, which is a file" in sentence or f"The output folder {output} cannot be" in sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--id-type", "uuid"], "--id-type must be one of auto, integer, string, got 'uuid'."),
        (["--separator", "ab"], "backslash or line end, or one of ::, tab, \\t, blank, got 'ab'."),
        (
            ["--encoding", "utf-16"],
            "--encoding must be UTF-8 or an encoding with one byte per character, such as ISO-8859-1, got 'utf-16'.",
        ),
        (["--layout", "wide"], "--layout must be one of ratings, netflix, matrix, got 'wide'."),
        (["--columns", "item,item"], "--columns must be a list of distinct values, got 'item,item'."),
        (["x.csv", "--missing", "99"], "missing must be given with layout matrix only, got 99."),
        (["--on-bad", "skip"], "--on-bad must be one of fail, reject, got 'skip'."),
        (["--min-user-ratings", "0"], "--min-user-ratings must be > 0, got '0'"),
        (
            ["--min-rating", "6", "--max-rating", "5"],
            "min_rating must be at most max_rating, got min_rating 6 and max_rating 5",
        ),
        ([], "RATINGS must be the path of ratings, got nothing."),
        (["absent.csv"], "absent.csv does not exist. Give a file or a folder of ratings."),
    ],
)
def test_bad_options_are_refused(job, spark, tmp_path, capsys, arguments, sentence):
    assert sentence in refused(job, capsys, *arguments, "--output", str(tmp_path / "out"))


def test_the_shipped_configuration_holds_every_default():
    file = ROOT / "conf" / "check_ratings.toml"
    assert read_settings(CheckSettings, file, {}) == CheckSettings()
    optional = [line.removeprefix("# ") for line in file.read_text().splitlines() if line.startswith("# ")]
    shown = tomllib.loads("\n".join(line for line in optional if " = " in line))
    unset = {name for name, value in vars(CheckSettings()).items() if value is None}
    assert set(shown) == unset
    assert set(tomllib.loads(file.read_text())) == set(vars(CheckSettings())) - unset
