"""Fetching a public data set: its ratings as published, with its licence, into a folder."""

import json
import logging
import re
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pooch
from pydantic import AfterValidator
from pydantic.dataclasses import dataclass as pydantic_dataclass

from spark_mf.cli.output import OutputFolder
from spark_mf.cli.phases import phase
from spark_mf.cli.settings import STRICT, Text, accepted_by, one_of, setting
from spark_mf.cli.tables import aligned, shown
from spark_mf.data.datasets import DATASETS, Dataset
from spark_mf.data.downloading import Download, extract_ratings, fetch_archive
from spark_mf.storage.folders import DESCRIPTION

logger = logging.getLogger(__name__)

_SET = "data set"
_FROM = "where from"
_Sha256 = Annotated[
    str,
    accepted_by(lambda value: re.fullmatch("[0-9a-fA-F]{64}", value), "the 64 hexadecimal digits of a SHA-256"),
    AfterValidator(str.lower),
]


@pydantic_dataclass(frozen=True, kw_only=True, config=STRICT)
class FetchSettings:
    """Settings of a download; every field is an option of ``jobs/fetch_dataset.py`` and a key of its TOML file."""

    dataset: Annotated[str, one_of(*DATASETS)] | None = setting(
        None, f"one of {', '.join(DATASETS)}; --list describes them", group=_SET, positional=True
    )
    ratings_sha256: _Sha256 | None = setting(
        None,
        "SHA-256 that the file of ratings must have, such as that of an earlier run's description.json",
        group=_SET,
    )
    base_url: Text | None = setting(
        None, "folder of a mirror that has the archive, instead of the publisher's", group=_FROM
    )
    cache: Text | None = setting(
        None, "folder that keeps archives for later runs; without it that of the system", group=_FROM
    )

    def __post_init__(self) -> None:
        """Raise ValueError when no data set is named."""
        if self.dataset is None:
            raise ValueError(f"DATASET must be one of {', '.join(DATASETS)}, got nothing. --list describes them.")

    @property
    def published(self) -> Dataset:
        """The data set that is named."""
        assert self.dataset is not None
        return DATASETS[self.dataset]


@dataclass(frozen=True)
class Fetched:
    """Result of `fetch`, which description.json contains too.

    Attributes
    ----------
    name, url, license, citation
        Of the data set.
    ratings : str
        Name of the file of ratings, the first of `files`.
    files : list[str]
        All files in the folder but description.json.
    sha256, ratings_sha256 : str
        Of the archive and of the file of ratings.
    sha256_is, ratings_sha256_is : str
        What each was compared with, in words.
    fetched_at : str
        UTC, ISO 8601.
    """

    name: str
    ratings: str
    files: list[str]
    url: str
    sha256: str
    sha256_is: str
    ratings_sha256: str
    ratings_sha256_is: str
    license: str
    citation: str
    fetched_at: str


def dataset_table() -> str:
    """The data sets with their sizes and terms, in words."""
    headers = ("data set", "users", "items", "ratings", "download, MB")
    cells = [
        (each.name, f"{each.users:,}", f"{each.items:,}", f"{each.ratings:,}", shown(each.megabytes, ","))
        for each in DATASETS.values()
    ]
    terms: dict[tuple[str, str], list[str]] = {}
    for each in DATASETS.values():
        terms.setdefault((each.license, each.citation), []).append(each.name)
    said = [
        f"{', '.join(names)}:\n  licence: {license}\n  cite: {citation}" for (license, citation), names in terms.items()
    ]
    return "\n\n".join([aligned(headers, cells), *said])


def fetch(settings: FetchSettings, output: str, *, overwrite: bool) -> Fetched:
    """Download a data set unless it is cached, check it, and leave its ratings, README and licence in a folder.

    The folder's ``description.json`` comes last: a folder without one is not complete.

    Raises
    ------
    OSError
        When it cannot be downloaded or the folder is in use.
    ValueError
        When a checksum or an archive is not what it should be, or a folder cannot be written.
    """
    dataset = settings.published
    path = Path(output)
    folder = OutputFolder(path, (DESCRIPTION, *_files_of(path)), overwrite=overwrite)
    logger.info("%s, licence: %s", dataset.name, dataset.license)
    logger.info("cite: %s", dataset.citation)
    url = dataset.url if settings.base_url is None else f"{settings.base_url.rstrip('/')}/{dataset.archive}"
    cache = Path(settings.cache) if settings.cache is not None else Path(pooch.os_cache("spark_mf"))
    # On a terminal the download draws a bar of its own.
    with phase(f"fetching {url}", ticking=not sys.stderr.isatty()):
        download = fetch_archive(url, cache)
    # Inside the folder, so that finished files only have to be renamed.
    with tempfile.TemporaryDirectory(dir=path, prefix=".unfinished-") as unfinished:
        with phase(f"unpacking {dataset.member}"):
            files, sha256 = extract_ratings(download.path, dataset.member, Path(unfinished))
        checked = _check_ratings(settings, download, sha256)
        folder.start()
        for name in files:
            (Path(unfinished) / name).replace(path / name)
    fetched = Fetched(
        name=dataset.name,
        ratings=files[0],
        files=files,
        url=url,
        sha256=download.sha256,
        sha256_is=_checksum_sentence(download),
        ratings_sha256=sha256,
        ratings_sha256_is=checked,
        license=dataset.license,
        citation=dataset.citation,
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    _finish(path, asdict(fetched))
    folder.remove_replaced()
    return fetched


def _check_ratings(settings: FetchSettings, download: Download, sha256: str) -> str:
    """Return a sentence on the checksum of the ratings file."""
    dataset = settings.published
    known = settings.ratings_sha256 or dataset.ratings_sha256
    if known is None:
        return "not known before; that of the archive was checked"
    if known != sha256:
        replaced = "the publisher replaces this set by newer ratings now and then; " if dataset.replaced else ""
        raise ValueError(
            f"{dataset.member} of {download.path} has the SHA-256 {sha256} and not {known}, the known one: {replaced}"
            f"to take it as it is, give --ratings-sha256 {sha256}."
        )
    return "as given" if settings.ratings_sha256 else "as known from a trusted copy"


def _checksum_sentence(download: Download) -> str:
    if download.first:
        return (
            "not known before: this was the first download, and its checksum is recorded beside it, for later "
            "downloads to be compared with"
        )
    return f"that of the first download, recorded at {download.recorded_at}"


def _files_of(path: Path) -> list[str]:
    """Names of the files that an earlier run left in a folder; none where it did not finish."""
    try:
        files = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))["files"]
        return [Path(name).name for name in files]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _finish(path: Path, description: dict[str, Any]) -> None:
    unfinished = path / f"{DESCRIPTION}.unfinished"
    unfinished.write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path / DESCRIPTION)
