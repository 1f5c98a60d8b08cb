#!/usr/bin/env python3
"""Fetch a public data set of ratings from its publisher: one of the MovieLens sets, or goodbooks-10k.

Leaves the file of ratings as published, the set's README and licence, and description.json in the output folder; the
other jobs read the file of ratings as it is. The archive is kept in a cache, so that a second run downloads nothing.
Shows the licence. Starts no Spark and needs no Java.

examples:
  python jobs/fetch_dataset.py --list
  python jobs/fetch_dataset.py ml-1m --output data/ml-1m
  python jobs/compare.py data/ml-1m/ratings.dat --output out/ml-1m
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.cli.commands.fetch import FetchSettings, dataset_table, fetch
from spark_mf.cli.job import job_arguments, one_sentence_faults
from spark_mf.fitting.progress import show_progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job: 0 when the data set is there; SystemExit(2) when it cannot be fetched or for bad input."""
    given = job_arguments(FetchSettings, __file__, __doc__, argv, listing=dataset_table())
    show_progress()
    with one_sentence_faults(given.program):
        fetched = fetch(given.settings, given.output, overwrite=given.overwrite)
    folder = Path(given.output)
    print(f"\n{fetched.name}: {folder / fetched.ratings} and {', '.join([*fetched.files[1:], 'description.json'])}")
    print(f"checksum of the archive: {fetched.sha256_is}.")
    print(f"checksum of the ratings: {fetched.ratings_sha256_is}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
