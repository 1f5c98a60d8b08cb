"""The output folder: refused when in use, cleared with care, complete only at the end."""

from pathlib import Path

import pytest

from spark_mf.benchmarks.rows import read_rows
from spark_mf.cli.output import REPLACED, ROWS, UNFINISHED_ROWS, OutputFolder


def test_a_new_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    OutputFolder(tmp_path / "a" / "b", [], overwrite=False)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_rows_are_kept_at_once_and_complete_only_when_finished(tmp_path, make_row):
    folder = OutputFolder(tmp_path / "out", [], overwrite=False)
    folder.start()
    folder.add(make_row())
    folder.add(make_row(label="second"))
    assert len(read_rows(folder.path / UNFINISHED_ROWS)) == 2
    assert not (folder.path / ROWS).exists()
    folder.finish([make_row(label="final")])
    assert [row.label for row in read_rows(folder.path / ROWS)] == ["final"]
    assert not (folder.path / UNFINISHED_ROWS).exists()


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "anything.txt").touch()
    with pytest.raises(FileExistsError, match=r"which is not empty\. Give another one, or --overwrite"):
        OutputFolder(tmp_path, [], overwrite=False)


def test_overwriting_replaces_only_what_the_job_makes_and_keeps_it_until_then(tmp_path, make_row):
    for name in (ROWS, UNFINISHED_ROWS, "report.md", "thesis.tex"):
        (tmp_path / name).write_text("old")
    folder = OutputFolder(tmp_path, ["report.md", "plot.png"], overwrite=True)
    assert (tmp_path / ROWS).read_text() == "old", "nothing is removed before the job starts"
    for _ in range(2):  # a job that was killed has started before
        folder.start()
        assert sorted(path.name for path in tmp_path.iterdir()) == [REPLACED, "thesis.tex"]
        assert {path.name: path.read_text() for path in (tmp_path / REPLACED).iterdir()} == {
            name: "old" for name in (ROWS, UNFINISHED_ROWS, "report.md")
        }
        (tmp_path / "report.md").write_text("new")
    folder.finish([make_row()])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.md", ROWS, "thesis.tex"]
    assert (tmp_path / "report.md").read_text() == "new"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(FileExistsError, match=r"out, which is a file\. Give the path of a folder"):
        OutputFolder(tmp_path / "out", [], overwrite=True)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"file/out cannot be written: Not a directory"):
        OutputFolder(tmp_path / "file" / "out", [], overwrite=False)


def test_remote_folders_are_refused(tmp_path):
    OutputFolder(tmp_path / "s3:" / "bucket", [], overwrite=False)
    with pytest.raises(ValueError, match=r"output must be a folder on the local file system, got"):
        OutputFolder(Path("s3://bucket/out"), [], overwrite=False)
