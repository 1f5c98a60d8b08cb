"""Where compiled kernels are kept when neither the package's folder nor the home folder can be written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spark_mf
from spark_mf.kernels import jit

PACKAGE = Path(spark_mf.__file__).parent
KERNEL = """
from spark_mf.kernels.jit import kernel

@kernel()
def doubled(x):
    return 2 * x
"""
PROGRAM = """
import json, logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
from spark_mf.kernels import jit, tiny
jit.report_cache()
jit.report_cache()
assert tiny.doubled(21) == 42
hits, misses = (sum(count.values()) for count in (tiny.doubled.stats.cache_hits, tiny.doubled.stats.cache_misses))
print(json.dumps([jit._config.CACHE_DIR, hits, misses]))
"""


@pytest.fixture
def install(tmp_path):
    """A package with one small kernel that nobody can write beside, not even root."""
    kernels = tmp_path / "lib" / "spark_mf" / "kernels"
    kernels.mkdir(parents=True)
    for name in ("__init__.py", "version.py", "kernels/__init__.py", "kernels/jit.py"):
        shutil.copy(PACKAGE / name, kernels.parent / name)
    (kernels / "tiny.py").write_text(KERNEL)
    (kernels / "__pycache__").touch()
    (tmp_path / "tmp").mkdir()
    return tmp_path


def run(install, program=PROGRAM):
    """Use the kernel in a process of its own without a home folder: cache folder, hits, misses and what it logs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))}
    process = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **kept,
            "HOME": os.devnull,
            "PYTHONPATH": str(install / "lib"),
            "TMPDIR": str(install / "tmp"),
        },
        cwd=install,
        capture_output=True,
        text=True,
        check=True,
    )
    return (*json.loads(process.stdout), process.stderr)


def test_processes_of_a_user_share_one_folder_and_compile_once(install):
    folder, hits, misses, said = run(install)
    assert (hits, misses) == (0, 1)
    assert said.count(f"Compiled kernels are kept in {folder}") == 1
    assert [str(path) for path in (install / "tmp").iterdir()] == [folder]
    assert os.stat(folder).st_mode & 0o777 == 0o700
    written = {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.nb?")}
    assert written
    assert run(install)[:3] == (folder, 1, 0)
    assert {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.nb?")} == written
    # What a release changes is compiled anew, beside what the other release still uses.
    (install / "lib" / "spark_mf" / "version.py").write_text('__version__ = "99"')
    other, hits, misses, _ = run(install)
    assert other != folder
    assert (hits, misses) == (0, 1)


def test_kernels_run_where_no_folder_can_be_written(install):
    program = f"import tempfile\ntempfile.tempdir = {os.devnull!r}\n{PROGRAM}"
    assert run(install, program) == ("", 0, 1, "")
    assert list((install / "tmp").iterdir()) == []


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_a_folder_that_others_could_write_is_not_used(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "kernels"
    (tmp_path / "theirs").mkdir(0o700)
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o770)
    elif kind == "link":
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.touch(0o600)
    chosen = Path(jit._private_folder(str(folder), os.getuid()))
    assert chosen != folder
    assert chosen.parent == tmp_path
    assert chosen.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = str(tmp_path / "kernels")
    assert jit._private_folder(folder, os.getuid()) == folder
    assert jit._private_folder(folder, os.getuid()) == folder
    assert jit._private_folder(folder, os.getuid() + 1) != folder
