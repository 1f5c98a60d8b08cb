#!/usr/bin/env python3
"""Reproduce the published numbers of the textbook in NumPy and on Spark, and measure the time of each method.

Writes results.jsonl and report.md to the output folder, and prints the tables of the report.

examples:
  python jobs/textbook.py --output out/textbook
  python jobs/textbook.py --output out/textbook --on textbook
  python jobs/textbook.py --output out/textbook --engine ordinary --cost-ratings 5000000
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.cli.job import job_arguments, job_session, one_sentence_faults
from spark_mf.cli.output import OutputFolder
from spark_mf.fitting.progress import show_progress
from spark_mf.studies.textbook.report import REPORT, textbook_fault, textbook_report, textbook_tables
from spark_mf.studies.textbook.run import run_textbook
from spark_mf.studies.textbook.settings import TextbookSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; return 0 if all numbers are reproduced, 1 otherwise; SystemExit(2) for invalid input."""
    given = job_arguments(TextbookSettings, __file__, __doc__, argv)
    settings = given.settings
    show_progress()
    with ExitStack() as stack:
        spark = None
        with one_sentence_faults(given.program):
            folder = OutputFolder(Path(given.output), (REPORT,), overwrite=given.overwrite)
            if settings.uses_spark:
                spark = stack.enter_context(
                    job_session(given.program, master=settings.master, driver_memory=settings.driver_memory)
                )
        folder.start()
        rows = []
        for row in run_textbook(settings, spark):
            rows.append(row)
            folder.add(row)
    (folder.path / REPORT).write_text(textbook_report(rows), encoding="utf-8")
    folder.finish(rows)
    print(f"\n{textbook_tables(rows)}\n\nwritten to {folder.path}")
    fault = textbook_fault(rows)
    if fault:
        print(f"{given.program}: {fault}", file=sys.stderr)
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
