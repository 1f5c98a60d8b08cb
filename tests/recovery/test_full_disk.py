"""A checkpoint folder whose disk fills up on the way."""

import errno
import itertools
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_mf import ALS, SGD
from spark_mf.fitting.checkpoint import CHECKPOINT, Checkpoint, SavedFit
from tests.recovery.losses import timed
from tests.same_model import assert_same_model

SHARED: dict[str, Any] = {"rank": 3, "maxIter": 6, "seed": 7, "checkpointInterval": 2, "numUserBlocks": 1}
ESTIMATORS = [
    pytest.param(ALS(numItemBlocks=2, engine="broadcast", **SHARED), id="ALS"),
    pytest.param(SGD(numItemBlocks=3, optimizer="momentum", schedule="boldDriver", engine="ring", **SHARED), id="SGD"),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        # Lazily, as Hadoop leaves a file open that it could not write.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> None:
    """Leave not a byte, and be told so by the system."""
    with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left") as full:
        filler.writelines(itertools.repeat(bytes(1024)))
    assert full.value.errno == errno.ENOSPC


def after_saves(monkeypatch: pytest.MonkeyPatch, number: int, happens: Callable[[], None]) -> None:
    """Let something happen after the `number`-th save, before the next iteration."""
    save, saves = Checkpoint.save, []

    def save_and_let_it_happen(self: Checkpoint, fit: SavedFit) -> None:
        save(self, fit)
        saves.append(fit)
        if len(saves) == number:
            happens()

    monkeypatch.setattr(Checkpoint, "save", save_and_let_it_happen)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_fit_ends_on_a_full_disk_and_goes_on_where_there_is_room(
    estimator: Any,
    ratings: DataFrame,
    disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
):
    saves = disk / "saves"
    estimator = estimator.copy().setCheckpointDir(str(saves))
    with monkeypatch.context() as patch:
        after_saves(patch, 1, lambda: fill(disk))
        with pytest.raises(OSError, match="No space left on device") as full:
            estimator.fit(ratings)
    assert str(full.value) == (
        f"checkpointDir must be writable during the whole fit, got '{saves}', where writing the checkpoint of "
        "iteration 4 failed (No space left on device). Free disk space there and fit again; the fit resumes from the "
        f"checkpoint {saves}/iteration-2."
    )
    assert [path.name for path in saves.iterdir()] == ["iteration-2"]

    (disk / "filler").unlink()
    caplog.set_level("INFO", logger="spark_mf")
    model, again = timed(estimator, ratings)
    assert f"Resuming after 2 of 6 iterations from the checkpoint {saves}/iteration-2." in caplog.messages
    undisturbed = estimator.copy()
    undisturbed.clear(undisturbed.checkpointDir)
    expected, seconds = timed(undisturbed, ratings)
    assert_same_model(model, expected)
    record_property("seconds to go on", again)
    record_property("seconds of an undisturbed fit", seconds)


def test_a_fit_that_could_save_nothing_says_so(ratings: DataFrame, disk: Path, monkeypatch: pytest.MonkeyPatch):
    estimator = ALS(numItemBlocks=2, engine="broadcast", checkpointDir=str(disk / "saves"), **SHARED)
    save = Checkpoint.save

    def fill_and_save(self: Checkpoint, fit: SavedFit) -> None:
        fill(disk)
        save(self, fit)

    monkeypatch.setattr(Checkpoint, "save", fill_and_save)
    with pytest.raises(OSError, match="No space left on device") as full:
        estimator.fit(ratings)
    assert str(full.value) == (
        f"checkpointDir must be writable during the whole fit, got '{disk}/saves', where writing the checkpoint of "
        "iteration 2 failed (No space left on device). Free disk space there, or use another directory."
    )
    (disk / "filler").unlink()
    assert list((disk / "saves").iterdir()) == []


def test_a_disk_that_is_full_from_the_start_is_refused(ratings: DataFrame, disk: Path):
    fill(disk)
    sentence = rf"^checkpointDir must be a writable directory, got '{disk}/saves' \(.*\)\. Use another directory\.$"
    with pytest.raises(ValueError, match=sentence):
        ALS(engine="broadcast", checkpointDir=str(disk / "saves"), **SHARED).fit(ratings)


def test_a_limit_on_the_size_of_files_leaves_what_was_saved(
    ratings: DataFrame,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """The same without root: the system gives the JVM no room in any file."""
    estimator = ALS(numItemBlocks=2, engine="broadcast", checkpointDir=str(tmp_path), **SHARED)
    assert spark._jvm is not None
    jvm = int(spark._jvm.java.lang.ProcessHandle.current().pid())
    soft, hard = resource.prlimit(jvm, resource.RLIMIT_FSIZE)
    save = Checkpoint.save

    def save_with_little_room(self: Checkpoint, fit: SavedFit) -> None:
        is_second = (tmp_path / "iteration-2" / CHECKPOINT).exists()
        resource.prlimit(jvm, resource.RLIMIT_FSIZE, (64 if is_second else soft, hard))
        try:
            save(self, fit)
        finally:
            resource.prlimit(jvm, resource.RLIMIT_FSIZE, (soft, hard))

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_with_little_room)
        with pytest.raises(OSError, match="File too large") as full:
            estimator.fit(ratings)
    assert str(full.value) == (
        f"checkpointDir must be writable during the whole fit, got '{tmp_path}', where writing the checkpoint of "
        "iteration 4 failed (File too large). Free disk space there and fit again; the fit resumes from the checkpoint "
        f"{tmp_path}/iteration-2."
    )
    caplog.set_level("INFO", logger="spark_mf")
    assert len(estimator.fit(ratings).summary.history) == 6
    assert f"Resuming after 2 of 6 iterations from the checkpoint {tmp_path}/iteration-2." in caplog.messages
