"""Tests of the manifest of partitioned ratings: round trip, and errors for invalid manifests."""

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spark_mf.ratings.manifest import Manifest, SideManifest, read_manifest

USERS = SideManifest(
    count=3, id_type="string", asked_blocks=5, ratings=(4, 3), rows=(1, 2), balance=8 / 7, largest_row=4, checksum=2**63
)
ITEMS = SideManifest(
    count=4, id_type="bigint", asked_blocks=1, ratings=(7,), rows=(4,), balance=1.0, largest_row=2, checksum=5
)
MANIFEST = Manifest(
    spark_mf="1.0",
    layouts=("by_user", "by_item", "grid"),
    ratings=7,
    validation_ratings=2,
    cold_validation_ratings=1,
    left_out=4,
    duplicates=0,
    seed=-3,
    rank=None,
    users=USERS,
    items=ITEMS,
    cells=((4,), (3,)),
    checksums={"by_user": (1, 2), "by_item": (3,), "grid": (4, 5)},
    files={"users/part-0.parquet": 10},
)
TEXT = json.dumps(MANIFEST.to_json())


def changed(path: str, value: object) -> str:
    """The text of the manifest with one value replaced; None removes it."""
    found = json.loads(TEXT)
    place = found
    *outer, last = path.split(".")
    for key in outer:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(found)


def refusal(text: str) -> str:
    with pytest.raises(ValueError, match=r"again\.$") as refused:
        read_manifest(text, "folder/manifest.json")
    (sentence,) = str(refused.value).splitlines()
    assert sentence.startswith("folder/manifest.json must be a valid manifest")
    return sentence


def test_there_and_back():
    assert read_manifest(TEXT, "m") == MANIFEST
    ranked = replace(MANIFEST, rank=64)
    assert read_manifest(json.dumps(ranked.to_json()), "m") == ranked
    assert (USERS.blocks, ITEMS.blocks) == (2, 1)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("format", "parquet", "its format must be 'spark_mf partitioned ratings'. Partition"),
        (
            "version",
            2,
            "its version must be 1 for this version of spark_mf, got 2. Read it with the version of spark_mf that",
        ),
        ("users", None, "key 'users' is missing"),
        ("ratings", "7", "key 'ratings' must be an integer, got \"7\""),
        ("users.ratings", [8, -1], "the sizes of the blocks of its users must not be negative"),
        ("users.balance", 10**400, "key 'users.balance' must be a finite number, got 1000"),
        (
            "layouts",
            ["grid", "grid"],
            "its layouts must be different ones of by_user, by_item, grid, got ['grid', 'grid']",
        ),
        ("users.id_type", "double", "the id_type of its users must be one of int, bigint, string, got 'double'"),
        ("items.rows", [2, 2], "its items must have ratings and rows of the same blocks, got 1 and 2"),
        ("checksums.by_item", [3, 4], "it must have a checksum of each of the 1 blocks of by_item"),
        ("checksums.grid", None, "it must have a checksum of each of the 2 blocks of grid"),
        ("cells", [[3], [4]], "the cells of its grid must add up"),
        ("duplicates", -1, "its duplicates must not be negative"),
    ],
)
def test_contradictions_are_refused(path, value, sentence):
    assert sentence in refusal(changed(path, value))


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "3", '"text"', "[" * 100_000, '{"format":', "\x00", "NaN", '{"format": NaN}']
)
def test_what_is_no_manifest_is_refused(text):
    assert "manifest" in refusal(text)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = [*MANIFEST.to_json(), *(f"{side}.{key}" for side in ("users", "items") for key in USERS.__dict__)]


@given(st.sampled_from(PATHS), ANYTHING)
@example("rank", None)
@example("users.balance", 10**400)
def test_any_value_anywhere_gives_a_manifest_or_a_sentence(path, value):
    text = changed(path, value)
    try:
        found = read_manifest(text, "folder/manifest.json")
    except ValueError:
        refusal(text)
    else:
        assert read_manifest(json.dumps(found.to_json()), "m") == found
        assert sum(found.users.ratings) == sum(found.items.ratings) == found.ratings


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")), st.integers(0, len(TEXT)), st.integers(0, 20))
def test_damaged_text_gives_a_manifest_or_a_sentence(inserted, at, removed):
    text = TEXT[:at] + inserted + TEXT[at + removed :]
    try:
        found = read_manifest(text, "folder/manifest.json")
    except ValueError:
        assert refusal(text)
    else:
        assert read_manifest(json.dumps(found.to_json()), "m") == found
