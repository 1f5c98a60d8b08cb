"""Tests of saving and reading below directories whose names have every character that file systems allow."""

from itertools import count

import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_mf import ALS, ALSModel
from spark_mf.cli.commands.check import CHECKED_FILES, CheckSettings, check, write_checked
from spark_mf.data.reading import read_ratings
from spark_mf.models.factors import factors_arrays, factors_frame
from spark_mf.ratings import folder as partitioned_module
from spark_mf.ratings.folder_writing import partition_ratings
from spark_mf.storage import paths
from spark_mf.storage.files import literal_reader
from spark_mf.storage.folders import RatingsFolder
from tests.odd_paths import ODD
from tests.same_model import assert_same_model


@pytest.fixture
def odd(tmp_path):
    folder = tmp_path / ODD
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def ratings(spark):
    rows = [(u, i, float((u * 3 + i * 5) % 5 + 1)) for u in range(12) for i in range(9) if (u + i) % 3]
    return spark.createDataFrame(rows, "user int, item int, rating float").coalesce(2).cache()


@pytest.fixture(scope="module")
def als():
    return ALS(rank=2, maxIter=2, seed=3, numUserBlocks=2, numItemBlocks=2)


@pytest.fixture(scope="module")
def model(als, ratings):
    return als.fit(ratings)


def shown(folder):
    """Names in a folder without those of Hadoop's checksums."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def predictions(model):
    return np.concatenate([factors_arrays(frame)[1].ravel() for frame in (model.userFactors, model.itemFactors)])


def test_models_and_estimators(spark, als, model, odd):
    for each, cls in ((model, ALSModel), (als, ALS)):
        path = str(odd / cls.__name__ / ODD)
        each.save(path)
        with pytest.raises(FileExistsError, match="path must not exist, got "):
            each.save(path)
        each.write().overwrite().save(path)
        assert cls.load(path).uid == each.uid
    np.testing.assert_array_equal(predictions(ALSModel.load(str(odd / "ALSModel" / ODD))), predictions(model))


def test_a_loaded_model_is_not_saved_over_its_own_folder(spark, model, odd):
    path = str(odd / "model")
    model.save(path)
    loaded = ALSModel.load(path)
    cached = loaded.userFactors.cache()
    joined = loaded.itemFactors.join(spark.range(9), "id")
    derived = [
        loaded,
        loaded.copy(),
        loaded.copy().setPredictionCol("guess"),
        loaded.asPlain(),
        ALSModel(cached, model.itemFactors, 2),
        ALSModel(model.userFactors, joined, 2),
    ]
    for each in derived:
        for spelling in (path, f"file:{path}", f"{odd}/../{ODD}/model/", str(odd)):
            with pytest.raises(
                ValueError, match=r"^path must not be the one from which the model reads its factors, got "
            ):
                each.write().overwrite().save(spelling)
    cached.unpersist()
    np.testing.assert_array_equal(predictions(loaded), predictions(model))


def test_a_model_that_cannot_be_written_leaves_the_old_one(spark, model, odd):
    path = str(odd / "model")
    model.save(path)
    items = factors_frame(spark, np.array([1]), np.ones((1, 2), np.float32))
    failing = items.withColumn("id", F.when(F.rand() < 2, F.raise_error(F.lit("no row")).cast("int")))
    with pytest.raises(Exception, match="no row"):
        ALSModel(model.userFactors, failing, 2).write().overwrite().save(path)
    assert [path.name for path in odd.iterdir()] == ["model"]
    np.testing.assert_array_equal(predictions(ALSModel.load(path)), predictions(model))


def test_a_kill_while_overwriting_is_told(als, odd, monkeypatch):
    path = str(odd / "estimator")
    als.save(path)
    true, calls = paths._rename, count()

    def rename(*pair):
        if next(calls):
            raise KeyboardInterrupt
        true(*pair)

    with monkeypatch.context() as patch:
        patch.setattr(paths, "_rename", rename)
        with pytest.raises(KeyboardInterrupt):
            als.write().overwrite().save(path)
    with pytest.raises(FileNotFoundError, match=r"interrupted overwrite removed\. Its previous .* complete in file:"):
        ALS.load(path)
    (aside,) = odd.glob(".estimator.*.old")
    assert ALS.load(str(aside)).uid == als.uid


def test_checkpoints_and_initial_models(als, ratings, model, odd):
    start = str(odd / "start")
    model.save(start)
    whole = als.copy().setInitialModel(start)
    resumed = whole.copy().setCheckpointDir(str(odd / "fit" / ODD)).setCheckpointInterval(1)
    resumed.setMaxIter(1).fit(ratings)
    assert (odd / "fit" / ODD / "iteration-1" / "checkpoint.json").exists()
    assert_same_model(resumed.setMaxIter(2).fit(ratings), whole.fit(ratings))


@pytest.mark.parametrize("is_local", [True, False])
def test_partitioned_ratings(spark, als, ratings, model, tmp_path, monkeypatch, is_local):
    name = ODD
    if not is_local:
        # Hadoop's patterns take no colon, and no file system but the local one has one in names.
        name = ODD.replace(":", "")
        monkeypatch.setattr(partitioned_module, "local_path", lambda *_: None)
    path = str(tmp_path / name)
    (tmp_path / name / "users" / "of an earlier run").mkdir(parents=True)
    # The same seed gives the same blocks, over which metrics are added up.
    written = partition_ratings(ratings, path, userBlocks=2, itemBlocks=2, seed=3, overwrite=True)
    assert shown(tmp_path / name) == ["by_item", "by_user", "items", "manifest.json", "users"]
    assert not (tmp_path / name / "users" / "of an earlier run").exists()
    assert_same_model(als.fit(written), model)


def test_partitioning_into_a_folder_that_the_ratings_are_read_from(spark, ratings, odd):
    ratings.write.parquet(str(odd / "users"))
    read = literal_reader(spark).parquet(str(odd / "users"))
    with pytest.raises(ValueError, match="path must not be a folder with files that the dataset reads"):
        partition_ratings(read, str(odd), overwrite=True)
    assert read.count() == ratings.count()


def test_ratings_in_and_out(spark, ratings, odd):
    text = odd / f"{ODD.replace(':', '')}.csv"
    text.write_text("".join(f"{row.user},{row.item},{row.rating}\n" for row in ratings.collect()))
    settings = CheckSettings(ratings=str(text))
    (odd / "out" / "ratings" / "of an earlier run").mkdir(parents=True)
    folder = RatingsFolder(spark, str(odd / "out"), CHECKED_FILES, overwrite=True)
    write_checked(spark, settings, check(spark, settings, folder), folder)
    assert shown(odd / "out") == ["description.json", "ratings", "rejected", "summary.md"]
    written = read_ratings(spark, odd / "out").ratings
    assert sorted(map(tuple, written.collect())) == sorted(map(tuple, ratings.collect()))
