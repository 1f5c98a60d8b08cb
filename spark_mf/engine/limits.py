"""What must fit in the driver, told in numbers before the long work."""

from pyspark import SparkContext

_MIB = 1 << 20


def require_room(context: SparkContext, n_users: int, n_items: int, rank: int) -> None:
    """Refuse factor matrices that cannot pass through the driver.

    A half-step's results, n·rank·4 bytes, wait in the driver's JVM heap and again while Python reads them, and may
    not exceed spark.driver.maxResultSize.

    Raises
    ------
    MemoryError
        When they would, with the bytes needed and the setting that would do.
    """
    needed = max(n_users, n_items) * rank * 4
    jvm = context._jvm
    assert jvm is not None
    limit = jvm.org.apache.spark.util.Utils.memoryStringToMb(_setting(context, "spark.driver.maxResultSize", "1g"))
    heap = jvm.java.lang.Runtime.getRuntime().maxMemory()
    what = f"the factors of {max(n_users, n_items):,} rows at rank {rank} are {needed / _MIB:,.0f} MiB"
    if limit and needed > limit * _MIB:
        raise MemoryError(
            f"{what}, but spark.driver.maxResultSize is {limit:,} MiB: set it to at least {_rounded(needed)}m, "
            "or use a smaller rank"
        )
    if 2 * needed > heap:
        raise MemoryError(
            f"{what} and pass the driver twice over, but its heap is {heap / _MIB:,.0f} MiB: set "
            f"spark.driver.memory to at least {_rounded(3 * needed)}m, or use a smaller rank"
        )


def _rounded(needed: int) -> int:
    return needed // _MIB + 64


def _setting(context: SparkContext, key: str, default: str) -> str:
    return context.getConf().get(key, default) or default
