"""spark_mf against pyspark: the same rows, the same hyperparameters, side by side."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pyspark.ml.feature import StringIndexer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType

from spark_mf.data.generating import generate_ratings
from spark_mf.data.held_out import split_counts
from spark_mf.data.reading import read_ratings
from spark_mf.data.splitting import mark_by_time, mark_from_column, mark_leave_out, mark_random
from spark_mf.experiments.config import AT_LEAST_ZERO, FRACTION, one_of, setting, several, text, whole
from spark_mf.experiments.environment import provenance
from spark_mf.experiments.measuring import Bench, SplitRatings, first_sentence, split_and_count
from spark_mf.experiments.methods import METHOD_NAMES, Hyperparameters, Method, comparison_methods
from spark_mf.experiments.output import OutputFolder
from spark_mf.experiments.plots import PLOTS, draw_all
from spark_mf.experiments.read_settings import READ, ReadSettings
from spark_mf.experiments.report import comparison_report
from spark_mf.experiments.rows import ResultRow
from spark_mf.experiments.stages import stage

logger = logging.getLogger(__name__)

REPORT = "report.md"
COMPARISON_FILES = (REPORT, *PLOTS)

SPLITS = ("random", "leave-out", "time", "column")

_GENERATED = "data: what is generated when RATINGS is not given"
_SPLIT = "split: which ratings are held out for the test"
_MODEL = "model: hyperparameters, the same for all methods"
_RUN = "comparison"
_SPARK = "Spark"


@dataclass(frozen=True, kw_only=True)
class CompareSettings(ReadSettings):
    """What a comparison is told; every field is an option of ``jobs/compare.py`` and a key of its TOML."""

    ratings: str | None = setting(
        None,
        text(),
        "ratings to read: CSV with a header, '::' or tab separated, each also gzipped, or Parquet; "
        "without it a set is generated",
        group=READ,
        positional=True,
    )
    generated_users: int = setting(1_000, whole(1), "users of the generated set", group=_GENERATED)
    generated_items: int = setting(1_700, whole(1), "items of the generated set", group=_GENERATED)
    generated_ratings: int = setting(100_000, whole(1), "ratings of the generated set", group=_GENERATED)
    split: str = setting(
        "random",
        one_of(*SPLITS),
        f"how test rows are chosen, one of {', '.join(SPLITS)}: a random share of all, some of every user's, the "
        "latest of all, or those that a column marks",
        group=_SPLIT,
    )
    test_fraction: float = setting(
        0.1, FRACTION, "share of the rows held out for the test, with --split random or time", group=_SPLIT
    )
    leave_out: int | None = setting(
        None,
        whole(1),
        "items of each user held out for the test, with --split leave-out: the latest if --timestamp-col is given, "
        "else random ones",
        group=_SPLIT,
    )
    timestamp_col: str | None = setting(
        None, text(), "column of times, with --split time (where it is not guessed) or leave-out", group=_SPLIT
    )
    split_col: str | None = setting(
        None,
        text(),
        "column that marks each row as train, validation (not used) or test, or true for test, with --split column",
        group=_SPLIT,
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

    def __post_init__(self) -> None:
        """Raise ValueError for options of one split that are given with another."""
        required = {"leave-out": "leave_out", "column": "split_col"}
        for split, name in required.items():
            value, option = getattr(self, name), "--" + name.replace("_", "-")
            if self.split == split and value is None:
                raise ValueError(f"--split {split} needs {option}: give it (--help explains it).")
            if self.split != split and value is not None:
                raise ValueError(f"{option} is {value!r}, which needs --split {split}, and --split is {self.split}.")
        if self.timestamp_col is not None and self.split not in ("time", "leave-out"):
            raise ValueError(
                f"--timestamp-col is {self.timestamp_col!r}, which needs --split time or leave-out, and --split is "
                f"{self.split}."
            )
        if self.ratings is None and (self.split in ("time", "column") or self.timestamp_col is not None):
            raise ValueError(
                f"--split {self.split} needs RATINGS with a column for it, which generated ratings do not have: give "
                "the path of ratings, or --split random or leave-out."
            )


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
        ratings, how = _numbered(*_marked(ratings, settings))
        # One partition a core, whatever the file's: all methods start from the same balanced input.
        ratings = ratings.repartition(spark.sparkContext.defaultParallelism, "user", "item")
        return split_and_count(name, ratings, how)


def _marked(ratings: DataFrame, settings: CompareSettings) -> tuple[DataFrame, str]:
    """The ratings with the column `split`, and how the test rows were chosen, in words."""
    if settings.split == "random":
        marked = mark_random(ratings, test_fraction=settings.test_fraction, seed=settings.seed)
        return marked, f"drawn at random with seed {settings.seed}"
    if settings.split == "time":
        if "timestamp" not in ratings.columns:
            raise ValueError(
                f"--split time needs a column of times, and none of {settings.ratings} is known to be one: name it "
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
        found = read_ratings(spark, path, settings.options(settings.timestamp_col, settings.split_col))
        for note in found.notes:
            logger.info("%s", note)
    return found.ratings


def _named(path: str) -> str:
    """The last two parts of a path: files are often all called ratings.csv, and folders say which it is."""
    return "/".join(Path(path).parts[-2:])
