#!/usr/bin/env python3
"""Compare spark_mf.ALS and spark_mf.SGD with pyspark.ml.recommendation.ALS on the same ratings.

Writes results.jsonl, report.md and plots to the output folder, and prints the table of the report.

examples:
  python jobs/compare.py --output out/demo
  python jobs/compare.py ratings.csv --output out/ratings --rank 32 --reg-param 0.05
  python jobs/compare.py ratings.csv --output out/sgd --methods sgd,pyspark-cores --sgd-epochs 30 --sgd-step-size 0.02
  python jobs/compare.py ratings.csv --output out/check --max-rmse-difference 0.005
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.benchmarks.compare import COMPARISON_FILES, compare, load_ratings
from spark_mf.benchmarks.compare_settings import CompareSettings
from spark_mf.benchmarks.report import comparison_fault, result_table, standings
from spark_mf.cli.job import job_arguments, job_session, one_sentence_faults
from spark_mf.cli.output import OutputFolder
from spark_mf.fitting.progress import show_progress
from spark_mf.storage.paths import require_apart


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; return 0 if all runs succeeded and agree, 1 otherwise; SystemExit(2) for invalid input."""
    given = job_arguments(CompareSettings, __file__, __doc__, argv)
    settings = given.settings
    with ExitStack() as stack:
        with one_sentence_faults(given.program):
            folder = OutputFolder(Path(given.output), COMPARISON_FILES, overwrite=given.overwrite)
            show_progress()
            spark = stack.enter_context(
                job_session(given.program, master=settings.master, driver_memory=settings.driver_memory)
            )
            if settings.ratings is not None:
                require_apart(spark, settings.ratings, given.output)
            data = load_ratings(spark, settings)
        rows = compare(spark, settings, data, folder)
    print(f"\n{result_table(rows)}\n\n{standings(rows)}\n\nwritten to {folder.path}")
    fault = comparison_fault(rows, settings.max_rmse_difference)
    if fault:
        print(f"{given.program}: {fault}", file=sys.stderr)
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
