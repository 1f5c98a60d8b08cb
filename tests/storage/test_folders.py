"""Folders that jobs leave: never over what is there, and complete or refused."""

import json
import os
from itertools import count
from pathlib import Path

import pytest

from spark_mf.storage import paths
from spark_mf.storage.folders import (
    RatingsFolder,
    file_lengths,
    ratings_path,
    read_description,
    read_text,
    write_text,
)


def contents(folder, pattern):
    """Texts of the files that a folder shows at or below the names of a pattern."""
    found = [path for top in folder.glob(pattern) for path in (top, *top.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in found if not path.name.startswith(".")}


def test_a_folder_is_complete_once_it_is_described(spark, tmp_path):
    folder = RatingsFolder(spark, str(tmp_path / "a" / "out"), overwrite=False)
    folder.start()
    (tmp_path / "a" / "out" / "ratings").mkdir()
    with pytest.raises(ValueError, match=r"out must contain description.json, got .* did not finish\. Run it again"):
        ratings_path(spark, folder.path)
    folder.finish({"ratings": 3, "name": "ä"})
    assert ratings_path(spark, folder.path) == folder.inside("ratings") == f"{folder.path}/ratings"
    assert read_description(spark, folder.path) == {"ratings": 3, "name": "ä"}
    assert not list((tmp_path / "a" / "out").glob("*unfinished*"))


def test_overwriting_replaces_what_the_job_makes_and_nothing_else(spark, tmp_path):
    for name in ("ratings", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    (tmp_path / "description.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"which is not empty. Give another one, or --overwrite"):
        RatingsFolder(spark, str(tmp_path), overwrite=False)
    folder = RatingsFolder(spark, str(tmp_path), overwrite=True)
    for _ in range(2):  # a job that was killed has started before
        folder.start()
        Path(folder.inside("ratings")).mkdir()
        (Path(folder.inside("ratings")) / "file").write_text("new")
        assert folder.lengths(("ratings",)) == {"ratings/file": 3}
        assert contents(tmp_path, "[!_]*") == {"ratings/file": "x", "mine/file": "x", "description.json": "{}"}
    folder.finish({})
    assert contents(tmp_path, "*") == {"ratings/file": "new", "mine/file": "x", "description.json": "{}\n"}
    assert folder.inside("ratings") == f"{tmp_path}/ratings"
    assert read_description(spark, str(tmp_path)) == {}


@pytest.mark.parametrize("renamed", range(4))
def test_a_failing_renaming_leaves_the_earlier_run_complete(spark, tmp_path, monkeypatch, renamed):
    for text in ("old", "new"):
        folder = RatingsFolder(spark, str(tmp_path), overwrite=True)
        folder.start()
        Path(folder.inside("ratings")).mkdir()
        (Path(folder.inside("ratings")) / "file").write_text(text)
        if text == "old":
            folder.finish({"run": text})
    true, calls = paths._rename, count()

    def rename(*pair):
        if next(calls) == renamed:
            raise OSError("busy.")
        true(*pair)

    monkeypatch.setattr(paths, "_rename", rename)
    with pytest.raises(OSError, match=r"cannot be overwritten: busy. Its files are unchanged"):
        folder.finish({"run": "new"})
    assert read_description(spark, str(tmp_path)) == {"run": "old"}
    assert (Path(ratings_path(spark, str(tmp_path))) / "file").read_text() == "old"


def test_a_file_and_an_unwritable_place_are_refused(spark, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match=r"which is a file. Give the path of a folder"):
        RatingsFolder(spark, str(tmp_path / "file"), overwrite=True)
    with pytest.raises(ValueError, match=r"The output folder .*/file/out cannot be written"):
        RatingsFolder(spark, str(tmp_path / "file" / "out"), overwrite=True)
    with pytest.raises(ValueError, match="cannot be written"):
        RatingsFolder(spark, "nosuchscheme://host/out", overwrite=True)
    # Linux lets not even root make folders here.
    assert os.path.isdir("/proc/self")
    with pytest.raises(ValueError, match="The output folder /proc/self/out cannot be"):
        RatingsFolder(spark, "/proc/self/out", overwrite=True)


def test_other_paths_are_left_as_they_are(spark, tmp_path):
    (tmp_path / "r.csv").write_text("1,2,3")
    assert ratings_path(spark, str(tmp_path / "r.csv")) == str(tmp_path / "r.csv")
    assert ratings_path(spark, str(tmp_path / "*.csv")) == str(tmp_path / "*.csv")
    assert ratings_path(spark, str(tmp_path / "absent")) == str(tmp_path / "absent")


def test_what_spark_did_not_finish_is_refused(spark, tmp_path):
    spark.range(3).write.parquet(str(tmp_path / "done"))
    (tmp_path / "done" / "_temporary").mkdir()
    assert ratings_path(spark, str(tmp_path / "done")) == str(tmp_path / "done")
    (tmp_path / "done" / "_SUCCESS").unlink()
    with pytest.raises(
        ValueError, match="must be written completely, got a folder with _temporary and without _SUCCESS"
    ):
        ratings_path(spark, str(tmp_path / "done"))


def test_texts_are_there_whole_or_not_at_all(spark, tmp_path):
    path = str(tmp_path / "text")
    with pytest.raises(FileNotFoundError, match="text does not exist"):
        read_text(spark, path)
    for content in ("first", "second: ü😀"):
        write_text(spark, path, content)
        assert read_text(spark, path) == content + "\n"
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="binary must be UTF-8 text, got other bytes"):
        read_text(spark, str(tmp_path / "binary"))


@pytest.mark.parametrize(("text", "sentence"), [("{", "invalid JSON"), ("[1]", "a list")])
def test_descriptions_that_cannot_be_read_are_refused(spark, tmp_path, text, sentence):
    (tmp_path / "description.json").write_text(text)
    with pytest.raises(
        ValueError, match=f"description.json must contain a JSON object, got {sentence}.* Write the folder again"
    ):
        read_description(spark, str(tmp_path))


def test_lengths_are_of_data_files_only(spark, tmp_path):
    for name in ("a/part-0", "a/_SUCCESS", "a/.part-0.crc", "b/part-1", "c/part-2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(name))
    assert file_lengths(spark, str(tmp_path), ("a", "b", "absent")) == {"a/part-0": 10, "b/part-1": 10}
