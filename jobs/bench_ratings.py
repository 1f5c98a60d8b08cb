#!/usr/bin/env python3
"""Measure the times of generating, checking and partitioning ratings by their number, each point in its own process.

Writes results.jsonl, report.md and a plot to the output folder, and prints the table of the report.

examples:
  python jobs/bench_ratings.py --output out/bench-ratings
  python jobs/bench_ratings.py --output out/bench-ratings --overwrite --sizes 100000,1000000
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.benchmarks.speed.ratings import BenchRatingsSettings, bench_ratings, measure_step
from spark_mf.benchmarks.speed.ratings_report import GROWTH_PLOT, REPORT, draw_growth, step_report, step_table
from spark_mf.cli.job import job_arguments, one_sentence_faults
from spark_mf.cli.output import OutputFolder
from spark_mf.fitting.progress import show_progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; return 0 if all points succeeded, 1 otherwise; SystemExit(2) for invalid input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    point = arguments.pop() if arguments[-2:-1] == ["--point"] else None  # used by the process of one point
    if point is not None:
        arguments.pop()
    given = job_arguments(BenchRatingsSettings, __file__, __doc__, arguments)
    data = Path(given.output) / "data"
    if point is not None:
        step, ratings = point.split(":")
        print(measure_step(given.settings, data, step, int(ratings)).to_json())
        return 0
    show_progress()
    with one_sentence_faults(given.program):
        folder = OutputFolder(Path(given.output), (REPORT, GROWTH_PLOT), overwrite=given.overwrite)
    folder.start()
    rows = bench_ratings(given.settings, data, [__file__, *arguments])
    plot = GROWTH_PLOT if any(row.seconds for row in rows) else None
    if plot:
        draw_growth(rows, folder.path / plot)
    (folder.path / REPORT).write_text(step_report(rows, plot), encoding="utf-8")
    folder.finish(rows)
    print(f"\n{step_table(rows)}\n\nwritten to {folder.path}")
    return 1 if any(row.error for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
