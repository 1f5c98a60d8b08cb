#!/usr/bin/env python3
"""Compare the speed of spark_mf.ALS and of pyspark's ALS, with and without native OpenBLAS, on generated ratings.

Further points measure implicit feedback, in comparison with pyspark's ALS and with the libraries implicit and irspack,
which run on one machine, and a high rank.

Writes results.jsonl, report.md and a plot to the output folder, and prints the tables of the report. If the folder has
rows, the job continues it and measures only points without rows.

examples:
  python jobs/bench.py --output out/bench
  python jobs/bench.py --output out/bench --points cholesky,cg --again
  python jobs/bench.py --output out/bench --openblas path/to/openblas
  python jobs/bench.py --output out/bench --points plain-cg,library-implicit --implicit-ranks 64
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.benchmarks.speed.data import DATASETS
from spark_mf.benchmarks.speed.point import measure_point
from spark_mf.benchmarks.speed.point_names import POINTS
from spark_mf.benchmarks.speed.report import bench_table
from spark_mf.benchmarks.speed.run import BENCH_FILES, bench, points_to_measure, write_data
from spark_mf.benchmarks.speed.settings import BenchSettings
from spark_mf.cli.job import one_sentence_faults
from spark_mf.cli.output import OutputFolder
from spark_mf.cli.settings import OneSentenceParser, add_options, read_settings
from spark_mf.fitting.progress import show_progress

CONFIG = Path(__file__).resolve().parents[1] / "conf" / "bench.toml"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; return 0 if all points succeeded, 1 otherwise; SystemExit(2) for invalid input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    layout = argparse.RawDescriptionHelpFormatter
    parser = OneSentenceParser("bench", description=__doc__, formatter_class=layout, allow_abbrev=False)
    parser.add_argument("--output", required=True, type=Path, help="folder to write to; one with rows is continued")
    parser.add_argument("--again", action="store_true", help="measure points again even if they have rows")
    parser.add_argument("--config", type=Path, default=CONFIG, help="TOML file (default: conf/bench.toml)")
    parser.add_argument(
        "--point", choices=(*DATASETS, *POINTS), help=argparse.SUPPRESS
    )  # used by the process of one point
    add_options(parser, BenchSettings)
    options = vars(parser.parse_args(arguments))
    output, again, config, point = (options.pop(name) for name in ("output", "again", "config", "point"))
    with one_sentence_faults(parser.prog):
        settings = read_settings(BenchSettings, config, options)
        folder = OutputFolder(output, BENCH_FILES, overwrite=True)
        show_progress()
        points = points_to_measure(settings, folder, again=again) if point is None else []
        if points:
            write_data(settings, folder, [__file__, *arguments], points)
    if point is not None:
        measure_point(settings, folder, point)
        return 0
    rows = bench(settings, folder, [__file__, *arguments], points)
    print(f"\n{bench_table(rows)}\n\nwritten to {folder.path}")
    return 1 if any(row.error for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
