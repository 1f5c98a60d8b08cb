"""A program of its own that fits and measures: `measured_fit.py NAME`, one of `ESTIMATORS`.

Its last line is JSON: MiB that the fit said it needs, and what its processes took at their peak.
"""

import json
import logging
import os
import re
import resource
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from pyspark import BarrierTaskContext

from spark_mf import ALS, GD, SGD
from spark_mf.cli.session import local_session

SHARED: dict[str, Any] = {"rank": 64, "maxIter": 2, "seed": 1, "validationIndicatorCol": "held_out"}
#: Extrapolates in its second stage, which receives the factors of the first one.
EXTRAPOLATED: dict[str, Any] = {"extrapolation": 0.3, **SHARED, "maxIter": 4, "checkpointInterval": 2}
ESTIMATORS: dict[str, Any] = {
    "ALS-ring": ALS(engine="ring", **SHARED),
    "ALS-broadcast": ALS(engine="broadcast", solver="cg", **SHARED),
    "ALS-ring-extrapolated": ALS(engine="ring", **EXTRAPOLATED),
    "ALS-broadcast-extrapolated": ALS(engine="broadcast", solver="cg", **EXTRAPOLATED),
    "GD-ring": GD(engine="ring", **SHARED),
    "SGD-ring": SGD(engine="ring", optimizer="adam", stepSize=0.001, **SHARED),
    "SGD-stages": SGD(engine="stages", stepSize=0.001, **SHARED),
}
SLOTS = 2


class Said(logging.Handler):
    """Keeps what a fit says of its memory."""

    def emit(self, record: logging.LogRecord) -> None:
        found = re.search(r"(\d+) MiB of Python; 2 Python workers of (\d+) MiB each", record.getMessage())
        if found:
            self.driver, self.worker = map(int, found.groups())


def peak() -> float:
    """MiB that this process had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_of_worker(tasks: Iterable[int]) -> Iterator[tuple[int, float]]:
    """The same of the worker that runs the task; all tasks run at the same time, so each has its own."""
    list(tasks)
    BarrierTaskContext.get().barrier()
    yield os.getpid(), peak()


def main() -> None:
    """Fit 2 million ratings of 40,000 users and 10,000 items, and print what that took."""
    said = Said()
    logging.getLogger("spark_mf").addHandler(said)
    logging.getLogger("spark_mf").setLevel(logging.INFO)
    session = local_session("measured", master=f"local[{SLOTS}]", driver_memory="2g")
    ratings = session.range(2_000_000).selectExpr(
        "cast(pmod(hash(id, 1), 40000) as int) AS user",
        "cast(pmod(hash(id, 2), 10000) as int) AS item",
        "cast(1 + pmod(hash(id, 3), 5) as float) AS rating",
        "pmod(hash(id, 4), 20) = 0 AS held_out",
    )
    estimator = ESTIMATORS[sys.argv[1]]
    model = estimator.fit(ratings)
    assert model.summary.totalIterations == estimator.getMaxIter()
    ends = session.sparkContext.parallelize(range(SLOTS), SLOTS).barrier().mapPartitions(peak_of_worker).collect()
    workers = dict(ends)
    assert len(workers) == SLOTS
    session.stop()
    print(json.dumps({"said": [said.driver, said.worker], "peaks": [peak(), max(workers.values())]}))


if __name__ == "__main__":
    main()
