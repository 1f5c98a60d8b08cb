"""Settings of the studies, with defaults for the published set and for real ratings."""

import dataclasses
from dataclasses import fields, replace
from typing import Annotated, Any

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.benchmarks.compare_settings import CompareSettings
from spark_mf.cli.read_settings import READ, ReadSettings
from spark_mf.cli.settings import STRICT, Fraction, Several, Text, one_of, setting

TEXTBOOK, SPARK = "textbook", "spark"

_RUN = "study"
_MODEL = "model; defaults differ for the published set and RATINGS"
_SWEEPS = "sweeps; defaults differ for the published set and RATINGS"
_SPARK = "Spark"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuning:
    """Hyperparameters of all studies of a data set, in the conventions of `spark_mf.SGD` and `spark_mf.ALS`.

    Step sizes are for gradients *summed* over a batch; for averaged gradients, they are batch_size times as large. All
    λ are in the convention of `regularization`.
    """

    rank: int
    epochs: int
    """Epochs of SGD."""
    iterations: int
    """Iterations of ALS."""
    regularization: str
    reg_param: float
    bias_reg_param: float
    init_std: float
    step_size: float
    """Step size for single ratings."""
    batch_size: int
    batch_step_size: float
    """Step size for batches."""
    momentum_step_size: float
    """Step size for batches with momentum, which adds up about ten steps."""
    adam_step_size: float
    biased_step_size: float
    """Step size for batches in a model with biases."""
    lambdas: tuple[float, ...]
    """λ of models without biases."""
    biased_lambdas: tuple[float, ...]
    """λ of models with biases."""
    ranks: tuple[int, ...]
    rank_reg_param: float
    """Common λ in the study of the rank, small enough to overfit."""
    patience: int
    step_factors: tuple[float, ...]
    """Factors of the step size of each optimizer."""
    alphas: tuple[float, ...]
    """α of implicit feedback."""
    implicit_reg_param: float
    """λ of implicit feedback with α, weighted."""
    unobserved_weights: tuple[float, ...]
    """α₀ of iALS."""
    ials_reg_param: float
    """λ of iALS, weighted by frequency."""

    @property
    def middle_lambda(self) -> float:
        """Median of `lambdas`, which should be a good value."""
        return sorted(self.lambdas)[len(self.lambdas) // 2]


# The source has step sizes for averaged gradients, 0.005 and 0.02, and the λ of the mean objective.
PUBLISHED = Tuning(
    rank=4,
    epochs=150,
    iterations=50,
    regularization="mean",
    reg_param=0.01,
    bias_reg_param=0.001,
    init_std=0.1,
    step_size=0.005,
    batch_size=32,
    batch_step_size=0.02 / 32,
    momentum_step_size=0.02 / 32,
    adam_step_size=0.01,
    biased_step_size=0.01 / 32,
    biased_lambdas=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
    lambdas=(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01),
    ranks=(1, 2, 4, 8, 16),
    rank_reg_param=0.0002,
    patience=10,
    step_factors=(0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    alphas=(0.1, 0.5, 2.0, 10.0),
    implicit_reg_param=0.1,
    unobserved_weights=(0.03, 0.1, 0.3, 1.0),
    ials_reg_param=0.01,
)

RATINGS = Tuning(
    rank=16,
    epochs=40,
    iterations=15,
    regularization="weighted",
    reg_param=0.1,
    bias_reg_param=0.02,
    init_std=0.1,
    step_size=0.01,
    batch_size=32,
    batch_step_size=0.01,
    momentum_step_size=0.001,
    adam_step_size=0.01,
    biased_step_size=0.01,
    biased_lambdas=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    lambdas=(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3),
    ranks=(1, 2, 4, 8, 16),
    rank_reg_param=0.05,
    patience=10,
    step_factors=(0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    alphas=(0.1, 0.5, 2.0, 10.0),
    implicit_reg_param=0.1,
    unobserved_weights=(0.03, 0.1, 0.3, 1.0),
    ials_reg_param=0.01,
)


def _tuned(name: str, help: str, group: str) -> Any:
    """Return a setting that overrides a field of `Tuning`, with the defaults in its help."""
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
        "training and 238 test ratings of 60 items by 100 users; implicit and nonnegative generate their own",
        group=READ,
        positional=True,
    )
    on: Annotated[str, one_of(TEXTBOOK, SPARK)] | None = setting(
        None,
        f"package of the estimators: {TEXTBOOK} (NumPy, default without RATINGS) or {SPARK} (default with RATINGS)",
        group=_RUN,
    )
    seed: NonNegativeInt = setting(0, "seed of the split, initial factors, orders and directions", group=_RUN)
    test_fraction: Fraction = setting(0.1, "fraction of RATINGS held out as test rows", group=_RUN)
    rank: PositiveInt | None = _tuned("rank", "number of latent factors", _MODEL)
    epochs: PositiveInt | None = _tuned("epochs", "epochs of SGD", _MODEL)
    iterations: PositiveInt | None = _tuned("iterations", "iterations of ALS", _MODEL)
    reg_param: NonNegativeFloat | None = _tuned("reg_param", "λ of factors", _MODEL)
    bias_reg_param: NonNegativeFloat | None = _tuned("bias_reg_param", "λ of biases", _MODEL)
    rank_reg_param: NonNegativeFloat | None = _tuned("rank_reg_param", "λ of the study of the rank", _MODEL)
    implicit_reg_param: NonNegativeFloat | None = _tuned(
        "implicit_reg_param", "λ of implicit feedback with α (weighted)", _MODEL
    )
    ials_reg_param: NonNegativeFloat | None = _tuned("ials_reg_param", "λ of iALS (frequency)", _MODEL)
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
    alphas: Several[PositiveFloat] | None = _tuned("alphas", "α of implicit feedback", _SWEEPS)
    unobserved_weights: Several[PositiveFloat] | None = _tuned(
        "unobserved_weights", "weights of all pairs in iALS", _SWEEPS
    )
    patience: PositiveInt | None = _tuned("patience", "patience of early-stopping, in epochs", _SWEEPS)
    pyspark_history: Several[PositiveInt] = setting(
        (1, 2, 3, 5, 7),
        "iterations after which convergence measures the RMSE of pyspark's ALS, besides the last (at most the 10th); "
        "each requires a fit",
        group=_SWEEPS,
    )
    master: Text | None = setting(None, "Spark master, such as local[2]", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of the driver's JVM, such as 4g", group=_SPARK)

    def __post_init__(self) -> None:
        """Raise a ValueError if a sweep is empty."""
        for name in ("lambdas", "biased_lambdas", "ranks", "step_factors", "alphas", "unobserved_weights"):
            if getattr(self, name) == ():
                raise ValueError(f"--{name.replace('_', '-')} must not be empty. Pass at least one value, such as 1.")

    @property
    def runner(self) -> str:
        """Package of the estimators, `TEXTBOOK` or `SPARK`."""
        return self.on or (TEXTBOOK if self.ratings is None else SPARK)

    @property
    def tuning(self) -> Tuning:
        """Default tuning for the data, overridden by the given settings."""
        given = {each.name: getattr(self, each.name, None) for each in fields(Tuning)}
        suited = PUBLISHED if self.ratings is None else RATINGS
        return replace(suited, **{name: value for name, value in given.items() if value is not None})

    @property
    def comparison(self) -> CompareSettings:
        """Settings of a comparison that reads and splits the same ratings."""
        shared = {each.name: getattr(self, each.name) for each in fields(ReadSettings)}
        return CompareSettings(**shared, ratings=self.ratings, test_fraction=self.test_fraction, seed=self.seed)
