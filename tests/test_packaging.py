"""Tests of the contents of an installed spark_mf."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import spark_mf

ROOT = Path(spark_mf.__file__).parents[1]


def test_every_package_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [init.parent.relative_to(ROOT) for init in (ROOT / "spark_mf").rglob("__init__.py")]
    assert sorted(listed) == sorted([".".join(folder.parts) for folder in folders] + ["spark_mf.conf"])


def test_an_installed_session_finds_what_one_of_a_checkout_does():
    """Spark reads these by their names from the folder of its settings."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["spark_mf.conf"]
    settings = {"spark-defaults.conf", *(path.name for path in (ROOT / "conf").glob("*.properties"))}
    assert set(listed) == settings
    assert all((ROOT / "conf" / name).is_file() for name in settings)


def test_kernels_are_imported_without_pyspark():
    code = "import sys, spark_mf.kernels.jit; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'spark_mf' has no attribute 'Als'"):
        spark_mf.Als  # noqa: B018


def test_what_tasks_import_needs_no_package_that_workers_may_lack():
    code = (
        "import sys, spark_mf.als, spark_mf.gd, spark_mf.sgd, spark_mf.ratings.folder, "
        "spark_mf.ratings.folder_writing, spark_mf.data.checking, spark_mf.data.reading, spark_mf.data.generating; "
        "sys.exit(' '.join({'pydantic', 'tqdm', 'psutil', 'matplotlib', 'pooch', 'requests'} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
