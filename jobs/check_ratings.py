#!/usr/bin/env python3
"""Check ratings of any size; write valid rows to ratings/ and invalid ones, with reason and line, to rejected/.

Writes ratings/ (Parquet with the columns user, item, rating and, if the input has them, timestamp and split),
rejected/ (JSON lines: reason, file, line, text), summary.md and description.json to the output folder, and prints the
summary. Every row that was read is either accepted or rejected. The description is written last, so that a folder
without it is known to be incomplete.

examples:
  python jobs/check_ratings.py ratings.csv --output out/clean
  python jobs/check_ratings.py ratings.csv.gz --output out/clean --on-bad reject --duplicates last
  python jobs/check_ratings.py parts/ --output out/core --min-user-ratings 5 --min-item-ratings 5
  python jobs/check_ratings.py BX-Book-Ratings.csv --output out/books --encoding ISO-8859-1
  python jobs/check_ratings.py ratings_Books.csv --output out/books --columns item,user,rating,timestamp
  python jobs/check_ratings.py books.tsv --output out/books --id-type string --min-rating 1 --max-rating 10
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.cli.commands.check import CHECKED_FILES, REJECTED, CheckSettings, check, write_checked
from spark_mf.cli.job import job_arguments, job_session, one_sentence_faults
from spark_mf.fitting.progress import show_progress
from spark_mf.storage.folders import RatingsFolder


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return 0, also if rows were rejected; SystemExit(2) for invalid input."""
    given = job_arguments(CheckSettings, __file__, __doc__, argv)
    settings = given.settings
    with ExitStack() as stack:
        with one_sentence_faults(given.program):
            show_progress()
            spark = stack.enter_context(
                job_session(given.program, master=settings.master, driver_memory=settings.driver_memory)
            )
            folder = RatingsFolder(spark, given.output, CHECKED_FILES, overwrite=given.overwrite)
            clean = check(spark, settings, folder)
        table = write_checked(spark, settings, clean, folder)
    print(f"\n{table}\n\nwritten to {folder.path}")
    if clean.rejected_rows:
        print(
            f"{given.program}: {clean.rejected_rows:,} of {clean.rows:,} rows were rejected; their lines and reasons "
            f"are in {folder.inside(REJECTED)}.",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
