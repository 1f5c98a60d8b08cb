#!/usr/bin/env python3
"""Measure how fits scale with cores, ratings, rank and blocks, each point in its own process.

Writes results.jsonl, report.md and plots to the output folder, and prints the tables of the report. If the folder has
rows, the job continues it and measures only points without rows or with failed ones.

examples:
  python jobs/scalability.py --output out/scalability
  python jobs/scalability.py --output out/scalability --experiments strong --methods cg,sgd --cores 1,2,4,8
  python jobs/scalability.py --output out/scalability --master 'local-cluster[{cores},1,1024]'
      --spark-conf spark.executor.memory=1g
  python jobs/scalability.py --output /shared/scalability --master spark://host:7077 --cores 2,4,8
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.benchmarks.scalability.point import measure_point
from spark_mf.benchmarks.scalability.report import scalability_table
from spark_mf.benchmarks.scalability.run import SCALABILITY_FILES, measure_points, points_to_measure, write_data
from spark_mf.benchmarks.scalability.settings import ScalabilitySettings
from spark_mf.cli.job import one_sentence_faults
from spark_mf.cli.output import OutputFolder
from spark_mf.cli.settings import OneSentenceParser, add_options, read_settings
from spark_mf.fitting.progress import show_progress

CONFIG = Path(__file__).resolve().parents[1] / "conf" / "scalability.toml"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; return 0 if all points succeeded, 1 otherwise; SystemExit(2) for invalid input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    layout = argparse.RawDescriptionHelpFormatter
    parser = OneSentenceParser("scalability", description=__doc__, formatter_class=layout, allow_abbrev=False)
    parser.add_argument("--output", required=True, type=Path, help="folder to write to; one with rows is continued")
    parser.add_argument("--again", action="store_true", help="measure points again even if they have rows")
    parser.add_argument("--config", type=Path, default=CONFIG, help="TOML file (default: conf/scalability.toml)")
    parser.add_argument("--point", help=argparse.SUPPRESS)  # used by the process of one point
    add_options(parser, ScalabilitySettings)
    options = vars(parser.parse_args(arguments))
    output, again, config, point = (options.pop(name) for name in ("output", "again", "config", "point"))
    command = [__file__, *arguments]
    with one_sentence_faults(parser.prog):
        settings = read_settings(ScalabilitySettings, config, options)
        folder = OutputFolder(output, SCALABILITY_FILES, overwrite=True)
        show_progress()
        points = points_to_measure(settings, folder, again=again) if point is None else []
        write_data(settings, folder, command, points)
    if point is not None:
        measure_point(settings, folder, point)
        return 0
    rows = measure_points(settings, folder, command, points)
    print(f"\n{scalability_table(rows)}\n\nwritten to {folder.path}")
    return 1 if any(row.error for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
