"""Result rows of the textbook job: a reproduced number, the same fit on Spark, or the cost of a method."""

import math
from dataclasses import dataclass

from spark_mf.benchmarks.rows import ResultRow

#: Largest accepted relative difference of the errors of the textbook and Spark.
NEAR = 0.01

PUBLISHED, ON_SPARK, COST = "published", "on Spark", "cost"


@dataclass(frozen=True, kw_only=True)
class TextbookRow(ResultRow):
    """Result row with additional fields to those of `ResultRow`.

    Attributes
    ----------
    part : str
        `PUBLISHED`, `ON_SPARK` or `COST`.
    obtained : float | None
        The reproduced number: a test RMSE of predictions clipped to [1, 5], a count or a gradient.
    published : float | None
        The published number, or an upper bound of a relative error; None if nothing was published.
    decimals : int
        Published decimals, to which both numbers must agree; -1 if the published number is an upper bound.
    textbook : float | None
        In rows of `ON_SPARK`, the result of the textbook by the same method from the same initial factors.
    operations : int | None
        In rows of `COST`, multiply-add operations of one iteration.
    """

    part: str
    obtained: float | None = None
    published: float | None = None
    decimals: int = 4
    textbook: float | None = None
    operations: int | None = None

    @property
    def is_published_number(self) -> bool:
        """Whether the number equals the published one in every published digit."""
        if self.obtained is None or self.published is None:
            return False
        if self.decimals < 0:
            return self.obtained < self.published
        return round(self.obtained, self.decimals) == self.published

    @property
    def deviation(self) -> float:
        """Relative difference between the numbers of Spark and the textbook; NaN if one is missing."""
        if self.obtained is None or self.textbook is None:
            return math.nan
        return self.obtained / self.textbook - 1

    @property
    def fault(self) -> str | None:
        """Description of an incorrect result; None if the row is correct."""
        if self.error is not None:
            return f"{self.label} failed: {self.error}"
        if self.part == PUBLISHED and not self.is_published_number:
            return f"{self.label} is {self.obtained}, published {self.published}"
        if self.part == ON_SPARK and not abs(self.deviation) <= NEAR:
            return f"{self.label} on Spark is {self.obtained}, in the textbook {self.textbook}"
        return None
