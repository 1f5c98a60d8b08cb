"""Memory limits of a session, and the check of a fit's memory plan against them."""

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
# Spark's defaults.
_OVERHEAD_FACTOR, _LEAST_OVERHEAD = "0.10", "384m"
# Libraries map much more address space than they use, and spark.executor.pyspark.memory limits the address space.
_MAPPED = 512 * MIB
_PODS = "k8s"  # prefix of a master URL
_MEMORY_OF_A_CONTAINER = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class ExecutorMemory:
    """The memory of an executor of a cluster, in bytes.

    Attributes
    ----------
    heap : int
        spark.executor.memory.
    cores, workers : int
        Number of cores and of task slots.
    pyspark : int or None
        spark.executor.pyspark.memory; each worker gets the share of one core as the limit of its address space.
    overhead : int
        spark.executor.memoryOverhead or its default.
    is_enforced : bool
        Whether the overhead limits the Python workers: the user has set it, or YARN or Kubernetes enforce it.
    """

    heap: int
    cores: int
    workers: int
    pyspark: int | None
    overhead: int
    is_enforced: bool


@dataclass(frozen=True)
class SessionMemory:
    """The memory of a session, in bytes.

    Attributes
    ----------
    result : int
        spark.driver.maxResultSize; 0 for no limit.
    driver_heap : int
    driver_overhead : int or None
        spark.driver.memoryOverhead or its default in cluster mode, where it limits the driver's Python; None in client
        mode.
    machine : int
        Memory of the driver's machine or container.
    slots : int
        Number of task slots.
    executor : ExecutorMemory or None
        None in local mode, where tasks run on the driver's machine.
    """

    result: int
    driver_heap: int
    driver_overhead: int | None
    machine: int
    slots: int
    executor: ExecutorMemory | None

    def workers(self, plan: MemoryPlan) -> int:
        """Return the number of busy Python workers of a fit per executor, or on the machine in local mode."""
        return max(1, min(plan.members, self.executor.workers if self.executor else self.slots))


def require_memory(context: SparkContext, name: str, plan: MemoryPlan) -> None:
    """Log the memory that a fit needs; raise an error unless the session has it.

    Parameters
    ----------
    context : SparkContext
    name : str
        Name of the estimator.
    plan : MemoryPlan

    Raises
    ------
    MemoryError
        If the session has less; the message has both amounts and the setting to change.
    """
    available = session_memory(context)
    logger.info("%s", plan_summary(name, plan, available))
    obstacle = shortfall(name, plan, available)
    if obstacle is not None:
        raise MemoryError(obstacle)


def require_room(context: SparkContext, n_users: int, n_items: int, rank: int) -> None:
    """Raise an error unless factor matrices can pass through the driver, one side at a time.

    A matrix has n·rank·4 bytes. The driver's JVM heap needs twice that while Python reads the matrix, and
    spark.driver.maxResultSize limits it.

    Raises
    ------
    MemoryError
        If a limit is exceeded; the message has both amounts and the setting to change.
    """
    rows = max(n_users, n_items)
    needed = rows * rank * 4
    what = f"the factors of {rows:,} rows at rank {rank}"
    obstacle = _drivers_shortfall(what, needed, 2 * needed, session_memory(context))
    if obstacle is not None:
        raise MemoryError(obstacle)


def plan_summary(name: str, plan: MemoryPlan, available: SessionMemory) -> str:
    """Return the memory that a fit needs, as one line."""
    workers = available.workers(plan)
    python = f"{workers} Python worker{'s' if workers > 1 else ''} of {_mib(plan.worker)} MiB each"
    if available.executor is not None:
        python = f"each executor {_mib(plan.executor_heap(workers))} MiB of heap and {python}"
    return (
        f"Estimated memory of {name}: driver {_mib(plan.driver_heap)} MiB of heap and {_mib(plan.driver_python)} MiB "
        f"of Python; {python}; cached ratings {_mib(plan.cached)} MiB in total, which may spill to disk."
    )


