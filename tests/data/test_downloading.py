"""Tests of the extraction of files from archives."""

import hashlib
import zipfile

import pytest

from spark_mf.data.datasets import DATASETS
from spark_mf.data.downloading import extract_ratings, fetch_archive

RATINGS = b"1::2::5::978300760\n"


@pytest.fixture
def archive(tmp_path):
    """Writes an archive of the named members, and gives its path and an empty folder."""

    def write(**members):
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as opened:
            for name, content in members.items():
                opened.writestr(name, content)
        folder = tmp_path / "out"
        folder.mkdir()
        return path, folder

    return write


def test_the_ratings_and_the_terms_are_written_and_nothing_else(archive):
    members = {
        "set/ratings.dat": RATINGS, "set/README": b"terms", "set/License.txt": b"more", "set/movies.dat": b"1::A",
        "set/readmes.csv": b"", "set/deeper/README": b"of something else",
    }  # fmt: skip
    path, folder = archive(**members)
    names, sha256 = extract_ratings(path, "set/ratings.dat", folder)
    assert names == ["ratings.dat", "README", "License.txt"]
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {
        "ratings.dat": RATINGS, "README": b"terms", "License.txt": b"more",
    }  # fmt: skip
    assert sha256 == hashlib.sha256(RATINGS).hexdigest()


@pytest.mark.parametrize("name", ["../outside", "set/../../outside", "/outside", "..\\outside"])
def test_a_name_that_leads_out_of_the_archive_is_refused(archive, name, tmp_path):
    path, folder = archive(**{"set/ratings.csv": RATINGS, name: b"evil"})
    with pytest.raises(ValueError, match=r"must contain only files inside of its folder, got .*outside'\. .* Delete"):
        extract_ratings(path, "set/ratings.csv", folder)
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_an_archive_without_the_ratings_says_what_it_has(archive):
    path, folder = archive(**{"set/movies.csv": b""})
    with pytest.raises(ValueError, match=r"must contain set/ratings.csv, got set/movies.csv\. .* Delete .*set.zip"):
        extract_ratings(path, "set/ratings.csv", folder)


@pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: data[:31] + b"\xff" * 15 + data[46:]])
def test_a_damaged_archive_is_refused(archive, damage):
    path, folder = archive(**{"set/ratings.csv": RATINGS * 10})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"set.zip is damaged \(.*\)\. Delete .*set.zip and its .sha256.json"):
        extract_ratings(path, "set/ratings.csv", folder)


def test_only_http_is_downloaded(tmp_path):
    for url in ("ftp://127.0.0.1/set.zip", "file:///etc/passwd", "127.0.0.1/set.zip", "http:///set.zip"):
        with pytest.raises(ValueError, match=r"^url must begin with http:// or https:// and a host, got "):
            fetch_archive(url, tmp_path)


def test_the_table_of_sets_is_sound():
    assert {"ml-latest-small", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "goodbooks-10k"} == {
        *DATASETS
    }
    for name, each in DATASETS.items():
        assert each.name == name
        assert each.url.startswith("https://")
        assert each.url.endswith(".zip")
        assert each.ratings > each.users > 0
        assert each.license
        assert each.citation
