"""Downloads of archives into a cache, and extraction of single files.

If no checksum is published, the checksum of the first download is recorded beside the cached archive, and later
downloads must have the same one.
"""

import hashlib
import json
import logging
import re
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pooch
import requests

logger = logging.getLogger(__name__)

_CHUNK = 1 << 16
_SECONDS_TO_ANSWER = 30
_NOTES = re.compile(r"(readme|licen[cs]e)(\W.*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Download:
    """An archive in the cache.

    Attributes
    ----------
    path : Path
    sha256 : str
    recorded_at : str
        Time when its checksum was first recorded, in UTC (ISO 8601).
    first : bool
        Whether the checksum was recorded by this download, so that there was none to compare it with.
    """

    path: Path
    sha256: str
    recorded_at: str
    first: bool


def fetch_archive(url: str, cache: Path) -> Download:
    """Download a zip archive to the cache, unless it is there already.

    Parameters
    ----------
    url : str
        An http or https URL; the last part of its path names the archive in the cache.
    cache : Path
        A folder, which is created if it does not exist.

    Returns
    -------
    Download

    Raises
    ------
    ConnectionError
        If the server cannot be reached, does not answer, or closes the connection early.
    FileNotFoundError
        If the server has no such file.
    ValueError
        If the URL is invalid, the cache cannot be written, the file is not a zip archive, or its checksum differs from
        the first download.
    """
    if not re.match(r"https?://[^/]+/", url):
        raise ValueError(f"url must begin with http:// or https:// and a host, got {url!r}.")
    _require_writable(cache)
    name = url.rsplit("/", 1)[-1]
    record = cache / f"{name}.sha256.json"
    recorded = _read_record(record)
    archive = cache / name
    was_there = archive.exists()
    _retrieve(url, archive, record, recorded)
    if recorded is None:
        if not zipfile.is_zipfile(archive):
            archive.unlink()
            raise ValueError(
                f"{url} must be a zip archive, got another file, such as the page of a proxy or of a site that moved. "
                "Open it in a browser, or give a mirror with --base-url."
            )
        # A cached archive has no record if the process was killed between the two writes.
        sha256, now = pooch.file_hash(str(archive)), datetime.now(UTC).isoformat(timespec="seconds")
        _write_json(record, {"url": url, "sha256": sha256, "recorded_at": now})
        return Download(archive, sha256, now, first=True)
    logger.info("%s: %s", name, "found in the cache" if was_there else "downloaded")
    return Download(archive, recorded["sha256"], recorded["recorded_at"], first=False)


def extract_ratings(archive: Path, member: str, folder: Path) -> tuple[list[str], str]:
    """Write one file of a zip archive, and the README and licence files, into a folder.

    Parameters
    ----------
    archive : Path
    member : str
        Full name of the file inside the archive.
    folder : Path
        An existing folder; the files are named by the last part of their names in the archive.

    Returns
    -------
    names : list[str]
        Names of the files written, starting with that of `member`.
    sha256 : str
        Checksum of that file.

    Raises
    ------
    ValueError
        If the archive is damaged, has no such member, or contains a path outside its folder.
    """
    way_out = f"Delete {archive} and its .sha256.json, and run the job again"
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
            for name in names:
                if PurePosixPath(name).is_absolute() or {"..", "\\"} & {*PurePosixPath(name).parts, *name}:
                    raise ValueError(
                        f"{archive} must contain only files inside of its folder, got {name!r}. Nothing was unpacked. "
                        f"{way_out}."
                    )
            if member not in names:
                shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
                raise ValueError(
                    f"{archive} must contain {member}, got {shown or 'nothing'}. Its publisher may have changed it. "
                    f"{way_out}."
                )
            notes = [name for name in names if _NOTES.fullmatch(PurePosixPath(name).name)]
            # Only from the folder of the ratings, because other folders may have their own README.
            notes = [name for name in notes if PurePosixPath(name).parent == PurePosixPath(member).parent]
            sums = [_extract(opened, name, folder) for name in (member, *notes)]
            return [PurePosixPath(name).name for name in (member, *notes)], sums[0]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as fault:
        raise ValueError(f"{archive} is damaged ({fault}). {way_out}.") from None


def _retrieve(url: str, archive: Path, record: Path, recorded: dict[str, str] | None) -> None:
    pooch.get_logger().setLevel("WARNING")
    shown = sys.stderr.isatty()
    downloader = pooch.HTTPDownloader(progressbar=shown, chunk_size=_CHUNK, timeout=_SECONDS_TO_ANSWER)
    known = None if recorded is None else f"sha256:{recorded['sha256']}"
    try:
        pooch.retrieve(url, known_hash=known, fname=archive.name, path=archive.parent, downloader=downloader)
    except requests.HTTPError as fault:
        raise FileNotFoundError(
            f"{url} does not exist ({fault}). The publisher may have moved it. Give a mirror with --base-url, or try "
            "again later."
        ) from None
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
        raise ConnectionError(f"The download of {url} ended early. Run the job again.") from None
    except requests.RequestException as fault:
        raise ConnectionError(
            f"{url} cannot be reached ({_reason(fault)}). Connect to the internet, give a mirror with --base-url, or "
            f"put the archive at {archive} yourself."
        ) from None
    except ValueError:
        assert recorded is not None  # pooch checks no other value
        raise ValueError(
            f"{url} must have the checksum of the first download, recorded at {recorded['recorded_at']}, got another. "
            "The publisher has replaced the archive, or the download was damaged. Run the job again, or delete "
            f"{record} to accept the archive."
        ) from None


def _extract(opened: zipfile.ZipFile, name: str, folder: Path) -> str:
    digest = hashlib.sha256()
    with opened.open(name) as source, (folder / PurePosixPath(name).name).open("wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def _require_writable(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Writing is the only reliable test. The file is deleted when it is closed.
        tempfile.TemporaryFile(dir=cache).close()
    except OSError as fault:
        raise ValueError(
            f"The cache folder {cache} cannot be written ({fault.strerror}). Give another with --cache."
        ) from None


def _read_record(record: Path) -> dict[str, str] | None:
    if not record.exists():
        return None
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        if not (re.fullmatch("[0-9a-f]{64}", found["sha256"]) and isinstance(found["recorded_at"], str)):
            raise ValueError("no SHA-256 or no time")
        return {"sha256": found["sha256"], "recorded_at": found["recorded_at"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(
            f"{record} must contain a SHA-256 and the time of its recording. Delete it and the archive beside it."
        ) from None


def _write_json(path: Path, found: dict[str, str]) -> None:
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _reason(fault: requests.RequestException) -> str:
    if isinstance(fault, requests.Timeout):
        return f"no answer within {_SECONDS_TO_ANSWER} s"
    text = str(fault)
    for sign, words in (
        ("NameResolution", "the host name is unknown, the machine may be offline"),
        ("refused", "the connection was refused"),
        ("unreachable", "the network is unreachable"),
        ("CERTIFICATE", "its certificate is not trusted"),
    ):
        if sign in text:
            return words
    return type(fault).__name__
