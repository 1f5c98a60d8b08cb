"""Whether a fit finds the memory that it needs, told in numbers before the long work."""

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext

from spark_mf.resources.engine_selection import task_slots
from spark_mf.resources.memory import MIB, MemoryPlan
from spark_mf.runtime.refusal import is_refusal

logger = logging.getLogger("spark_mf")

_SIZE = re.compile(r"(\d+)\s*([kmgtp]?)(b?)")
_UNITS = {"b": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
# What Spark takes where they are not set.
_OVERHEAD_FACTOR, _LEAST_OVERHEAD = "0.10", "384m"
# Libraries map far more than they fill, and spark.executor.pyspark.memory limits what is mapped.
_MAPPED = 512 * MIB
_PODS = "k8s"  # of a master
_MEMORY_OF_A_CONTAINER = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class ExecutorRoom:
    """What an executor of a cluster has, in bytes.

    Attributes
    ----------
    heap : int
        spark.executor.memory.
    cores, workers : int
        Its cores, and the tasks of spark.task.cpus that run on it at the same time.
    pyspark : int or None
        spark.executor.pyspark.memory, of which Spark gives each worker one core's part, of addresses.
    overhead : int
        spark.executor.memoryOverhead, or what Spark takes for it.
    is_enforced : bool
        Whether more is refused to its workers: the user has set it, or YARN or Kubernetes end such an executor.
    """

    heap: int
    cores: int
    workers: int
    pyspark: int | None
    overhead: int
    is_enforced: bool


@dataclass(frozen=True)
class Room:
    """What a session has, in bytes.

    Attributes
    ----------
    result : int
        spark.driver.maxResultSize; 0 for any.
    driver_heap : int
    driver_overhead : int or None
        spark.driver.memoryOverhead, or what Spark takes for it, in cluster mode, where the driver's Python has no more
        than that; None in client mode.
    machine : int
        Of the driver's machine or container.
    slots : int
        Tasks that run at the same time.
    executor : ExecutorRoom or None
        None in local mode, where tasks run in the driver.
    """

    result: int
    driver_heap: int
    driver_overhead: int | None
    machine: int
    slots: int
    executor: ExecutorRoom | None

    def workers(self, plan: MemoryPlan) -> int:
        """Python workers that a fit keeps busy at the same time on an executor, or on the machine in local mode."""
        return max(1, min(plan.members, self.executor.workers if self.executor else self.slots))


def require_memory(context: SparkContext, name: str, plan: MemoryPlan) -> None:
    """Log what a fit needs, and refuse one that cannot have it.

    Parameters
    ----------
    context : SparkContext
    name : str
        What the fit is called.
    plan : MemoryPlan

    Raises
    ------
    MemoryError
        When it cannot, with what is needed, what is there, and the settings that would do.
    """
    room = session_room(context)
    logger.info("%s", plan_summary(name, plan, room))
    obstacle = shortfall(name, plan, room)
    if obstacle is not None:
        raise MemoryError(obstacle)


def require_room(context: SparkContext, n_users: int, n_items: int, rank: int) -> None:
    """Refuse factor matrices that cannot pass through the driver, one side's at a time.

    They are n·rank·4 bytes, wait in the driver's JVM heap and again while Python reads them, and may not exceed
    spark.driver.maxResultSize.

    Raises
    ------
    MemoryError
        When they would, with the bytes needed and the setting that would do.
    """
    rows = max(n_users, n_items)
    needed = rows * rank * 4
    what = f"the factors of {rows:,} rows at rank {rank} are"
    obstacle = _drivers_shortfall(what, needed, 2 * needed, session_room(context))
    if obstacle is not None:
        raise MemoryError(obstacle)


def plan_summary(name: str, plan: MemoryPlan, room: Room) -> str:
    """What a fit needs, in one line."""
    workers = room.workers(plan)
    python = f"{workers} Python worker{'s' if workers > 1 else ''} of {_mib(plan.worker)} MiB each"
    if room.executor is not None:
        python = f"each executor {_mib(plan.executor_heap(workers))} MiB of heap and {python}"
    return (
        f"{name} needs about, in memory: the driver {_mib(plan.driver_heap)} MiB of heap and "
        f"{_mib(plan.driver_python)} MiB of Python; {python}; for the ratings {_mib(plan.cached)} MiB in all that "
        "may go to disk"
    )


def shortfall(name: str, plan: MemoryPlan, room: Room) -> str | None:
    """Return why a fit does not find its memory, with the way out; None where it does."""
    what = f"{name} sends the driver factors of"
    obstacle = _drivers_shortfall(what, plan.result, plan.driver_heap, room)
    if obstacle is not None:
        return obstacle
    workers = room.workers(plan)
    if room.executor is not None:
        return _drivers_python_shortfall(name, plan, room) or _executors_shortfall(name, plan, workers, room.executor)
    needed = plan.driver_heap + plan.driver_python + workers * plan.worker
    if needed > room.machine:
        return (
            f"{name} needs {_mib(needed)} MiB for the driver and {workers} Python workers of {_mib(plan.worker)} MiB, "
            f"but the machine has {_mib(room.machine)} MiB: use fewer cores, as in --master local[1], a smaller rank, "
            "or a cluster"
        )
    return None


def _drivers_shortfall(what: str, result: int, heap: int, room: Room) -> str | None:
    if room.result and result > room.result:
        return (
            f"{what} {_mib(result)} MiB, but spark.driver.maxResultSize is {_mib(room.result)} MiB: set it to at least "
            f"{_setting(result)}, or use a smaller rank"
        )
    if heap > room.driver_heap:
        return (
            f"{what} {_mib(result)} MiB and pass its heap twice over, which has {_mib(room.driver_heap)} MiB: set "
            f"spark.driver.memory to at least {_setting(heap)}, or use a smaller rank"
        )
    return None


def _drivers_python_shortfall(name: str, plan: MemoryPlan, room: Room) -> str | None:
    if room.driver_overhead is not None:
        if plan.driver_python > room.driver_overhead:
            return (
                f"{name} needs {_mib(plan.driver_python)} MiB for the driver's Python, but spark.driver.memoryOverhead "
                f"is {_mib(room.driver_overhead)} MiB: set it to at least {_setting(plan.driver_python)}, or use a "
                "smaller rank"
            )
        return None
    needed = plan.driver_heap + plan.driver_python
    if needed > room.machine:
        return (
            f"{name} needs {_mib(needed)} MiB for the driver, its heap and its Python, but the driver's machine has "
            f"{_mib(room.machine)} MiB: start it on a larger one, or use a smaller rank"
        )
    return None


def _executors_shortfall(name: str, plan: MemoryPlan, workers: int, executor: ExecutorRoom) -> str | None:
    heap = plan.executor_heap(workers)
    if heap > executor.heap:
        return (
            f"{name} needs {_mib(heap)} MiB of each executor's heap, but spark.executor.memory is "
            f"{_mib(executor.heap)} MiB: set it to at least {_setting(heap)}, or use more blocks"
        )
    fewer = "fewer tasks at a time by a smaller spark.executor.cores, or a smaller rank"
    needed = workers * plan.worker
    if executor.pyspark is not None:
        limit, mapped = executor.pyspark // executor.cores, plan.worker + _MAPPED
        if mapped > limit:
            return (
                f"{name} needs {_mib(mapped)} MiB of address space in each Python worker, but "
                f"spark.executor.pyspark.memory is {_mib(executor.pyspark)} MiB, {_mib(limit)} MiB for each of "
                f"{executor.cores} cores: set it to at least {_setting(mapped * executor.cores)}, or use {fewer}"
            )
    elif executor.is_enforced and needed > executor.overhead:
        return (
            f"{name} needs {_mib(needed)} MiB for the {workers} Python workers of each executor, but "
            f"spark.executor.memoryOverhead is {_mib(executor.overhead)} MiB: set it to at least {_setting(needed)}, "
            f"or use {fewer}"
        )
    return None


def session_room(context: SparkContext) -> Room:
    """Return what a running session has."""
    conf, slots = context.getConf(), task_slots(context)
    master = context.master or ""
    is_local = runs_in_driver(master)
    n_executors = 1 if is_local else _executors(context)
    return Room(
        result=_bytes(conf, "spark.driver.maxResultSize", "1g", unit="b"),
        driver_heap=_driver_heap(context),
        driver_overhead=driver_overhead(conf, master),
        machine=machine_memory(),
        slots=slots,
        executor=None if is_local else executor_room(conf, master, -(-slots // n_executors)),
    )


def _driver_heap(context: SparkContext) -> int:
    """Bytes that the driver's JVM may take; by its setting where the platform does not let Python ask the JVM."""
    try:
        return int(context._jvm.java.lang.Runtime.getRuntime().maxMemory())  # type: ignore[union-attr]
    except Py4JError as error:
        if not is_refusal(error):
            raise
        return _bytes(context.getConf(), "spark.driver.memory", "1g")


def _executors(context: SparkContext) -> int:
    """Executors that a cluster has given; by the setting where the platform does not let Python ask the JVM."""
    try:
        return max(1, int(context._jsc.sc().getExecutorMemoryStatus().size()) - 1)
    except Py4JError as error:
        if not is_refusal(error):
            raise
        return max(1, int(context.getConf().get("spark.executor.instances", "1") or 1))


def executor_room(conf: SparkConf, master: str, workers: int) -> ExecutorRoom:
    """Return what an executor has by a session's settings, on which so many tasks run at the same time."""
    heap = _bytes(conf, "spark.executor.memory", "1g")
    pyspark = conf.get("spark.executor.pyspark.memory", None)
    cores = int(conf.get("spark.executor.cores", None) or workers * int(conf.get("spark.task.cpus", "1") or 1))
    is_set = any(
        conf.get(name, None) for name in ("spark.executor.memoryOverhead", "spark.executor.memoryOverheadFactor")
    )
    return ExecutorRoom(
        heap=heap,
        cores=cores,
        workers=workers,
        pyspark=_bytes(conf, "spark.executor.pyspark.memory", "0") if pyspark else None,
        overhead=_overhead(conf, "executor", heap, master),
        is_enforced=is_set or master.startswith(("yarn", _PODS)),
    )


def driver_overhead(conf: SparkConf, master: str) -> int | None:
    """Return what a driver in cluster mode has beside its heap, by a session's settings; None in client mode."""
    # In its pod it is started in client mode, by another setting.
    for name, value in (("spark.submit.deployMode", "cluster"), ("spark.kubernetes.submitInDriver", "true")):
        if conf.get(name, None) == value:
            return _overhead(conf, "driver", _bytes(conf, "spark.driver.memory", "1g"), master)
    return None


def _overhead(conf: SparkConf, role: str, heap: int, master: str) -> int:
    """What Spark adds to the heap of an "executor", or of a "driver" in cluster mode."""
    factor = conf.get(f"spark.{role}.memoryOverheadFactor", None)
    if factor is None and master.startswith(_PODS):
        # Spark sets it itself, to 0.4, for a driver in a pod and so for its executors; in client mode it does not.
        factor = conf.get("spark.kubernetes.memoryOverheadFactor", None)
    least = _bytes(conf, f"spark.{role}.minMemoryOverhead", _LEAST_OVERHEAD)
    usual = max(int(heap * float(factor or _OVERHEAD_FACTOR)), least)
    return _bytes(conf, f"spark.{role}.memoryOverhead", f"{usual}b")


def runs_in_driver(master: str) -> bool:
    """Whether tasks run on the driver's machine, as children of its JVM, and no executor has memory of its own."""
    return master.startswith("local") and not master.startswith("local-cluster")


def machine_memory() -> int:
    """Bytes of this machine's memory, or of its container's where that has less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = _MEMORY_OF_A_CONTAINER.read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def _bytes(conf: SparkConf, key: str, default: str, unit: str = "m") -> int:
    """Return a size of Spark's settings, in bytes; `unit` is what Spark takes it in where it names none."""
    value = (conf.get(key, default) or default).strip().lower()
    number, written, ends_in_b = _SIZE.fullmatch(value).groups()  # type: ignore[union-attr]  # Spark has checked it
    return int(number) * _UNITS[written or ("b" if ends_in_b else unit)]


def _mib(amount: int) -> str:
    return f"{-(-amount // MIB):,}"


def _setting(needed: int) -> str:
    """A size as Spark's settings take it, with a little to spare."""
    return f"{needed // MIB + 64}m"
