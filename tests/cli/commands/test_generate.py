"""What a job that generates ratings may be told, what it measures of them, and how that is shown."""

import io

import numpy as np
import pytest
from matplotlib.image import imread
from pyspark.sql import functions as F

from spark_mf.cli.commands.generate import GENERATED_FILES, asked_ratings, generate
from spark_mf.cli.commands.generate_report import Histogram, generated_table, ratings_picture
from spark_mf.cli.commands.generate_settings import DEFAULT, GenerateSettings
from spark_mf.cli.settings import read_settings
from spark_mf.data.generating import true_ratings
from spark_mf.data.generation.spec import RatingsSpec
from spark_mf.storage.folders import RATINGS, RatingsFolder


def test_unset_settings_are_the_general_defaults():
    assert GenerateSettings().spec == DEFAULT


def test_what_is_given_goes_over_the_preset():
    settings = GenerateSettings(preset="textbook", users=80, noise=0.0, seed=3)
    expected = RatingsSpec(80, 60, 1200, rank=4, noise=0, scale=(1, 5), step=None, seed=3, skew="uniform")
    assert settings.spec == expected


@pytest.mark.parametrize(
    ("given", "scale", "step"),
    [("1,5", (1, 5), None), ("1,5,2", (1, 5), 2), ("-10,10,0.5", (-10, 10), 0.5), ("0.5,5,0.5", (0.5, 5), 0.5)],
)
def test_scales_from_the_command_line(given, scale, step):
    spec = read_settings(GenerateSettings, None, {"preset": "ml-100k", "scale": given}).spec
    assert (spec.scale, spec.step) == (scale, step)


def test_a_scale_from_a_file(tmp_path):
    (tmp_path / "own.toml").write_text('preset = "ml-100k"\nscale = [0, 10]\nmin_user_ratings = 5')
    spec = read_settings(GenerateSettings, tmp_path / "own.toml", {}).spec
    assert (spec.scale, spec.step, spec.min_user_ratings, spec.users) == ((0, 10), None, 5, 943)


@pytest.fixture(scope="module")
def generated(spark, tmp_path_factory):
    """Settings, description and written rows, of a scale whose ends many true ratings pass."""
    settings = GenerateSettings(
        users=60, items=50, ratings=1_500, noise=1.0, scale=(1, 5, 0.5), seed=2, test_fraction=0.2,
        validation_fraction=0.1, min_item_ratings=8, partitions=3,
    )  # fmt: skip
    folder = RatingsFolder(spark, str(tmp_path_factory.mktemp("out")), GENERATED_FILES, overwrite=False)
    description = generate(spark, settings, asked_ratings(spark, settings), folder)
    return settings, description, spark.read.parquet(folder.inside(RATINGS)).toPandas()


def floor(settings, rows):
    truth = true_ratings(settings.spec, rows["user"].to_numpy(np.int64), rows["item"].to_numpy(np.int64))
    return np.sqrt(np.mean((np.clip(truth.astype(np.float64), 1, 5) - rows["rating"].to_numpy(np.float64)) ** 2))


def test_the_noise_floor_is_that_of_the_written_rows(generated):
    settings, description, rows = generated
    assert description["noise_floor_rmse"] == pytest.approx(floor(settings, rows), rel=1e-6)
    assert description["ratings"] == len(rows) == 1_500
    assert set(description["splits"]) == {"train", "validation", "test"}
    assert sum(part["ratings"] for part in description["splits"].values()) == 1_500
    for side, part in description["splits"].items():
        of_side = rows[rows["split"] == side]
        assert part["ratings"] == len(of_side) > 50
        assert part["noise_floor_rmse"] == pytest.approx(floor(settings, of_side), rel=1e-6)


def test_counts_and_mean_are_those_of_the_written_rows(generated):
    _, description, rows = generated
    assert list(rows.columns) == ["user", "item", "rating", "split"]
    assert description["mean_rating"] == pytest.approx(rows["rating"].mean(), rel=1e-6)
    for column, number in (("user", 60), ("item", 50)):
        sizes = np.bincount(rows[column], minlength=number)
        expected = {"min": sizes.min(), "median": np.median(sizes), "max": sizes.max()}
        assert description[f"ratings_per_{column}"] == expected
        assert description[f"{column}s"] == number
    assert description["ratings_per_item"]["min"] >= 8
    assert description["density"] == 0.5


def test_without_noise_on_a_wide_scale_the_floor_is_nothing(spark, tmp_path):
    settings = GenerateSettings(users=20, items=15, ratings=100, noise=0.0, scale=(1, 5), partitions=1)
    folder = RatingsFolder(spark, str(tmp_path), GENERATED_FILES, overwrite=False)
    description = generate(spark, settings, asked_ratings(spark, settings), folder)
    assert description["noise_floor_rmse"] == 0
    assert description["splits"] == {}


def test_many_ratings_take_more_partitions_than_cores(spark):
    """9 million ratings are planned, not made: 3 partitions of at most 4 million."""
    settings = GenerateSettings(users=20_000, items=10_000, ratings=9_000_000)
    assert asked_ratings(spark, settings).select(F.spark_partition_id()).rdd.getNumPartitions() == 3


DESCRIPTION = {
    "spec": {"users": 1_000, "items": 30},
    "ratings": 12_345,
    "users": 999,
    "items": 30,
    "density": 0.4115,
    "mean_rating": 3.5,
    "noise_floor_rmse": 0.51234,
    "splits": {"test": {"ratings": 1_200, "noise_floor_rmse": 0.5}},
    "ratings_per_user": {"min": 0, "median": 11.5, "max": 18},
    "ratings_per_item": {"min": 100, "median": 400.0, "max": 5_000},
    "seconds": 2.0,
    "ratings_per_second": 6_172.5,
}


def test_the_table_shows_the_description():
    table = generated_table(DESCRIPTION)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert dict(cells[2:]) == {
        "ratings": "12,345",
        "users with ratings": "999 of 1,000",
        "items with ratings": "30 of 30",
        "density": "41.150%",
        "mean rating": "3.500",
        "ratings per user: min, median, max": "0, 11.5, 18",
        "ratings per item: min, median, max": "100, 400, 5,000",
        "noise floor, RMSE": "0.5123",
        "noise floor of 1,200 test ratings": "0.5000",
        "time to generate and write": "2.0 s",
        "ratings per second": "6,172",
    }


@pytest.mark.parametrize("most", [1, 500])
def test_the_picture_is_drawn_also_of_a_single_item(most):
    histogram = Histogram(np.array([1.0, 2.0]), np.array([3, 4]))
    picture = ratings_picture(histogram, np.arange(most + 1), np.array([7]))
    assert imread(io.BytesIO(picture), format="png").shape[2] == 4
