"""spark_mf against pyspark: the same rows, the same hyperparameters, side by side."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from spark_mf.data.generating import generate_ratings
from spark_mf.data.reading import FORMATS, read_ratings
from spark_mf.experiments.config import AT_LEAST_ZERO, FRACTION, one_of, setting, several, text, whole
from spark_mf.experiments.environment import provenance
from spark_mf.experiments.measuring import Bench, SplitRatings, first_sentence, split_and_count
from spark_mf.experiments.methods import METHOD_NAMES, Hyperparameters, Method, comparison_methods
from spark_mf.experiments.output import OutputFolder
from spark_mf.experiments.plots import PLOTS, draw_all
from spark_mf.experiments.report import comparison_report
from spark_mf.experiments.rows import ResultRow
from spark_mf.experiments.stages import stage

logger = logging.getLogger(__name__)

REPORT = "report.md"
COMPARISON_FILES = (REPORT, *PLOTS)

_DATA = "data: what is read, or generated when RATINGS is not given"
_MODEL = "model: hyperparameters, the same for all methods"
_RUN = "comparison"
_SPARK = "Spark"


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """What a comparison is told; every field is an option of ``jobs/compare.py`` and a key of its TOML."""

    ratings: str | None = setting(
        None,
        text(),
        "ratings to read: CSV with a header, '::' or tab separated, each also gzipped, or Parquet; "
        "without it a set is generated",
        group=_DATA,
        positional=True,
    )
    format: str | None = setting(
        None, one_of(*FORMATS), "format of RATINGS, where its name and first lines do not tell", group=_DATA
    )
    user_col: str | None = setting(None, text(), "column of user ids, where it is not guessed", group=_DATA)
    item_col: str | None = setting(None, text(), "column of item ids, where it is not guessed", group=_DATA)
    rating_col: str | None = setting(None, text(), "column of ratings, where it is not guessed", group=_DATA)
    generated_users: int = setting(1_000, whole(1), "users of the generated set", group=_DATA)
    generated_items: int = setting(1_700, whole(1), "items of the generated set", group=_DATA)
    generated_ratings: int = setting(100_000, whole(1), "ratings of the generated set", group=_DATA)
    test_fraction: float = setting(
        0.1,
        FRACTION,
        "share of the rows held out for the test",
        group=_DATA,
    )
    rank: int = setting(16, whole(1), "features of each user and item, such as 8 to 200", group=_MODEL)
    max_iter: int = setting(10, whole(1), "iterations", group=_MODEL)
    reg_param: float = setting(
        0.1,
        AT_LEAST_ZERO,
        "λ of the weighted objective, as pyspark's regParam; such as 0.01 to 0.3",
        group=_MODEL,
    )
    seed: int = setting(0, whole(0), "of generating, splitting and initial factors", group=_MODEL)
    methods: tuple[str, ...] = setting(
        METHOD_NAMES,
        several(one_of(*METHOD_NAMES), f"a list of some of {', '.join(METHOD_NAMES)}"),
        "what to run: spark_mf.ALS by its solvers, pyspark.ALS with its default of 10 blocks and with as many as cores",
        group=_RUN,
    )
    pyspark_history: tuple[int, ...] = setting(
        (1, 2, 3, 5, 7),
        several(whole(1), "a list of different whole numbers of at least 1"),
        "iterations after which pyspark's test RMSE is wanted besides the last; each costs a fit, as pyspark "
        "keeps no history; '' for none",
        group=_RUN,
    )
    max_rmse_difference: float | None = setting(
        None,
        AT_LEAST_ZERO,
        "end with exit code 1 when a test RMSE of spark_mf and one of pyspark differ by more, such as 0.005",
        group=_RUN,
    )
    master: str | None = setting(None, text(), "Spark master, such as local[2]", group=_SPARK)
    driver_memory: str | None = setting(None, text(), "memory of the driver's JVM, such as 4g", group=_SPARK)


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
    with stage("splitting, counting and caching"):
        # One partition a core, whatever the file's: all methods start from the same balanced input.
        ratings = ratings.repartition(spark.sparkContext.defaultParallelism, "user", "item")
        return split_and_count(name, ratings, settings.test_fraction, settings.seed)


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
    given = Hyperparameters(settings.rank, settings.max_iter, settings.reg_param, settings.seed)
    bench = Bench(data, given, where)
    methods = comparison_methods(settings.methods, where.cores)
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
    with stage(f"reading {path}"):
        found = read_ratings(
            spark,
            path,
            format=settings.format,
            user_col=settings.user_col,
            item_col=settings.item_col,
            rating_col=settings.rating_col,
        )
        for note in found.notes:
            logger.info("%s", note)
    return found.ratings


def _named(path: str) -> str:
    """The last two parts of a path: files are often all called ratings.csv, and folders say which it is."""
    return "/".join(Path(path).parts[-2:])
