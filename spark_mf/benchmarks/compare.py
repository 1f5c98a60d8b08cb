"""spark_mf's ALS and SGD against pyspark's ALS: the same rows, side by side."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pyspark.ml.feature import StringIndexer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType

from spark_mf.benchmarks.compare_settings import CompareSettings
from spark_mf.benchmarks.environment import provenance
from spark_mf.benchmarks.measuring import Bench, SplitRatings, first_sentence, split_and_count
from spark_mf.benchmarks.methods import Method, comparison_methods
from spark_mf.benchmarks.plots import PLOTS, draw_all
from spark_mf.benchmarks.report import comparison_report
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.output import OutputFolder
from spark_mf.cli.phases import phase
from spark_mf.data.generating import generate_ratings
from spark_mf.data.held_out import split_counts
from spark_mf.data.reading import read_ratings
from spark_mf.data.splitting import mark_by_time, mark_from_column, mark_leave_out, mark_random

logger = logging.getLogger(__name__)

REPORT = "report.md"
COMPARISON_FILES = (REPORT, *PLOTS)


def load_ratings(spark: SparkSession, settings: CompareSettings) -> SplitRatings:
    """Read or generate the ratings, split, count and cache them.

    Raises
    ------
    ValueError, OSError
        When they cannot be read, or leave no training or no test rows.
    """
    if settings.ratings is None:
        name, ratings = "generated", _generated(spark, settings)
    else:
        name, ratings = _named(settings.ratings), _read(spark, settings, settings.ratings)
    with phase("splitting, counting and caching"):
        ratings, how = _numbered(*_marked(ratings, settings))
        # One partition a core, whatever the file's: all methods start from the same balanced input.
        ratings = ratings.repartition(spark.sparkContext.defaultParallelism, "user", "item")
        return split_and_count(name, ratings, how)


def _marked(ratings: DataFrame, settings: CompareSettings) -> tuple[DataFrame, str]:
    """Return the ratings with the column `split`, and how the test rows were chosen, in words."""
    if settings.split == "random":
        marked = mark_random(ratings, test_fraction=settings.test_fraction, seed=settings.seed)
        return marked, f"drawn at random with seed {settings.seed}"
    if settings.split == "time":
        if "timestamp" not in ratings.columns:
            raise ValueError(
                f"--split time requires a column of times, and none of {settings.ratings} was recognized. Name it "
                "with --timestamp-col."
            )
        return mark_by_time(ratings, test_fraction=settings.test_fraction), "the latest of all"
    if settings.split == "column":
        marked = mark_from_column(ratings, "split")
        validation = split_counts(marked).validation
        how = f"as column {settings.split_col} says"
        return marked, how + (f", which marks {validation:,} others for validation: not used here" * (validation > 0))
    assert settings.leave_out is not None
    timestamp_col = None if settings.timestamp_col is None else "timestamp"
    marked = mark_leave_out(ratings, k=settings.leave_out, seed=settings.seed, timestamp_col=timestamp_col)
    counts = split_counts(marked)
    chosen = f"drawn at random with seed {settings.seed}" if timestamp_col is None else "the latest"
    return marked, (
        f"the items of each user left out, {settings.leave_out} each, {chosen}; {counts.users_without_test:,} of "
        f"{counts.users:,} users have too few ratings and give none"
    )


def _numbered(ratings: DataFrame, how: str) -> tuple[DataFrame, str]:
    """Number ids that pyspark's ALS does not take, for all methods alike; the driver holds them meanwhile."""
    sides = [side for side in ("user", "item") if not isinstance(ratings.schema[side].dataType, IntegerType)]
    if not sides:
        return ratings, how
    numbers = [f"{side} number" for side in sides]
    indexer = StringIndexer(inputCols=sides, outputCols=numbers, stringOrderType="alphabetAsc")
    numbered = indexer.fit(ratings).transform(ratings)
    for side, number in zip(sides, numbers, strict=True):
        numbered = numbered.withColumn(side, F.col(number).cast("int"))
    named = " and ".join(f"{side} ids" for side in sides)
    return numbered.drop(*numbers), f"{how}; {named} were numbered, as pyspark's ALS takes integers of 32 bits only"


def compare(
    spark: SparkSession, settings: CompareSettings, data: SplitRatings, folder: OutputFolder
) -> list[ResultRow]:
    """Run all methods on the same rows and leave rows, report and plots in the folder.

    First every method is warmed up, then every one is timed, and last come the fits that only measure
    histories.
    A method that fails leaves a row that says so.

    Returns
    -------
    list[ResultRow]
        One for each method, in the order of the table in the report.
    """
    where = provenance(spark)
    bench = Bench(data, where)
    params = settings.als_params, settings.sgd_params
    methods = comparison_methods(settings.methods, where.cores, *params, als_engine=settings.als_engine)
    folder.start()
    bench.warm_up(methods)
    rows = []
    for method in methods:
        rows.append(bench.run(method))
        folder.add(rows[-1])
    rows = _with_histories(bench, methods, rows, settings.pyspark_history)
    drawn = draw_all(rows, folder.path)
    (folder.path / REPORT).write_text(comparison_report(rows, drawn), encoding="utf-8")
    folder.finish(rows)
    return rows


def _with_histories(
    bench: Bench, methods: list[Method], rows: list[ResultRow], refits: tuple[int, ...]
) -> list[ResultRow]:
    without = [row for m, row in zip(methods, rows, strict=True) if not m.keeps_history and not row.error]
    # One curve of them is enough: their block counts differ in speed, hardly in error.
    refitted = min(without, key=lambda row: row.fit_seconds or 0.0, default=None)
    finished = []
    for method, row in zip(methods, rows, strict=True):
        measures: list[Callable[[Method, ResultRow], ResultRow]] = []
        if row.error is None:
            measures.append(bench.add_validation_history if method.keeps_history else bench.add_setup)
        if row is refitted:
            measures.append(lambda method, row: bench.add_refits(method, row, refits))
        for measure in measures:
            try:
                row = measure(method, row)
            except Exception as fault:  # The timed run stands, whatever befalls a fit beside it.
                logger.warning("%s: history not measured: %s", row.label, first_sentence(fault))
                note = f"The history is incomplete: {first_sentence(fault)}"
                row = replace(row, notes=(*row.notes, note))
        finished.append(row)
    return finished


def _generated(spark: SparkSession, settings: CompareSettings) -> DataFrame:
    users, items, ratings = settings.generated_users, settings.generated_items, settings.generated_ratings
    logger.info("no RATINGS given: generating %s ratings of %s items by %s users", ratings, items, users)
    return generate_ratings(spark, users=users, items=items, ratings=ratings, seed=settings.seed)


def _read(spark: SparkSession, settings: CompareSettings, path: str) -> DataFrame:
    with phase(f"reading {path}"):
        timestamp_col = settings.timestamp_col if settings.needs_times else ""
        return read_ratings(spark, path, settings.options(timestamp_col, settings.split_col)).ratings


def _named(path: str) -> str:
    """Return the last two parts of a path: files are often all called ratings.csv, and folders say which it is."""
    return "/".join(Path(path).parts[-2:])
