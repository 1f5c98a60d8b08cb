"""Tests of GD's Params: defaults, setters and validation."""

import math

import pytest

from spark_mf import textbook
from spark_mf.params.gd import _GDParams, validate_gd_params


def params(**values):
    return _GDParams()._set(**values)


def test_defaults_are_usable_and_the_textbooks():
    ours, theirs = params(), textbook.GD()
    validate_gd_params(ours)
    for name in ("rank", "maxIter", "regParam", "stepSize", "regularization", "initStd", "tol"):
        assert ours.getOrDefault(name) == getattr(theirs, name)


def test_setters_return_the_instance():
    ours = params()
    assert ours.setStepSize(3.0).setInitStd(0.2).setTol(0.1) is ours
    assert (ours.getStepSize(), ours.getInitStd(), ours.getTol()) == (3.0, 0.2, 0.1)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"stepSize": 0.0}, r"^stepSize must be finite and > 0, got 0\.0\.$"),
        ({"stepSize": math.inf}, r"^stepSize must be finite and > 0, got inf\.$"),
        ({"initStd": -1.0}, r"^initStd must be finite and >= 0, got -1\.0\.$"),
        ({"tol": -0.5}, r"^tol must be finite and >= 0, got -0\.5\.$"),
        ({"tol": math.nan}, r"^tol must be .*, got nan\.$"),
        ({"rank": 0}, r"^rank must be .*, got 0\.$"),
        ({"engine": "stages"}, r"^engine must be one of auto, broadcast, ring, got 'stages'\.$"),
    ],
)
def test_unusable_values_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        validate_gd_params(params(**values))
