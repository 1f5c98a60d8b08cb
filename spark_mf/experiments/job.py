"""What every job needs round its work: a session, and one sentence for a fault of the input."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from spark_mf.experiments.session import local_session


@contextmanager
def job_session(app_name: str, *, master: str | None, driver_memory: str | None) -> Iterator[SparkSession]:
    """The session of `local_session`, stopped at the end unless it was running before."""
    running = SparkSession.getActiveSession()
    spark = local_session(app_name, master=master, driver_memory=driver_memory)
    try:
        if running is None:
            _use_few_shuffle_partitions(spark)
        yield spark
    finally:
        if running is None:
            spark.stop()


def _use_few_shuffle_partitions(spark: SparkSession) -> None:
    """Fit the number of shuffle partitions to a local session, unless the user has set one.

    Spark's default of 200 is for clusters: on a few cores, joining predictions with test rows took three times as
    long with it.  Neither pyspark's ALS nor spark_mf's shuffles by this setting.
    """
    context = spark.sparkContext
    name = "spark.sql.shuffle.partitions"
    if (context.master or "").startswith("local") and not context.getConf().contains(name):
        spark.conf.set(name, 2 * context.defaultParallelism)


@contextmanager
def one_sentence_faults(program: str) -> Iterator[None]:
    """End the program with exit code 2 and the message of an error that the input is to blame for.

    Wrapped only round what checks and reads input: an error anywhere else keeps its traceback.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError) as fault:
        print(f"{program}: {fault}", file=sys.stderr)
        raise SystemExit(2) from None
