"""The methods that comparisons can run; a new one is one more entry of `comparison_methods`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from pyspark.ml import Estimator

from spark_mf.benchmarks.rows import StepParams

# pyspark's own default of numUserBlocks and numItemBlocks.
PYSPARK_DEFAULT_BLOCKS = 10

METHOD_NAMES = ("cholesky", "cg", "sgd", "sgd-plain", "pyspark-10", "pyspark-cores")


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of a method; the objective is that of ALS-WR and of pyspark's ALS."""

    rank: int
    iterations: int
    regParam: float
    seed: int
    regularization: str = "weighted"
    step: StepParams | None = None
    """What SGD is told beyond that."""


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
        How a row is solved or stepped, where the estimator offers a choice.
    blocks : int | None
        User blocks, and item blocks; None leaves them to the estimator.
    keeps_history : bool
        Whether its models have a `TrainingSummary` and its estimator a ``validationIndicatorCol``; of others
        the history is measured by fitting again with fewer iterations.
    build : Callable[[Hyperparameters], Estimator]
        Makes the estimator for columns ``user``, ``item`` and ``rating``.
    own : Hyperparameters | None
        What it trains with in place of what the methods of a comparison share.
    """

    name: str
    label: str
    model: str
    solver: str | None
    blocks: int | None
    keeps_history: bool
    build: Callable[[Hyperparameters], Estimator[Any]]
    own: Hyperparameters | None = None


def comparison_methods(
    names: tuple[str, ...], cores: int, descent: Hyperparameters, *, als_engine: str = "auto", sgd_engine: str = "auto"
) -> list[Method]:
    """Return the named methods, in the order of `METHOD_NAMES`.

    Parameters
    ----------
    names : tuple[str, ...]
        Out of `METHOD_NAMES`.
    cores : int
        Task slots of the session.
    descent : Hyperparameters
        SGD's, with and without biases.
    als_engine, sgd_engine : str
        Where spark_mf's estimators keep blocks, the Param ``engine``.
    """
    table = [
        # As a user gets them: ours choose their blocks, of pyspark's there are the default and the best choice.
        spark_mf_als("cholesky", None, als_engine),
        spark_mf_als("cg", None, als_engine),
        spark_mf_sgd("sgd", descent, fit_bias=True, engine=sgd_engine),
        spark_mf_sgd("sgd-plain", descent, fit_bias=False, engine=sgd_engine),
        pyspark_als("pyspark-10", PYSPARK_DEFAULT_BLOCKS),
        pyspark_als("pyspark-cores", cores),
    ]
    # With as many cores as pyspark's default blocks, its two entries are one and the same.
    by_label = {method.label: method for method in table if method.name in names}
    return list(by_label.values())


def spark_mf_als(solver: str, blocks: int | None, engine: str = "auto") -> Method:
    """`spark_mf.ALS` with one of its solvers; without ``blocks`` it chooses their number itself."""

    def build(given: Hyperparameters) -> Estimator[Any]:
        from spark_mf.als import ALS

        return ALS(**_shared_params(given, blocks), regularization=given.regularization, solver=solver, engine=engine)

    return Method(solver, f"spark_mf.ALS, {solver}", "spark_mf.ALS", solver, blocks, True, build)


def spark_mf_sgd(name: str, own: Hyperparameters, *, fit_bias: bool, engine: str = "auto") -> Method:
    """`spark_mf.SGD` under a name, with hyperparameters of its own and as many blocks as it chooses itself.

    Raises
    ------
    ValueError
        When ``own`` has no step.
    """
    if own.step is None:
        raise ValueError("own.step must be StepParams, got None.")
    step = own.step if fit_bias else own.step.without_biases()

    def build(given: Hyperparameters) -> Estimator[Any]:
        from spark_mf.sgd import SGD

        params = {name: value for name, value in asdict(step).items() if value is not None}
        return SGD(
            **_shared_params(given, None),
            **params,
            regularization=given.regularization,
            fitBias=fit_bias,
            engine=engine,
        )

    label = f"spark_mf.SGD, {'biases' if fit_bias else 'no biases'}"
    return Method(name, label, "spark_mf.SGD", step.optimizer, None, True, build, replace(own, step=step))


def pyspark_als(name: str, blocks: int) -> Method:
    """`pyspark.ml.recommendation.ALS` under a name, with so many user blocks and item blocks."""

    def build(given: Hyperparameters) -> Estimator[Any]:
        from pyspark.ml.recommendation import ALS

        return ALS(**_shared_params(given, blocks))

    return Method(name, f"pyspark.ALS, {blocks} blocks", "pyspark.ALS", "cholesky", blocks, False, build)


def _shared_params(given: Hyperparameters, blocks: int | None) -> dict[str, Any]:
    params = {
        "rank": given.rank,
        "maxIter": given.iterations,
        "regParam": given.regParam,
        "seed": given.seed,
        "userCol": "user",
        "itemCol": "item",
        "ratingCol": "rating",
    }
    return params if blocks is None else {**params, "numUserBlocks": blocks, "numItemBlocks": blocks}
