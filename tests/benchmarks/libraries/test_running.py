"""Libraries for implicit feedback in a process of their own: equal objectives, and failures of that process."""

import sys
from pathlib import Path

import numpy as np
import pytest

from spark_mf.benchmarks.implicit_objective import IndexedRatings, implicit_objective
from spark_mf.benchmarks.libraries.running import fit_library, library_python
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.random import Purpose

N_USERS, N_ITEMS, RANK = 30, 20, 4
ALPHA, LAMBDA, SEED = 1.5, 2.0, 5
PARAMS = {
    "rank": RANK, "maxIter": 3, "regParam": LAMBDA, "seed": SEED, "alpha": ALPHA, "implicitPrefs": True,
    "regularization": "plain",
}  # fmt: skip
REAL = Path(__file__).resolve().parents[3] / ".venv-bench" / "bin" / "python"


@pytest.fixture(scope="module")
def ratings():
    rng = np.random.default_rng(3)
    pairs = rng.random((N_USERS, N_ITEMS)) < 0.3
    pairs[np.arange(N_USERS), np.arange(N_USERS) % N_ITEMS] = True
    users, items = np.nonzero(pairs)
    values = rng.integers(1, 11, users.size) / 2
    # Ids with gaps, because factors belong to positions.
    return IndexedRatings.of((3 * users + 7).astype(np.int32), (2 * items).astype(np.int32), values.astype(np.float32))


def exact_objective(ratings, iterations):
    """The objective after exact half-steps of items, then users, from the initial factors of spark_mf.ALS."""
    weights = np.zeros((N_USERS, N_ITEMS))
    weights[ratings.users, ratings.items] = ALPHA * ratings.ratings
    users = unit_rows(SEED, Purpose.USER_FACTORS, N_USERS, RANK).astype(np.float64)
    for _ in range(iterations):
        items = half_step(weights.T, users)
        users = half_step(weights, items)
    errors = ((1 + weights) * ((weights > 0) - users @ items.T) ** 2).sum()
    return errors + LAMBDA * ((users**2).sum() + (items**2).sum())


def half_step(weights, fixed):
    penalty = LAMBDA * np.eye(RANK)
    rows = [
        np.linalg.solve((fixed.T * (1 + row)) @ fixed + penalty, ((1 + row) * (row > 0)) @ fixed) for row in weights
    ]
    return np.array(rows)


def fitted_objective(python, library, ratings, **changes):
    params = {**PARAMS, **changes}
    fit = fit_library(python, library, ratings, params, threads=2)
    assert len(fit.seconds) == params["maxIter"]
    assert fit.setup_seconds >= 0
    assert fit.user_factors.shape == (N_USERS, RANK)
    return implicit_objective(ratings, fit.user_factors, fit.item_factors, params)


@pytest.mark.parametrize(
    ("library", "solver"), [("implicit", "cg"), ("irspack", "cholesky"), ("irspack", "cg"), ("irspack", "subspace")]
)
def test_a_library_gets_the_objective_and_the_initial_factors(library_stubs, ratings, library, solver):
    found = fitted_objective(library_stubs, library, ratings, solver=solver, innerSteps=2 * RANK, subspaceSize=2)
    assert found == pytest.approx(exact_objective(ratings, 3), rel=1e-5)


def test_a_library_gets_the_steps_of_conjugate_gradients(library_stubs, ratings):
    one = fitted_objective(library_stubs, "implicit", ratings, solver="cg", innerSteps=1)
    assert abs(one / exact_objective(ratings, 3) - 1) > 1e-3


def test_the_seconds_and_the_version_are_those_of_the_library(library_stubs, ratings):
    fit = fit_library(library_stubs, "implicit", ratings, {**PARAMS, "solver": "cg", "innerSteps": 3}, threads=2)
    assert (fit.seconds, fit.version) == ((0.25, 0.25, 0.25), "0.7.3")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "solver"), [("implicit", "cg"), ("irspack", "cholesky"), ("irspack", "cg"), ("irspack", "subspace")]
)
def test_the_library_itself_minimises_the_same_objective(ratings, library, solver):
    if not REAL.exists():
        pytest.skip("the libraries are not installed: run make bench-env")
    asked = {"solver": solver, "innerSteps": 3, "subspaceSize": 2}
    if solver == "cholesky":
        assert fitted_objective(REAL, library, ratings, **asked) == pytest.approx(exact_objective(ratings, 3), rel=1e-5)
    many = fitted_objective(REAL, library, ratings, **asked, maxIter=60)
    assert many == pytest.approx(exact_objective(ratings, 60), rel=0.01)


def test_a_missing_environment_is_named_with_the_way_to_create_it(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"--library-python must be .*absent, which does not exist\. Run `make b"
    ):
        library_python(str(tmp_path / "absent"))


def test_an_environment_without_the_library_fails_with_its_error(ratings):
    with pytest.raises(RuntimeError, match=r"No module named 'implicit'\. Run `make bench-env`"):
        fit_library(Path(sys.executable), "implicit", ratings, {**PARAMS, "solver": "cg"}, threads=2)


def test_ratings_without_preference_are_refused(ratings):
    zero = IndexedRatings.of(ratings.users, ratings.items, ratings.ratings * 0)
    with pytest.raises(ValueError, match=r"ratings must be > 0 for irspack, got 0\."):
        fit_library(Path(sys.executable), "irspack", zero, {**PARAMS, "solver": "cg"}, threads=2)
