"""Tests of the training summary and its JSON."""

import json
from dataclasses import replace

import pytest

from spark_mf.models.summary import TrainingSummary
from tests.records import record

SUMMARY = TrainingSummary(
    history=(record(1, 0.5, 10.25, 0.9, None), record(2, 0.25, None, 0.8, 0.95, 0.0625, 7.5)),
    setupSeconds=1.5,
    totalSeconds=2.25,
    users=3,
    items=5,
    ratings=12,
    validationRatings=2,
    coldValidationRatings=1,
    duplicates=0,
    regParam=0.1,
    regularization="weighted",
    solver="cholesky",
)


def test_histories_are_columns_of_the_records():
    assert SUMMARY.totalIterations == 2
    assert SUMMARY.metricHistory("objective") == [10.25, None]
    assert SUMMARY.metricHistory("train_rmse") == [0.9, 0.8]
    assert SUMMARY.metricHistory("validation_rmse") == [None, 0.95]
    assert SUMMARY.metricHistory("step_size") == [None, 0.0625]
    assert SUMMARY.metricHistory("product_change") == [None, 7.5]


def test_text_holds_everything():
    text = SUMMARY.to_json()
    assert TrainingSummary.from_json(text) == SUMMARY
    assert json.loads(text)["history"][0]["validation_rmse"] is None


def test_text_of_a_fit_before_there_was_sgd():
    fields = json.loads(replace(SUMMARY, history=SUMMARY.history[:1]).to_json())
    for key in ("engine", "bestIteration", "stoppedEarly", "biasRegParam"):
        del fields[key]
    for key in ("step_size", "product_change"):
        del fields["history"][0][key]
    summary = TrainingSummary.from_json(json.dumps(fields))
    assert (summary.engine, summary.bestIteration, summary.stoppedEarly) == ("broadcast", None, False)
    assert (summary.biasRegParam, summary.metricHistory("step_size")) == (None, [None])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"history": [{"step": 1}]}', '{"history": [], "users": 1}'])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r"^text must be a training summary, got .* to_json"):
        TrainingSummary.from_json(text)
