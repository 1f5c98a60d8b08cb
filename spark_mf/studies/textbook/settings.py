"""Settings of the textbook's job."""

from dataclasses import dataclass

from spark_mf.cli.settings import one_of, setting, text, whole

TEXTBOOK, BOTH = "textbook", "both"
ENGINES = ("auto", "ring", "ordinary")

_RUN = "what is run"
_COST = "cost: the generated ratings on which iterations are timed on Spark"
_SPARK = "Spark"


@dataclass(frozen=True, kw_only=True)
class TextbookSettings:
    """Every field is an option of ``jobs/textbook.py`` and a key of its TOML."""

    on: str = setting(
        BOTH,
        one_of(TEXTBOOK, BOTH),
        f"{TEXTBOOK} for NumPy alone, which needs no Java, or {BOTH} it and Spark",
        group=_RUN,
    )
    engine: str = setting(
        "auto",
        one_of(*ENGINES),
        f"where blocks and factors meet on Spark, one of {', '.join(ENGINES)}: ordinary are stages without a barrier",
        group=_RUN,
    )
    cost_users: int = setting(20_000, whole(1), "users", group=_COST)
    cost_items: int = setting(5_000, whole(1), "items", group=_COST)
    cost_ratings: int = setting(1_000_000, whole(1), "ratings", group=_COST)
    cost_rank: int = setting(32, whole(1), "rank of the timed fits", group=_COST)
    master: str | None = setting(None, text(), "Spark master, such as local[2]", group=_SPARK)
    driver_memory: str | None = setting(None, text(), "memory of the driver's JVM, such as 4g", group=_SPARK)

    @property
    def uses_spark(self) -> bool:
        """Whether a session is needed."""
        return self.on == BOTH
