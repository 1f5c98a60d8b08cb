"""Settings of the textbook job."""

from typing import Annotated

from pydantic import PositiveInt
from pydantic.dataclasses import dataclass

from spark_mf.cli.settings import STRICT, Text, one_of, setting

TEXTBOOK, BOTH = "textbook", "both"
ENGINES = ("auto", "ring", "ordinary")

_RUN = "run"
_COST = "generated ratings on which iterations are timed on Spark"
_SPARK = "Spark"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextbookSettings:
    """Settings of the textbook job; every field is an option of ``jobs/textbook.py`` and a key of its TOML file."""

    on: Annotated[str, one_of(TEXTBOOK, BOTH)] = setting(
        BOTH, f"{TEXTBOOK} for NumPy only, which needs no Java, or {BOTH} for NumPy and Spark", group=_RUN
    )
    engine: Annotated[str, one_of(*ENGINES)] = setting(
        "auto",
        f"engine on Spark, one of {', '.join(ENGINES)}; ordinary uses no barrier stage",
        group=_RUN,
    )
    cost_users: PositiveInt = setting(20_000, "users", group=_COST)
    cost_items: PositiveInt = setting(5_000, "items", group=_COST)
    cost_ratings: PositiveInt = setting(1_000_000, "ratings", group=_COST)
    cost_rank: PositiveInt = setting(32, "rank of the timed fits", group=_COST)
    master: Text | None = setting(None, "Spark master, such as local[2]", group=_SPARK)
    driver_memory: Text | None = setting(None, "memory of the driver's JVM, such as 4g", group=_SPARK)

    @property
    def uses_spark(self) -> bool:
        """Whether a session is needed."""
        return self.on == BOTH
