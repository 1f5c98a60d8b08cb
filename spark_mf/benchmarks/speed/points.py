"""The estimators of the benchmark's points, with their Params."""

from dataclasses import replace

from spark_mf.benchmarks.methods import Method, pyspark_als, spark_mf_als, spark_mf_sgd
from spark_mf.benchmarks.rows import ParamValues
from spark_mf.benchmarks.speed.data import VALIDATES
from spark_mf.benchmarks.speed.point_names import (
    BROADCAST,
    HIGH_RANK,
    IMPLICIT,
    IMPLICIT_OPENBLAS,
    LIBRARY_POINTS,
    NNLS,
    NO_NATIVE_BLAS,
    ONE_PROCESS,
    OPENBLAS,
    PLAIN,
    SGD,
    is_high_rank,
)
from spark_mf.benchmarks.speed.settings import BenchSettings

# Labels of rows that the report compares.
EVALUATED_SGD, SGD_ALONE = "spark_mf.SGD, evaluated", "spark_mf.SGD, not evaluated"
EVALUATED_KERNELS, KERNELS_ALONE = "SGD's kernels, evaluated", "SGD's kernels, not evaluated"

# The key `model` of rows without Spark, whose fit is that of no estimator.
PLAIN_PROCESS = "kernels of spark_mf.SGD"

# Solvers of each library that are compared with the same solver of `spark_mf.ALS`.
LIBRARY_SOLVERS = {"implicit": ("cg",), "irspack": ("cholesky", "cg", "subspace")}
# The number of steps of conjugate gradients, which is the default of all of them.
INNER_STEPS = 3


def point_methods(point: str, settings: BenchSettings) -> list[Method]:
    """Return what a point fits; no two methods of all points share a label."""
    if point == SGD:
        return sgd_methods(settings)
    if point == ONE_PROCESS:
        return one_process_methods(settings)
    if point in (OPENBLAS, NO_NATIVE_BLAS):
        library = "OpenBLAS" if point == OPENBLAS else "no native BLAS"
        return _pyspark_methods(point, settings, settings.als_params, library)
    if point in LIBRARY_POINTS:
        return library_methods(LIBRARY_POINTS[point], settings)
    if is_high_rank(point):
        return [_high_rank_method(point.removeprefix(HIGH_RANK), settings)]
    if point.startswith((IMPLICIT, PLAIN)):
        return implicit_methods(point, settings)
    if point == NNLS:
        return [spark_mf_als(NNLS, {**settings.als_params, "nonnegative": True})]
    solver = point.removesuffix(BROADCAST)
    if solver == point:
        return [spark_mf_als(solver, settings.als_params)]
    method = spark_mf_als(solver, settings.als_params, engine="broadcast")
    return [replace(method, label=f"{method.label}, broadcast")]


def sgd_methods(settings: BenchSettings) -> list[Method]:
    """`spark_mf.SGD` with an evaluation on the test rows after each epoch, and without."""
    method = spark_mf_sgd(SGD, settings.sgd_params, fit_bias=True)
    return [
        replace(method, label=EVALUATED_SGD, params={**method.params, "validationIndicatorCol": VALIDATES}),
        replace(method, label=SGD_ALONE),
    ]


def one_process_methods(settings: BenchSettings) -> list[Method]:
    """Return what the point without Spark measures: the same epochs with their evaluation, and without."""
    method = replace(spark_mf_sgd(ONE_PROCESS, settings.sgd_params, fit_bias=True), model=PLAIN_PROCESS)
    return [replace(method, label=label) for label in (EVALUATED_KERNELS, KERNELS_ALONE)]


def implicit_methods(point: str, settings: BenchSettings) -> list[Method]:
    """Return the fits to implicit feedback of a point, one for each rank, or several for pyspark's numbers of blocks.

    Points named "implicit" minimise the objective of pyspark, points named "plain" that of `library_methods`.
    """
    methods = []
    for rank in settings.implicit_ranks:
        ending = f"implicit, rank {rank}"
        if point == IMPLICIT_OPENBLAS:
            methods += _pyspark_methods(point, settings, _implicit_params(settings, rank), f"OpenBLAS, {ending}")
            continue
        is_plain = point.startswith(PLAIN)
        solver = point.removeprefix(PLAIN if is_plain else IMPLICIT)
        params = _plain_params(settings, rank, solver) if is_plain else _implicit_params(settings, rank)
        method = spark_mf_als(solver, params)
        methods.append(replace(method, label=f"{method.label}, {'plain ' * is_plain}{ending}"))
    return methods


def library_methods(library: str, settings: BenchSettings) -> list[Method]:
    """Return the fits of a library on one machine, with the Params of the equal fit of `spark_mf.ALS`."""
    return [
        Method(
            solver,
            f"{library}, {solver}, rank {rank}",
            library,
            {**_plain_params(settings, rank, solver), "solver": solver},
        )
        for rank in settings.implicit_ranks
        for solver in LIBRARY_SOLVERS[library]
    ]


def _high_rank_method(name: str, settings: BenchSettings) -> Method:
    solver = name.removeprefix(IMPLICIT)
    is_explicit, rank = solver == name, settings.high_rank
    params = {**settings.als_params, "rank": rank} if is_explicit else _implicit_params(settings, rank)
    if solver == "subspace":
        # Explicit ratings need larger blocks for the objective of the exact solver after the same iterations.
        size = -(-rank // 2) if is_explicit else min(settings.high_rank_subspace, rank)
        params = {**params, "subspaceSize": size}
    method = spark_mf_als(solver, params)
    return replace(method, label=f"{method.label}, {'implicit, ' * (not is_explicit)}high rank {rank}")


def _pyspark_methods(point: str, settings: BenchSettings, params: ParamValues, ending: str) -> list[Method]:
    methods = [pyspark_als(point, params, blocks) for blocks in settings.pyspark_blocks]
    return [replace(method, label=f"{method.label}, {ending}") for method in methods]


def _implicit_params(settings: BenchSettings, rank: int) -> ParamValues:
    return {**settings.als_params, "rank": rank, "implicitPrefs": True, "alpha": settings.implicit_alpha}


def _plain_params(settings: BenchSettings, rank: int, solver: str) -> ParamValues:
    params = _implicit_params(settings, rank) | {"regParam": settings.plain_reg_param, "regularization": "plain"}
    if solver == "subspace":
        # Of half the rank, because with one block it is the Cholesky solver.
        return params | {"subspaceSize": -(-rank // 2)}
    return params | ({"innerSteps": INNER_STEPS} if solver == "cg" else {})
