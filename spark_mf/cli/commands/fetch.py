"""The job that downloads the ratings and the licence of a public data set to a folder."""

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
_FROM = "source"
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
        "SHA-256 that the ratings file must have, such as the one in description.json of an earlier run",
        group=_SET,
    )
    base_url: Text | None = setting(
        None, "URL of a mirror's folder that has the archive; by default the publisher's", group=_FROM
    )
    cache: Text | None = setting(
        None, "folder that keeps archives for later runs; by default the user's cache folder", group=_FROM
    )

    def __post_init__(self) -> None:
        """Raise a ValueError if no data set is given."""
        if self.dataset is None:
            raise ValueError(f"DATASET must be one of {', '.join(DATASETS)}, got nothing. --list describes them.")

    @property
    def published(self) -> Dataset:
        """The data set named by `dataset`."""
        assert self.dataset is not None
        return DATASETS[self.dataset]


@dataclass(frozen=True)
class Fetched:
    """Result of `fetch`, also stored in description.json.

    Attributes
    ----------
    name, url, license, citation
        Of the data set.
    ratings : str
        Name of the ratings file, the first of `files`.
    files : list[str]
        All files in the folder except description.json.
    sha256, ratings_sha256 : str
        Checksums of the archive and of the ratings file.
    sha256_is, ratings_sha256_is : str
        Description of the checksums with which they were compared.
    fetched_at : str
        Time in UTC, ISO 8601.
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
    """Return a table of the data sets with their sizes, followed by their licences and citations."""
    headers = ("data set", "users", "items", "ratings", "download, MB")
    cells = [
        (each.name, f"{each.users:,}", f"{each.items:,}", f"{each.ratings:,}", shown(each.megabytes, ","))
        for each in DATASETS.values()
    ]
    terms: dict[tuple[str, str], list[str]] = {}
    for each in DATASETS.values():
        terms.setdefault((each.license, each.citation), []).append(each.name)
    paragraphs = [
        f"{', '.join(names)}:\n  licence: {license}\n  cite: {citation}" for (license, citation), names in terms.items()
    ]
    return "\n\n".join([aligned(headers, cells), *paragraphs])


def fetch(settings: FetchSettings, output: str, *, overwrite: bool) -> Fetched:
    """Download a data set unless it is cached, verify it, and write its ratings, README and licence to a folder.

    ``description.json`` is written last, so that a folder without it is known to be incomplete.

    Raises
    ------
    OSError
        If the archive cannot be downloaded, or the folder is not empty.
    ValueError
        If a checksum or an archive is wrong, or a folder cannot be written.
    """
    dataset = settings.published
    path = Path(output)
    folder = OutputFolder(path, (DESCRIPTION, *_files_of(path)), overwrite=overwrite)
    logger.info("%s, licence: %s", dataset.name, dataset.license)
    logger.info("cite: %s", dataset.citation)
    url = dataset.url if settings.base_url is None else f"{settings.base_url.rstrip('/')}/{dataset.archive}"
    cache = Path(settings.cache) if settings.cache is not None else Path(pooch.os_cache("spark_mf"))
    # On a terminal the download has its own progress bar.
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
    """Return what the checksum of the ratings file was compared with; raise a ValueError if they differ."""
    dataset = settings.published
    known = settings.ratings_sha256 or dataset.ratings_sha256
    if known is None:
        return "unverified; only that of the archive was compared"
    if known != sha256:
        replaced = "The publisher sometimes replaces this data set by newer ratings. " if dataset.replaced else ""
        raise ValueError(
            f"{dataset.member} of {download.path} must have the SHA-256 {known}, got {sha256}. {replaced}To accept the "
            f"file, use --ratings-sha256 {sha256}."
        )
    return "equal to the given one" if settings.ratings_sha256 else "equal to that of a trusted copy"


def _checksum_sentence(download: Download) -> str:
    if download.first:
        return "unverified, as this was the first download, and its checksum is recorded beside it to verify later ones"
    return f"equal to that of the first download, recorded at {download.recorded_at}"


def _files_of(path: Path) -> list[str]:
    """Return the names of the files of an earlier run in a folder; an empty list if it did not finish."""
    try:
        files = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))["files"]
        return [Path(name).name for name in files]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _finish(path: Path, description: dict[str, Any]) -> None:
    unfinished = path / f"{DESCRIPTION}.unfinished"
    unfinished.write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path / DESCRIPTION)
