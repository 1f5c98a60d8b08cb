"""Settings of the job that generates ratings."""

from dataclasses import replace
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.cli.settings import STRICT, Text, accepted_by, one_of, setting, split_list
from spark_mf.data.generation.presets import PRESETS, shape_in_words
from spark_mf.data.generation.spec import RatingsSpec, Skew

# The specification without a preset.
DEFAULT = RatingsSpec(users=1_000, items=1_700, ratings=100_000)

# Ratings per file if there are more per core: about 20 MB, so that a failed task is repeated quickly.
RATINGS_PER_PARTITION = 4_000_000

_SHAPE = "shape (defaults without a preset)"
_VALUES = "values (defaults without a preset)"
_RUN = "run"
_SPARK = "Spark"

_Share = Annotated[float, Field(ge=0, lt=1)]
_FORM = "LOW,HIGH or LOW,HIGH,STEP, such as 0.5,5,0.5"
# Values may be equal, unlike in `Several`.
_Scale = Annotated[
    tuple[float, ...],
    BeforeValidator(split_list),
    accepted_by(lambda values: len(values) in (2, 3), _FORM),
]


def _over_preset(name: str, help: str) -> Any:
    """Declare a setting whose default is the value of the preset, or that of `DEFAULT`."""
    low, high = DEFAULT.scale
    shown = f"{low:g},{high:g},{DEFAULT.step:g}" if name == "scale" else getattr(DEFAULT, name)
    group = _VALUES if name in ("rank", "noise", "scale") else _SHAPE
    return setting(None, f"{help} (default: {shown})", group=group)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GenerateSettings:
    """Settings of generation; every field is an option of ``jobs/generate_ratings.py`` and a key of its TOML file."""

    preset: Annotated[str, one_of(*PRESETS)] | None = setting(
        None,
        "data set whose shape and values are the defaults of the settings below: "
        + "; ".join(f"{name}: {shape_in_words(spec)}" for name, spec in PRESETS.items()),
        group="preset",
    )
    users: PositiveInt | None = _over_preset("users", "number of users, with ids from 0")
    items: PositiveInt | None = _over_preset("items", "number of items, with ids from 0")
    ratings: PositiveInt | None = _over_preset("ratings", "exact number of ratings; at most 60 % of all pairs")
    skew: Annotated[str, one_of(*get_args(Skew))] | None = _over_preset(
        "skew",
        "long-tailed: few users and items have most of the ratings, as in real data; uniform: all have similar numbers",
    )
    min_user_ratings: NonNegativeInt | None = _over_preset(
        "min_user_ratings", "minimum number of ratings per user; at least one if there are enough ratings"
    )
    min_item_ratings: NonNegativeInt | None = _over_preset("min_item_ratings", "minimum number of ratings per item")
    rank: PositiveInt | None = _over_preset("rank", "rank of the true factors, without the two biases")
    noise: NonNegativeFloat | None = _over_preset(
        "noise", "standard deviation of the noise, which no model can explain, in the unit of the ratings"
    )
    scale: _Scale | None = _over_preset("scale", "LOW,HIGH for unrounded ratings, or LOW,HIGH,STEP")
    seed: NonNegativeInt = setting(0, "random seed; the same seed gives the same rows", group=_RUN)
    test_fraction: _Share = setting(
        0.0, "fraction of the ratings marked as test in the column `split`; 0 for no such column", group=_RUN
    )
    validation_fraction: _Share = setting(0.0, "fraction of the ratings marked as validation", group=_RUN)
    partitions: PositiveInt | None = setting(
        None,
        f"number of tasks and files, without effect on the rows; by default one per core or {RATINGS_PER_PARTITION:,} "
        "ratings",
        group=_RUN,
    )
    master: Text | None = setting(None, "Spark master, such as local[2]", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of the driver's JVM, such as 4g", group=_SPARK)

    def __post_init__(self) -> None:
        _ = self.spec  # raises an error if it is invalid

    @property
    def spec(self) -> RatingsSpec:
        """The specification of the preset, or `DEFAULT`, with the given settings.

        Raises
        ------
        ValueError
            If the specification is invalid.
        """
        names = ("users", "items", "ratings", "skew", "min_user_ratings", "min_item_ratings", "rank", "noise")
        chosen = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.scale is not None:
            low, high, *step = self.scale
            chosen |= {"scale": (low, high), "step": step[0] if step else None}
        return replace(PRESETS[self.preset] if self.preset else DEFAULT, seed=self.seed, **chosen)
