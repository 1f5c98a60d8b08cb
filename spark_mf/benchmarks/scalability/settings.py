"""Settings of the job that measures scalability."""

from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.benchmarks.scalability.methods import METHODS
from spark_mf.benchmarks.speed.data import description
from spark_mf.cli.settings import STRICT, Several, Text, one_of, setting

STRONG, WEAK, RATINGS, RANK, BLOCKS = "strong", "weak", "ratings", "rank", "blocks"
EXPERIMENTS = (STRONG, WEAK, RATINGS, RANK, BLOCKS)
CORES_PLACE = "{cores}"

_WHAT = "what is measured"
_DATA = "data: generated once a size, into OUTPUT/data, which every executor must be able to read"
_MODEL = "model"
_SPARK = "Spark: every point starts a session of its own"

# Test rows only tell that a fit came to a model.
_TEST_FRACTION = 0.05


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ScalabilitySettings:
    """Settings of a measurement; every field is an option of ``jobs/scalability.py`` and a key of its TOML file.

    Raises
    ------
    ValueError
        For settings that do not go together.
    """

    experiments: Several[Annotated[str, one_of(*EXPERIMENTS)]] = setting(
        EXPERIMENTS,
        "strong: the same ratings on more cores; weak: ratings grow with the cores; ratings, rank, blocks: each grows "
        "alone, on the most cores",
        group=_WHAT,
    )
    methods: Several[Annotated[str, one_of(*METHODS)]] = setting(
        METHODS,
        "what is fitted: solvers of spark_mf.ALS on the ring and by broadcasts, spark_mf.SGD on the ring and in "
        "ordinary stages, pyspark's ALS",
        group=_WHAT,
    )
    cores: Several[PositiveInt] = setting((1, 2), "numbers of cores", group=_WHAT)
    ratings_sizes: Several[Annotated[int, Field(ge=1_000)]] = setting(
        (500_000, 1_000_000, 2_000_000, 5_000_000), "numbers of ratings of the experiment `ratings`", group=_WHAT
    )
    ranks: Several[PositiveInt] = setting((8, 16, 32, 64, 128), "ranks of the experiment `rank`", group=_WHAT)
    block_counts: Several[PositiveInt] = setting(
        (2, 4, 8, 16),
        "blocks of users and of items of the experiment `blocks`; of items alone for SGD, which has a block of users "
        "a core",
        group=_WHAT,
    )
    repetitions: PositiveInt = setting(1, "processes for each point; figures are of the median", group=_WHAT)
    ratings: Annotated[int, Field(ge=1_000)] = setting(
        2_000_000, "ratings where they do not grow; weak: on the most cores", group=_DATA
    )
    ratings_per_user: PositiveInt = setting(150, "ratings per user, at every size", group=_DATA)
    items: Annotated[int, Field(ge=2)] = setting(10_000, "items, at every size", group=_DATA)
    rank: PositiveInt = setting(32, "features of each user and item where they do not grow", group=_MODEL)
    iterations: PositiveInt = setting(5, "iterations; of SGD epochs", group=_MODEL)
    reg_param: NonNegativeFloat = setting(0.05, "λ of the weighted objective", group=_MODEL)
    seed: NonNegativeInt = setting(0, "of generating, splitting and initial factors", group=_MODEL)
    pyspark_blocks: PositiveInt = setting(10, "blocks of users, and of items, of pyspark's ALS", group=_MODEL)
    master: Text = setting(
        "local[{cores}]",
        "Spark master, {cores} standing for the cores of a point, as in local-cluster[{cores},1,1024]; a master "
        "without it, such as spark://host:7077, gives each point so many by spark.cores.max",
        group=_SPARK,
    )
    spark_conf: Several[Text] = setting((), "further settings of Spark's for every point", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of each point's JVM, such as 4g", group=_SPARK)

    def __post_init__(self) -> None:
        if not (self.experiments and self.methods and self.cores):
            raise ValueError("experiments, methods and cores must not be empty. Pass at least one value for each.")
        most = max(self.cores)
        if self.master.startswith("local") and CORES_PLACE not in self.master:
            raise ValueError(
                f"master must contain {CORES_PLACE} in place of the number of cores, as in 'local[{{cores}}]', "
                f"got {self.master!r}."
            )
        if BLOCKS in self.experiments and self.block_counts and min(self.block_counts) < most:
            raise ValueError(
                f"block_counts must be at least {most}, the largest number of cores, got {min(self.block_counts)}."
            )
        for name, needed in ((RATINGS, self.ratings_sizes), (RANK, self.ranks), (BLOCKS, self.block_counts)):
            if name in self.experiments and not needed:
                raise ValueError(
                    f"sizes of the experiment {name} must not be empty. Pass some, or leave the experiment out."
                )
        for each in self.spark_conf:
            if "=" not in each.strip("="):
                raise ValueError(f"spark_conf must be KEY=VALUE, as in spark.executor.memory=1g, got {each!r}.")

    def master_of(self, cores: int) -> str:
        """Return the Spark master of a point."""
        return self.master.replace(CORES_PLACE, str(cores))

    def conf_of(self, cores: int) -> dict[str, str]:
        """Return the settings of a point's session: all its cores are there before it begins."""
        given = dict(each.split("=", 1) for each in self.spark_conf)
        return {"spark.cores.max": str(cores), "spark.scheduler.minRegisteredResourcesRatio": "1.0", **given}

    def data_description(self, ratings: int) -> dict[str, Any]:
        """Return the description of a set of so many ratings; see `spark_mf.benchmarks.speed.data`."""
        users = max(2, ratings // self.ratings_per_user)
        return description(users, self.items, ratings, _TEST_FRACTION, self.seed)
