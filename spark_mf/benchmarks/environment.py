"""Environment of a run: versions, commit, machine, and the memory of its processes."""

import os
import platform
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from spark_mf.version import __version__

PACKAGE = Path(__file__).parents[1]

# How `versions["pyspark_blas"]` begins where both libraries are native ones.
NATIVE = "native"


@dataclass(frozen=True)
class Provenance:
    """The keys of a result row that say where it comes from."""

    master: str
    cores: int
    versions: dict[str, str]
    git: str | None


def provenance(spark: SparkSession) -> Provenance:
    """Describe the session, the software and the commit.

    ``versions`` also names the BLAS that pyspark's ALS finds in the driver's JVM: its speed depends on it.
    """
    return Provenance(
        master=spark.sparkContext.master or "",
        cores=spark.sparkContext.defaultParallelism,
        versions={
            **software_versions(),
            "java": _java_version(spark),
            "pyspark_blas": _pyspark_blas(spark),
        },
        git=git_commit(PACKAGE),
    )


def numpy_provenance() -> Provenance:
    """Return the provenance of a run without Spark: master "numpy" and one core."""
    return Provenance("numpy", 1, software_versions(), git_commit(PACKAGE))


def software_versions() -> dict[str, str]:
    """Return the versions that are known without a session."""
    return {
        "spark_mf": __version__,
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "pyspark": version("pyspark"),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def git_commit(folder: Path) -> str | None:
    """The commit of a checkout, with ``-dirty`` when it was changed since; None outside one."""
    try:
        # An environment inside somebody's checkout is no part of it: only a tracked file proves that the code
        # is.
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout.strip()


def utc_now() -> str:
    """The present moment in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _java_version(spark: SparkSession) -> str:
    return str(spark.sparkContext._jvm.java.lang.System.getProperty("java.version"))  # type: ignore[union-attr]


def _pyspark_blas(spark: SparkSession) -> str:
    netlib = spark.sparkContext._jvm.dev.ludovic.netlib  # type: ignore[union-attr]
    # ALS makes its normal equations with BLAS and solves them with LAPACK, which come from two libraries.
    used = [_netlib_class(netlib.blas, "BLAS"), _netlib_class(netlib.lapack, "LAPACK")]
    native = [name.startswith("JNI") for name in used]
    how = NATIVE if all(native) else "native in part" if any(native) else "no native library, in Java"
    return f"{how} ({', '.join(used)})"


def _netlib_class(package: Any, library: str) -> str:
    """The class that pyspark uses: the native one, or where its library is not found the one in Java."""
    try:
        return str(getattr(package, f"Native{library}").getInstance().getClass().getSimpleName())
    except Py4JError:
        return str(getattr(package, f"Java{library}").getInstance().getClass().getSimpleName())


class PeakMemory:
    """Context manager that samples the resident memory of this process and all below it.

    On a local master that is the driver, its JVM and the Python workers.  Pages that forked workers share are
    counted once in each.
    """

    def __init__(self, interval_seconds: float = 0.2) -> None:
        self._interval = interval_seconds
        self._peak_bytes: int | None = None
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="peak-memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._sampler.join()

    @property
    def megabytes(self) -> float | None:
        """Largest sample in MiB; None before the first one."""
        return None if self._peak_bytes is None else round(self._peak_bytes / 2**20, 1)

    def _sample(self) -> None:
        while True:
            self._peak_bytes = max(resident_bytes(os.getpid()), self._peak_bytes or 0)
            if self._stop.wait(self._interval):
                return


def resident_bytes(root: int) -> int:
    """Return the resident bytes of the process ``root`` and of all its descendants."""
    process = psutil.Process(root)
    held = 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):  # the process has ended since
            held += each.memory_info().rss
    return held
