"""Tests of saving and loading, alone and in a Pipeline."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import SQLTransformer
from pyspark.sql.types import IntegerType

from spark_mf.model import ALSModel, GDModel, SGDModel
from spark_mf.models.factors import collect_factors, factors_arrays, factors_frame
from spark_mf.models.summary import TrainingSummary
from tests.records import record

SUMMARY = TrainingSummary(
    history=(record(1, 0.5, 10.25, 0.9, None),),
    setupSeconds=1.5,
    totalSeconds=2.25,
    users=2,
    items=3,
    ratings=6,
    validationRatings=0,
    coldValidationRatings=0,
    duplicates=0,
    regParam=0.1,
    regularization="plain",
    solver="cg",
)


@pytest.fixture(scope="module")
def model(spark):
    users = factors_frame(spark, np.array([1, 2]), np.array([[1, 2], [3, 4]], np.float32))
    items = factors_frame(spark, np.array([5, 6, 7]), np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    return ALSModel(users, items, 2, SUMMARY).setPredictionCol("guess").setColdStartStrategy("drop")


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("models") / "model")
    model.save(path)
    return path


@pytest.fixture
def copied(saved, tmp_path):
    """A saved model that a test may damage."""
    return shutil.copytree(saved, tmp_path / "copy")


def metadata_of(folder):
    (part,) = Path(folder, "metadata").glob("part-*")
    return part.read_text()


def replace_metadata(folder, text):
    shutil.rmtree(folder / "metadata")
    (folder / "metadata").mkdir()
    (folder / "metadata" / "part-00000.txt").write_text(text)


def test_loaded_model_is_the_saved_one(model, saved):
    loaded = ALSModel.load(saved)
    assert (loaded.uid, loaded.rank, loaded.summary) == (model.uid, 2, SUMMARY)
    assert {p.name: v for p, v in loaded.extractParamMap().items()} == {
        p.name: v for p, v in model.extractParamMap().items()
    }
    for mine, theirs in ((loaded.userFactors, model.userFactors), (loaded.itemFactors, model.itemFactors)):
        assert mine.schema["id"].dataType == IntegerType()
        for left, right in zip(factors_arrays(mine), factors_arrays(theirs), strict=True):
            np.testing.assert_array_equal(left, right)
    assert loaded.predict(2, 7) == 7


def test_model_without_summary(model, tmp_path):
    path = str(tmp_path / "model")
    ALSModel(model.userFactors, model.itemFactors, 2).save(path)
    assert not ALSModel.load(path).hasSummary


@pytest.mark.parametrize("cls", [ALSModel, GDModel, SGDModel])
def test_biases_mean_and_range_are_saved(spark, tmp_path, cls):
    users = factors_frame(spark, np.array([2, 1]), np.array([[3], [1]], np.float32), np.array([0.5, -2], np.float32))
    items = factors_frame(spark, np.array([5]), np.array([[2]], np.float32), np.array([-0.25], np.float32))
    model = cls(users, items, 1, SUMMARY, 3.25, (0.5, 5)).setClipPredictions(True)
    model.save(str(tmp_path / "model"))
    loaded = cls.load(str(tmp_path / "model"))
    assert type(loaded) is cls
    assert (loaded.hasBias, loaded.globalMean, loaded.ratingRange) == (True, 3.25, (0.5, 5))
    assert loaded.getClipPredictions()
    ids, factors, biases = collect_factors(loaded.userFactors)
    assert biases is not None
    assert (ids.to_pylist(), factors.tolist(), biases.tolist()) == ([1, 2], [[1], [3]], [-2, 0.5])
    assert loaded.predict(1, 5) == 3.0  # 3.25 - 2 - 0.25 + 2
    assert loaded.predict(2, 5) == 5.0  # 9.5, clipped


def test_model_of_the_other_estimator_is_refused(saved):
    with pytest.raises(ValueError, match=r"must hold a spark_mf\.model\.SGDModel, got .* with a spark_mf\.model\.ALSM"):
        SGDModel.load(saved)


def test_model_that_was_saved_before_there_were_biases(copied):
    metadata = json.loads(metadata_of(copied))
    for key in ("globalMean", "ratingRange"):
        del metadata[key]
    del metadata["defaultParamMap"]["clipPredictions"]
    for key in ("engine", "bestIteration", "stoppedEarly", "biasRegParam"):
        del metadata["summary"][key]
    replace_metadata(copied, json.dumps(metadata))
    loaded = ALSModel.load(str(copied))
    assert (loaded.hasBias, loaded.globalMean, loaded.ratingRange) == (False, 0, None)
    assert not loaded.getClipPredictions()
    assert loaded.summary == SUMMARY
    assert loaded.predict(2, 7) == 7


def test_layout_is_pysparks(saved, model):
    assert sorted(part.name for part in Path(saved).iterdir()) == ["itemFactors", "metadata", "userFactors"]
    (line,) = metadata_of(saved).splitlines()
    metadata = json.loads(line)
    assert metadata["class"] == "spark_mf.model.ALSModel"
    assert metadata["rank"] == 2
    assert metadata["summary"]["history"][0]["objective"] == 10.25


def test_inside_a_pipeline(spark, model, tmp_path):
    path = str(tmp_path / "pipeline")
    statement = SQLTransformer(statement="SELECT user, item FROM __THIS__ WHERE user > 1")
    PipelineModel([statement, model]).write().overwrite().save(path)
    dataset = spark.createDataFrame([(1, 5), (2, 7)], "user int, item int")
    rows = PipelineModel.load(path).transform(dataset).collect()
    assert [tuple(row) for row in rows] == [(2, 7, 7.0)]


def test_overwriting_is_asked_for(model, tmp_path):
    path = str(tmp_path / "model")
    model.save(path)
    with pytest.raises(FileExistsError, match=r"^path must not exist, got .*, or use write\(\)\.overwrite\(\)\.save"):
        model.save(path)
    model.write().overwrite().save(path)
    assert ALSModel.load(path).rank == 2


def test_model_is_not_saved_over_its_own_factors(copied):
    loaded = ALSModel.load(str(copied))
    with pytest.raises(
        ValueError, match=r"^path must not be the one from which the model reads its factors, got .*\. Save "
    ):
        loaded.write().overwrite().save(str(copied))
    assert loaded.predict(2, 7) == 7
    loaded.write().overwrite().save(f"{copied}-2")


def test_model_without_factors_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match=r"must have factors, got none"):
        ALSModel().save(str(tmp_path / "model"))


def test_missing_path_is_refused(spark, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^path must exist, got '.*nowhere'\. Use a path that save\(\) wrote"):
        ALSModel.load(str(tmp_path / "nowhere"))


def test_path_must_be_text(model, tmp_path):
    with pytest.raises(TypeError, match=r"^path must be a string, got a PosixPath\.$"):
        model.save(tmp_path / "model")
    with pytest.raises(TypeError, match=r"^path must be a string, got a PosixPath\.$"):
        ALSModel.load(tmp_path)


def test_other_class_is_refused(spark, tmp_path):
    path = str(tmp_path / "pipeline")
    Pipeline(stages=[]).save(path)
    with pytest.raises(ValueError, match=r"^path must hold a spark_mf\.model\.ALSModel, got .* with a .*Pipeline\. Lo"):
        ALSModel.load(path)


@pytest.mark.parametrize("part", ["metadata", "userFactors", "itemFactors"])
def test_half_written_folder_is_refused(spark, copied, part):
    shutil.rmtree(copied / part)
    with pytest.raises(ValueError, match=rf"^path must hold a complete ALSModel, .*, whose {part} cannot be read\. Sa"):
        ALSModel.load(str(copied))


@pytest.mark.parametrize("text", ["", "not json\n", "{}\n"])
def test_unreadable_metadata_is_refused(spark, copied, text):
    replace_metadata(copied, text)
    with pytest.raises(ValueError, match=r"whose metadata cannot be read"):
        ALSModel.load(str(copied))


def test_param_of_another_version_is_refused(spark, copied):
    replace_metadata(copied, metadata_of(copied).replace('"predictionCol":"guess"', '"guessCol":"guess"'))
    with pytest.raises(ValueError, match=r"^path must hold Params of this version of ALSModel, got .*guessCol"):
        ALSModel.load(str(copied))
