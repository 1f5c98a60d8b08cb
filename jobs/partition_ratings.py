#!/usr/bin/env python3
"""Lay out ratings in balanced blocks once, in a folder that any number of fits can read.

Writes Parquet by user block and by item block (or as a grid), the ids of users and items, and manifest.json. The
manifest is written last, so that a folder without it is known to be incomplete. Estimators fit such a folder:

  from spark_mf.ratings.folder import PartitionedRatings
  model = ALS(rank=64).fit(PartitionedRatings(spark, "out/blocks"))

examples:
  python jobs/partition_ratings.py ratings.csv --output out/blocks
  python jobs/partition_ratings.py out/generated --output out/blocks --user-blocks 40 --item-blocks 20 --split-col split
  spark-submit jobs/partition_ratings.py hdfs:///ratings --output hdfs:///blocks --layouts blocks,grid
"""

import sys
from collections.abc import Sequence

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.cli.commands.partition import PartitionSettings, partition, partition_table, read_input
from spark_mf.cli.job import job_arguments, job_session, one_sentence_faults
from spark_mf.fitting.progress import show_progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return 0; SystemExit(2) for invalid input."""
    given = job_arguments(PartitionSettings, __file__, __doc__, argv)
    settings = given.settings
    show_progress()
    with (
        one_sentence_faults(given.program),
        job_session(given.program, master=settings.master, driver_memory=settings.driver_memory) as spark,
    ):
        ratings = read_input(spark, settings, given.output, overwrite=given.overwrite)
        written, seconds = partition(ratings, settings, given.output, overwrite=given.overwrite)
    speed = written.manifest.ratings / seconds
    print(f"\n{partition_table(written)}\n\nwritten to {written.path} at {speed:,.0f} ratings/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
