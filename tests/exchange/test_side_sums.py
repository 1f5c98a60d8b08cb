"""Tests of an objective with sums over a whole side, on both exchanges and with two solvers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spark_mf.als import ALS
from spark_mf.blocks.csr import RatingBlock
from spark_mf.kernels.initial import unit_rows
from spark_mf.kernels.random import Purpose
from spark_mf.objectives.explicit import ExplicitObjective
from spark_mf.objectives.regularization import SideName
from spark_mf.solvers.base import Factors, RowProblem

WEIGHT, REG = 0.3, 0.2


@dataclass(frozen=True, slots=True)
class GramSums:
    """The Gram matrix of some rows."""

    gram: NDArray[np.float64]

    def __add__(self, other: "GramSums") -> "GramSums":
        return GramSums(self.gram + other.gram)

    def to_array(self) -> NDArray[np.float64]:
        return self.gram.reshape(-1)

    @classmethod
    def from_array(cls, sums: NDArray[np.float64]) -> "GramSums":
        rank = int(np.sqrt(sums.size))
        return cls(sums.reshape(rank, rank))


@dataclass(frozen=True, slots=True)
class UnobservedObjective(ExplicitObjective):
    """Σ e² over the ratings, WEIGHT times the squared scores of all pairs, and a plain penalty."""

    def problem(self, ratings: RatingBlock, fixed: Factors, sums: Any, side: SideName) -> RowProblem:
        return RowProblem(
            indptr=ratings.indptr,
            indices=ratings.indices,
            targets=ratings.values,
            fixed=fixed,
            penalty=np.full(ratings.n_rows, REG, np.float32),
            shared=(WEIGHT * sums.gram).astype(np.float32),
        )

    def side_sums(self, factors: Factors) -> GramSums:
        wide = factors.astype(np.float64)
        return GramSums(wide.T @ wide)


class UnobservedALS(ALS):
    """ALS of that objective."""

    def _objective(self, ratings):
        return UnobservedObjective(self._regularization(ratings.ratings))


def dense_als(table, start: Factors, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """The same from the same first users, by dense NumPy in float64."""
    n_users, n_items = table["user"].max() + 1, table["item"].max() + 1
    ratings, seen = np.zeros((n_users, n_items)), np.zeros((n_users, n_items))
    ratings[table["user"], table["item"]], seen[table["user"], table["item"]] = table["rating"], 1

    def half_step(fixed: np.ndarray, r: np.ndarray, w: np.ndarray) -> np.ndarray:
        shared = WEIGHT * fixed.T @ fixed + REG * np.eye(fixed.shape[1])
        rows = [
            np.linalg.solve((fixed * b[:, None]).T @ fixed + shared, fixed.T @ a) for a, b in zip(r, w, strict=True)
        ]
        return np.array(rows)

    users = start.astype(np.float64)
    for _ in range(iterations):
        items = half_step(users, ratings.T, seen.T)
        users = half_step(items, ratings, seen)
    return users, items


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("engine", ["ring", "broadcast"])
def test_side_sums_reach_every_half_step(spark, engine, solver):
    rng = np.random.default_rng(0)
    pairs = rng.permutation(20 * 12)[:150]
    table = {"user": pairs // 12, "item": pairs % 12, "rating": rng.uniform(1, 5, 150)}
    rows = list(zip(*(column.tolist() for column in table.values()), strict=True))
    ratings = spark.createDataFrame(rows, "user int, item int, rating float")
    # So many inner steps that a half-step by conjugate gradients is exact, too.
    params = {"engine": engine, "solver": solver, "innerSteps": 12, "numUserBlocks": 3, "numItemBlocks": 2}
    model = UnobservedALS(rank=3, maxIter=3, regParam=REG, regularization="plain", **params).fit(ratings)
    users, items = dense_als(table, unit_rows(0, Purpose.USER_FACTORS, 20, 3), 3)
    for frame, expected in ((model.userFactors, users), (model.itemFactors, items)):
        found = np.array([row["features"] for row in frame.orderBy("id").collect()])
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)
