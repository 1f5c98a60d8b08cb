"""Tests of ALS's solver "subspace" on Spark: its models, and its objective from iteration to iteration."""

from typing import Any

import numpy as np
import pytest

from spark_mf import ALS
from spark_mf.models.factors import factors_arrays
from tests.low_rank import low_rank

RANK = 6
OBJECTIVES = {
    "explicit": {},
    "explicit, mean": {"regularization": "mean", "regParam": 1e-4},
    "implicit": {"implicitPrefs": True, "alpha": 2.0},
    "iALS": {"implicitPrefs": True, "unobservedWeight": 0.1, "regularization": "frequency", "regExponent": 0.5},
}
every_objective = pytest.mark.parametrize("params", OBJECTIVES.values(), ids=OBJECTIVES)


@pytest.fixture(scope="module")
def ratings(spark):
    return spark.createDataFrame(low_rank(60, 40, 3, observed=0.4)).cache()


def small(**params) -> ALS:
    given: dict[str, Any] = {"rank": RANK, "maxIter": 4, "regParam": 0.05, "seed": 7, "engine": "broadcast"}
    return ALS(**given | {"numUserBlocks": 2, "numItemBlocks": 2, "solver": "subspace"} | params)


def factors(model) -> tuple[np.ndarray, np.ndarray]:
    return factors_arrays(model.userFactors)[1], factors_arrays(model.itemFactors)[1]


@every_objective
@pytest.mark.parametrize("engine", ["broadcast", "ring"])
def test_one_block_of_all_factors_gives_the_model_of_the_exact_solver(ratings, engine, params):
    ours = small(engine=engine, subspaceSize=RANK, **params).fit(ratings)
    exact = small(solver="cholesky", **params).fit(ratings)
    assert (ours.summary.solver, ours.summary.engine) == ("subspace", engine)
    for own, theirs in zip(factors(ours), factors(exact), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@every_objective
def test_the_objective_falls_to_that_of_the_exact_solver(ratings, params):
    ours = small(subspaceSize=4, maxIter=60, **params).fit(ratings).summary.metricHistory("objective")
    exact = small(solver="cholesky", maxIter=60, **params).fit(ratings).summary.metricHistory("objective")
    assert (np.diff(ours) <= 1e-5 * np.array(ours[:-1])).all()
    assert ours[-1] == pytest.approx(exact[-1], rel=2e-2)


def test_both_engines_start_from_the_previous_factors(ratings):
    ring, broadcast = (small(engine=engine, subspaceSize=2).fit(ratings) for engine in ("ring", "broadcast"))
    for own, theirs in zip(factors(ring), factors(broadcast), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-5)


def test_a_fit_resumes_from_a_checkpoint_with_blocks_of_the_same_size_only(ratings, tmp_path):
    folder = str(tmp_path)
    small(subspaceSize=2, maxIter=2, checkpointInterval=1, checkpointDir=folder).fit(ratings)
    with pytest.raises(ValueError, match="subspaceSize"):
        small(subspaceSize=3, maxIter=2, checkpointInterval=1, checkpointDir=folder).fit(ratings)
    resumed = small(subspaceSize=2, maxIter=4, checkpointInterval=1, checkpointDir=folder).fit(ratings)
    straight = small(subspaceSize=2, maxIter=4).fit(ratings)
    for own, theirs in zip(factors(resumed), factors(straight), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-5)


def test_the_solver_comes_back_from_disk_with_its_size(tmp_path):
    path = str(tmp_path / "als")
    small(subspaceSize=2).save(path)
    loaded = ALS.load(path)
    assert (loaded.getSolver(), loaded.getSubspaceSize()) == ("subspace", 2)


def test_more_factors_in_a_block_than_in_all_are_refused(ratings):
    with pytest.raises(ValueError, match=rf"^subspaceSize must be <= rank={RANK}, got {RANK + 1}\."):
        small(subspaceSize=RANK + 1).fit(ratings)
