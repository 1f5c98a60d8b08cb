"""Tests of the Params of biases."""

import math

import pytest

from spark_mf.params.als import _ALSParams, validate_als_params
from spark_mf.params.sgd import _SGDParams, validate_sgd_params


def als(**values):
    return _ALSParams()._set(**values)


def test_als_has_no_biases_unless_they_are_asked_for():
    assert not als().getFitBias()
    assert _SGDParams().getFitBias()
    assert als().setFitBias(True).setBiasRegParam(0.2).getBiasRegParam() == 0.2


def test_biases_are_regularized_as_factors_unless_their_parameter_is_set():
    """The parameters of one side are those of its factors only."""
    assert als(regParam=0.3, userRegParam=0.5).getBiasRegParam() == 0.3
    assert als(regParam=0.3, biasRegParam=0.0).getBiasRegParam() == 0.0


@pytest.mark.parametrize(
    "values",
    [
        {"fitBias": True, "solver": "cg", "regularization": "mean", "biasRegParam": 0.0},
        {"fitBias": True, "userRegParam": 0.1, "itemRegParam": 0.0, "clipPredictions": True},
        {"biasRegParam": 0.5},
        {"fitBias": False, "nonnegative": True},
    ],
)
def test_usable_values_pass(values):
    instance = als(**values)
    validate_als_params(instance)
    assert {name: instance.getOrDefault(name) for name in values} == values


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"nonnegative": True}, r"^fitBias must be False with nonnegative=True, got True\. Biases are negative for"),
        ({"implicitPrefs": True}, r"^fitBias must be False with implicitPrefs=True, got True\. Biases are those of ex"),
        ({"biasRegParam": -0.5}, r"^biasRegParam must be finite and >= 0, got -0\.5\.$"),
        ({"biasRegParam": math.nan}, r"^biasRegParam must be finite and >= 0, got nan\.$"),
    ],
)
def test_unusable_values_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        validate_als_params(als(fitBias=True, **values))


def test_sgd_refuses_the_same_values():
    with pytest.raises(ValueError, match=r"^biasRegParam must be finite and >= 0, got -1\.0\.$"):
        validate_sgd_params(_SGDParams()._set(biasRegParam=-1.0))
