"""The fetching job from its command line, against a server on this machine; nothing else is ever asked."""

import hashlib
import io
import json
import threading
import tomllib
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spark_mf.cli.commands import fetch
from spark_mf.cli.settings import read_settings
from spark_mf.data.datasets import DATASETS
from spark_mf.data.reading import read_ratings

JOB = "fetch_dataset"
ROOT = Path(__file__).resolve().parents[2]
RATINGS = {
    "ml-latest-small": b"userId,movieId,rating,timestamp\n1,10,4.5,964982703\n2,11,3.0,964982931\n",
    "ml-100k": b"1\t10\t4\t881250949\n2\t11\t3\t891717742\n",
    "ml-1m": b"1::10::4::978300760\n2::11::3::978302109\n",
    "goodbooks-10k": b"user_id,book_id,rating\n1,10,4\n2,11,3\n",
}


def archive_of(name: str, ratings: bytes | None = None, member: str | None = None) -> bytes:
    """A small archive in the layout of a published one."""
    written = io.BytesIO()
    inside = member or DATASETS[name].member
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(inside, RATINGS[name] if ratings is None else ratings)
        opened.writestr(inside.rpartition("/")[0] + "/README" if "/" in inside else "README", "the terms")
    return written.getvalue()


class Server:
    """What a server gives: path → body, with the number of bytes it claims; and how often it was asked."""

    def __init__(self) -> None:
        self.bodies = {f"/{DATASETS[name].archive}": archive_of(name) for name in RATINGS}
        self.claimed_more = 0
        self.asked = 0
        given = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given.asked += 1
                body = given.bodies.get(self.path)
                if body is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body) + given.claimed_more))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch):
    """A running server; the known checksum is that of the small set's file here."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    small = replace(DATASETS["ml-latest-small"], ratings_sha256=hashlib.sha256(RATINGS["ml-latest-small"]).hexdigest())
    monkeypatch.setitem(DATASETS, "ml-latest-small", small)
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def arguments(server, tmp_path):
    """Options for the server, a cache and an output of the test's own."""
    return ["--base-url", server.url, "--cache", str(tmp_path / "cache"), "--output", str(tmp_path / "out")]


def refused(job, capsys, *arguments: str) -> str:
    """The one sentence that a run ends with."""
    with pytest.raises(SystemExit) as ended:
        job.main(list(arguments))
    assert ended.value.code == 2
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fetch_dataset: ")]
    return sentence


