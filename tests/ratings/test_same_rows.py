"""Tests of datasets that give other rows when Spark computes them again: a consistent model, or an error."""

import logging
import random
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkContext, StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.classic.dataframe import DataFrame as ClassicDataFrame
from pyspark.sql.datasource import DataSource, DataSourceReader

from spark_mf import ALS, SGD
from spark_mf.fitting.alternating import _AlternatingFactorizer
from spark_mf.ratings import dataset as preparation
from spark_mf.ratings.folder_writing import partition_ratings
from spark_mf.ratings.layout import BlockCounts, PackedBlock, Unchanged
from spark_mf.ratings.string_ids import with_own_plan
from spark_mf.runtime.same_rows import changed_rows, changed_rows_told, missing_rows
from tests.same_model import assert_same_model

SENTENCE = r"^The dataset must give the same rows every time it is computed, got {} in one pass and {} in another\. "
SENTENCE += r"Persist it, or write it to a table and fit that\.$"
NUMBER = r"[\d,]+"
LEVEL = StorageLevel.MEMORY_AND_DISK


class Growing(DataSource):
    """A table to which somebody adds users whenever it is read."""

    @classmethod
    def name(cls) -> str:
        return "growing"

    def schema(self) -> str:
        return "user string, item string, rating float"

    def reader(self, schema: Any) -> DataSourceReader:
        return GrowingReader(Path(self.options["path"]))


class GrowingReader(DataSourceReader):
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, partition: Any) -> Any:
        reads = len(self.path.read_bytes()) if self.path.exists() else 0
        self.path.write_bytes(b"x" * (reads + 1))
        for user in range(20 + 10 * reads):
            for item in range(8):
                yield f"u{user}", f"i{(item + user) % 12}", float((user + item) % 5 + 1)


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> DataFrame:
    columns = ("cast(id % 70 AS int) user", "cast(id * 7 % 30 AS int) item", "cast(id % 5 + 1 AS float) rating")
    return spark.range(0, 600, 1, 2).selectExpr(*columns)


@pytest.fixture(scope="module")
def named(ratings: DataFrame) -> DataFrame:
    return ratings.select(
        F.concat(F.lit("u"), "user").alias("user"), F.concat(F.lit("i"), "item").alias("item"), "rating"
    )


def anonymous(ratings: DataFrame) -> DataFrame:
    """Other string ids each time."""
    return ratings.withColumn("user", F.udf(lambda item: str(uuid.uuid4()))("item"))


def sampled(ratings: DataFrame) -> DataFrame:
    """Other rows each time."""
    return ratings.where(F.udf(lambda: random.SystemRandom().random() < 0.5, "boolean").asNondeterministic()())


def rerated(ratings: DataFrame) -> DataFrame:
    """The same users and items with other ratings each time."""
    return ratings.withColumn("rating", F.udf(lambda: random.SystemRandom().random(), "float").asNondeterministic()())


def reassigned(ratings: DataFrame) -> DataFrame:
    """As many rows of the same users, but other users each time."""
    other = F.udf(lambda: random.SystemRandom().randrange(4), "int").asNondeterministic()
    return ratings.withColumn("user", other())


def small(estimator: type = ALS, **params: Any) -> Any:
    # A ring of one is joined at once.
    given = {"rank": 2, "maxIter": 1, "seed": 1, "numUserBlocks": 1, "numItemBlocks": 1}
    engine = "broadcast" if estimator is ALS else "stages"
    return estimator(**{**given, "engine": engine, **params})


def lose(context: SparkContext, *kept: Any) -> None:
    """Have Spark lose RDDs or frames, and all that a shuffle has written, as with an executor."""
    for each in kept:
        each.unpersist(blocking=True)
    jvm_context: Any = context._jsc.sc()
    cleaner = jvm_context.cleaner().get()
    for shuffle in range(jvm_context.newShuffleId()):
        cleaner.doCleanupShuffle(shuffle, True)


def lose_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Spark keep no chunk after the first pass, as with MEMORY_ONLY and too little memory."""
    count_chunks = preparation.count_chunks

    def take_and_lose(chunks: Any) -> Any:
        counts = count_chunks(chunks)
        chunks.unpersist(blocking=True)
        return counts

    monkeypatch.setattr(preparation, "count_chunks", take_and_lose)


def lose_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Spark lose the laid-out blocks before the first iteration, as with their executors."""

    def lose_and_begin(begin: Any) -> Any:
        def exchange(self: Any, context: Any, ratings: Any, *others: Any) -> Any:
            layouts = [layout for layout in (ratings.by_user, ratings.by_item) if layout is not None]
            lose(context, *(layout.members for layout in layouts))
            return begin(self, context, ratings, *others)

        return exchange

    for estimator in (_AlternatingFactorizer, SGD):
        monkeypatch.setattr(estimator, "_exchange", lose_and_begin(estimator._exchange))


