"""Models and estimators that an earlier layout of the package saved: metadata name classes, so they must still load."""

import json
from pathlib import Path

import pytest

import spark_mf

#: Saved by commit 7fa281b, before packages were moved: two iterations on 60 ratings; .crc files are left out.
FOLDER = Path(__file__).parent / "saved_by_0_1"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


@pytest.mark.parametrize("name", ["als", "sgd", "gd"])
def test_a_model_loads_with_its_predictions_and_history(spark, name):
    model = getattr(spark_mf, f"{name.upper()}Model").load(str(FOLDER / f"{name}-model"))
    expected = EXPECTED[name]
    assert model.predict(3, 2) == pytest.approx(expected["prediction"], rel=1e-6)
    assert model.summary.metricHistory("train_rmse") == expected["train_rmse"]
    assert model.summary.metricHistory("validation_rmse") == expected["validation_rmse"]
    assert model.userFactors.count() == 6
    assert model.hasBias == (name == "sgd")


@pytest.mark.parametrize("name", ["als", "sgd", "gd"])
def test_an_estimator_loads_with_its_params(name):
    estimator = getattr(spark_mf, name.upper()).load(str(FOLDER / f"{name}-estimator"))
    assert (estimator.getRank(), estimator.getMaxIter(), estimator.getSeed()) == (2, 2, 1)
    assert (estimator.getNumUserBlocks(), estimator.getNumItemBlocks()) == (1, 1)
