"""Settings of the job that generates ratings."""

from dataclasses import replace
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.cli.settings import STRICT, Text, accepted_by, one_of, setting, split_list
from spark_mf.data.generation.presets import PRESETS, shape_in_words
from spark_mf.data.generation.spec import RatingsSpec, Skew

# What holds without a preset.
DEFAULT = RatingsSpec(users=1_000, items=1_700, ratings=100_000)

# So many ratings to a file where there are more than this for each core: some 20 MB, and a failed task loses little.
RATINGS_PER_PARTITION = 4_000_000

_SHAPE = "shape; the defaults hold without a preset"
_VALUES = "values; the defaults hold without a preset"
_RUN = "run"
_SPARK = "Spark"

_Share = Annotated[float, Field(ge=0, lt=1)]
_FORM = "LOW,HIGH or LOW,HIGH,STEP, such as 0.5,5,0.5"
# A value may be there twice, unlike in `Several`.
_Scale = Annotated[
    tuple[float, ...],
    BeforeValidator(split_list),
    accepted_by(lambda values: len(values) in (2, 3), _FORM),
]


def _over_preset(name: str, help: str) -> Any:
    """A setting that is unset by default, where the preset's or that of `DEFAULT` holds."""
    low, high = DEFAULT.scale
    shown = f"{low:g},{high:g},{DEFAULT.step:g}" if name == "scale" else getattr(DEFAULT, name)
    group = _VALUES if name in ("rank", "noise", "scale") else _SHAPE
    return setting(None, f"{help} (default: {shown})", group=group)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GenerateSettings:
    """Settings of generation; every field is an option of ``jobs/generate_ratings.py`` and a key of its TOML file."""

    preset: Annotated[str, one_of(*PRESETS)] | None = setting(
        None,
        "what the settings below start from: "
        + "; ".join(f"{name}: {shape_in_words(spec)}" for name, spec in PRESETS.items()),
        group="preset",
    )
    users: PositiveInt | None = _over_preset("users", "users, with ids from 0")
    items: PositiveInt | None = _over_preset("items", "items, with ids from 0")
    ratings: PositiveInt | None = _over_preset("ratings", "ratings, exactly; at most 60 % of all pairs")
    skew: Annotated[str, one_of(*get_args(Skew))] | None = _over_preset(
        "skew", "long-tailed: few users and items have most of the ratings, as in real sets; uniform: all about as many"
    )
    min_user_ratings: NonNegativeInt | None = _over_preset(
        "min_user_ratings", "ratings that every user has at least; one in any case where there are enough"
    )
    min_item_ratings: NonNegativeInt | None = _over_preset("min_item_ratings", "ratings that every item has at least")
    rank: PositiveInt | None = _over_preset("rank", "length of the true factors, besides the two biases")
    noise: NonNegativeFloat | None = _over_preset(
        "noise", "standard deviation of what no model can explain, in units of the ratings"
    )
    scale: _Scale | None = _over_preset("scale", "LOW,HIGH for ratings that are not rounded, or LOW,HIGH,STEP")
    seed: NonNegativeInt = setting(0, "of everything random; the same seed gives the same rows", group=_RUN)
    test_fraction: _Share = setting(
        0.0, "share of the ratings marked as test in a column `split`; 0 for no such column", group=_RUN
    )
    validation_fraction: _Share = setting(0.0, "share marked as validation, besides those of the test", group=_RUN)
    partitions: PositiveInt | None = setting(
        None,
        f"tasks and files, which change no row; without it one a core or {RATINGS_PER_PARTITION:,} ratings",
        group=_RUN,
    )
    master: Text | None = setting(None, "Spark master, such as local[2]", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of the driver's JVM, such as 4g", group=_SPARK)

    def __post_init__(self) -> None:
        _ = self.spec  # refuses what is impossible

    @property
    def spec(self) -> RatingsSpec:
        """The preset, or `DEFAULT`, with what was set in place of its fields.

        Raises
        ------
        ValueError
            If no such ratings are possible.
        """
        names = ("users", "items", "ratings", "skew", "min_user_ratings", "min_item_ratings", "rank", "noise")
        chosen = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.scale is not None:
            low, high, *step = self.scale
            chosen |= {"scale": (low, high), "step": step[0] if step else None}
        return replace(PRESETS[self.preset] if self.preset else DEFAULT, seed=self.seed, **chosen)
