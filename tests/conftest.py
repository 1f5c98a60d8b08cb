"""Fixtures that all tests share."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

# A kernel's first call compiles for seconds, which is no reason to fail the example it happens in.
settings.register_profile("spark_mf", deadline=None)
settings.load_profile("spark_mf")

# The sessions of two test processes share a few cores. Several threads that collect garbage are no gain, and most plans
# are compiled for a single use, which makes the optimizing compiler the largest consumer of time. Code of the simple
# compiler has larger frames, so long lineages need larger stacks. Options of the user come last and take precedence.
QUIET_JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss4m"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Local session with two task slots that writes no files to the working folder."""
    from spark_mf.cli.session import local_session

    folder = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_DIRS", str(folder / "local"))
        patch.setenv("SPARK_SUBMIT_OPTS", f"{QUIET_JVM} {os.environ.get('SPARK_SUBMIT_OPTS', '')}".strip())
        session = local_session(
            "spark_mf tests",
            master="local[2]",
            driver_memory="2g",
            extra_conf={
                "spark.sql.shuffle.partitions": "4",
                "spark.sql.warehouse.dir": str(folder / "warehouse"),
            },
        )
        yield session
        session.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements that tests have recorded, such as the duration of a recovery."""
    for report in terminalreporter.getreports("passed"):
        for name, figure in report.user_properties if report.when == "call" else ():
            terminalreporter.write_line(f"{figure:8.2f} {name}: {report.nodeid}")
