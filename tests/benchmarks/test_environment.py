"""Tests of the environment of runs: commits, and memory over all child processes."""

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


def test_memory_is_that_of_a_process_and_all_below_it():
    block = "block = bytearray(100 * 2**20)"
    wait = "print('ready', flush=True); sys.stdin.read()"
    inner = f"import sys; {block}; {wait}"
    outer = f"import subprocess, sys; {block}; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    with subprocess.Popen([sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        held = resident_bytes(process.pid)
        process.communicate()
    assert 200 * 2**20 < held < 320 * 2**20


def test_the_peak_outlives_what_caused_it():
    with PeakMemory(interval_seconds=0.01) as memory:
        held = resident_bytes(os.getpid())
        child = subprocess.run(
            [sys.executable, "-c", "import time; block = bytearray(300 * 2**20); time.sleep(0.5)"], check=True
        )
    assert child.returncode == 0
    assert memory.megabytes is not None
    assert memory.megabytes > held / 2**20 + 250


def test_provenance_names_session_and_versions(spark):
    where = provenance(spark)
    assert where.master == spark.sparkContext.master
    assert where.cores == 2
    assert where.versions["pyspark"] == spark.version
    assert int(where.versions["java"].split(".")[0]) >= 17
    assert "Java" in where.versions["pyspark_blas"] or "native" in where.versions["pyspark_blas"]
