"""What a benchmark is told, and what each of its points fits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pyspark.ml import Estimator

from spark_mf.benchmarks.methods import (
    PYSPARK_DEFAULT_BLOCKS,
    Hyperparameters,
    Method,
    pyspark_als,
    spark_mf_als,
    spark_mf_sgd,
)
from spark_mf.benchmarks.rows import StepParams
from spark_mf.benchmarks.speed.data import VALIDATES, description
from spark_mf.cli.settings import AT_LEAST_ZERO, FRACTION, one_of, real, setting, several, text, whole

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

_ABOVE_ZERO = real("a number above 0", lambda value: value > 0)


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What a benchmark is told; every field is an option of ``jobs/bench.py`` and a key of its TOML."""

    users: int = setting(138_000, whole(1), "users", group=_RATINGS)
    items: int = setting(27_000, whole(1), "items", group=_RATINGS)
    ratings: int = setting(20_000_000, whole(1), "ratings, test rows included", group=_RATINGS)
    test_fraction: float = setting(
        0.1,
        FRACTION,
        "share of the rows held out for the test",
        group=_RATINGS,
    )
    rank: int = setting(64, whole(1), "features of each user and item, SGD's too", group=_MODEL)
    iterations: int = setting(10, whole(1), "iterations", group=_MODEL)
    reg_param: float = setting(
        0.05,
        AT_LEAST_ZERO,
        "λ of the weighted objective, as pyspark's regParam",
        group=_MODEL,
    )
    seed: int = setting(0, whole(0), "of generating, splitting and initial factors, SGD's too", group=_MODEL)
    # Tuned on 5 % of the training rows of the default set, which were left out of the training.
    sgd_epochs: int = setting(20, whole(1), "epochs", group=_DESCENT)
    sgd_step_size: float = setting(0.03, _ABOVE_ZERO, "step of the first epoch, of biases too", group=_DESCENT)
    sgd_decay: float = setting(0.85, FRACTION, "factor of the step from one epoch to the next", group=_DESCENT)
    sgd_reg_param: float = setting(0.03, AT_LEAST_ZERO, "λ of the weighted objective, of biases too", group=_DESCENT)
    sgd_init_std: float = setting(0.1, AT_LEAST_ZERO, "standard deviation of the initial factors", group=_DESCENT)
    sgd_item_blocks: int = setting(
        15,
        whole(1),
        "blocks of items; of users there is one a core. Through Spark and in one process they are the same",
        group=_DESCENT,
    )
    points: tuple[str, ...] = setting(
        POINTS,
        several(one_of(*POINTS), f"a list of some of {', '.join(POINTS)}"),
        "what to measure: spark_mf.ALS by its solvers, on the ring and by broadcasts; spark_mf.SGD, evaluated after "
        "each epoch and not, and its kernels in one process without Spark; pyspark.ALS with native OpenBLAS and "
        "without",
        group=_RUN,
    )
    pyspark_blocks: tuple[int, ...] = setting(
        (2, PYSPARK_DEFAULT_BLOCKS),
        several(whole(1), "a list of different whole numbers of at least 1"),
        "blocks of users, and of items, of pyspark.ALS: as many as cores and its default, each a fit of its own that "
        "takes most of the bench's time; figures are against the best",
        group=_RUN,
    )
    openblas: str | None = setting(
        None,
        text(),
        "folder with libblas.so.3 and liblapack.so.3 of OpenBLAS, at any depth, where it is not installed",
        group=_RUN,
    )
    cores: int = setting(2, whole(1), "cores: the master is local[cores]", group=_RUN)
    driver_memory: str | None = setting(None, text(), "memory of each point's JVM, such as 8g", group=_RUN)

    @property
    def given(self) -> Hyperparameters:
        """What all methods get but SGD."""
        return Hyperparameters(self.rank, self.iterations, self.reg_param, self.seed)

    @property
    def descent(self) -> Hyperparameters:
        """What SGD gets."""
        step = StepParams(
            stepSize=self.sgd_step_size,
            biasStepSize=self.sgd_step_size,
            biasRegParam=self.sgd_reg_param,
            optimizer="sgd",
            schedule="exponential",
            decay=self.sgd_decay,
            updateOrder="simultaneous",
            initStd=self.sgd_init_std,
        )
        return Hyperparameters(self.rank, self.sgd_epochs, self.sgd_reg_param, self.seed, step=step)

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
            return [spark_mf_als(solver, None)]
        method = spark_mf_als(solver, None, "broadcast")
        return [replace(method, label=f"{method.label}, broadcast")]
    library = "OpenBLAS" if point == OPENBLAS else "no native BLAS"
    return [
        replace(method, label=f"{method.label}, {library}")
        for method in (pyspark_als(point, blocks) for blocks in settings.pyspark_blocks)
    ]


def sgd_methods(settings: BenchSettings) -> list[Method]:
    """`spark_mf.SGD` with an evaluation on the test rows after each epoch, and without."""
    method = spark_mf_sgd(SGD, settings.descent, fit_bias=True)

    def built(evaluates: bool) -> Callable[[Hyperparameters], Estimator[Any]]:
        def build(given: Hyperparameters) -> Estimator[Any]:
            estimator: Any = method.build(given)
            estimator.setNumUserBlocks(settings.cores).setNumItemBlocks(settings.sgd_item_blocks)
            return estimator.setValidationIndicatorCol(VALIDATES) if evaluates else estimator

        return build

    return [
        replace(method, label=EVALUATED_SGD, build=built(True)),
        replace(method, label=SGD_ALONE, build=built(False)),
    ]


def one_process_methods(settings: BenchSettings) -> list[Method]:
    """Return the names of what the point without Spark measures: the same epochs with their evaluation, and without."""

    def build(given: Hyperparameters) -> Estimator[Any]:
        raise TypeError(f"{PLAIN_PROCESS} are not an estimator. Measure them with the point {ONE_PROCESS}.")

    return [
        Method(ONE_PROCESS, label, PLAIN_PROCESS, "sgd", None, True, build, settings.descent)
        for label in (EVALUATED_KERNELS, KERNELS_ALONE)
    ]
