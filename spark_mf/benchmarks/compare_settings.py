"""What the job that compares may be told."""

from dataclasses import dataclass

from spark_mf.benchmarks.methods import METHOD_NAMES, Hyperparameters
from spark_mf.benchmarks.rows import StepParams
from spark_mf.cli.read_settings import READ, TimedReadSettings
from spark_mf.cli.settings import AT_LEAST_ZERO, FRACTION, one_of, real, setting, several, text, whole
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

_ABOVE_ZERO = real("a number above 0", lambda value: value > 0)


@dataclass(frozen=True, kw_only=True)
class CompareSettings(TimedReadSettings):
    """What a comparison is told; every field is an option of ``jobs/compare.py`` and a key of its TOML."""

    ratings: str | None = setting(
        None,
        text(),
        "ratings to read: CSV with a header, '::' or tab separated, each also gzipped, or Parquet; "
        "without it a set is generated",
        group=READ,
        positional=True,
    )
    generated_users: int = setting(1_000, whole(1), "users of the generated set", group=_GENERATED)
    generated_items: int = setting(1_700, whole(1), "items of the generated set", group=_GENERATED)
    generated_ratings: int = setting(100_000, whole(1), "ratings of the generated set", group=_GENERATED)
    split: str = setting(
        "random",
        one_of(*SPLITS),
        f"how test rows are chosen, one of {', '.join(SPLITS)}: a random share of all, some of every user's, the "
        "latest of all, or those that a column marks",
        group=_SPLIT,
    )
    test_fraction: float = setting(
        0.1, FRACTION, "share of the rows held out for the test, with --split random or time", group=_SPLIT
    )
    leave_out: int | None = setting(
        None,
        whole(1),
        "items of each user held out for the test, with --split leave-out: the latest if --timestamp-col is given, "
        "else random ones",
        group=_SPLIT,
    )
    timestamp_col: str | None = setting(
        None, text(), "column of times, with --split time (where it is not guessed) or leave-out", group=_SPLIT
    )
    split_col: str | None = setting(
        None,
        text(),
        "column that marks each row as train, validation (not used) or test, or true for test, with --split column",
        group=_SPLIT,
    )
    rank: int = setting(16, whole(1), "features of each user and item, such as 8 to 200", group=_MODEL)
    seed: int = setting(0, whole(0), "of generating, splitting and initial factors", group=_MODEL)
    max_iter: int = setting(10, whole(1), "iterations", group=_ALS)
    reg_param: float = setting(
        0.1,
        AT_LEAST_ZERO,
        "λ of the weighted objective, as pyspark's regParam; such as 0.01 to 0.3",
        group=_ALS,
    )
    als_engine: str = setting(
        "auto", one_of(*ALS_ENGINES), f"where ours keeps blocks, one of {', '.join(ALS_ENGINES)}", group=_ALS
    )
    sgd_epochs: int = setting(20, whole(1), "passes over the ratings", group=_SGD)
    sgd_reg_param: float = setting(
        0.05,
        AT_LEAST_ZERO,
        "λ of factors, weighted as ALS's but of a smaller best value; such as 0.02 to 0.1",
        group=_SGD,
    )
    sgd_bias_reg_param: float = setting(0.02, AT_LEAST_ZERO, "λ of biases, such as 0.005 to 0.05", group=_SGD)
    sgd_step_size: float = setting(0.015, _ABOVE_ZERO, "step of factors, such as 0.002 to 0.05", group=_SGD)
    sgd_bias_step_size: float = setting(0.005, _ABOVE_ZERO, "step of biases, such as a third of that", group=_SGD)
    sgd_schedule: str = setting(
        "exponential", one_of(*SCHEDULES), f"how steps change, one of {', '.join(SCHEDULES)}", group=_SGD
    )
    sgd_decay: float = setting(
        0.95,
        AT_LEAST_ZERO,
        "what each epoch multiplies steps by (exponential), or the d of 1/(1 + d·epoch) (inverse)",
        group=_SGD,
    )
    sgd_optimizer: str = setting(
        "sgd", one_of(*OPTIMIZERS), f"what makes steps of gradients, one of {', '.join(OPTIMIZERS)}", group=_SGD
    )
    sgd_update_order: str = setting(
        SIMULTANEOUS,
        one_of(SIMULTANEOUS, SEQUENTIAL),
        f"{SIMULTANEOUS}: both rows of a rating from the old ones; {SEQUENTIAL}: the item first, the user from it",
        group=_SGD,
    )
    sgd_init_std: float = setting(
        0.01, AT_LEAST_ZERO, "standard deviation of the initial factors, such as 0.003 to 0.1", group=_SGD
    )
    sgd_engine: str = setting(
        "auto", one_of(*SGD_ENGINES), f"where it keeps blocks, one of {', '.join(SGD_ENGINES)}", group=_SGD
    )
    methods: tuple[str, ...] = setting(
        METHOD_NAMES,
        several(one_of(*METHOD_NAMES), f"a list of some of {', '.join(METHOD_NAMES)}"),
        "what to run: spark_mf.ALS by its solvers, spark_mf.SGD with biases and without (sgd-plain), pyspark.ALS with "
        "its default of 10 blocks and with as many as cores",
        group=_RUN,
    )
    pyspark_history: tuple[int, ...] = setting(
        (1, 2, 3, 5, 7),
        several(whole(1), "a list of different whole numbers of at least 1"),
        "iterations after which pyspark's RMSE is wanted besides the last; each costs a fit, and the last one "
        "another, as pyspark keeps no history; '' for none",
        group=_RUN,
    )
    max_rmse_difference: float | None = setting(
        None,
        AT_LEAST_ZERO,
        "end with exit code 1 when a test RMSE of spark_mf.ALS and one of pyspark.ALS differ by more, such as 0.005; "
        "SGD's are other models or end elsewhere, and are not judged",
        group=_RUN,
    )
    master: str | None = setting(None, text(), "Spark master, such as local[2]", group=_SPARK)
    driver_memory: str | None = setting(None, text(), "memory of the driver's JVM, such as 4g", group=_SPARK)

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
        """Whether the split goes by times."""
        return self.split == "time" or self.timestamp_col is not None

    @property
    def descent(self) -> Hyperparameters:
        """What SGD trains with."""
        step = StepParams(
            stepSize=self.sgd_step_size,
            biasStepSize=self.sgd_bias_step_size,
            biasRegParam=self.sgd_bias_reg_param,
            optimizer=self.sgd_optimizer,
            schedule=self.sgd_schedule,
            decay=self.sgd_decay,
            updateOrder=self.sgd_update_order,
            initStd=self.sgd_init_std,
        )
        return Hyperparameters(self.rank, self.sgd_epochs, self.sgd_reg_param, self.seed, step=step)
