"""The generating job from its command line: what it leaves, complete or not, and how it ends on bad input."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from spark_mf.cli.commands.generate_settings import DEFAULT, GenerateSettings
from spark_mf.cli.settings import read_settings
from spark_mf.storage.folders import ratings_path, read_description

JOB = "generate_ratings"
ROOT = Path(__file__).resolve().parents[2]
TINY = ["--users", "60", "--items", "40", "--ratings", "900", "--seed", "4"]


@pytest.fixture(scope="module")
def finished(job, spark, tmp_path_factory):
    """A folder that a tiny run left."""
    folder = tmp_path_factory.mktemp("generate") / "out"
    assert job.main(["--output", str(folder), *TINY, "--test-fraction", "0.2", "--partitions", "3"]) == 0
    return folder


def test_the_folder_holds_ratings_description_and_picture_and_nothing_else(spark, finished):
    shown = {path.name for path in finished.iterdir() if not path.name.startswith(".")}
    assert shown == {"ratings", "ratings.png", "description.json"}
    assert (finished / "ratings.png").read_bytes().startswith(b"\x89PNG")
    ratings = spark.read.parquet(ratings_path(spark, str(finished)))
    assert ratings.schema.simpleString() == "struct<user:int,item:int,rating:float,split:string>"
    assert ratings.count() == 900


def test_the_description_tells_how_to_make_the_same_again(job, spark, finished, tmp_path, capsys):
    described = json.loads((finished / "description.json").read_text(encoding="utf-8"))
    assert described["job"] == "generate_ratings"
    assert 0 < described["noise_floor_rmse"] < 1
    spec = described["spec"]
    again = ["--test-fraction", str(described["test_fraction"]), "--partitions", "2"]
    again += ["--scale", ",".join(map(str, [*spec.pop("scale"), spec.pop("step")]))]
    for name, value in spec.items():
        again += [f"--{name.replace('_', '-')}", str(value)]
    assert job.main(["--output", str(tmp_path / "again"), *again]) == 0
    assert "noise floor, RMSE" in capsys.readouterr().out
    first, second = (spark.read.parquet(str(path / "ratings")) for path in (finished, tmp_path / "again"))
    assert_df_equality(first, second, ignore_row_order=True)


def test_a_run_that_dies_half_way_is_not_taken_for_a_complete_one(job, spark, tmp_path, monkeypatch):
    """It dies in a new folder, after some of its files were written."""
    arguments = ["--output", str(tmp_path), *TINY, "--partitions", "2"]
    asked = job.asked_ratings

    def dying(*given):
        rating = F.when(F.col("user") == 59, F.raise_error(F.lit("killed"))).otherwise(F.col("rating"))
        return asked(*given).withColumn("rating", rating)

    monkeypatch.setattr(job, "asked_ratings", dying)
    with pytest.raises(Exception, match="killed"):
        job.main(arguments)
    assert not (tmp_path / "description.json").exists()
    assert not (tmp_path / "ratings.png").exists()
    with pytest.raises(
        ValueError, match=r"must contain description\.json, got the output of a job that did not finish"
    ):
        ratings_path(spark, str(tmp_path))
    monkeypatch.undo()
    assert job.main([*arguments, "--overwrite"]) == 0
    assert read_description(spark, str(tmp_path))["ratings"] == 900


def refused(job, capsys, *arguments: str) -> str:
    """The one sentence that a run with bad input ends with."""
    with pytest.raises(SystemExit) as ended:
        job.main(list(arguments))
    assert ended.value.code == 2
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("generate_ratings: ")]
    return sentence


def test_a_finished_folder_is_not_overwritten_unasked(job, finished, capsys):
    before = (finished / "description.json").read_bytes()
    assert "which is not empty. Give another one, or --overwrite" in refused(job, capsys, "--output", str(finished))
    assert (finished / "description.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--users", "0"], "--users must be > 0, got '0'"),
        (["--ratings", "1e6"], "--ratings must be an integer, got '1e6'"),
        (["--noise", "-1"], "--noise must be >= 0, got '-1'"),
        (["--skew", "zipf"], "--skew must be one of long-tailed, uniform, got 'zipf'."),
        (["--preset", "ml-2m"], "--preset must be one of ml-100k, ml-1m, ml-25m, netflix, textbook, got 'ml-2m'."),
        (["--scale", "5"], "--scale must be LOW,HIGH or LOW,HIGH,STEP, such as 0.5,5,0.5, got '5'."),
        (["--scale", "1-5"], "each value of --scale must be a number, got '1-5'."),
        (["--scale", "1,inf"], "each value of --scale must be a finite number, got 'inf'."),
        (["--scale", "5,1"], "scale must be the lowest and the highest rating, such as (0.5, 5.0), got (5.0, 1.0)"),
        (["--scale", "1,5,7"], "step must be above 0 and at most 4.0, the width of the scale"),
        (
            ["--preset", "textbook", "--ratings", "5000"],
            "ratings must be at most 3600, which is 60% of all pairs of 100 users",
        ),
        (["--preset", "ml-100k", "--ratings", "9000"], "min_user_ratings must be at most 9 for 9000 ratings"),
        (["--min-item-ratings", "80"], " and 1700 items, got 80, which takes 136000 ratings"),
        (["--seed", "9223372036854775808"], "seed must be in [-2**63, 2**63 - 1], got 9223372036854775808."),
        (["--test-fraction", "1"], "--test-fraction must be < 1, got '1'"),
        (
            ["--config", "absent.toml"],
            "--config must be the path of a TOML file, got absent.toml, which does not exist.",
        ),
        (["--partition", "3"], "unrecognized arguments: --partition "),
    ],
)
def test_bad_options_are_refused_before_any_work(job, tmp_path, capsys, arguments, sentence):
    assert sentence in refused(job, capsys, "--output", str(tmp_path / "out"), *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fractions", "sentence"),
    [
        (["--test-fraction", "0.6", "--validation-fraction", "0.5"], "validation_fraction must be >= 0 and below 0.4"),
        (["--validation-fraction", "0.5"], "test_fraction must be above 0 and below 1, got 0.0"),
    ],
)
def test_fractions_that_cannot_be_are_refused(job, spark, tmp_path, capsys, fractions, sentence):
    assert sentence in refused(job, capsys, "--output", str(tmp_path / "out"), *fractions)
    assert not (tmp_path / "out").exists()


def test_help_says_what_each_preset_is(job, capsys):
    with pytest.raises(SystemExit):
        job.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "netflix: 480,189 × 17,770, 100,480,507 ratings, 1–5 by 1" in text
    assert "textbook: 100 × 60, 1,200 ratings, 1–5, rank 4, noise 0.25, uniform" in text


def test_the_shipped_configuration_holds_every_default():
    file = ROOT / "conf" / "generate_ratings.toml"
    assert read_settings(GenerateSettings, file, {}) == GenerateSettings()
    optional = [line.removeprefix("# ") for line in file.read_text().splitlines() if line.startswith("# ")]
    shown = tomllib.loads("\n".join(line for line in optional if " = " in line))
    unset = {name for name, value in vars(GenerateSettings()).items() if value is None}
    assert set(shown) == unset
    assert set(tomllib.loads(file.read_text())) == set(vars(GenerateSettings())) - unset
    low, high, step = shown["scale"]
    of_the_spec = {name: value for name, value in shown.items() if name in vars(DEFAULT) and name != "scale"}
    assert replace(DEFAULT, **of_the_spec, scale=(low, high), step=step) == DEFAULT
