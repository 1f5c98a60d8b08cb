"""Selection of the linear algebra library of pyspark's ALS: Java's own, or native OpenBLAS.

pyspark finds native libraries through netlib, which loads whatever the system's loader has under the names
``libblas.so.3`` and ``liblapack.so.3``.
"""

import os
from pathlib import Path

from pyspark.sql import SparkSession

from spark_mf.benchmarks.environment import NATIVE

LIBRARIES = ("libblas.so.3", "liblapack.so.3")
HOW_TO_GET = (
    "Install OpenBLAS (Debian and Ubuntu: libopenblas0-pthread), or pass with --openblas a folder that contains its "
    f"{' and '.join(LIBRARIES)}"
)


def library_folders(folder: Path) -> list[Path]:
    """Return the folders at and below ``folder`` that hold shared libraries, as an unpacked package spreads them.

    Raises
    ------
    FileNotFoundError
        When `LIBRARIES` are not all among them.
    """
    found = sorted(folder.rglob("*.so*")) if folder.is_dir() else []
    missing = [name for name in LIBRARIES if name not in {path.name for path in found}]
    if missing:
        raise FileNotFoundError(f"--openblas must contain {missing[0]}, got {folder}. {HOW_TO_GET}.")
    # Absolute: the loader would read a relative one from wherever the process stands.
    return list(dict.fromkeys(path.parent.resolve() for path in found))


def openblas_environment(folder: Path | None) -> dict[str, str]:
    """Environment variables for a process whose JVM is to find OpenBLAS, in ``folder`` or on the system.

    Raises
    ------
    FileNotFoundError
        When the folder lacks the libraries.
    """
    # One thread a call: there are as many tasks as cores already.
    environment = {"OPENBLAS_NUM_THREADS": "1"}
    if folder is not None:
        present = [path for path in [os.environ.get("LD_LIBRARY_PATH", "")] if path]
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([*map(str, library_folders(folder)), *present])
    return environment


def hide_native_libraries(spark: SparkSession) -> None:
    """Make the session's JVM look for libraries that do not exist; before anything in it uses linear algebra."""
    for library in ("blas", "lapack"):
        name = f"dev.ludovic.netlib.{library}.nativeLib"
        spark.sparkContext._jvm.java.lang.System.setProperty(name, f"no-native-{library}")  # type: ignore[union-attr]


def loaded_libraries(spark: SparkSession) -> list[str]:
    """Return folder and name of each BLAS and LAPACK library in the JVM's memory; empty where there is no ``/proc``."""
    pid = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()  # type: ignore[union-attr]
    maps = Path(f"/proc/{pid}/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    paths = {Path(line.split(maxsplit=5)[5]) for line in lines if line.count("/") > 1}
    # netlib's own glue, unpacked to the temporary folder, is no library of linear algebra.
    wanted = [path for path in paths if ("blas" in path.name or "lapack" in path.name) and "jni" not in path.name]
    return sorted("/".join(path.parts[-2:]) for path in wanted)


def require_blas(used: str, libraries: list[str], *, wants_openblas: bool) -> str:
    """Check that the JVM uses what a measurement is about, and return its name for the row.

    Parameters
    ----------
    used : str
        ``versions["pyspark_blas"]`` of the session.
    libraries : list[str]
        From `loaded_libraries`.
    wants_openblas : bool
        Whether it is about OpenBLAS rather than about no native library.

    Raises
    ------
    RuntimeError
        When the JVM uses another.
    """
    name = f"{used}: {', '.join(libraries)}" if libraries else used
    if wants_openblas and not (used.startswith(NATIVE + " (") and any("openblas" in path for path in libraries)):
        raise RuntimeError(f"pyspark's JVM must use OpenBLAS, got {name}. {HOW_TO_GET}.")
    if not wants_openblas and "JNI" in used:
        raise RuntimeError(f"pyspark's JVM must use no native library, got {name}.")
    return name
