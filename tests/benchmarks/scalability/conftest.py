"""Made-up rows of a measurement of scaling whose speed-ups are known."""

from collections.abc import Callable
from typing import Any

import pytest

from spark_mf.benchmarks.scalability.breakdown import Breakdown
from spark_mf.benchmarks.scalability.rows import ScalabilityRow
from tests.records import record

PARTS = Breakdown(kernels=1.5, tasks=0.5, serialization=0.5, shuffle=0.25, scheduling=0.25, idle=0.5, driver=0.5)


@pytest.fixture
def make_point(make_row: Callable[..., Any]) -> Callable[..., ScalabilityRow]:
    """Function that returns the row of a point for an experiment, cores and seconds per iteration."""

    def make(experiment: str, cores: int, seconds: float | None, **changes: Any) -> ScalabilityRow:
        history = () if seconds is None else tuple(record(k, seconds, None, None, None) for k in (1, 2))
        values: dict[str, Any] = {
            "experiments": (experiment,),
            "method": "spark_mf.ALS, cg, ring",
            "repetition": 1,
            "cores": cores,
            "history": history,
            "breakdown": None if seconds is None else PARTS,
            **changes,
        }
        label = ":".join(
            str(values.get(name)) for name in ("method", "cores", "ratings", "rank", "blocks", "repetition")
        )
        rank = {"rank": values.pop("rank")} if "rank" in values else {}
        return ScalabilityRow(**{**vars(make_row(**rank)), "label": label, **values})

    return make
