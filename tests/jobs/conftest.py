"""Fixture that loads the script of the job in `JOB` of a test module."""

import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from spark_mf.fitting.progress import ConsoleProgress

JOBS = Path(__file__).resolve().parents[2] / "jobs"


@pytest.fixture(scope="module")
def job(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Module of `jobs/JOB.py`; its progress handlers are removed afterwards."""
    name = request.module.JOB
    found = importlib.util.spec_from_file_location(f"{name}_job", JOBS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    yield module
    logger = logging.getLogger("spark_mf")
    for handler in [each for each in logger.handlers if isinstance(each, ConsoleProgress)]:
        logger.removeHandler(handler)