def left(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("name", RATINGS)
def test_a_set_is_fetched_and_read_as_published(job, spark, server, arguments, tmp_path, name):
    assert job.main([name, *arguments]) == 0
    ratings = DATASETS[name].member.rpartition("/")[2]
    assert left(tmp_path / "out") == sorted(["README", "description.json", ratings])
    assert (tmp_path / "out" / ratings).read_bytes() == RATINGS[name]
    found = json.loads((tmp_path / "out" / "description.json").read_text(encoding="utf-8"))
    assert found["name"] == name
    assert found["url"] == f"{server.url}/{DATASETS[name].archive}"
    assert found["sha256"] == hashlib.sha256(server.bodies[f"/{DATASETS[name].archive}"]).hexdigest()
    assert found["ratings_sha256"] == hashlib.sha256(RATINGS[name]).hexdigest()
    assert found["license"] == DATASETS[name].license
    assert found["citation"] == DATASETS[name].citation
    read = read_ratings(spark, tmp_path / "out" / ratings).ratings
    assert {(row.user, row.item) for row in read.collect()} == {(1, 10), (2, 11)}


def test_a_second_run_takes_the_cached_archive(job, server, arguments, tmp_path, capsys):
    job.main(["ml-1m", *arguments])
    assert "unverified, as this was the first download, and its checksum is recorded" in capsys.readouterr().out
    before = (tmp_path / "out" / "ratings.dat").read_bytes()
    assert job.main(["ml-1m", *arguments, "--overwrite"]) == 0
    assert server.asked == 1
    assert "equal to that of the first download, recorded at 20" in capsys.readouterr().out
    assert (tmp_path / "out" / "ratings.dat").read_bytes() == before


def test_the_licence_and_what_is_known_of_the_checksum_are_said(job, arguments, capsys):
    job.main(["ml-latest-small", *arguments])
    said = capsys.readouterr()
    assert "licence: GroupLens' own terms" in said.err
    assert "cite: F. Maxwell Harper and Joseph A. Konstan. 2015." in said.err
    assert "checksum of the ratings: equal to that of a trusted copy." in said.out


def test_an_archive_that_was_put_into_the_cache_is_used(job, server, arguments, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "ml-100k.zip").write_bytes(archive_of("ml-100k"))
    assert job.main(["ml-100k", *arguments]) == 0
    assert server.asked == 0


def test_a_later_download_must_be_like_the_first(job, server, arguments, tmp_path, capsys):
    job.main(["ml-1m", *arguments])
    (tmp_path / "cache" / "ml-1m.zip").unlink()
    server.bodies["/ml-1m.zip"] = archive_of("ml-1m", b"9::9::9::9\n")
    capsys.readouterr()
    sentence = refused(job, capsys, "ml-1m", *arguments, "--overwrite")
    assert "must have the checksum of the first download, recorded at 20" in sentence
    assert "Run the job again, or delete" in sentence
    assert left(tmp_path / "cache") == ["ml-1m.zip.sha256.json"]
    # What the first run left is complete, and stays.
    assert (tmp_path / "out" / "ratings.dat").read_bytes() == RATINGS["ml-1m"]
    assert "description.json" in left(tmp_path / "out")


def test_a_damaged_cache_is_downloaded_again(job, server, arguments, tmp_path):
    job.main(["ml-1m", *arguments])
    (tmp_path / "cache" / "ml-1m.zip").write_bytes(b"half")
    assert job.main(["ml-1m", *arguments, "--overwrite"]) == 0
    assert server.asked == 2


def test_a_replaced_set_is_refused_until_its_checksum_is_given(job, server, arguments, tmp_path, capsys):
    newer = RATINGS["ml-latest-small"] + b"3,12,5.0,1700000000\n"
    server.bodies["/ml-latest-small.zip"] = archive_of("ml-latest-small", newer)
    sha256 = hashlib.sha256(newer).hexdigest()
    sentence = refused(job, capsys, "ml-latest-small", *arguments)
    assert "The publisher sometimes replaces this data set by newer ratings." in sentence
    assert f"use --ratings-sha256 {sha256}." in sentence
    assert left(tmp_path / "out") == []
    assert job.main(["ml-latest-small", *arguments, "--ratings-sha256", sha256.upper()]) == 0
    assert (tmp_path / "out" / "ratings.csv").read_bytes() == newer


def test_an_overwriting_run_removes_the_files_of_the_earlier_set_and_no_others(job, arguments, tmp_path):
    job.main(["ml-1m", *arguments])
    (tmp_path / "out" / "notes.txt").write_text("my own")
    job.main(["ml-100k", *arguments, "--overwrite"])
    assert left(tmp_path / "out") == ["README", "description.json", "notes.txt", "u.data"]


def test_nobody_answers(job, server, arguments, tmp_path, capsys):
    server.stop()
    sentence = refused(job, capsys, "ml-1m", *arguments)
    assert "cannot be reached (the connection was refused). Connect to the internet, give a mirror" in sentence
    assert left(tmp_path / "out") == left(tmp_path / "cache") == []
    server.stop = lambda: None


def test_a_name_that_is_not_known(job, arguments, tmp_path, capsys, monkeypatch):
    import socket

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    arguments[1] = "http://mirror.invalid/movielens/"
    sentence = refused(job, capsys, "ml-1m", *arguments)
    assert "http://mirror.invalid/movielens/ml-1m.zip cannot be reached (the host name is unknown" in sentence
    assert left(tmp_path / "out") == left(tmp_path / "cache") == []


def test_no_such_file_on_the_server(job, arguments, tmp_path, capsys):
    sentence = refused(job, capsys, "ml-32m", *arguments)
    assert "/ml-32m.zip does not exist (404 Client Error: Not Found" in sentence
    assert "The publisher may have moved it" in sentence
    assert left(tmp_path / "out") == left(tmp_path / "cache") == []


def test_a_download_that_breaks_off(job, server, arguments, tmp_path, capsys):
    server.claimed_more = 1000
    assert "/ml-1m.zip ended early. Run the job again" in refused(job, capsys, "ml-1m", *arguments)
    assert left(tmp_path / "out") == left(tmp_path / "cache") == []


def test_a_page_instead_of_an_archive(job, server, arguments, tmp_path, capsys):
    server.bodies["/ml-1m.zip"] = b"<html>log in to the network first</html>"
    assert "must be a zip archive, got another file, such as the page of a proxy" in refused(
        job, capsys, "ml-1m", *arguments
    )
    assert left(tmp_path / "out") == left(tmp_path / "cache") == []


def test_an_archive_without_the_ratings(job, server, arguments, tmp_path, capsys):
    server.bodies["/ml-1m.zip"] = archive_of("ml-1m", member="ml-1m/other.dat")
    assert "must contain ml-1m/ratings.dat, got ml-1m/other.dat, ml-1m/README" in refused(
        job, capsys, "ml-1m", *arguments
    )
    assert left(tmp_path / "out") == []


def test_folders_that_cannot_be_written(job, server, arguments, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    inside = str(tmp_path / "file" / "inside")
    sentence = refused(job, capsys, "ml-1m", *arguments[:2], "--cache", inside, "--output", str(tmp_path / "out"))
    assert f"The cache folder {inside} cannot be written" in sentence
    assert "Give another with --cache" in sentence
    sentence = refused(job, capsys, "ml-1m", *arguments[:4], "--output", inside)
    assert f"The output folder {inside} cannot be written" in sentence
    assert server.asked == 0


def test_a_record_that_is_none(job, server, arguments, tmp_path, capsys):
    (tmp_path / "cache").mkdir()
    for text in ("{", "[]", '{"sha256": "12", "recorded_at": "then"}', '{"sha256": null}', "\xff"):
        (tmp_path / "cache" / "ml-1m.zip.sha256.json").write_bytes(text.encode("latin-1"))
        assert "ml-1m.zip.sha256.json must contain a SHA-256 and the time of its recording. Delete it" in refused(
            job, capsys, "ml-1m", *arguments
        )


def test_a_used_folder_is_not_overwritten_unasked(job, server, arguments, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    assert "which is not empty. Give another one, or --overwrite" in refused(job, capsys, "ml-1m", *arguments)
    assert server.asked == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "ml-25m, ml-32m, goodbooks-10k, got nothing. --list describes them."),
        (["ml-5m"], "ml-10m, ml-20m, ml-25m, ml-32m, goodbooks-10k, got 'ml-5m'."),
        (
            ["ml-1m", "--base-url", "ftp://127.0.0.1"],
            "url must begin with http:// or https:// and a host, got 'ftp://127.0.0.1/ml-1m.zip'",
        ),
        (
            ["ml-1m", "--ratings-sha256", "12"],
            "--ratings-sha256 must be the 64 hexadecimal digits of a SHA-256, got '12'.",
        ),
    ],
)
def test_bad_options(job, tmp_path, capsys, given, sentence):
    cache = ["--cache", str(tmp_path / "cache")]
    assert sentence in refused(job, capsys, *given, *cache, "--output", str(tmp_path / "out"))


def test_the_list_needs_no_output(job, capsys):
    with pytest.raises(SystemExit) as ended:
        job.main(["--list"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for name, each in DATASETS.items():
        assert f"| {name} " in said
        assert f" {each.ratings:,} |" in said
    assert "CC BY-SA 4.0" in said


def test_the_shipped_configuration_shows_every_setting():
    file = ROOT / "conf" / "fetch_dataset.toml"
    named = {"dataset": "ml-1m"}
    assert read_settings(fetch.FetchSettings, file, named) == fetch.FetchSettings(dataset="ml-1m")
    optional = [line.removeprefix("# ") for line in file.read_text().splitlines() if line.startswith("# ")]
    shown = tomllib.loads("\n".join(line for line in optional if " = " in line))
    assert set(shown) == set(vars(fetch.FetchSettings(dataset="ml-1m")))
    assert fetch.FetchSettings(**shown).published.ratings_sha256 == shown["ratings_sha256"]
