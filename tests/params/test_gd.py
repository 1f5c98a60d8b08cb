"""The Params of GD: defaults, setters, and values that are refused without a session."""

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
        ({"stepSize": 0.0}, "stepSize=0.0 is not possible: use a finite number above 0"),
        ({"stepSize": math.inf}, "stepSize=inf is not possible"),
        ({"initStd": -1.0}, "initStd=-1.0 is no standard deviation: use a finite number of 0 or more"),
        ({"tol": -0.5}, "tol=-0.5 is no change of the factors' product: use a finite number of 0 or more"),
        ({"tol": math.nan}, "tol=nan"),
        ({"rank": 0}, "rank=0"),
        ({"engine": "stages"}, "engine='stages' is unknown: use one of auto, broadcast, ring"),
    ],
)
def test_unusable_values_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        validate_gd_params(params(**values))
