"""Selection of the engine of a fit."""

import logging

from py4j.protocol import Py4JError
from pyspark import SparkContext

from spark_mf.runtime.refusal import is_refusal

logger = logging.getLogger("spark_mf")

AUTO, RING = "auto", "ring"

# Settings that require encryption if they are "true"; the connections of the ring are not encrypted.
_ENCRYPTION = (
    "spark.network.crypto.enabled",
    "spark.authenticate.enableSaslEncryption",
    "spark.ssl.enabled",
    "spark.ssl.rpc.enabled",
)


def task_slots(context: SparkContext) -> int:
    """Return the current number of task slots, each of `spark.task.cpus` cores; at least 1.

    On platforms that do not let Python call this method of Spark, the number follows from the default parallelism.
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
    """Return "ring" if it can run and is requested, otherwise the engine of ordinary stages.

    Parameters
    ----------
    context : SparkContext
    asked : str
        "auto", "ring", or `otherwise`.
    n_members : int
        Number of tasks of a barrier stage.
    otherwise : str
        The engine of ordinary stages. With "auto" a warning explains why it is selected.

    Raises
    ------
    ValueError
        If `asked` is "ring" and the ring cannot run.
    """
    if asked == otherwise:
        return otherwise
    obstacle = _obstacle(context, n_members)
    if obstacle is None:
        return RING
    reason, fix = obstacle
    if asked == RING:
        raise ValueError(f"engine must be {otherwise!r}, because {reason}, got 'ring'. {fix}, or use that engine.")
    logger.warning("Using engine=%r, which is slower than the ring, because %s. %s.", otherwise, reason, fix)
    return otherwise


def _obstacle(context: SparkContext, n_members: int) -> tuple[str, str] | None:
    """Return why a ring cannot run, and how to fix that; None if it can run."""
    conf = context.getConf()
    if (conf.get("spark.dynamicAllocation.enabled", "false") or "").lower() == "true":
        return (
            "spark.dynamicAllocation.enabled is true and Spark does not run barrier stages with dynamic allocation",
            "Set it to false",
        )
    for key in _ENCRYPTION:
        if (conf.get(key, "false") or "").lower() == "true":
            return (
                f"{key} is true and the connections of the ring are not encrypted",
                "Set it to false if encryption is not required",
            )
    slots = task_slots(context)
    if n_members > slots:
        return (
            f"{n_members} user blocks need as many task slots and the session has {slots}",
            f"Use at most {slots} user blocks, or more cores",
        )
    return None
