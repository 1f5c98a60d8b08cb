"""SGD's kernels in one process without Spark: what an epoch takes at least on this machine.

A fit's own blocks of users and items, schedule, seeds and code for a block, but each user block is a thread's, and all
wait for each other after each stratum.
"""

import logging
import time
from dataclasses import replace
from pathlib import Path

from spark_mf.benchmarks.environment import PACKAGE, PeakMemory, Provenance, git_commit, software_versions
from spark_mf.benchmarks.measuring import unmeasured_row
from spark_mf.benchmarks.methods import new_estimator, param_values
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.benchmarks.speed.data import DATA, read_arrays, require_counts
from spark_mf.benchmarks.speed.point_names import ONE_PROCESS
from spark_mf.benchmarks.speed.points import point_methods
from spark_mf.benchmarks.speed.settings import BenchSettings
from spark_mf.cli.phases import phase
from spark_mf.fitting.one_process import OneProcessSGD

logger = logging.getLogger(__name__)


def measure_one_process(settings: BenchSettings, folder: Path) -> list[ResultRow]:
    """Run SGD's epochs on the ratings of a benchmark's folder, with as many threads as it has cores.

    Returns
    -------
    list[ResultRow]
        The same epochs twice: their seconds with the evaluation on the test rows after each, and without it.

    Raises
    ------
    FileNotFoundError
        When the folder lacks the ratings.
    """
    counts = require_counts(folder / DATA, settings.description)
    where = Provenance(f"{settings.cores} threads", settings.cores, software_versions(), git_commit(PACKAGE))
    methods = point_methods(ONE_PROCESS, settings)
    sgd = new_estimator("spark_mf.SGD", methods[0].params)
    rows = [replace(unmeasured_row(method, counts, where), params=param_values(sgd)) for method in methods]
    began = time.perf_counter()
    with phase("laying out the ratings"):
        descent = OneProcessSGD(sgd, *(read_arrays(folder / DATA, part) for part in ("train", "test")))
    setup = time.perf_counter() - began
    with phase("epochs", ticking=True), PeakMemory() as memory:
        epochs = [descent.epoch() for _ in range(settings.sgd_epochs)]
    finished = []
    for row, evaluated in zip(rows, (True, False), strict=True):
        history = tuple(
            replace(record, seconds=record.seconds + evaluation * evaluated) for record, evaluation in epochs
        )
        seconds = setup + sum(record.seconds for record in history)
        finished.append(
            replace(
                row,
                fit_seconds=seconds,
                setup_seconds=setup,
                history=history,
                test_rmse=history[-1].validation_rmse,
                peak_memory_mb=memory.megabytes,
                notes=("Both rows are of one run, whose training and evaluation were timed apart.",),
            )
        )
    return finished
