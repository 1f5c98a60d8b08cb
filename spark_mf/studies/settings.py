"""Settings of the job that runs the studies."""

from dataclasses import dataclass, fields, replace
from typing import Any

from spark_mf.benchmarks.compare_settings import CompareSettings
from spark_mf.cli.read_settings import READ, ReadSettings
from spark_mf.cli.settings import AT_LEAST_ZERO, FRACTION, Kind, one_of, real, setting, several, text, whole
from spark_mf.studies.tuning import PUBLISHED, RATINGS, Tuning

TEXTBOOK, SPARK = "textbook", "spark"

_RUN = "study"
_MODEL = "model: by default what suits the published set, or RATINGS"
_SWEEPS = "sweeps: by default what suits the published set, or RATINGS"
_SPARK = "Spark"

_ABOVE_ZERO = real("a number above 0", lambda value: value > 0)
_AT_LEAST_ZERO_EACH = several(AT_LEAST_ZERO, "a list of different numbers of at least 0")


def _tuned(name: str, kind: Kind, help: str, group: str) -> Any:
    """Return an unset setting of `Tuning`, whose help says what it is by default."""
    published, ratings = (_shown(getattr(tuning, name)) for tuning in (PUBLISHED, RATINGS))
    default = published if published == ratings else f"{published}; with RATINGS {ratings}"
    return setting(None, kind, f"{help} (default: {default})", group=group)


def _shown(value: Any) -> str:
    return ",".join(f"{each:g}" for each in value) if isinstance(value, tuple) else f"{value:g}"


@dataclass(frozen=True, kw_only=True)
class ExperimentSettings(ReadSettings):
    """Settings of a study; every field is an option of ``jobs/experiments.py`` and a key of its TOML file."""

    name: str | None = setting(None, text(), "the study; --list describes them", group=_RUN, positional=True)
    ratings: str | None = setting(
        None,
        text(),
        "ratings to read, of any form that jobs/compare.py reads; without it the published set of the textbook, 952 "
        "training and 238 test ratings of 60 items by 100 users",
        group=READ,
        positional=True,
    )
    on: str | None = setting(
        None,
        one_of(TEXTBOOK, SPARK),
        f"whose estimators: {TEXTBOOK}, NumPy on one machine (default without RATINGS), or {SPARK} (default with them)",
        group=_RUN,
    )
    seed: int = setting(0, whole(0), "of splitting, initial factors, visits and directions", group=_RUN)
    test_fraction: float = setting(0.1, FRACTION, "share of RATINGS held out for the test", group=_RUN)
    rank: int | None = _tuned("rank", whole(1), "number of latent factors", _MODEL)
    epochs: int | None = _tuned("epochs", whole(1), "epochs of SGD", _MODEL)
    iterations: int | None = _tuned("iterations", whole(1), "iterations of ALS", _MODEL)
    reg_param: float | None = _tuned("reg_param", AT_LEAST_ZERO, "λ of factors", _MODEL)
    bias_reg_param: float | None = _tuned("bias_reg_param", AT_LEAST_ZERO, "λ of biases", _MODEL)
    rank_reg_param: float | None = _tuned("rank_reg_param", AT_LEAST_ZERO, "λ of the study of the rank", _MODEL)
    init_std: float | None = _tuned("init_std", AT_LEAST_ZERO, "standard deviation of SGD's initial factors", _MODEL)
    step_size: float | None = _tuned("step_size", _ABOVE_ZERO, "step size with single ratings", _MODEL)
    batch_size: int | None = _tuned("batch_size", whole(1), "ratings per batch", _MODEL)
    batch_step_size: float | None = _tuned(
        "batch_step_size", _ABOVE_ZERO, "step size for the summed gradient of a batch", _MODEL
    )
    momentum_step_size: float | None = _tuned("momentum_step_size", _ABOVE_ZERO, "the same with momentum", _MODEL)
    adam_step_size: float | None = _tuned("adam_step_size", _ABOVE_ZERO, "step size of Adam", _MODEL)
    biased_step_size: float | None = _tuned("biased_step_size", _ABOVE_ZERO, "the same for a model with biases", _MODEL)
    lambdas: tuple[float, ...] | None = _tuned("lambdas", _AT_LEAST_ZERO_EACH, "λ of models without biases", _SWEEPS)
    biased_lambdas: tuple[float, ...] | None = _tuned(
        "biased_lambdas", _AT_LEAST_ZERO_EACH, "λ of models with biases", _SWEEPS
    )
    ranks: tuple[int, ...] | None = _tuned(
        "ranks", several(whole(1), "a list of different whole numbers of at least 1"), "ranks of ALS", _SWEEPS
    )
    step_factors: tuple[float, ...] | None = _tuned(
        "step_factors",
        several(_ABOVE_ZERO, "a list of different numbers above 0"),
        "factors of each optimizer's step size in adam-vs-momentum",
        _SWEEPS,
    )
    patience: int | None = _tuned("patience", whole(1), "patience of early-stopping, in epochs", _SWEEPS)
    pyspark_history: tuple[int, ...] = setting(
        (1, 2, 3, 5, 7),
        several(whole(1), "a list of different whole numbers of at least 1"),
        "iterations after which convergence measures pyspark's RMSE besides the last one, which is at most the 10th; "
        "each costs a fit",
        group=_SWEEPS,
    )
    master: str | None = setting(None, text(), "Spark master, such as local[2]", group=_SPARK)
    driver_memory: str | None = setting(None, text(), "memory of the driver's JVM, such as 4g", group=_SPARK)

    def __post_init__(self) -> None:
        """Raise ValueError for a sweep over nothing."""
        for name in ("lambdas", "biased_lambdas", "ranks", "step_factors"):
            if getattr(self, name) == ():
                raise ValueError(f"--{name.replace('_', '-')} must not be empty. Pass at least one value, such as 1.")

    @property
    def runner(self) -> str:
        """Whose estimators are fitted, `TEXTBOOK` or `SPARK`."""
        return self.on or (TEXTBOOK if self.ratings is None else SPARK)

    @property
    def tuning(self) -> Tuning:
        """What suits the data, and over it what was set."""
        given = {each.name: getattr(self, each.name, None) for each in fields(Tuning)}
        suited = PUBLISHED if self.ratings is None else RATINGS
        return replace(suited, **{name: value for name, value in given.items() if value is not None})

    @property
    def comparison(self) -> CompareSettings:
        """How the job that compares reads and splits the same ratings."""
        shared = {each.name: getattr(self, each.name) for each in fields(ReadSettings)}
        return CompareSettings(**shared, ratings=self.ratings, test_fraction=self.test_fraction, seed=self.seed)
