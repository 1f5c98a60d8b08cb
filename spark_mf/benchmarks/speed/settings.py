"""Settings of the benchmark, and the estimator of each of its points."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.benchmarks.methods import (
    PYSPARK_DEFAULT_BLOCKS,
    Method,
    pyspark_als,
    spark_mf_als,
    spark_mf_sgd,
)
from spark_mf.benchmarks.rows import ParamValues
from spark_mf.benchmarks.speed.data import VALIDATES, description
from spark_mf.cli.settings import STRICT, Fraction, Several, Text, one_of, setting

OPENBLAS, NO_NATIVE_BLAS = "pyspark-openblas", "pyspark-java"
SGD, ONE_PROCESS = "sgd", "sgd-one-process"
_BROADCAST = "-broadcast"
POINTS = (
    "cholesky",
    "cg",
    f"cholesky{_BROADCAST}",
    f"cg{_BROADCAST}",
    SGD,
    ONE_PROCESS,
    OPENBLAS,
    NO_NATIVE_BLAS,
)

# Labels of rows that the report compares.
EVALUATED_SGD, SGD_ALONE = "spark_mf.SGD, evaluated", "spark_mf.SGD, not evaluated"
EVALUATED_KERNELS, KERNELS_ALONE = "SGD's kernels, evaluated", "SGD's kernels, not evaluated"

# The key `model` of rows without Spark, whose fit is that of no estimator.
PLAIN_PROCESS = "kernels of spark_mf.SGD"

_RATINGS = "data: generated once, into OUTPUT/data"
_MODEL = "model: hyperparameters of all points but for those of SGD"
_DESCENT = "SGD: hyperparameters of its points, biases included"
_RUN = "benchmark"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BenchSettings:
    """Settings of a benchmark; every field is an option of ``jobs/bench.py`` and a key of its TOML file."""

    users: PositiveInt = setting(138_000, "users", group=_RATINGS)
    items: PositiveInt = setting(27_000, "items", group=_RATINGS)
    ratings: PositiveInt = setting(20_000_000, "ratings, test rows included", group=_RATINGS)
    test_fraction: Fraction = setting(0.1, "share of the rows held out for the test", group=_RATINGS)
    rank: PositiveInt = setting(64, "features of each user and item, SGD's too", group=_MODEL)
    iterations: PositiveInt = setting(10, "iterations", group=_MODEL)
    reg_param: NonNegativeFloat = setting(0.05, "λ of the weighted objective, as pyspark's regParam", group=_MODEL)
    seed: NonNegativeInt = setting(0, "of generating, splitting and initial factors, SGD's too", group=_MODEL)
    # Tuned on 5 % of the training rows of the default set, which were left out of the training.
    sgd_epochs: PositiveInt = setting(20, "epochs", group=_DESCENT)
    sgd_step_size: PositiveFloat = setting(0.03, "step of the first epoch, of biases too", group=_DESCENT)
    sgd_decay: Fraction = setting(0.85, "factor of the step from one epoch to the next", group=_DESCENT)
    sgd_reg_param: NonNegativeFloat = setting(0.03, "λ of the weighted objective, of biases too", group=_DESCENT)
    sgd_init_std: NonNegativeFloat = setting(0.1, "standard deviation of the initial factors", group=_DESCENT)
    sgd_item_blocks: PositiveInt = setting(
        15,
        "blocks of items; of users there is one a core. Through Spark and in one process they are the same",
        group=_DESCENT,
    )
    points: Several[Annotated[str, one_of(*POINTS)]] = setting(
        POINTS,
        "what to measure: spark_mf.ALS by its solvers, on the ring and by broadcasts; spark_mf.SGD, evaluated after "
        "each epoch and not, and its kernels in one process without Spark; pyspark.ALS with native OpenBLAS and "
        "without",
        group=_RUN,
    )
    pyspark_blocks: Several[PositiveInt] = setting(
        (2, PYSPARK_DEFAULT_BLOCKS),
        "blocks of users, and of items, of pyspark.ALS: as many as cores and its default, each a fit of its own that "
        "takes most of the bench's time; figures are against the best",
        group=_RUN,
    )
    openblas: Text | None = setting(
        None,
        "folder with libblas.so.3 and liblapack.so.3 of OpenBLAS, at any depth, where it is not installed",
        group=_RUN,
    )
    cores: PositiveInt = setting(2, "cores: the master is local[cores]", group=_RUN)
    driver_memory: Text | None = setting(None, "memory of each point's JVM, such as 8g", group=_RUN)

    @property
    def als_params(self) -> ParamValues:
        """Params of ALS, ours and pyspark's."""
        return {"rank": self.rank, "maxIter": self.iterations, "regParam": self.reg_param, "seed": self.seed}

    @property
    def sgd_params(self) -> ParamValues:
        """Params of SGD, through Spark and in one process."""
        return {
            "rank": self.rank,
            "maxIter": self.sgd_epochs,
            "regParam": self.sgd_reg_param,
            "seed": self.seed,
            "stepSize": self.sgd_step_size,
            "biasStepSize": self.sgd_step_size,
            "biasRegParam": self.sgd_reg_param,
            "optimizer": "sgd",
            "schedule": "exponential",
            "decay": self.sgd_decay,
            "updateOrder": "simultaneous",
            "initStd": self.sgd_init_std,
            "numUserBlocks": self.cores,
            "numItemBlocks": self.sgd_item_blocks,
        }

    @property
    def master(self) -> str:
        """The Spark master of every point."""
        return f"local[{self.cores}]"

    @property
    def description(self) -> dict[str, Any]:
        """The description of the data; see `spark_mf.benchmarks.speed.data`."""
        return description(self.users, self.items, self.ratings, self.test_fraction, self.seed)


def point_methods(point: str, settings: BenchSettings) -> list[Method]:
    """Return what a point fits; no two methods of all points share a label."""
    if point == SGD:
        return sgd_methods(settings)
    if point == ONE_PROCESS:
        return one_process_methods(settings)
    if point not in (OPENBLAS, NO_NATIVE_BLAS):
        solver = point.removesuffix(_BROADCAST)
        if solver == point:
            return [spark_mf_als(solver, settings.als_params)]
        method = spark_mf_als(solver, settings.als_params, engine="broadcast")
        return [replace(method, label=f"{method.label}, broadcast")]
    library = "OpenBLAS" if point == OPENBLAS else "no native BLAS"
    return [
        replace(method, label=f"{method.label}, {library}")
        for method in (pyspark_als(point, settings.als_params, blocks) for blocks in settings.pyspark_blocks)
    ]


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
