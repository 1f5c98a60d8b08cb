"""The checks of Python and Java, against fake `java` programs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from spark_mf.cli import preflight

SCRIPT = Path(preflight.__file__)


def fake_java(folder: Path, says: str, exit_code: int = 0) -> Path:
    """A `bin/java` below `folder` that answers every call with `says` on stderr, as `java -version` does."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\n/bin/cat >&2 <<'END'\n{says}\nEND\nexit {exit_code}\n")
    java.chmod(0o755)
    return java


@pytest.fixture
def only_java(monkeypatch, tmp_path):
    """Makes a fake java the only one that can be found, by PATH or by JAVA_HOME."""

    def install(says: str, *, by: str = "PATH", exit_code: int = 0) -> Path:
        java = fake_java(tmp_path / "jdk", says, exit_code)
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", str(java.parent) if by == "PATH" else str(tmp_path / "nothing"))
        if by == "JAVA_HOME":
            monkeypatch.setenv("JAVA_HOME", str(java.parents[1]))
        return java

    return install


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)', 17),
        ('java version "21" 2023-09-19 LTS', 21),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ('openjdk version "25-internal" 2025-09-16', 25),
        ('Picked up JAVA_TOOL_OPTIONS: -Dnote="1.2"\nopenjdk version "17.0.1" 2021-10-19', 17),
    ],
)
@pytest.mark.parametrize("by", ["PATH", "JAVA_HOME"])
def test_new_enough_java_gives_its_major_version(only_java, says, version, by):
    only_java(says, by=by)
    assert preflight.require_java() == version


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ('java version "1.8.0_392"', 8),
        ('openjdk version "11.0.22" 2024-01-16', 11),
        ('openjdk version "16-ea"', 16),
    ],
)
def test_old_java_is_refused_with_the_way_out(only_java, says, version):
    java = only_java(says)
    with pytest.raises(RuntimeError, match=rf"version 17 or newer, got {java}, which is Java {version}\. Install one"):
        preflight.require_java()


def test_no_java_is_refused_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"no java on PATH and no JAVA_HOME\. Install one with `sudo apt-get"):
        preflight.require_java()


def test_java_home_counts_before_path(only_java, monkeypatch, tmp_path):
    only_java('openjdk version "17.0.15"')
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", 'java version "1.8.0_392"').parents[1]))
    with pytest.raises(RuntimeError, match="is Java 8"):
        preflight.require_java()


def test_java_home_without_java_is_named(only_java, monkeypatch, tmp_path):
    only_java('openjdk version "17.0.15"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(
        RuntimeError, match=r"JAVA_HOME must be a folder with a program bin/java, got '.*gone'\. Set it"
    ):
        preflight.require_java()


def test_java_that_tells_no_version_is_refused_with_what_it_says(only_java):
    only_java("Unable to locate a Java Runtime.", exit_code=1)
    with pytest.raises(
        RuntimeError, match=r"must print a version, got 'Unable to locate a Java Runtime.'\. Install one"
    ):
        preflight.require_java()


def test_java_that_does_not_run_is_refused(only_java):
    only_java("").write_text("#!/no/such/interpreter\n")
    with pytest.raises(RuntimeError, match="does not run"):
        preflight.require_java()


def test_old_python_is_refused_with_the_way_out():
    with pytest.raises(RuntimeError, match=r"version 3\.11 or newer, got .*, which is Python 3\.6\.9\. Install one"):
        preflight.require_python((3, 6, 9))


def test_script_prints_one_sentence_and_fails(only_java):
    only_java('java version "1.8.0_392"')
    run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("Java must be version 17 or newer")
    assert run.stderr.count("\n") == 1


def test_script_is_silent_when_all_is_there(only_java):
    only_java('openjdk version "17.0.15"')
    run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_source_is_readable_by_old_pythons():
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))
