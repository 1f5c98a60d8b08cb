"""Tests of the Params of ALS's solvers."""

import math

import pytest

from spark_mf.params.als import _ALSParams, validate_als_params


def params(**values):
    return _ALSParams()._set(**values)


@pytest.mark.parametrize(("rank", "size"), [(1, 1), (9, 5), (128, 64), (256, 128), (512, 128)])
def test_blocks_of_factors_have_a_default_size_that_fits_the_rank(rank, size):
    ours = params(solver="subspace", rank=rank)
    validate_als_params(ours)
    assert not ours.isDefined("subspaceSize")
    assert ours.getSubspaceSize() == size


@pytest.mark.parametrize("size", [1, 7, 20])
def test_blocks_of_factors_have_any_size_up_to_the_rank(size):
    ours = params(solver="subspace", rank=20).setSubspaceSize(size)
    validate_als_params(ours)
    assert ours.getSubspaceSize() == size


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"subspaceSize": 0}, r"^subspaceSize must be an integer >= 1, got 0\.$"),
        ({"subspaceSize": -2}, r"^subspaceSize must be .*, got -2\.$"),
        (
            {"subspaceSize": 21},
            r"^subspaceSize must be <= rank=20, got 21\. Use a smaller one, or leave it unset\.$",
        ),
        (
            {"subspaceSize": 5, "solver": "cg"},
            r"^subspaceSize must be set with solver='subspace' only, got 5 with solver='cg'\. Set "
            r"solver='subspace', or leave it unset\.$",
        ),
        (
            {"nonnegative": True},
            r"^solver must be 'cholesky' or 'nnls' with nonnegative=True, got 'subspace'\. Iterative solvers do not "
            r"support constraints\.$",
        ),
    ],
)
def test_unusable_settings_of_the_subspace_solver_are_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        validate_als_params(params(**{"solver": "subspace", "rank": 20} | values))


@pytest.mark.parametrize("coefficient", [-0.1, 1.0, 1.5, math.nan, math.inf])
def test_coefficients_of_extrapolation_outside_0_to_1_are_refused(coefficient):
    with pytest.raises(ValueError, match=rf"^extrapolation must be in \[0, 1\), got {coefficient}\.$"):
        validate_als_params(params(extrapolation=coefficient))


@pytest.mark.parametrize("coefficient", [0.0, 0.3, 0.999])
def test_other_coefficients_are_accepted(coefficient):
    accepted = params(extrapolation=coefficient)
    validate_als_params(accepted)
    assert accepted.getExtrapolation() == coefficient
