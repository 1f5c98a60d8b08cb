#!/usr/bin/env python3
"""Download a public data set of ratings from its publisher: a MovieLens data set, or goodbooks-10k.

Writes the ratings file as published, the README and licence of the data set, and description.json to the output folder;
the other jobs read the ratings file as it is. A cache keeps the archive, so that a second run downloads nothing. Prints
the licence, and needs neither Spark nor Java.

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
    """Run the job and return 0; SystemExit(2) if the download fails or the input is invalid."""
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