def shortfall(name: str, plan: MemoryPlan, available: SessionMemory) -> str | None:
    """Return the error message for a fit that needs more memory than there is; None if there is enough."""
    what = f"the factors that {name} sends to the driver"
    obstacle = _drivers_shortfall(what, plan.result, plan.driver_heap, available)
    if obstacle is not None:
        return obstacle
    workers = available.workers(plan)
    if available.executor is not None:
        return _drivers_python_shortfall(name, plan, available) or _executors_shortfall(
            name, plan, workers, available.executor
        )
    needed = plan.driver_heap + plan.driver_python + workers * plan.worker
    if needed > available.machine:
        return (
            f"the machine's memory must be >= {_mib(needed)} MiB for the driver and {workers} Python workers of "
            f"{_mib(plan.worker)} MiB in {name}, got {_mib(available.machine)} MiB. Use fewer cores, as in --master "
            "local[1], a smaller rank, or a cluster."
        )
    return None


def _drivers_shortfall(what: str, result: int, heap: int, available: SessionMemory) -> str | None:
    if available.result and result > available.result:
        return (
            f"spark.driver.maxResultSize must be >= {_mib(result)} MiB for {what}, got {_mib(available.result)} MiB. "
            f"Set it to at least {_setting(result)}, or use a smaller rank."
        )
    if heap > available.driver_heap:
        return (
            f"spark.driver.memory must give a heap of >= {_mib(heap)} MiB for {what}, got "
            f"{_mib(available.driver_heap)} MiB. Set it to at least {_setting(heap)}, or use a smaller rank."
        )
    return None


def _drivers_python_shortfall(name: str, plan: MemoryPlan, available: SessionMemory) -> str | None:
    if available.driver_overhead is not None:
        if plan.driver_python > available.driver_overhead:
            return (
                f"spark.driver.memoryOverhead must be >= {_mib(plan.driver_python)} MiB for the driver's Python in "
                f"{name}, got {_mib(available.driver_overhead)} MiB. Set it to at least "
                f"{_setting(plan.driver_python)}, or use a smaller rank."
            )
        return None
    needed = plan.driver_heap + plan.driver_python
    if needed > available.machine:
        return (
            f"the memory of the driver's machine must be >= {_mib(needed)} MiB for the driver's heap and Python in "
            f"{name}, got {_mib(available.machine)} MiB. Start the driver on a larger machine, or use a smaller rank."
        )
    return None


def _executors_shortfall(name: str, plan: MemoryPlan, workers: int, executor: ExecutorMemory) -> str | None:
    heap = plan.executor_heap(workers)
    if heap > executor.heap:
        return (
            f"spark.executor.memory must be >= {_mib(heap)} MiB for {name}, got {_mib(executor.heap)} MiB. Set it to "
            f"at least {_setting(heap)}, or use more blocks."
        )
    fewer = "reduce spark.executor.cores to run fewer tasks per executor, or use a smaller rank."
    needed = workers * plan.worker
    if executor.pyspark is not None:
        limit, mapped = executor.pyspark // executor.cores, plan.worker + _MAPPED
        if mapped > limit:
            return (
                f"spark.executor.pyspark.memory must be >= {_mib(mapped)} MiB per core for the address space of a "
                f"Python worker in {name}, got {_mib(limit)} MiB ({_mib(executor.pyspark)} MiB for {executor.cores} "
                f"cores). Set it to at least {_setting(mapped * executor.cores)}, {fewer}"
            )
    elif executor.is_enforced and needed > executor.overhead:
        return (
            f"spark.executor.memoryOverhead must be >= {_mib(needed)} MiB for the {workers} Python workers of an "
            f"executor in {name}, got {_mib(executor.overhead)} MiB. Set it to at least {_setting(needed)}, {fewer}"
        )
    return None


