"""The methods that comparisons can run; a new one is one more entry of `comparison_methods`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.param import Params

from spark_mf.benchmarks.rows import ParamValues

# pyspark's own default of numUserBlocks and numItemBlocks.
PYSPARK_DEFAULT_BLOCKS = 10

METHOD_NAMES = ("cholesky", "cg", "sgd", "sgd-plain", "pyspark-10", "pyspark-cores")


@dataclass(frozen=True)
class Method:
    """One way to train, under one name: an estimator and the values of its Params.

    Attributes
    ----------
    name : str
        Its name in the setting ``methods``.
    label : str
        Its name in tables and plots.
    model : str
        The estimator, as in the key ``model`` of its rows.
    params : ParamValues
        Values of Params by name; the others have their defaults.
    blocks : int | None
        User blocks, and item blocks, as tables show them; None leaves them to the estimator.
    keeps_history : bool
        Whether its models have a `TrainingSummary` and its estimator a ``validationIndicatorCol``; of others
        the history is measured by fitting again with fewer iterations.
    """

    name: str
    label: str
    model: str
    params: ParamValues
    blocks: int | None = None
    keeps_history: bool = True

    @property
    def solver(self) -> str:
        """How a row is solved or stepped."""
        # pyspark's ALS has no Param for its only solver.
        return self.params.get("solver") or self.params.get("optimizer", "cholesky")

    @property
    def is_implicit(self) -> bool:
        """Whether the ratings are implicit feedback, so that predictions are preferences."""
        return self.params.get("implicitPrefs", False)

    def estimator(self) -> Any:
        """Return a new estimator; that of pyspark needs a session."""
        return new_estimator(self.model, self.params)


def new_estimator(model: str, params: Mapping[str, Any]) -> Any:
    """Return the estimator that a row names, with values of its Params.

    Parameters
    ----------
    model : str
        "spark_mf.ALS", "spark_mf.GD", "spark_mf.SGD" or "pyspark.ALS", which needs a session.
    params : Mapping[str, Any]
        Values by name, such as the `params` of a row; the others have their defaults.

    Raises
    ------
    ValueError
        When there is no such estimator.
    """
    # Imported where they are used, because rows are made without compiled kernels and without a session.
    from pyspark.ml.recommendation import ALS as SparkALS

    from spark_mf import ALS, GD, SGD

    known: dict[str, type[Estimator[Any]]] = {
        "spark_mf.ALS": ALS,
        "spark_mf.GD": GD,
        "spark_mf.SGD": SGD,
        "pyspark.ALS": SparkALS,
    }
    if model not in known:
        raise ValueError(f"model must be one of {', '.join(known)}, got {model!r}.")
    estimator = known[model]()
    # By copy, because constructors do not take every Param.
    return estimator.copy({estimator.getParam(name): value for name, value in params.items()})


def param_values(estimator: Params) -> ParamValues:
    """Return the ParamMap of an estimator by name, defaults included."""
    return {param.name: value for param, value in estimator.extractParamMap().items()}


def comparison_methods(
    names: tuple[str, ...], cores: int, als: ParamValues, sgd: ParamValues, *, als_engine: str = "auto"
) -> list[Method]:
    """Return the named methods, in the order of `METHOD_NAMES`.

    Parameters
    ----------
    names : tuple[str, ...]
        Out of `METHOD_NAMES`.
    cores : int
        Task slots of the session.
    als : ParamValues
        Params of all methods of ALS.
    sgd : ParamValues
        Params of SGD, with and without biases.
    als_engine : str
        The Param ``engine`` of `spark_mf.ALS`.
    """
    table = [
        # As a user gets them: ours choose their blocks, of pyspark's there are the default and the best choice.
        spark_mf_als("cholesky", als, engine=als_engine),
        spark_mf_als("cg", als, engine=als_engine),
        spark_mf_sgd("sgd", sgd, fit_bias=True),
        spark_mf_sgd("sgd-plain", sgd, fit_bias=False),
        pyspark_als("pyspark-10", als, PYSPARK_DEFAULT_BLOCKS),
        pyspark_als("pyspark-cores", als, cores),
    ]
    # With as many cores as pyspark's default blocks, its two entries are one and the same.
    by_label = {method.label: method for method in table if method.name in names}
    return list(by_label.values())


def spark_mf_als(solver: str, params: ParamValues, *, blocks: int | None = None, engine: str = "auto") -> Method:
    """`spark_mf.ALS` with one of its solvers; without ``blocks`` it chooses their number itself."""
    own = {**params, **_block_numbers(blocks), "solver": solver, "engine": engine}
    return Method(solver, f"spark_mf.ALS, {solver}", "spark_mf.ALS", own, blocks)


def spark_mf_sgd(name: str, params: ParamValues, *, fit_bias: bool) -> Method:
    """`spark_mf.SGD` under a name, with biases or without; it trains all epochs unless ``params`` has a patience."""
    # The last epoch's model is wanted, as of other methods, also where test rows are watched.
    own = {"earlyStoppingPatience": 0, **params, "fitBias": fit_bias}
    return Method(name, f"spark_mf.SGD, {'biases' if fit_bias else 'no biases'}", "spark_mf.SGD", own)


def pyspark_als(name: str, params: ParamValues, blocks: int) -> Method:
    """`pyspark.ml.recommendation.ALS` under a name, with so many user blocks and item blocks."""
    own = {**params, **_block_numbers(blocks)}
    return Method(name, f"pyspark.ALS, {blocks} blocks", "pyspark.ALS", own, blocks, keeps_history=False)


def _block_numbers(blocks: int | None) -> ParamValues:
    return {} if blocks is None else {"numUserBlocks": blocks, "numItemBlocks": blocks}
