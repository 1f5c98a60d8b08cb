"""Result rows of the textbook's job: a reproduced number, the same fit on Spark, or the cost of a method."""

import math
from dataclasses import dataclass

from spark_mf.benchmarks.rows import ResultRow

#: By how much of the textbook's error that of the same method on Spark may differ.
NEAR = 0.01

PUBLISHED, ON_SPARK, COST = "published", "on Spark", "cost"


@dataclass(frozen=True, kw_only=True)
class TextbookRow(ResultRow):
    """One row; what every row has is explained at `ResultRow`.

    Attributes
    ----------
    part : str
        `PUBLISHED`, `ON_SPARK` or `COST`.
    obtained : float | None
        The number obtained: test RMSE, a count or a gradient. Test RMSE are of predictions clipped to [1, 5].
    published : float | None
        The published number; for a relative error, what it must be below. None where nothing was published.
    decimals : int
        Printed decimals of the published number, to which both must agree; -1 where it is an upper bound.
    textbook : float | None
        In rows of `ON_SPARK`: what the textbook obtains by the same method from the same first factors.
    operations : int | None
        In rows of `COST`: multiply-adds of one iteration.
    """

    part: str
    obtained: float | None = None
    published: float | None = None
    decimals: int = 4
    textbook: float | None = None
    operations: int | None = None

    @property
    def is_published_number(self) -> bool:
        """Whether the obtained number equals the published one in every published digit."""
        if self.obtained is None or self.published is None:
            return False
        if self.decimals < 0:
            return self.obtained < self.published
        return round(self.obtained, self.decimals) == self.published

    @property
    def deviation(self) -> float:
        """By how much of the textbook's number the one on Spark differs; NaN where one is missing."""
        if self.obtained is None or self.textbook is None:
            return math.nan
        return self.obtained / self.textbook - 1

    @property
    def fault(self) -> str | None:
        """Description of what is wrong with the row; None if nothing is."""
        if self.error is not None:
            return f"{self.label} failed: {self.error}"
        if self.part == PUBLISHED and not self.is_published_number:
            return f"{self.label} is {self.obtained}, published {self.published}"
        if self.part == ON_SPARK and not abs(self.deviation) <= NEAR:
            return f"{self.label} on Spark is {self.obtained}, in the textbook {self.textbook}"
        return None