def lose_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Spark lose the cells before the first epoch."""
    begin = SGD._exchange

    def begin_and_lose(self: Any, context: Any, *others: Any) -> Any:
        exchange = begin(self, context, *others)
        lose(context, exchange._grid.rows)  # type: ignore[attr-defined]
        return exchange

    monkeypatch.setattr(SGD, "_exchange", begin_and_lose)


def lose_id_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Spark lose the id maps before the first iteration."""
    begin = _AlternatingFactorizer._exchange

    def lose_and_begin(self: Any, context: Any, ratings: Any, *others: Any) -> Any:
        lose(context, ratings.user_ids.frame, ratings.item_ids.frame)
        return begin(self, context, ratings, *others)

    monkeypatch.setattr(_AlternatingFactorizer, "_exchange", lose_and_begin)


@pytest.mark.parametrize(("estimator", "changing"), [(ALS, anonymous), (SGD, sampled)])
def test_string_ids_and_ratings_come_from_one_evaluation(named, estimator, changing):
    model = small(estimator).fit(changing(named))
    assert model.userFactors.count() == model.summary.users
    assert model.itemFactors.count() == model.summary.items
    if changing is anonymous:
        assert (model.summary.users, model.summary.ratings) == (600, 600)


@pytest.mark.slow
def test_the_model_of_a_table_that_grows_is_that_of_one_of_its_states(spark, tmp_path, caplog):
    spark.dataSource.register(Growing)
    counter = tmp_path / "reads"
    with caplog.at_level(logging.WARNING, logger="spark_mf"):
        model = small().fit(spark.read.format("growing").option("path", str(counter)).load())
    # For both maps and the chunks, and once more for all of them.
    assert counter.read_bytes() == b"xxxx"
    assert sorted(row.id for row in model.userFactors.collect()) == sorted(f"u{user}" for user in range(50))
    assert model.itemFactors.count() == model.summary.items == 12
    assert "gave other ids when it was computed again" in caplog.text


def test_rows_that_stay_the_same_are_not_persisted(named, monkeypatch):
    """Persisting strings costs more than computing them again, also with ids that only validation rows have."""
    persisted, persist = [], ClassicDataFrame.persist

    def record_and_persist(frame: Any, *level: Any) -> Any:
        persisted.append(frame.columns)
        return persist(frame, *level)

    monkeypatch.setattr(ClassicDataFrame, "persist", record_and_persist)
    small(validationIndicatorCol="held").fit(named.withColumn("held", F.col("user") < "u2"))
    assert persisted == [["key", "id"], ["key", "id"], ["id", "features"], ["id", "features"]]


@pytest.mark.parametrize(
    ("changing", "what"), [(sampled, NUMBER), (reassigned, "as many others"), (rerated, "as many others")]
)
def test_chunks_that_are_computed_again_must_be_the_same(ratings, monkeypatch, tmp_path, changing, what):
    lose_chunks(monkeypatch)
    sentence = SENTENCE.format(f"{NUMBER} training ratings", what)
    data = changing(ratings)
    with pytest.raises(ValueError, match=sentence):
        small().fit(data)
    with pytest.raises(ValueError, match=sentence):
        partition_ratings(data, str(tmp_path / "folder"), userBlocks=1, itemBlocks=1)
    if changing is not rerated:  # which SGD, with one layout, has no second pass of
        with pytest.raises(ValueError, match=sentence):
            small(SGD).fit(data)


def only_later(row: tuple[Any, ...], held: bool, seen: Path, spark: SparkSession) -> DataFrame:
    """One row that the first pass does not have."""

    def later() -> bool:
        is_later = seen.exists()
        seen.touch()
        return is_later

    appears = F.udf(later, "boolean").asNondeterministic()
    added = spark.createDataFrame([row], "user int, item int, rating float").withColumn("held", F.lit(held))
    return added.coalesce(1).where(appears())


