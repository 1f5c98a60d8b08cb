"""Tests of SGD's Params: defaults, setters and validation."""

import inspect
import re

import pytest

from spark_mf.params.sgd import _SGDParams, validate_sgd_params
from spark_mf.sgd import SGD


def params(**values):
    return _SGDParams()._set(**values)


def test_the_constructor_takes_every_param_with_its_default():
    ours = params()
    parameters = inspect.signature(SGD.__init__).parameters
    names = {name for name in parameters if name != "self"}
    assert names == {param.name for param in ours.params} - {"predictionCol"}
    for name in names:
        default = parameters[name].default
        if name == "seed":
            assert default is None
        else:
            assert default == (ours.getOrDefault(name) if ours.hasDefault(name) else None), name


def test_every_setter_sets_its_own_param_and_returns_the_instance():
    values = {"fitBias": False, "optimizer": "adam", "schedule": "inverse", "updateOrder": "sequential", "tol": 0.5}
    values |= {"batchSize": 7, "earlyStoppingPatience": 3, "biasRegParam": 0.3, "biasStepSize": 0.4, "initStd": 0.5}
    values |= {"momentum": 0.6, "beta1": 0.7, "beta2": 0.8, "epsilon": 0.9, "decay": 0.25, "stepSize": 0.125}
    ours = params()
    for name, value in values.items():
        capital = name[0].upper() + name[1:]
        assert getattr(ours, f"set{capital}")(value) is ours
        assert getattr(ours, f"get{capital}")() == value


def test_biases_have_the_factors_step_and_penalty_until_they_have_their_own():
    ours = params(regParam=0.25, stepSize=0.5)
    assert (ours.getBiasRegParam(), ours.getBiasStepSize()) == (0.25, 0.5)
    ours._set(biasRegParam=0.0, biasStepSize=0.125)
    assert (ours.getBiasRegParam(), ours.getBiasStepSize()) == (0.0, 0.125)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"schedule": "exponential", "decay": 1.0, "tol": 0.0, "earlyStoppingPatience": 0},
        {"schedule": "inverse", "decay": 0.0, "momentum": 0.0, "initStd": 0.0},
        {"engine": "stages", "batchSize": 1000, "regParam": 0.0},
    ],
)
def test_usable_values_pass(values):
    instance = params(**values)
    validate_sgd_params(instance)
    assert {name: instance.getOrDefault(name) for name in values} == values


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rank": 0}, "rank must be an integer >= 1, got 0."),
        ({"stepSize": 0.0}, "stepSize must be finite and > 0, got 0.0."),
        ({"biasStepSize": float("nan")}, "biasStepSize must be finite and > 0, got nan."),
        ({"regParam": -1.0}, "regParam must be finite and >= 0, got -1.0."),
        ({"biasRegParam": float("inf")}, "biasRegParam must be finite and >= 0, got inf."),
        ({"optimizer": "lion"}, "optimizer must be one of sgd, momentum, adagrad, adam, got 'lion'."),
        (
            {"schedule": "cosine"},
            "schedule must be one of constant, exponential, inverse, boldDriver, got 'cosine'.",
        ),
        ({"updateOrder": "user"}, "updateOrder must be one of simultaneous, sequential, got 'user'."),
        ({"engine": "broadcast"}, "engine must be one of auto, ring, stages, got 'broadcast'."),
        ({"batchSize": 0}, "batchSize must be an integer >= 1, got 0."),
        ({"momentum": 1.0}, "momentum must be in [0, 1), got 1.0."),
        ({"beta2": -0.1}, "beta2 must be in [0, 1), got -0.1."),
        ({"epsilon": 0.0}, "epsilon must be finite and > 0, got 0.0."),
        ({"initStd": -0.1}, "initStd must be finite and >= 0, got -0.1."),
        ({"tol": float("nan")}, "tol must be finite and >= 0, got nan."),
        (
            {"earlyStoppingPatience": -1},
            "earlyStoppingPatience must be >= 0, got -1. Use 0 to disable early stopping.",
        ),
        ({"decay": -0.5}, "decay must be finite and >= 0, got -0.5."),
        ({"schedule": "exponential", "decay": 1.5}, "decay must be in (0, 1] for schedule 'exponential', got 1.5."),
        ({"ringTimeout": 0.0}, "ringTimeout must be finite and > 0, got 0.0."),
    ],
)
def test_invalid_values_are_refused_by_name(values, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        validate_sgd_params(params(**values))
