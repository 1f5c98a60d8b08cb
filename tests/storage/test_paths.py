"""Paths of every character, places inside others, and folders that are replaced only by complete ones."""

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_mf.storage import files, paths
from spark_mf.storage.files import file_heads, found_at, hadoop_path
from spark_mf.storage.paths import (
    Place,
    place_of,
    place_of_uri,
    reads_from,
    rename_all,
    replacing,
    require_apart,
    set_aside,
)
from tests.odd_paths import CHARACTERS, ODD

CSV = "1,2,3\n"
# A long name of four-byte characters would be too long for the file system.
NAMES = st.text(CHARACTERS, min_size=1, max_size=40).filter(lambda name: name.strip(".") and len(name.encode()) < 240)


def require_literal(spark, folder: Path) -> None:
    """The path of a folder with one file is that folder and no other, whatever it looks like."""
    inside = folder / f"r{folder.name.replace(':', '')}.csv"
    inside.write_text(CSV)
    _, (status,) = found_at(spark, str(folder))
    uri = status.getPath().toUri().toString()
    here = Place("file", "", os.path.realpath(folder))
    assert place_of_uri(uri) == place_of(spark, str(folder)) == place_of(spark, f"file:{folder}") == here
    for path in (folder, inside):
        (head,) = file_heads(spark, str(path))
        assert (head.path, head.head) == (str(inside), CSV.encode())
    with pytest.raises(ValueError, match="output must not contain the data to be read, got"):
        require_apart(spark, str(inside), str(folder))


def test_every_character_is_taken_literally(spark, tmp_path):
    for character in CHARACTERS:
        for name in {f"a{character}b"} if character.isalnum() or character == "." else {character, f"a{character}b"}:
            (tmp_path / name).mkdir()
            require_literal(spark, tmp_path / name)
    (tmp_path / ODD).mkdir()
    require_literal(spark, tmp_path / ODD)


@given(NAMES)
@settings(max_examples=40)
def test_characters_together_are_taken_literally(spark, tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("names") / name
    folder.mkdir()
    require_literal(spark, folder)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "path must not be empty, got ''"),
        ("a\tb", r"path must not contain control characters, got 'a\\tb'. Rename the file or folder."),
        ("/a\nb", "path must not contain control characters"),
        ("/a\udcffb", "path must not contain bytes that are not UTF-8"),
        ("//tmp/a", "path must not begin with '//', got '//tmp/a'. Write '/tmp/a'."),
        ("a:b", "path must not contain ':' in its first name, got 'a:b'. Write './a:b'."),
        ("a b:/c", "path must not contain ':' in its first name, got 'a b:/c'. Write './a b:/c'."),
    ],
)
def test_paths_that_hadoop_cannot_take_are_refused(spark, path, sentence):
    with pytest.raises(ValueError, match=sentence):
        hadoop_path(spark, path)


def test_names_that_java_would_write_with_question_marks_are_refused():
    files._require_encodable("/日本", "UTF-8")
    files._require_encodable("/日本", "x-unknown")
    with pytest.raises(ValueError, match=r"encoding of file names, ANSI_X3.4-1968, got '/日本'. Set LC_ALL=C.UTF-8"):
        files._require_encodable("/日本", "ANSI_X3.4-1968")


def test_the_file_comes_before_the_pattern(spark, tmp_path):
    for name in ("a[1].csv", "a1.csv", "a{1,2}.csv", "a2.csv"):
        (tmp_path / name).write_text(f"{name}\n")

    def read(name):
        return [head.head.decode().strip() for head in file_heads(spark, str(tmp_path / name))]

    assert read("a[1].csv") == ["a[1].csv"]
    assert read("a{1,2}.csv") == ["a{1,2}.csv"]
    (tmp_path / "a[1].csv").unlink()
    (tmp_path / "a{1,2}.csv").unlink()
    assert read("a[1].csv") == ["a1.csv"]
    assert read("a{1,2}.csv") == ["a1.csv", "a2.csv"]
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read("b:c.csv")


@pytest.mark.parametrize("name", ["_r.csv", ".r.csv", "r.csv._COPYING_"])
def test_files_that_spark_skips_are_refused(spark, tmp_path, name):
    (tmp_path / name).write_text(CSV)
    for path in (name, f"*{name[1:]}"):
        with pytest.raises(ValueError, match=r"path must not be a file that Spark's readers skip, .* Rename"):
            file_heads(spark, str(tmp_path / path))


def test_local_files_with_a_colon_are_refused(spark, tmp_path):
    (tmp_path / "10:00.csv").write_text(CSV)
    for path in (tmp_path, tmp_path / "10:00.csv"):
        with pytest.raises(ValueError, match=r"must not lead to a local file with ':' in its name, got '10:00.csv'"):
            file_heads(spark, str(path))