def test_ids_that_a_later_pass_adds_are_left_out(spark, ratings, monkeypatch, tmp_path):
    """The first pass did not count them: they must not become those of another user."""
    lose_chunks(monkeypatch)
    kept = ratings.withColumn("held", F.lit(False))
    for estimator in (ALS, SGD):
        expected = small(estimator).fit(kept)
        added = only_later((1000, 3, 5.0), False, tmp_path / estimator.__name__, spark)
        assert_same_model(small(estimator).fit(kept.union(added)), expected)


def test_validation_rows_must_be_the_same_too(spark, ratings, monkeypatch, tmp_path):
    lose_chunks(monkeypatch)
    data = ratings.withColumn("held", F.lit(False)).union(only_later((3, 21, 5.0), True, tmp_path / "seen", spark))
    with pytest.raises(ValueError, match=SENTENCE.format("0 validation ratings", "1")):
        small(validationIndicatorCol="held").fit(data)


@pytest.mark.parametrize(
    ("estimator", "engine", "losing"),
    [
        (ALS, "broadcast", lose_layouts),
        (ALS, "ring", lose_layouts),
        (SGD, "stages", lose_layouts),
        (SGD, "stages", lose_grid),
        (SGD, "ring", lose_grid),
    ],
)
def test_blocks_that_are_laid_out_again_must_be_the_same(ratings, monkeypatch, estimator, engine, losing):
    fit = small(estimator, engine=engine).fit
    losing(monkeypatch)
    assert fit(ratings).summary.users == 70
    of_a_block = rf"{NUMBER} ratings of block 0 of the (users|items)"
    with pytest.raises(ValueError, match=SENTENCE.format(of_a_block, "as many others")):
        fit(rerated(ratings))


def test_an_id_map_that_is_made_again_must_know_every_id(named, monkeypatch):
    lose_id_maps(monkeypatch)
    assert small().fit(named).userFactors.where("id IS NULL").count() == 0
    with pytest.raises(ValueError, match=SENTENCE.format("ids", "not all of them")):
        small().fit(anonymous(named))


@pytest.mark.slow
def test_factors_that_are_joined_again_have_all_their_rows_or_fail(named):
    """Spark computes a model's factors again where it could not keep them."""
    for level in ("MEMORY_AND_DISK", "NONE"):
        model = small(finalStorageLevel=level).fit(named)
        model.userFactors.unpersist(blocking=True)
        assert model.userFactors.count() == model.summary.users
        model = small(finalStorageLevel=level).fit(anonymous(named))
        model.userFactors.unpersist(blocking=True)
        with pytest.raises(Exception, match="The dataset must give the same rows every time it is computed, got ids"):
            model.userFactors.collect()


def test_fits_of_the_same_dataset_do_not_free_each_others_rows(named):
    one, other = (with_own_plan(named).persist(LEVEL) for _ in range(2))
    one.unpersist()
    assert other.storageLevel.useMemory
    assert not one.storageLevel.useMemory
    other.unpersist()


def test_unchanged_blocks_pass_and_others_do_not():
    counts = (BlockCounts(ratings=1200, training=5), BlockCounts(ratings=7, validation_ratings=2, validation=9))
    blocks = tuple(PackedBlock(number, b"", b"", each) for number, each in enumerate(counts))
    unchanged = Unchanged("items", ((1200, 5, 0), (9, 0, 9)))
    assert unchanged(blocks) is blocks
    for other, sentence in (
        (counts[0]._replace(ratings=1198), ("1,200 ratings of block 0 of the items", "1,198")),
        (counts[0]._replace(training=6), ("1,200 ratings of block 0 of the items", "as many others")),
        (counts[0]._replace(validation=6), ("1,200 ratings of block 0 of the items", "as many others")),
    ):
        with pytest.raises(ValueError, match=SENTENCE.format(*sentence)):
            unchanged((blocks[0]._replace(counts=other), blocks[1]))


def test_the_sentence_is_found_in_what_tasks_and_spark_fail_with():
    for sentence in (str(changed_rows("users", 1204, 1198)), missing_rows("ids")):
        for shown in (
            sentence,
            f"iteration 1 failed: ValueError: {sentence.rstrip('.')}. See Spark's log for details.",
        ):
            with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"), changed_rows_told():
                raise RuntimeError(f"Job aborted\n  File x\n{shown} SQLSTATE: P0001\n\tat java")
    error = ValueError("rank")
    with pytest.raises(ValueError, match="rank") as found, changed_rows_told():
        raise error
    assert found.value is error
