"""Tests of the process of a point, and of its end when its parent is terminated."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spark_mf.benchmarks.own_process import run_point

SLEEPER = "import os, sys, time; open(sys.argv[0] + '.pid', 'w').write(str(os.getpid())); time.sleep(60)"


def test_a_point_gets_its_name_and_environment_and_its_exit_code_comes_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    script = tmp_path / "point.py"
    script.write_text("import os, sys; print(sys.argv[1:]); sys.exit(int(os.environ['CODE']))")
    assert run_point([str(script), "-x"], "p", {"CODE": "7"}) == 7
    assert capfd.readouterr().out == "['-x', '--point', 'p']\n"


def test_sigterm_ends_the_point_too(tmp_path: Path):
    script = tmp_path / "point.py"
    script.write_text(SLEEPER)
    waiting = f"from spark_mf.benchmarks.own_process import run_point; run_point([{str(script)!r}], 'p')"
    with subprocess.Popen([sys.executable, "-c", waiting]) as process:
        told = tmp_path / "point.py.pid"
        until = time.monotonic() + 60
        while not (told.exists() and told.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        point = int(told.read_text())
        os.kill(point, 0)  # it is there
        process.terminate()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(point, 0)
