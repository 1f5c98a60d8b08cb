"""The partition job from its command line: what it leaves and prints, and how it ends on bad input."""

import tomllib
from pathlib import Path

import pytest

from spark_mf import ALS
from spark_mf.cli.commands.partition import PartitionSettings
from spark_mf.cli.settings import read_settings
from spark_mf.ratings.folder import PartitionedRatings

JOB = "partition_ratings"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    """Text with string ids and marks: 20 users of 10 of 12 items; user 3 is only in the test."""
    lines = ["reader,book,stars,part"]
    for user in range(20):
        for item in (item for item in range(12) if (user + item) % 6):
            part = "test" if user == 3 else "validation" if (user * item) % 8 == 5 else "train"
            lines.append(f"reader {user},b{item},{1 + (user + item) % 5},{part}")
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    path.write_text("\n".join(lines))
    return path


def options(ratings, output) -> list[str]:
    columns = ["--user-col", "reader", "--item-col", "book", "--rating-col", "stars", "--split-col", "part"]
    return [str(ratings), "--output", str(output), *columns]


def test_text_becomes_a_folder_that_a_fit_reads(job, spark, ratings, tmp_path, capsys):
    given = [
        *options(ratings, tmp_path / "out"),
        "--user-blocks",
        "2",
        "--item-blocks",
        "3",
        "--layouts",
        "blocks,grid",
    ]
    assert job.main([*given, "--rank", "3", "--seed", "4"]) == 0
    written = PartitionedRatings(spark, str(tmp_path / "out"))
    manifest = written.manifest
    assert (manifest.users.id_type, manifest.items.id_type) == ("string", "string")
    assert (manifest.users.count, manifest.users.blocks, manifest.items.blocks) == (19, 2, 3)
    assert (manifest.left_out, manifest.rank, manifest.seed) == (10, 3, 4)
    assert manifest.ratings + manifest.validation_ratings + manifest.cold_validation_ratings == 190
    assert manifest.validation_ratings > 0
    printed = capsys.readouterr().out
    assert (
        f"{manifest.ratings:,} training ratings ({manifest.duplicates:,} duplicates), "
        f"{manifest.validation_ratings:,} validation ratings" in printed
    )
    assert "10 left out" in printed
    assert "| users | 19 | 2 |" in printed
    assert "grid: 6 cells" in printed
    model = ALS(rank=3, maxIter=2, seed=0).fit(written)
    assert model.summary.metricHistory("validation_rmse")[-1] is not None
    assert "reader 3" not in {row.id for row in model.userFactors.collect()}


def refused(job, capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        job.main(list(arguments))
    assert ended.value.code == 2
    (sentence,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith(f"{JOB}: ")]
    return sentence


def test_the_ratings_may_not_be_in_the_output(job, spark, ratings, capsys):
    sentence = refused(job, capsys, *options(ratings, ratings.parent), "--overwrite")
    assert "output must not contain the data to be read, got" in sentence
    assert sentence.endswith("Give another output.")
    assert [path.name for path in ratings.parent.iterdir()] == [ratings.name]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--user-blocks", "0"], "--user-blocks must be > 0, got '0'"),
        (["--layouts", "rows"], "each value of --layouts must be one of blocks, grid, got 'rows'."),
        (["--layouts", ""], "--layouts must contain at least one of blocks, grid, got an empty list."),
        (["--split-col", "side"], "side"),
        (
            ["--config", "absent.toml"],
            "--config must be the path of a TOML file, got absent.toml, which does not exist.",
        ),
    ],
)
def test_bad_options_are_one_sentence(job, spark, ratings, tmp_path, capsys, arguments, sentence):
    assert sentence in refused(job, capsys, *options(ratings, tmp_path / "out"), *arguments)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_what_to_read_and_a_free_folder_are_needed(job, spark, ratings, tmp_path, capsys):
    assert "RATINGS must be the path of ratings, got nothing." in refused(
        job, capsys, "--output", str(tmp_path / "out")
    )
    (tmp_path / "precious").write_text("x")
    assert "is not empty" in refused(job, capsys, *options(ratings, tmp_path))
    assert "is a file" in refused(job, capsys, *options(ratings, tmp_path / "precious"))


def test_bad_rows_are_one_sentence_and_write_nothing(job, spark, tmp_path, capsys):
    (tmp_path / "ratings.csv").write_text("user,item,rating\n1,2,3\n1,3,five\n")
    sentence = refused(job, capsys, str(tmp_path / "ratings.csv"), "--output", str(tmp_path / "out"))
    assert "1 of 2 rows" in sentence
    assert list((tmp_path / "out").iterdir()) == []


def test_the_shipped_configuration_holds_every_default(ratings):
    text = (ROOT / "conf" / "partition_ratings.toml").read_text(encoding="utf-8")
    defaults = vars(PartitionSettings(ratings="given"))
    found = read_settings(PartitionSettings, ROOT / "conf" / "partition_ratings.toml", {"ratings": "given"})
    assert vars(found) == defaults
    commented = "\n".join(line.removeprefix("# ") for line in text.splitlines() if " = " in line)
    assert set(tomllib.loads(commented)) == set(defaults)
