"""What the job that generates ratings may be told."""

from dataclasses import dataclass, replace
from typing import Any, get_args

from spark_mf.cli.settings import AT_LEAST_ZERO, Kind, one_of, real, setting, text, whole
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

_NUMBER = real("a number", lambda value: True)
_SHARE = real("a number of at least 0 and below 1", lambda value: 0 <= value < 1)
# Not `config.several`, which takes no number twice, as in 0.5,5,0.5.
_SCALE = Kind(
    "LOW,HIGH for ratings that are not rounded or LOW,HIGH,STEP, such as 0.5,5,0.5",
    lambda given: [float(part) for part in given.split(",")],
    lambda value: isinstance(value, list) and len(value) in (2, 3) and all(map(_NUMBER.accepts, value)),
)


def _over_preset(name: str, kind: Kind, help: str) -> Any:
    """A setting that is unset by default, where the preset's or that of `DEFAULT` holds."""
    low, high = DEFAULT.scale
    shown = f"{low:g},{high:g},{DEFAULT.step:g}" if name == "scale" else getattr(DEFAULT, name)
    group = _VALUES if name in ("rank", "noise", "scale") else _SHAPE
    return setting(None, kind, f"{help} (default: {shown})", group=group)


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """What is to be generated; every field is an option of ``jobs/generate_ratings.py`` and a key of its TOML."""

    preset: str | None = setting(
        None,
        one_of(*PRESETS),
        "what the settings below start from: "
        + "; ".join(f"{name}: {shape_in_words(spec)}" for name, spec in PRESETS.items()),
        group="preset",
    )
    users: int | None = _over_preset("users", whole(1), "users, with ids from 0")
    items: int | None = _over_preset("items", whole(1), "items, with ids from 0")
    ratings: int | None = _over_preset("ratings", whole(1), "ratings, exactly; at most 60 % of all pairs")
    skew: str | None = _over_preset(
        "skew",
        one_of(*get_args(Skew)),
        "long-tailed: few users and items have most of the ratings, as in real sets; uniform: all about as many",
    )
    min_user_ratings: int | None = _over_preset(
        "min_user_ratings", whole(0), "ratings that every user has at least; one in any case where there are enough"
    )
    min_item_ratings: int | None = _over_preset("min_item_ratings", whole(0), "ratings that every item has at least")
    rank: int | None = _over_preset("rank", whole(1), "length of the true factors, besides the two biases")
    noise: float | None = _over_preset(
        "noise", AT_LEAST_ZERO, "standard deviation of what no model can explain, in units of the ratings"
    )
    scale: tuple[float, ...] | None = _over_preset(
        "scale", _SCALE, "LOW,HIGH for ratings that are not rounded, or LOW,HIGH,STEP"
    )
    seed: int = setting(0, whole(0), "of everything random; the same seed gives the same rows", group=_RUN)
    test_fraction: float = setting(
        0.0, _SHARE, "share of the ratings marked as test in a column `split`; 0 for no such column", group=_RUN
    )
    validation_fraction: float = setting(
        0.0, _SHARE, "share marked as validation, besides those of the test", group=_RUN
    )
    partitions: int | None = setting(
        None,
        whole(1),
        f"tasks and files, which change no row; without it one a core or {RATINGS_PER_PARTITION:,} ratings",
        group=_RUN,
    )
    master: str | None = setting(None, text(), "Spark master, such as local[2]", group=_SPARK)
    driver_memory: str | None = setting(None, text(), "memory of the driver's JVM, such as 4g", group=_SPARK)

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
