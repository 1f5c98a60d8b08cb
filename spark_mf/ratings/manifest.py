"""Manifest of a folder of partitioned ratings: description of its content, and checksums of its files."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from spark_mf.ratings.typed_json import from_json

MANIFEST = "manifest.json"
FORMAT = "spark_mf partitioned ratings"
VERSION = 1

USERS, ITEMS = "users", "items"
BY_USER, BY_ITEM, GRID = "by_user", "by_item", "grid"
LAYOUTS = (BY_USER, BY_ITEM, GRID)
ID_TYPES = ("int", "bigint", "string")


@dataclass(frozen=True, kw_only=True)
class SideManifest:
    """Description of one side, users or items.

    Attributes
    ----------
    count : int
        Number of distinct ids of the training ratings.
    id_type : str
        One of `ID_TYPES`.
    asked_blocks : int
        Requested number of blocks; there are fewer if that many cannot be balanced.
    ratings, rows : tuple[int, ...]
        Numbers of training ratings and of ids of each block.
    balance : float
        Number of ratings of the largest block divided by the mean.
    largest_row : int
        Largest number of ratings of an id.
    checksum : int
        Checksum of ids, blocks and counts; see `spark_mf.ratings.stored_writing.side_checksum`.
    """

    count: int
    id_type: str
    asked_blocks: int
    ratings: tuple[int, ...]
    rows: tuple[int, ...]
    balance: float
    largest_row: int
    checksum: int

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.ratings)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Description of a folder of partitioned ratings.

    Attributes
    ----------
    spark_mf : str
        Version of spark_mf that wrote the folder.
    layouts : tuple[str, ...]
        Some of `LAYOUTS`; each is a folder.
    ratings, validation_ratings : int
        Numbers of training rows, and of validation rows whose user and item have training rows.
    cold_validation_ratings : int
        Number of other validation rows, which no model can predict and which are not in the folder.
    left_out : int
        Number of test rows, which are not in the folder.
    duplicates : int
        Number of training rows that repeat the (user, item) pair of another.
    seed : int
        Seed of the order in which rows with equally many ratings are assigned to blocks.
    rank : int or None
        Rank of the fits for which the folder was made; None for any.
    users, items : SideManifest
    cells : tuple[tuple[int, ...], ...]
        Numbers of training ratings of the cells of the grid, by user block; empty without that layout.
    checksums : dict[str, tuple[int, ...]]
        CRC-32 of the content of each block, by layout.
    files : dict[str, int]
        Length in bytes of every data file, by its path in the folder.
    weighted : bool
        Whether ratings have weights; earlier versions of spark_mf wrote folders without this key.
    """

    format: str = FORMAT
    version: int = VERSION
    spark_mf: str
    layouts: tuple[str, ...]
    ratings: int
    validation_ratings: int
    cold_validation_ratings: int
    left_out: int
    duplicates: int
    seed: int
    rank: int | None
    users: SideManifest
    items: SideManifest
    cells: tuple[tuple[int, ...], ...]
    checksums: dict[str, tuple[int, ...]]
    files: dict[str, int]
    weighted: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as an object for `json.dumps`; `read_manifest` is the inverse."""
        return asdict(self)


def read_manifest(text: str, source: str) -> Manifest:
    """Read a manifest, and check that it is consistent.

    Parameters
    ----------
    text : str
    source : str
        Path of the manifest, for messages.

    Returns
    -------
    Manifest

    Raises
    ------
    ValueError
        If it is not a manifest, has an unknown version, or is inconsistent.
    """
    way_out = "Partition the ratings again"
    try:
        found = json.loads(text)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(f"its format must be {FORMAT!r}")
        if found.get("version") != VERSION:
            version = json.dumps(found.get("version"))[:60]
            way_out = "Read it with the version of spark_mf that wrote it, or partition the ratings again"
            raise ValueError(f"its version must be {VERSION} for this version of spark_mf, got {version}")
        manifest = from_json(Manifest, text)
        _require_consistent(manifest)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{source} must be a valid manifest, got invalid JSON ({error.msg} in line {error.lineno}). {way_out}."
        ) from None
    except RecursionError:
        raise ValueError(f"{source} must be a valid manifest, got JSON that is nested too deeply. {way_out}.") from None
    except ValueError as error:
        raise ValueError(f"{source} must be a valid manifest: {error}. {way_out}.") from None
    return manifest


def _require_consistent(manifest: Manifest) -> None:
    for name in ("users", "items"):
        _require_consistent_side(name, getattr(manifest, name), manifest.ratings)
    unknown = [layout for layout in manifest.layouts if layout not in LAYOUTS]
    if unknown or not manifest.layouts or len(set(manifest.layouts)) != len(manifest.layouts):
        raise ValueError(f"its layouts must be different ones of {', '.join(LAYOUTS)}, got {list(manifest.layouts)}")
    for layout in manifest.layouts:
        blocks = manifest.items.blocks if layout == BY_ITEM else manifest.users.blocks
        if len(manifest.checksums.get(layout, ())) != blocks:
            raise ValueError(f"it must have a checksum of each of the {blocks} blocks of {layout}")
    if GRID in manifest.layouts:
        sums = tuple(sum(cells) for cells in manifest.cells)
        if sums != manifest.users.ratings or any(len(cells) != manifest.items.blocks for cells in manifest.cells):
            raise ValueError("the cells of its grid must add up to the ratings of its user blocks")
    negative = [name for name, value in asdict(manifest).items() if name != "seed" and _is_negative(value)]
    if negative:
        raise ValueError(f"its {negative[0]} must not be negative")


def _require_consistent_side(name: str, side: SideManifest, ratings: int) -> None:
    if side.id_type not in ID_TYPES:
        raise ValueError(f"the id_type of its {name} must be one of {', '.join(ID_TYPES)}, got {side.id_type!r}")
    if not side.ratings or len(side.ratings) != len(side.rows):
        raise ValueError(
            f"its {name} must have ratings and rows of the same blocks, got {len(side.ratings)} and {len(side.rows)}"
        )
    if sum(side.ratings) != ratings or sum(side.rows) != side.count:
        raise ValueError(
            f"the blocks of its {name} must add up to {ratings} ratings and {side.count} rows, got {sum(side.ratings)} "
            f"and {sum(side.rows)}"
        )
    if any(_is_negative(value) for value in (*side.ratings, *side.rows)):
        raise ValueError(f"the sizes of the blocks of its {name} must not be negative")


def _is_negative(value: Any) -> bool:
    return isinstance(value, int | float) and value < 0
