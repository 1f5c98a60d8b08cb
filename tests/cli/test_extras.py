"""What a job says where the packages of its extra are not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from spark_mf.cli.extras import require_jobs_extra

JOBS = Path(__file__).parents[2] / "jobs"


def test_nothing_is_said_where_all_is_installed(capsys):
    require_jobs_extra()
    assert capsys.readouterr() == ("", "")


def test_missing_packages_are_named(monkeypatch, capsys):
    for name in ("matplotlib", "psutil"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "argv", ["jobs/compare.py"])
    with pytest.raises(SystemExit) as ended:
        require_jobs_extra()
    assert ended.value.code == 2
    said = "compare: the jobs need matplotlib, psutil. Install the extra: pip install 'spark_mf[jobs]'.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("job", sorted(JOBS.glob("*.py")), ids=lambda path: path.stem)
def test_every_job_looks_for_them_before_it_imports_what_needs_them(job):
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]; sys.modules |= dict.fromkeys(['matplotlib', 'pooch', 'psutil']); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(job)], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{job.stem}: the jobs need matplotlib, pooch, psutil. Install")
    assert ended.stderr.count("\n") == 1
