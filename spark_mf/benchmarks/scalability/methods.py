"""The methods whose scaling is measured."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pyspark.ml import Estimator

from spark_mf.benchmarks.methods import Hyperparameters, Method, pyspark_als, spark_mf_als, spark_mf_sgd
from spark_mf.benchmarks.rows import StepParams

_SOLVERS = ("cholesky", "cg", "gd")
_SGD, _SGD_STAGES, _PYSPARK = "sgd", "sgd-stages", "pyspark"
_BROADCAST = "-broadcast"
METHODS = (*_SOLVERS, *(f"{solver}{_BROADCAST}" for solver in _SOLVERS), _SGD, _SGD_STAGES, _PYSPARK)

# The steps decide no time; these suit generated ratings.
_STEP = StepParams(
    stepSize=0.03,
    biasStepSize=0.03,
    biasRegParam=0.03,
    optimizer="sgd",
    schedule="exponential",
    decay=0.85,
    updateOrder="simultaneous",
    initStd=0.1,
)


def scaled_method(name: str, given: Hyperparameters, cores: int, blocks: int | None, pyspark_blocks: int) -> Method:
    """Return a method of `METHODS` on so many cores; none takes another engine than its own.

    Parameters
    ----------
    name : str
        Out of `METHODS`.
    given : Hyperparameters
        SGD has its own step besides.
    cores : int
        SGD has a user block for each.
    blocks : int | None
        User blocks and item blocks, of SGD item blocks alone; None for the estimator's own, of pyspark's ALS
        ``pyspark_blocks``.
    """
    if name == _PYSPARK:
        return replace(pyspark_als(name, blocks or pyspark_blocks), label="pyspark.ALS")
    if name in (_SGD, _SGD_STAGES):
        engine = "stages" if name == _SGD_STAGES else "ring"
        method = spark_mf_sgd(name, replace(given, step=_STEP), fit_bias=True, engine=engine)
        build = _with_blocks(method, cores, blocks)
        return replace(method, label=f"spark_mf.SGD, {engine}", blocks=blocks, build=build)
    solver = name.removesuffix(_BROADCAST)
    engine = "broadcast" if name != solver else "ring"
    return replace(spark_mf_als(solver, blocks, engine), name=name, label=f"spark_mf.ALS, {solver}, {engine}")


def _with_blocks(method: Method, cores: int, blocks: int | None) -> Callable[[Hyperparameters], Estimator[Any]]:
    def build(given: Hyperparameters) -> Estimator[Any]:
        estimator: Any = method.build(given)
        estimator.setNumUserBlocks(cores)
        return estimator if blocks is None else estimator.setNumItemBlocks(blocks)

    return build
