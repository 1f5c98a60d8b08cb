"""Tests of memory plans against the measured memory of processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.resources.measured_fit import ESTIMATORS

ROOT = Path(__file__).parents[2]
# More than this over what is taken would refuse fits that run.
FAR_TOO_MUCH = 1.6


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_takes_what_it_said_and_little_less(name: str, tmp_path: Path, record_property):
    done = subprocess.run(
        [sys.executable, "-m", "tests.resources.measured_fit", name],
        cwd=ROOT,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_DIRS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(done.stdout.splitlines()[-1])
    (driver_said, worker_said), (driver, worker) = found["said"], found["peaks"]
    record_property("said over taken, the driver's Python", driver_said / driver)
    record_property("said over taken, a Python worker", worker_said / worker)
    assert driver <= driver_said
    assert worker <= worker_said <= FAR_TOO_MUCH * worker
