"""Tests of the conversion of JSON to dataclasses."""

import json
from dataclasses import dataclass

import pytest

from spark_mf.ratings.typed_json import from_json


@dataclass(frozen=True)
class Inner:
    name: str
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    count: int
    share: float | None
    inner: Inner
    table: dict[str, tuple[float, ...]]
    grid: tuple[tuple[int, ...], ...] = ()


VALID = {"count": 3, "share": 1, "inner": {"name": "a", "sizes": [1, 2]}, "table": {"x": [0.5]}, "grid": [[1], []]}


def test_all_kinds_are_built():
    assert from_json(Outer, json.dumps(VALID)) == Outer(3, 1.0, Inner("a", (1, 2)), {"x": (0.5,)}, ((1,), ()))
    assert from_json(Outer, json.dumps(VALID | {"share": None, "unknown": 1})).share is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": True}, "key 'count' must be an integer, got true"),
        ({"count": 3.0}, "key 'count' must be an integer, got 3.0"),
        ({"share": "1"}, "key 'share' must be a number, got \"1\""),
        ({"share": 10**400}, "key 'share' must be a finite number, got 1000"),
        ({"share": json.loads("NaN")}, "key 'share' must be a finite number, got NaN"),
        ({"inner": {"sizes": []}}, "key 'inner.name' is missing"),
        ({"inner": {"name": "a", "sizes": [1, "2"]}}, "key 'inner.sizes[1]' must be an integer, got \"2\""),
        ({"inner": 3}, "key 'inner' must be an object, got 3"),
        ({"table": [1]}, "key 'table' must be an object, got [1]"),
        ({"table": {"x": {}}}, "key 'table.x' must be a list, got {}"),
    ],
)
def test_other_values_are_named(changes, sentence):
    with pytest.raises(ValueError, match=r"^key") as refused:
        from_json(Outer, json.dumps(VALID | changes))
    assert sentence in str(refused.value)


def test_what_is_no_object_is_refused():
    with pytest.raises(ValueError, match=r"the text must be an object, got \[1\]"):
        from_json(Outer, "[1]")