def test_inputs_in_the_output_are_refused_however_they_are_spelled(spark, tmp_path, monkeypatch):
    output = tmp_path / "my out%"
    (output / "ratings").mkdir(parents=True)
    (output / "ratings" / "part-0.csv").write_text(CSV)
    (tmp_path / "link").symlink_to(output)
    (tmp_path / "file.csv").symlink_to(output / "ratings" / "part-0.csv")
    (tmp_path / "my out%2").mkdir()
    inside = [
        str(output),
        f"{output}/",
        f"file:{output}/ratings",
        f"file://{output}/ratings",
        str(output / "ratings" / "part-*.csv"),
        str(tmp_path / "other" / ".." / "my out%" / "absent"),
        str(tmp_path / "link" / "ratings"),
        str(tmp_path / "file.csv"),
        os.path.relpath(output),
    ]
    for source, folder in itertools.product(inside, [str(output), f"file:///{output}", str(tmp_path / "link")]):
        with pytest.raises(
            ValueError, match=r"output must not contain the data to be read, got .* Give another output"
        ):
            require_apart(spark, source, folder)
    for source in (tmp_path, tmp_path / "my out%2", tmp_path / "my out", "nosuchscheme://host/a"):
        require_apart(spark, str(source), str(output))


def test_places_of_other_file_systems():
    def place(uri):
        return place_of_uri(uri)

    assert place("hdfs://name:8020/a%20b/c").is_in(place("hdfs://name/a%20b"))
    assert not place("s3a://one/a/b").is_in(place("s3a://two/a"))
    assert not place("s3a://one/a/b").is_in(Place("file", "", "/a"))
    assert place("s3a://one/a/b").is_in(place("s3a://one/"))
    assert not place("hdfs://name/ab").is_in(place("hdfs://name/a"))


def test_frames_read_where_their_files_are(spark, tmp_path):
    folder = tmp_path / "a %25 b"
    spark.range(3).coalesce(1).write.parquet(str(folder / "ids"))
    frame = spark.read.parquet(str(folder / "ids"))
    cached = frame.where("id > 0").cache()
    cached.count()
    for each in (frame, cached.selectExpr("id + 1 AS id"), spark.range(5).join(cached, "id")):
        assert reads_from(each, str(folder))
        assert not reads_from(each, str(tmp_path / "a % b"))
    assert not reads_from(frame.localCheckpoint(), str(folder))
    cached.unpersist()
    spark.conf.set("spark.sql.sources.useV1SourceList", "")
    try:
        assert reads_from(spark.read.parquet(str(folder / "ids")), str(folder))
    finally:
        spark.conf.unset("spark.sql.sources.useV1SourceList")


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write_two(folder: str, text: str) -> None:
    for part in ("a", "b"):
        inside = Path(folder.removeprefix("file:"), part)
        inside.mkdir(parents=True)
        (inside / "file").write_text(text)


OLD, NEW = ({"a/file": text, "b/file": text} for text in ("old", "new"))


@pytest.fixture
def target(tmp_path):
    write_two(str(tmp_path / ODD), "old")
    return tmp_path / ODD


def test_a_folder_is_replaced_and_nothing_is_left(spark, target):
    with replacing(spark, str(target)) as folder:
        assert contents(target) == OLD
        write_two(folder, "new")
        assert contents(target) == OLD
    assert contents(target) == NEW
    assert list(target.parent.iterdir()) == [target]


def test_a_failing_write_leaves_the_old_folder(spark, target):
    def write(folder):
        write_two(folder, "new")
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"), replacing(spark, str(target)) as folder:
        write(folder)
    assert contents(target) == OLD
    assert list(target.parent.iterdir()) == [target]


class Killed(BaseException):
    """The end of the process: nothing that comes after has an effect."""


@pytest.mark.parametrize("renamed", [0, 1])
def test_a_failing_renaming_leaves_the_old_folder(spark, target, monkeypatch, renamed):
    true, calls = paths._rename, itertools.count()

    def rename(spark, source, goal):
        if next(calls) == renamed:
            raise OSError("busy")
        true(spark, source, goal)

    monkeypatch.setattr(paths, "_rename", rename)
    with pytest.raises(OSError, match="busy"), replacing(spark, str(target)) as folder:
        write_two(folder, "new")
    assert contents(target) == OLD
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_kill_leaves_the_old_or_the_new_folder_complete(spark, target, monkeypatch, steps):
    """Killed before the first renaming, between the two, and before the old folder is deleted."""
    true = paths._rename
    done: list[tuple] = []

    def dead(*_):
        raise Killed

    def rename(*pair):
        if len(done) < steps:
            true(*pair)
            done.append(pair)
        if len(done) == steps:
            patch.setattr(paths, "_rename", dead)
            patch.setattr(paths, "hadoop_path", dead)
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(paths, "_rename", rename)
        with pytest.raises(Killed), replacing(spark, str(target)) as folder:
            write_two(folder, "new")
    if steps == 1:
        aside = set_aside(spark, str(target))
        assert aside is not None
        kept = Path(aside.removeprefix("file:"))
        assert contents(kept) == OLD
        assert contents(kept.with_suffix(".new")) == NEW
    else:
        assert contents(target) == (NEW if steps else OLD)


def test_all_are_renamed_or_none(spark, tmp_path):
    for name in ("a", "b", "taken"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    before = contents(tmp_path)
    at = {name: str(tmp_path / name) for name in ("a", "b", "c", "taken", "absent", "d")}
    for last in ((at["b"], at["taken"]), (at["absent"], at["d"])):
        with pytest.raises(OSError, match=r".+"):
            rename_all(spark, [(at["a"], at["c"]), last])
        assert contents(tmp_path) == before
    rename_all(spark, [(at["a"], at["c"]), (at["b"], at["d"])])
    assert contents(tmp_path) == {"c/file": "a", "d/file": "b", "taken/file": "taken"}
