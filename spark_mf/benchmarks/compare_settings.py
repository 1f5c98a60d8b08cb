"""Settings of the job that compares methods."""

from typing import Annotated

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.benchmarks.methods import METHOD_NAMES
from spark_mf.benchmarks.rows import ParamValues
from spark_mf.cli.read_settings import READ, TimedReadSettings
from spark_mf.cli.settings import STRICT, Fraction, Several, Text, one_of, setting
from spark_mf.params.alternating import ENGINES as ALS_ENGINES
from spark_mf.params.sgd import ENGINES as SGD_ENGINES
from spark_mf.params.sgd import OPTIMIZERS, SCHEDULES, SEQUENTIAL, SIMULTANEOUS

SPLITS = ("random", "leave-out", "time", "column")

_GENERATED = "data: what is generated when RATINGS is not given"
_SPLIT = "split: which ratings are held out for the test"
_MODEL = "model: the same for all methods"
_ALS = "ALS: hyperparameters, the same for ours and pyspark's"
_SGD = "SGD: hyperparameters, with biases and without"
_RUN = "comparison"
_SPARK = "Spark"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CompareSettings(TimedReadSettings):
    """Settings of a comparison; every field is an option of ``jobs/compare.py`` and a key of its TOML file."""

    ratings: Text | None = setting(
        None,
        "ratings to read: CSV with a header, '::' or tab separated, each also gzipped, or Parquet; "
        "without it a set is generated",
        group=READ,
        positional=True,
    )
    generated_users: PositiveInt = setting(1_000, "users of the generated set", group=_GENERATED)
    generated_items: PositiveInt = setting(1_700, "items of the generated set", group=_GENERATED)
    generated_ratings: PositiveInt = setting(100_000, "ratings of the generated set", group=_GENERATED)
    split: Annotated[str, one_of(*SPLITS)] = setting(
        "random",
        f"how test rows are chosen, one of {', '.join(SPLITS)}: a random share of all, some of every user's, the "
        "latest of all, or those that a column marks",
        group=_SPLIT,
    )
    test_fraction: Fraction = setting(
        0.1, "share of the rows held out for the test, with --split random or time", group=_SPLIT
    )
    leave_out: PositiveInt | None = setting(
        None,
        "items of each user held out for the test, with --split leave-out: the latest if --timestamp-col is given, "
        "else random ones",
        group=_SPLIT,
    )
    timestamp_col: Text | None = setting(
        None, "column of times, with --split time (if it is not detected) or leave-out", group=_SPLIT
    )
    split_col: Text | None = setting(
        None,
        "column that marks each row as train, validation (not used) or test, or true for test, with --split column",
        group=_SPLIT,
    )
    rank: PositiveInt = setting(16, "features of each user and item, such as 8 to 200", group=_MODEL)
    seed: NonNegativeInt = setting(0, "of generating, splitting and initial factors", group=_MODEL)
    max_iter: PositiveInt = setting(10, "iterations", group=_ALS)
    reg_param: NonNegativeFloat = setting(
        0.1, "λ of the weighted objective, as pyspark's regParam; such as 0.01 to 0.3", group=_ALS
    )
    als_engine: Annotated[str, one_of(*ALS_ENGINES)] = setting(
        "auto", f"where ours keeps blocks, one of {', '.join(ALS_ENGINES)}", group=_ALS
    )
    sgd_epochs: PositiveInt = setting(20, "passes over the ratings", group=_SGD)
    sgd_reg_param: NonNegativeFloat = setting(
        0.05, "λ of factors, weighted as ALS's but of a smaller best value; such as 0.02 to 0.1", group=_SGD
    )
    sgd_bias_reg_param: NonNegativeFloat = setting(0.02, "λ of biases, such as 0.005 to 0.05", group=_SGD)
    sgd_step_size: PositiveFloat = setting(0.015, "step of factors, such as 0.002 to 0.05", group=_SGD)
    sgd_bias_step_size: PositiveFloat = setting(0.005, "step of biases, such as a third of that", group=_SGD)
    sgd_schedule: Annotated[str, one_of(*SCHEDULES)] = setting(
        "exponential", f"how steps change, one of {', '.join(SCHEDULES)}", group=_SGD
    )
    sgd_decay: NonNegativeFloat = setting(
        0.95, "what each epoch multiplies steps by (exponential), or the d of 1/(1 + d·epoch) (inverse)", group=_SGD
    )
    sgd_optimizer: Annotated[str, one_of(*OPTIMIZERS)] = setting(
        "sgd", f"what makes steps of gradients, one of {', '.join(OPTIMIZERS)}", group=_SGD
    )
    sgd_update_order: Annotated[str, one_of(SIMULTANEOUS, SEQUENTIAL)] = setting(
        SIMULTANEOUS,
        f"{SIMULTANEOUS}: both rows of a rating from the old ones; {SEQUENTIAL}: the item first, the user from it",
        group=_SGD,
    )
    sgd_init_std: NonNegativeFloat = setting(
        0.01, "standard deviation of the initial factors, such as 0.003 to 0.1", group=_SGD
    )
    sgd_engine: Annotated[str, one_of(*SGD_ENGINES)] = setting(
        "auto", f"where it keeps blocks, one of {', '.join(SGD_ENGINES)}", group=_SGD
    )
    methods: Several[Annotated[str, one_of(*METHOD_NAMES)]] = setting(
        METHOD_NAMES,
        "what to run: spark_mf.ALS by its solvers, spark_mf.SGD with biases and without (sgd-plain), pyspark.ALS with "
        "its default of 10 blocks and with as many as cores",
        group=_RUN,
    )
    pyspark_history: Several[PositiveInt] = setting(
        (1, 2, 3, 5, 7),
        "iterations after which pyspark's RMSE is wanted besides the last; each costs a fit, and the last one "
        "another, as pyspark keeps no history; '' for none",
        group=_RUN,
    )
    max_rmse_difference: NonNegativeFloat | None = setting(
        None,
        "end with exit code 1 when a test RMSE of spark_mf.ALS and one of pyspark.ALS differ by more, such as 0.005; "
        "SGD's are other models or end elsewhere, and are not judged",
        group=_RUN,
    )
    master: Text | None = setting(None, "Spark master, such as local[2]", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of the driver's JVM, such as 4g", group=_SPARK)

    def __post_init__(self) -> None:
        """Raise ValueError for options of one split that are given with another, or of SGD that go not together."""
        required = {"leave-out": "leave_out", "column": "split_col"}
        for split, name in required.items():
            value, option = getattr(self, name), "--" + name.replace("_", "-")
            if self.split == split and value is None:
                raise ValueError(f"{option} must be given with --split {split}, got none.")
            if self.split != split and value is not None:
                raise ValueError(
                    f"{option} must be given with --split {split} only, got {value!r} with --split {self.split}."
                )
        if self.timestamp_col is not None and self.split not in ("time", "leave-out"):
            raise ValueError(
                f"--timestamp-col must be given with --split time or leave-out only, got {self.timestamp_col!r} with "
                f"--split {self.split}."
            )
        if self.time_format is not None and not self.needs_times:
            raise ValueError(
                f"--time-format must be given with --split time or --timestamp-col only, got {self.time_format!r} with "
                f"--split {self.split}. Leave it out."
            )
        if self.ratings is None and (self.split in ("time", "column") or self.timestamp_col is not None):
            raise ValueError(
                f"RATINGS must be given with --split {self.split}, because generated ratings have no column for it. "
                "Pass the path of ratings, or use --split random or leave-out."
            )
        if self.sgd_schedule == "exponential" and not 0 < self.sgd_decay <= 1:
            raise ValueError(f"--sgd-decay must be in (0, 1] with --sgd-schedule exponential, got {self.sgd_decay:g}.")

    @property
    def needs_times(self) -> bool:
        """Whether the split depends on timestamps."""
        return self.split == "time" or self.timestamp_col is not None

    @property
    def als_params(self) -> ParamValues:
        """Params of ALS, ours and pyspark's."""
        return {"rank": self.rank, "maxIter": self.max_iter, "regParam": self.reg_param, "seed": self.seed}

    @property
    def sgd_params(self) -> ParamValues:
        """Params of SGD."""
        return {
            "rank": self.rank,
            "maxIter": self.sgd_epochs,
            "regParam": self.sgd_reg_param,
            "seed": self.seed,
            "stepSize": self.sgd_step_size,
            "biasStepSize": self.sgd_bias_step_size,
            "biasRegParam": self.sgd_bias_reg_param,
            "optimizer": self.sgd_optimizer,
            "schedule": self.sgd_schedule,
            "decay": self.sgd_decay,
            "updateOrder": self.sgd_update_order,
            "initStd": self.sgd_init_std,
            "engine": self.sgd_engine,
        }
