"""Tests that a fit releases all its broadcasts and persisted data, however it ends."""

from contextlib import suppress
from typing import Any

import pytest
from pyspark import RDD, Broadcast, SparkContext
from pyspark.sql import functions as F
from pyspark.sql.classic.dataframe import DataFrame

from spark_mf import ALS, SGD
from spark_mf.ratings.folder_writing import partition_ratings

#: What starts a job, with the public methods that end in it.
RDD_ACTIONS = ((RDD, "collect"), (SparkContext, "runJob"))
FRAME_ACTIONS = tuple((DataFrame, name) for name in ("collect", "count", "toArrow"))


class FailedJobError(Exception):
    """The job that a test had fail."""


class Kept:
    """What is kept in Spark since the test began."""

    def __init__(self, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._context = session.sparkContext._jsc
        self._sent: list[Any] = []
        self._destroyed: set[int] = set()
        broadcast, destroy = SparkContext.broadcast, Broadcast.destroy

        def sending(context: SparkContext, value: Any) -> Any:
            self._sent.append(broadcast(context, value))
            return self._sent[-1]

        def destroying(sent: Any, blocking: bool = False) -> None:
            self._destroyed.add(id(sent))
            destroy(sent, blocking)

        monkeypatch.setattr(SparkContext, "broadcast", sending)
        monkeypatch.setattr(Broadcast, "destroy", destroying)
        self._before = self._persisted()

    def _persisted(self) -> set[int]:
        return set(self._context.getPersistentRDDs())

    def require_nothing(self) -> None:
        """Assert that every broadcast was destroyed, and that nothing is persisted that was not before."""
        assert [sent for sent in self._sent if id(sent) not in self._destroyed] == []
        assert self._persisted() == self._before


class FailingJob:
    """Has the n-th action of some kinds fail before it starts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kinds: Any) -> None:
        self.number = self.actions = 0
        for cls, name in kinds:
            monkeypatch.setattr(cls, name, self._counted(getattr(cls, name)))

    def _counted(self, action: Any) -> Any:
        def act(*args: Any, **kwargs: Any) -> Any:
            self.actions += 1
            if self.actions == self.number:
                raise FailedJobError
            return action(*args, **kwargs)

        return act


@pytest.fixture(scope="module")
def ratings(spark):
    columns = ("cast(id % 7 AS int) user", "cast(id * 3 % 5 AS int) item", "cast(id % 4 + 1 AS float) rating")
    return spark.range(0, 40, 1, 1).selectExpr(*columns, "id % 9 = 0 AS held")


@pytest.fixture(scope="module")
def named(ratings):
    return ratings.withColumns({"user": F.col("user").cast("string"), "item": F.col("item").cast("string")})


@pytest.fixture(scope="module")
def folder(ratings, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("released") / "folder")
    return partition_ratings(ratings, path, userBlocks=1, itemBlocks=2)


def small(estimator: type, **params: Any) -> Any:
    given = {"rank": 2, "maxIter": 1, "seed": 1, "numUserBlocks": 1, "numItemBlocks": 2}
    return estimator(**{**given, "validationIndicatorCol": "held", **params})


@pytest.mark.parametrize(
    ("estimator", "jobs"),
    [
        (small(ALS, engine="broadcast", tol=1e-9), 5),
        (small(ALS, engine="ring", numItemBlocks=1), 4),
        (small(SGD, engine="stages"), 6),
    ],
    ids=["ALS by broadcasts", "ALS on the ring", "SGD by stages"],
)
def test_nothing_is_left_whichever_job_of_a_fit_fails(spark, monkeypatch, ratings, estimator, jobs):
    _fail_at_every_job(spark, monkeypatch, RDD_ACTIONS, jobs, lambda: estimator.fit(ratings))


def test_nothing_is_left_whichever_job_for_string_ids_fails(spark, monkeypatch, named):
    als = small(ALS, engine="ring", numItemBlocks=1)
    _fail_at_every_job(spark, monkeypatch, FRAME_ACTIONS, 4, lambda: als.fit(named))


def test_nothing_is_left_whichever_job_of_reading_a_folder_fails(spark, monkeypatch, folder):
    sgd = small(SGD, engine="ring", validationIndicatorCol=None)
    _fail_at_every_job(spark, monkeypatch, (*RDD_ACTIONS, *FRAME_ACTIONS), 7, lambda: sgd.fit(folder))


def test_nothing_is_left_whichever_job_of_writing_a_folder_fails(spark, monkeypatch, ratings, tmp_path):
    path, layouts = str(tmp_path / "folder"), ("blocks", "grid")

    def write() -> None:
        partition_ratings(ratings, path, userBlocks=1, itemBlocks=1, layouts=layouts, overwrite=True)

    _fail_at_every_job(spark, monkeypatch, (*RDD_ACTIONS, *FRAME_ACTIONS), 9, write)


def _fail_at_every_job(spark: Any, monkeypatch: pytest.MonkeyPatch, kinds: Any, jobs: int, work: Any) -> None:
    """Let work fail at each of its jobs in turn, of which there are at least so many, and at last succeed."""
    kept, failing = Kept(spark, monkeypatch), FailingJob(monkeypatch, kinds)
    while failing.actions >= failing.number:
        failing.number, failing.actions = failing.number + 1, 0
        with suppress(FailedJobError):
            model = work()
            if model is not None:
                model.userFactors.unpersist()
                model.itemFactors.unpersist()
        kept.require_nothing()
    assert failing.actions >= jobs


@pytest.mark.parametrize(
    "estimator",
    [
        small(SGD, engine="stages", stepSize=50.0, maxIter=3),
        small(SGD, engine="ring", stepSize=50.0, maxIter=3),
        small(ALS, engine="broadcast", maxIter=3, rank=1),
        small(ALS, engine="ring", maxIter=3, rank=1, numItemBlocks=1),
    ],
    ids=["SGD by stages", "SGD on the ring", "ALS by broadcasts", "ALS on the ring"],
)
def test_nothing_is_left_of_a_fit_that_diverges(spark, monkeypatch, ratings, estimator):
    if isinstance(estimator, ALS):
        ratings = ratings.withColumn("rating", F.lit(3e38).cast("float"))
        estimator = estimator.setRegParam(0.0)
    kept = Kept(spark, monkeypatch)
    with pytest.raises(ArithmeticError) as held_on_to:
        estimator.fit(ratings)
    # The error, which holds the frames that it went through, is still there.
    assert held_on_to.tb is not None
    kept.require_nothing()
