"""Settings of the benchmark."""

from typing import Annotated, Any

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.benchmarks.methods import PYSPARK_DEFAULT_BLOCKS
from spark_mf.benchmarks.rows import ParamValues
from spark_mf.benchmarks.speed.data import DATA, HIGH_RANK_DATA, description
from spark_mf.benchmarks.speed.point_names import DEFAULT_POINTS, MINUTES, POINTS
from spark_mf.cli.settings import STRICT, Fraction, Several, Text, one_of, setting

_RATINGS = "data: generated once, into OUTPUT/data"
_MODEL = "model: hyperparameters of all points but for those of SGD"
_DESCENT = "SGD: hyperparameters of its points, biases included"
_IMPLICIT = "implicit feedback: the ratings as counts, for points whose names contain implicit, plain or library"
_HIGH_RANK = "high rank: a data set of its own, in OUTPUT/data-high-rank, for points named high-rank"
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
    implicit_ranks: Several[PositiveInt] = setting((64, 128), "ranks, each a fit of its own", group=_IMPLICIT)
    implicit_alpha: PositiveFloat = setting(1.0, "α of the confidences 1 + α·rating", group=_IMPLICIT)
    plain_reg_param: NonNegativeFloat = setting(
        10.0, "λ of the plain objective, which the libraries minimise; pyspark's has reg_param", group=_IMPLICIT
    )
    library_python: Text = setting(
        ".venv-bench/bin/python",
        "Python of the environment with implicit and irspack, which `make bench-env` creates",
        group=_IMPLICIT,
    )
    high_rank: PositiveInt = setting(512, "features of each user and item", group=_HIGH_RANK)
    high_rank_users: PositiveInt = setting(20_000, "users", group=_HIGH_RANK)
    high_rank_items: PositiveInt = setting(10_000, "items", group=_HIGH_RANK)
    high_rank_ratings: PositiveInt = setting(2_000_000, "ratings, test rows included", group=_HIGH_RANK)
    high_rank_subspace: PositiveInt = setting(
        64,
        "factors of a block of the solver subspace for implicit feedback; explicit ratings have half the rank",
        group=_HIGH_RANK,
    )
    points: Several[Annotated[str, one_of(*POINTS)]] = setting(
        DEFAULT_POINTS,
        "what to measure. Approximate minutes with the default settings on 2 cores: "
        + ", ".join(f"{point} {minutes}" for point, minutes in MINUTES.items()),
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
        """The description of the data of all points except those of high rank."""
        return self.description_of(DATA)

    def description_of(self, data: str) -> dict[str, Any]:
        """Return the description of a data set, `DATA` or `HIGH_RANK_DATA`; see `spark_mf.benchmarks.speed.data`."""
        sizes = (self.users, self.items, self.ratings)
        if data == HIGH_RANK_DATA:
            sizes = (self.high_rank_users, self.high_rank_items, self.high_rank_ratings)
        return description(*sizes, self.test_fraction, self.seed)
