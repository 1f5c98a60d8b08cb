"""Which engine a fit runs on: whether a gang of tasks can run at the same time and talk to each other."""

import logging

from py4j.protocol import Py4JError
from pyspark import SparkContext

from spark_mf.runtime.refusal import is_refusal

logger = logging.getLogger("spark_mf")

AUTO, RING = "auto", "ring"

# What each setting demands when it is "true"; the ring's connections carry factors in the clear.
_ENCRYPTION = (
    "spark.network.crypto.enabled",
    "spark.authenticate.enableSaslEncryption",
    "spark.ssl.enabled",
    "spark.ssl.rpc.enabled",
)


def task_slots(context: SparkContext) -> int:
    """Return how many tasks of `spark.task.cpus` cores each can run at the same time now; at least 1.

    Where a platform does not let Python call this method of Spark's, it is what Spark's default parallelism has room
    for.
    """
    try:
        scheduler = context._jsc.sc()
        slots = scheduler.maxNumConcurrentTasks(scheduler.resourceProfileManager().defaultResourceProfile())
    except Py4JError as error:
        if not is_refusal(error):
            raise
        slots = context.defaultParallelism // int(context.getConf().get("spark.task.cpus", "1") or 1)
    return max(1, int(slots))


def choose_engine(context: SparkContext, asked: str, n_members: int, otherwise: str) -> str:
    """Return "ring" or the engine that stands in for it.

    Parameters
    ----------
    context : SparkContext
    asked : str
        "auto", "ring", or `otherwise`.
    n_members : int
        Tasks of the gang.
    otherwise : str
        The engine of ordinary stages. "auto" logs why it is taken.

    Raises
    ------
    ValueError
        When "ring" was asked for and cannot run.
    """
    if asked == otherwise:
        return otherwise
    obstacle = _obstacle(context, n_members)
    if obstacle is None:
        return RING
    if asked == RING:
        raise ValueError(f"engine='ring' cannot run: {obstacle}; or use engine={otherwise!r}")
    logger.warning("engine=%r is used, which is slower than the ring: %s", otherwise, obstacle)
    return otherwise


def _obstacle(context: SparkContext, n_members: int) -> str | None:
    """Why a gang of tasks that talk to each other cannot run, with the way out; None where it can."""
    conf = context.getConf()
    if (conf.get("spark.dynamicAllocation.enabled", "false") or "").lower() == "true":
        return (
            "spark.dynamicAllocation.enabled is true, with which Spark runs no tasks that wait for each other: set "
            "it to false"
        )
    for key in _ENCRYPTION:
        if (conf.get(key, "false") or "").lower() == "true":
            return f"{key} is true and the ring's connections are not encrypted: set it to false if they need not be"
    slots = task_slots(context)
    if n_members > slots:
        return (
            f"{n_members} blocks of users need as many tasks at the same time, and the session has room for {slots}: "
            f"use at most {slots} blocks, or more cores"
        )
    return None
