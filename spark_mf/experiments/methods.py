# SPDX-License-Identifier: Apache-2.0
"""The methods that comparisons can run; a new one is one more entry of `comparison_methods`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.ml import Estimator

# pyspark's own default of numUserBlocks and numItemBlocks.
PYSPARK_DEFAULT_BLOCKS = 10

METHOD_NAMES = ("cholesky", "cg", "pyspark-10", "pyspark-cores")


@dataclass(frozen=True)
class Hyperparameters:
    """What all methods share; the objective is the weighted one of ALS-WR and of pyspark's ALS."""

    rank: int
    iterations: int
    regParam: float
    seed: int
    regularization: str = "weighted"


@dataclass(frozen=True)
class Method:
    """One way to train, under one name.

    Attributes
    ----------
    name : str
        Its name in the setting ``methods``.
    label : str
        Its name in tables and plots.
    model : str
        The key ``model`` of its rows.
    solver : str | None
        How a row is solved, where the estimator offers a choice.
    blocks : int
        User blocks, and item blocks.
    keeps_history : bool
        Whether its models have a `TrainingSummary` and its estimator a ``validationIndicatorCol``; of others
        the history is measured by fitting again with fewer iterations.
    build : Callable[[Hyperparameters], Estimator]
        Makes the estimator for columns ``user``, ``item`` and ``rating``.
    """

    name: str
    label: str
    model: str
    solver: str | None
    blocks: int
    keeps_history: bool
    build: Callable[[Hyperparameters], Estimator[Any]]


def comparison_methods(names: tuple[str, ...], cores: int) -> list[Method]:
    """The named methods, in the order of `METHOD_NAMES`.

    Parameters
    ----------
    names : tuple[str, ...]
        Out of `METHOD_NAMES`.
    cores : int
        Task slots of the session.
    """
    table = [
        _spark_mf_als("cholesky", cores),
        _spark_mf_als("cg", cores),
        _pyspark_als("pyspark-10", PYSPARK_DEFAULT_BLOCKS),
        _pyspark_als("pyspark-cores", cores),
    ]
    # With as many cores as pyspark's default blocks, its two entries are one and the same.
    by_label = {method.label: method for method in table if method.name in names}
    return list(by_label.values())


def _spark_mf_als(solver: str, blocks: int) -> Method:
    def build(given: Hyperparameters) -> Estimator[Any]:
        from spark_mf.als import ALS

        return ALS(**_shared_params(given, blocks), regularization=given.regularization, solver=solver)

    return Method(solver, f"spark_mf.ALS, {solver}", "spark_mf.ALS", solver, blocks, True, build)


def _pyspark_als(name: str, blocks: int) -> Method:
    def build(given: Hyperparameters) -> Estimator[Any]:
        from pyspark.ml.recommendation import ALS

        return ALS(**_shared_params(given, blocks))

    return Method(name, f"pyspark.ALS, {blocks} blocks", "pyspark.ALS", "cholesky", blocks, False, build)


def _shared_params(given: Hyperparameters, blocks: int) -> dict[str, Any]:
    return {
        "rank": given.rank,
        "maxIter": given.iterations,
        "regParam": given.regParam,
        "seed": given.seed,
        "numUserBlocks": blocks,
        "numItemBlocks": blocks,
        "userCol": "user",
        "itemCol": "item",
        "ratingCol": "rating",
    }
