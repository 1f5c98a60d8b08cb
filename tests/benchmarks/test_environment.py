"""Where runs happen: commits only of checkouts, memory summed over the processes below one."""

import os
import subprocess
import sys

import pytest

from spark_mf.benchmarks.environment import PeakMemory, git_commit, provenance, resident_bytes


def git(folder, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "__init__.py").write_text("")
    git(tmp_path, "add", "__init__.py")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    return tmp_path


def test_a_checkout_has_its_commit_and_says_when_it_was_changed(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    assert git_commit(checkout) == commit
    (checkout / "__init__.py").write_text("changed = True")
    assert git_commit(checkout) == f"{commit}-dirty"


def test_no_checkout_has_no_commit(tmp_path):
    (tmp_path / "__init__.py").write_text("")
    assert git_commit(tmp_path) is None


def test_an_environment_inside_a_checkout_has_no_commit(checkout):
    installed = checkout / "site-packages" / "spark_mf"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert git_commit(installed) is None


def fake_process(proc, number: int, parent: int, pages: int, name: str = "python") -> None:
    folder = proc / str(number)
    folder.mkdir()
    (folder / "stat").write_text(f"{number} ({name}) S {parent} 0 0")
    (folder / "statm").write_text(f"9999 {pages} 1 1 0 1 0")


def test_memory_is_that_of_a_process_and_all_below_it(tmp_path):
    fake_process(tmp_path, 1, 0, 1000)
    fake_process(tmp_path, 10, 1, 5)
    fake_process(tmp_path, 11, 10, 7, name="odd) name (")
    fake_process(tmp_path, 12, 11, 11)
    (tmp_path / "13").mkdir()  # ended while it was looked at
    (tmp_path / "meminfo").write_text("")
    assert resident_bytes(10, tmp_path) == (5 + 7 + 11) * os.sysconf("SC_PAGE_SIZE")


def test_without_proc_memory_is_unknown(tmp_path):
    assert resident_bytes(10, tmp_path) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_the_peak_outlives_what_caused_it():
    with PeakMemory(interval_seconds=0.01) as memory:
        held = resident_bytes(os.getpid())
        child = subprocess.run(
            [sys.executable, "-c", "import time; block = bytearray(300 * 2**20); time.sleep(0.5)"], check=True
        )
    assert child.returncode == 0
    assert held is not None
    assert memory.megabytes is not None
    assert memory.megabytes > held / 2**20 + 250


def test_provenance_names_session_and_versions(spark):
    where = provenance(spark)
    assert where.master == spark.sparkContext.master
    assert where.cores == 2
    assert where.versions["pyspark"] == spark.version
    assert int(where.versions["java"].split(".")[0]) >= 17
    assert "Java" in where.versions["pyspark_blas"] or "native" in where.versions["pyspark_blas"]
