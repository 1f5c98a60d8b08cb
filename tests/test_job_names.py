"""Tests of the job descriptions of a fit in Spark's UI."""

from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_mf import ALS, SGD
from spark_mf.data.generating import generate_ratings
from spark_mf.resources.workers import require_workers


def descriptions(spark: SparkSession) -> dict[int, str | None]:
    """Descriptions of the jobs that Spark still knows, by their numbers; None for a job without."""
    context = spark.sparkContext._jsc.sc()
    context.listenerBus().waitUntilEmpty(30_000)
    jobs = context.statusStore().jobsList(None)
    found = {jobs.apply(place).jobId(): jobs.apply(place).description() for place in range(jobs.size())}
    return {number: found[number].get() if found[number].isDefined() else None for number in sorted(found)}


def test_every_job_of_a_fit_says_what_it_does(spark: SparkSession, tmp_path: Path):
    ratings = generate_ratings(spark, users=20, items=15, ratings=150, seed=2)
    named = ratings.withColumn("user", F.format_string("u%d", "user")).localCheckpoint()
    given: dict[str, Any] = {"rank": 2, "maxIter": 2, "numUserBlocks": 1, "numItemBlocks": 1}
    folders: dict[str, Any] = {"checkpointDir": str(tmp_path / "fit"), "checkpointInterval": 1}
    require_workers(spark)  # by a job, if this test is the session's first
    last = max(descriptions(spark))
    model = ALS(engine="broadcast", **given, **folders).fit(named)
    model.save(str(tmp_path / "model"))
    model.recommendForAllItems(2)
    SGD(engine="ring", **given).fit(ratings)
    names = [name for number, name in descriptions(spark).items() if number > last]
    assert list(dict.fromkeys(names)) == [
        "compute keys of the user ids",
        "check and count ratings",
        "lay ratings out by users",
        "lay ratings out by items",
        "ALS 1/2 items",
        "ALS 1/2 users",
        "write the checkpoint of iteration 1",
        "ALS 2/2 items",
        "ALS 2/2 users",
        "write the checkpoint of iteration 2",
        "restore the ids of factors",
        "save the model",
        "collect the candidates of recommendations",
        "cut ratings into cells",
        "SGD 1–2/2",
    ]
