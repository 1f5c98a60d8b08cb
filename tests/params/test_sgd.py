"""SGD's Params: defaults, setters, and values that are refused without a session."""

import inspect

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
    validate_sgd_params(params(**values))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rank": 0}, "rank=0 is not possible: use a whole number of 1 or more"),
        ({"stepSize": 0.0}, "stepSize=0.0 is not possible: use a finite number above 0"),
        ({"biasStepSize": float("nan")}, "biasStepSize=nan is not possible"),
        ({"regParam": -1.0}, "regParam=-1.0 is no weight of a penalty"),
        ({"biasRegParam": float("inf")}, "biasRegParam=inf is no weight of a penalty"),
        ({"optimizer": "lion"}, "optimizer='lion' is unknown: use one of sgd, momentum, adagrad, adam"),
        ({"schedule": "cosine"}, "schedule='cosine' is unknown: use one of constant, exponential, inverse, boldDriver"),
        ({"updateOrder": "user"}, "updateOrder='user' is unknown: use one of simultaneous, sequential"),
        ({"engine": "broadcast"}, "engine='broadcast' is unknown: use one of auto, ring, stages"),
        ({"batchSize": 0}, "batchSize=0 is not possible"),
        ({"momentum": 1.0}, "momentum=1.0 is not possible: use a number from 0 to below 1"),
        ({"beta2": -0.1}, "beta2=-0.1 is not possible"),
        ({"epsilon": 0.0}, "epsilon=0.0 is not possible"),
        ({"initStd": -0.1}, "initStd=-0.1 is no standard deviation"),
        ({"tol": float("nan")}, "tol=nan is no difference of errors"),
        ({"earlyStoppingPatience": -1}, "earlyStoppingPatience=-1 is negative"),
        ({"decay": -0.5}, "decay=-0.5 is no rate of decay"),
        ({"schedule": "exponential", "decay": 1.5}, "decay=1.5 is no factor of schedule 'exponential': use one in"),
        ({"ringTimeout": 0.0}, "ringTimeout=0.0 is not possible: use a finite number of seconds above 0"),
    ],
)
def test_values_that_cannot_be_used_are_named(values, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}".replace("(", r"\(")):
        validate_sgd_params(params(**values))
