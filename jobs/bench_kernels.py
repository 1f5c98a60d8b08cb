#!/usr/bin/env python3
"""Measure the kernels of SGD by rank, block shape and threads, relative to the memory bandwidth.

Writes results.jsonl, report.md and a plot to the output folder, and prints the table of the report.

examples:
  python jobs/bench_kernels.py --output out/bench-kernels
  python jobs/bench_kernels.py --output out/bench-kernels --overwrite --ranks 64,128
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from spark_mf.cli.extras import require_jobs_extra

require_jobs_extra()

from spark_mf.benchmarks.speed.kernels import BenchKernelsSettings, bench_kernels
from spark_mf.benchmarks.speed.kernels_report import KERNELS_PLOT, REPORT, draw_kernels, kernel_report, kernel_table
from spark_mf.cli.job import job_arguments, one_sentence_faults
from spark_mf.cli.output import OutputFolder
from spark_mf.fitting.progress import show_progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return 0; SystemExit(2) for invalid input."""
    given = job_arguments(BenchKernelsSettings, __file__, __doc__, argv)
    show_progress()
    with one_sentence_faults(given.program):
        folder = OutputFolder(Path(given.output), (REPORT, KERNELS_PLOT), overwrite=given.overwrite)
    folder.start()
    rows = bench_kernels(given.settings)
    draw_kernels(rows, folder.path / KERNELS_PLOT)
    (folder.path / REPORT).write_text(kernel_report(rows), encoding="utf-8")
    folder.finish(rows)
    print(f"\n{kernel_table(rows)}\n\nwritten to {folder.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
