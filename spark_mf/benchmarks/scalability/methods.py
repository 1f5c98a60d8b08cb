"""The methods whose scaling is measured."""

from dataclasses import replace

from spark_mf.benchmarks.methods import Method, pyspark_als, spark_mf_als, spark_mf_sgd
from spark_mf.benchmarks.rows import ParamValues

_SOLVERS = ("cholesky", "cg", "gd")
_SGD, _SGD_STAGES, _PYSPARK = "sgd", "sgd-stages", "pyspark"
_BROADCAST = "-broadcast"
METHODS = (*_SOLVERS, *(f"{solver}{_BROADCAST}" for solver in _SOLVERS), _SGD, _SGD_STAGES, _PYSPARK)

# The steps decide no time; these suit generated ratings.
_STEPS = {
    "stepSize": 0.03,
    "biasStepSize": 0.03,
    "biasRegParam": 0.03,
    "optimizer": "sgd",
    "schedule": "exponential",
    "decay": 0.85,
    "updateOrder": "simultaneous",
    "initStd": 0.1,
}


def scaled_method(name: str, params: ParamValues, cores: int, blocks: int | None, pyspark_blocks: int) -> Method:
    """Return a method of `METHODS` on so many cores; none takes another engine than its own.

    Parameters
    ----------
    name : str
        Out of `METHODS`.
    params : ParamValues
        Params of all methods; SGD has steps of its own besides.
    cores : int
        SGD has a user block for each.
    blocks : int | None
        User blocks and item blocks, of SGD item blocks alone; None for the estimator's own, of pyspark's ALS
        ``pyspark_blocks``.
    """
    if name == _PYSPARK:
        return replace(pyspark_als(name, params, blocks or pyspark_blocks), label="pyspark.ALS")
    if name in (_SGD, _SGD_STAGES):
        engine = "stages" if name == _SGD_STAGES else "ring"
        own = {**params, **_STEPS, "engine": engine, "numUserBlocks": cores}
        if blocks is not None:
            own["numItemBlocks"] = blocks
        return replace(spark_mf_sgd(name, own, fit_bias=True), label=f"spark_mf.SGD, {engine}", blocks=blocks)
    solver = name.removesuffix(_BROADCAST)
    engine = "broadcast" if name != solver else "ring"
    method = spark_mf_als(solver, params, blocks=blocks, engine=engine)
    return replace(method, name=name, label=f"spark_mf.ALS, {solver}, {engine}")
