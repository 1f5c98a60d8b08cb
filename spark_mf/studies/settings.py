"""Settings of the job that runs the studies."""

from dataclasses import fields, replace
from typing import Annotated, Any

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.benchmarks.compare_settings import CompareSettings
from spark_mf.cli.read_settings import READ, ReadSettings
from spark_mf.cli.settings import STRICT, Fraction, Several, Text, one_of, setting
from spark_mf.studies.tuning import PUBLISHED, RATINGS, Tuning

TEXTBOOK, SPARK = "textbook", "spark"

_RUN = "study"
_MODEL = "model: by default what suits the published set, or RATINGS"
_SWEEPS = "sweeps: by default what suits the published set, or RATINGS"
_SPARK = "Spark"


def _tuned(name: str, help: str, group: str) -> Any:
    """Return an unset setting of `Tuning`, whose help says what it is by default."""
    published, ratings = (_shown(getattr(tuning, name)) for tuning in (PUBLISHED, RATINGS))
    default = published if published == ratings else f"{published}; with RATINGS {ratings}"
    return setting(None, f"{help} (default: {default})", group=group)


def _shown(value: Any) -> str:
    return ",".join(f"{each:g}" for each in value) if isinstance(value, tuple) else f"{value:g}"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ExperimentSettings(ReadSettings):
    """Settings of a study; every field is an option of ``jobs/experiments.py`` and a key of its TOML file."""

    name: Text | None = setting(None, "the study; --list describes them", group=_RUN, positional=True)
    ratings: Text | None = setting(
        None,
        "ratings to read, of any form that jobs/compare.py reads; without it the published set of the textbook, 952 "
        "training and 238 test ratings of 60 items by 100 users",
        group=READ,
        positional=True,
    )
    on: Annotated[str, one_of(TEXTBOOK, SPARK)] | None = setting(
        None,
        f"whose estimators: {TEXTBOOK}, NumPy on one machine (default without RATINGS), or {SPARK} (default with them)",
        group=_RUN,
    )
    seed: NonNegativeInt = setting(0, "of splitting, initial factors, visits and directions", group=_RUN)
    test_fraction: Fraction = setting(0.1, "share of RATINGS held out for the test", group=_RUN)
    rank: PositiveInt | None = _tuned("rank", "number of latent factors", _MODEL)
    epochs: PositiveInt | None = _tuned("epochs", "epochs of SGD", _MODEL)
    iterations: PositiveInt | None = _tuned("iterations", "iterations of ALS", _MODEL)
    reg_param: NonNegativeFloat | None = _tuned("reg_param", "λ of factors", _MODEL)
    bias_reg_param: NonNegativeFloat | None = _tuned("bias_reg_param", "λ of biases", _MODEL)
    rank_reg_param: NonNegativeFloat | None = _tuned("rank_reg_param", "λ of the study of the rank", _MODEL)
    init_std: NonNegativeFloat | None = _tuned("init_std", "standard deviation of SGD's initial factors", _MODEL)
    step_size: PositiveFloat | None = _tuned("step_size", "step size with single ratings", _MODEL)
    batch_size: PositiveInt | None = _tuned("batch_size", "ratings per batch", _MODEL)
    batch_step_size: PositiveFloat | None = _tuned(
        "batch_step_size", "step size for the summed gradient of a batch", _MODEL
    )
    momentum_step_size: PositiveFloat | None = _tuned("momentum_step_size", "the same with momentum", _MODEL)
    adam_step_size: PositiveFloat | None = _tuned("adam_step_size", "step size of Adam", _MODEL)
    biased_step_size: PositiveFloat | None = _tuned("biased_step_size", "the same for a model with biases", _MODEL)
    lambdas: Several[NonNegativeFloat] | None = _tuned("lambdas", "λ of models without biases", _SWEEPS)
    biased_lambdas: Several[NonNegativeFloat] | None = _tuned("biased_lambdas", "λ of models with biases", _SWEEPS)
    ranks: Several[PositiveInt] | None = _tuned("ranks", "ranks of ALS", _SWEEPS)
    step_factors: Several[PositiveFloat] | None = _tuned(
        "step_factors", "factors of each optimizer's step size in adam-vs-momentum", _SWEEPS
    )
    patience: PositiveInt | None = _tuned("patience", "patience of early-stopping, in epochs", _SWEEPS)
    pyspark_history: Several[PositiveInt] = setting(
        (1, 2, 3, 5, 7),
        "iterations after which convergence measures pyspark's RMSE besides the last one, which is at most the 10th; "
        "each costs a fit",
        group=_SWEEPS,
    )
    master: Text | None = setting(None, "Spark master, such as local[2]", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of the driver's JVM, such as 4g", group=_SPARK)

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
