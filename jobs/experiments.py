#!/usr/bin/env python3
"""Run a study of matrix factorization, with the estimators of the textbook or those on Spark.

Writes results.jsonl, report.md and plots to the output folder. --list describes the studies.

examples:
  python jobs/experiments.py convergence --output out/experiments/convergence
  python jobs/experiments.py regularization --output out/lambda --lambdas 0.01,0.1,1 --epochs 100
  python jobs/experiments.py rank ratings.csv --output out/rank --ranks 1,2,4,8,16,32
  python jobs/experiments.py implicit ratings.csv --output out/implicit --alphas 0.1,1,10 --rank 32
  python jobs/experiments.py update-paths --output out/paths
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.benchmarks.environment import numpy_provenance, provenance
from spark_mf.cli.job import job_arguments, job_session, one_sentence_faults
from spark_mf.cli.output import OutputFolder
from spark_mf.fitting.progress import show_progress
from spark_mf.storage.paths import require_apart
from spark_mf.studies.data import load_data
from spark_mf.studies.fits import Fits
from spark_mf.studies.registry import find_study, listing
from spark_mf.studies.settings import SPARK, ExperimentSettings
from spark_mf.studies.study import run_study


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; return 0 if at least one fit succeeded, 1 otherwise; SystemExit(2) for invalid input."""
    given = job_arguments(ExperimentSettings, __file__, __doc__, argv, listing=listing())
    settings, spark = given.settings, None
    with ExitStack() as stack:
        with one_sentence_faults(given.program):
            study = find_study(settings)
            folder = OutputFolder(Path(given.output), study.files, overwrite=given.overwrite)
            # One line per fit is enough, because sweeps have hundreds of epochs.
            show_progress().addFilter(lambda record: not hasattr(record, "progress"))
            if study.needs_spark or settings.runner == SPARK or settings.ratings is not None:
                session = job_session(given.program, master=settings.master, driver_memory=settings.driver_memory)
                spark = stack.enter_context(session)
                if settings.ratings is not None:
                    require_apart(spark, settings.ratings, given.output)
            data = load_data(settings, spark, study.own_ratings)
        where = provenance(spark) if spark is not None and settings.runner == SPARK else numpy_provenance()
        rows = run_study(study, Fits(settings=settings, data=data, where=where), folder)
    print(f"\n{study.findings(rows)}\n\nwritten to {folder.path}")
    errors = [row.error for row in rows if row.error]
    if len(errors) == len(rows):
        print(f"{given.program}: all fits failed, the first one with: {errors[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
