#!/usr/bin/env python3
"""Generate ratings of any size from known factors, on the executors.

Writes ratings/ (Parquet with the columns user, item, rating and, if requested, split), ratings.png and
description.json to the output folder, and prints a summary. The description contains the noise floor: the RMSE of the
true factors on these ratings, which no model can be expected to beat. It is written last, so that a folder without
it is known to be incomplete.

examples:
  python jobs/generate_ratings.py --output out/small --users 1000 --items 500 --ratings 50000
  python jobs/generate_ratings.py --output out/like-movielens --preset ml-1m --test-fraction 0.1
  python jobs/generate_ratings.py --output out/large --preset netflix --partitions 64 --driver-memory 4g
  python jobs/generate_ratings.py --output out/exact --preset textbook --noise 0 --scale 1,5
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.cli.commands.generate import GENERATED_FILES, asked_ratings, generate
from spark_mf.cli.commands.generate_report import generated_table
from spark_mf.cli.commands.generate_settings import GenerateSettings
from spark_mf.cli.job import job_arguments, job_session, one_sentence_faults
from spark_mf.fitting.progress import show_progress
from spark_mf.storage.folders import RatingsFolder


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return 0; SystemExit(2) for invalid input."""
    given = job_arguments(GenerateSettings, __file__, __doc__, argv)
    settings = given.settings
    with ExitStack() as stack:
        with one_sentence_faults(given.program):
            show_progress()
            spark = stack.enter_context(
                job_session(given.program, master=settings.master, driver_memory=settings.driver_memory)
            )
            ratings = asked_ratings(spark, settings)
            folder = RatingsFolder(spark, given.output, GENERATED_FILES, overwrite=given.overwrite)
        description = generate(spark, settings, ratings, folder)
    print(f"\n{generated_table(description)}\n\nwritten to {folder.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