def session_memory(context: SparkContext) -> SessionMemory:
    """Return the memory of a running session."""
    conf, slots = context.getConf(), task_slots(context)
    master = context.master or ""
    is_local = runs_in_driver(master)
    n_executors = 1 if is_local else _executors(context)
    return SessionMemory(
        result=_bytes(conf, "spark.driver.maxResultSize", "1g", unit="b"),
        driver_heap=_driver_heap(context),
        driver_overhead=driver_overhead(conf, master),
        machine=machine_memory(),
        slots=slots,
        executor=None if is_local else executor_memory(conf, master, -(-slots // n_executors)),
    )


def _driver_heap(context: SparkContext) -> int:
    """Return the maximum heap of the driver's JVM, or its setting if the platform does not let Python ask the JVM."""
    try:
        return int(context._jvm.java.lang.Runtime.getRuntime().maxMemory())  # type: ignore[union-attr]
    except Py4JError as error:
        if not is_refusal(error):
            raise
        return _bytes(context.getConf(), "spark.driver.memory", "1g")


def _executors(context: SparkContext) -> int:
    """Return the number of executors, or its setting if the platform does not let Python ask the JVM."""
    try:
        return max(1, int(context._jsc.sc().getExecutorMemoryStatus().size()) - 1)
    except Py4JError as error:
        if not is_refusal(error):
            raise
        return max(1, int(context.getConf().get("spark.executor.instances", "1") or 1))


def executor_memory(conf: SparkConf, master: str, workers: int) -> ExecutorMemory:
    """Return the memory of an executor with `workers` task slots, from the settings of a session."""
    heap = _bytes(conf, "spark.executor.memory", "1g")
    pyspark = conf.get("spark.executor.pyspark.memory", None)
    cores = int(conf.get("spark.executor.cores", None) or workers * int(conf.get("spark.task.cpus", "1") or 1))
    is_set = any(
        conf.get(name, None) for name in ("spark.executor.memoryOverhead", "spark.executor.memoryOverheadFactor")
    )
    return ExecutorMemory(
        heap=heap,
        cores=cores,
        workers=workers,
        pyspark=_bytes(conf, "spark.executor.pyspark.memory", "0") if pyspark else None,
        overhead=_overhead(conf, "executor", heap, master),
        is_enforced=is_set or master.startswith(("yarn", _PODS)),
    )


def driver_overhead(conf: SparkConf, master: str) -> int | None:
    """Return the memory overhead of a driver in cluster mode, from the settings of a session; None in client mode."""
    # In a pod the driver runs in client mode, and another setting shows that it was submitted in cluster mode.
    for name, value in (("spark.submit.deployMode", "cluster"), ("spark.kubernetes.submitInDriver", "true")):
        if conf.get(name, None) == value:
            return _overhead(conf, "driver", _bytes(conf, "spark.driver.memory", "1g"), master)
    return None


def _overhead(conf: SparkConf, role: str, heap: int, master: str) -> int:
    """Return the memory overhead of an "executor", or of a "driver" in cluster mode."""
    factor = conf.get(f"spark.{role}.memoryOverheadFactor", None)
    if factor is None and master.startswith(_PODS):
        # In cluster mode Spark itself sets it to 0.4, for the driver's pod and its executors; not in client mode.
        factor = conf.get("spark.kubernetes.memoryOverheadFactor", None)
    least = _bytes(conf, f"spark.{role}.minMemoryOverhead", _LEAST_OVERHEAD)
    usual = max(int(heap * float(factor or _OVERHEAD_FACTOR)), least)
    return _bytes(conf, f"spark.{role}.memoryOverhead", f"{usual}b")


def runs_in_driver(master: str) -> bool:
    """Return whether tasks run on the driver's machine without executors, as with a master "local"."""
    return master.startswith("local") and not master.startswith("local-cluster")


def machine_memory() -> int:
    """Return the memory of this machine, or of its container if that has less, in bytes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = _MEMORY_OF_A_CONTAINER.read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def _bytes(conf: SparkConf, key: str, default: str, unit: str = "m") -> int:
    """Return a size in Spark's settings, in bytes; `unit` is the default unit of the setting."""
    value = (conf.get(key, default) or default).strip().lower()
    number, written, ends_in_b = _SIZE.fullmatch(value).groups()  # type: ignore[union-attr]  # Spark has checked it
    return int(number) * _UNITS[written or ("b" if ends_in_b else unit)]


def _mib(amount: int) -> str:
    return f"{-(-amount // MIB):,}"


def _setting(needed: int) -> str:
    """Return a size for Spark's settings, with a small margin."""
    return f"{needed // MIB + 64}m"
