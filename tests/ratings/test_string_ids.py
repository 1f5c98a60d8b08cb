"""Tests of the keys of string ids, which must be unique."""

import pytest
from pyspark import StorageLevel
from pyspark.sql import functions as F

from spark_mf.ratings import string_ids as ids_module
from spark_mf.ratings.string_ids import IdMap, key_strings, with_original_ids

LEVEL = StorageLevel.MEMORY_AND_DISK
IDS = ["Ann", "ann", "Ann ", "😀", "", "007", "7"]


@pytest.fixture
def ratings(spark):
    rows = [(name, n, 1.0) for n, name in enumerate([*IDS, *IDS, None])]
    return spark.createDataFrame(rows, "user string, item int, rating float").repartition(3)


def test_each_id_has_one_key_and_null_has_none(ratings):
    keyed, ids = key_strings(ratings, "user", LEVEL)
    assert keyed.dtypes == [("user", "bigint"), ("item", "int"), ("rating", "float")]
    names = {row.key: row.id for row in ids.frame.collect()}
    assert sorted(names.values()) == sorted(IDS)
    found = {row["item"]: row["user"] for row in keyed.collect()}
    assert found.pop(len(IDS) * 2) is None
    assert [names[found[n]] for n in range(len(IDS) * 2)] == [*IDS, *IDS]
    ids.release()


def test_keys_do_not_depend_on_partitions(ratings):
    one, _ = key_strings(ratings.coalesce(1), "user", LEVEL)
    other, _ = key_strings(ratings.repartition(5, "item"), "user", LEVEL)
    assert {row["item"]: row["user"] for row in one.collect()} == {row["item"]: row["user"] for row in other.collect()}


def test_a_shared_key_leads_to_another_hash_function(ratings, monkeypatch):
    hash_of = ids_module._hash
    salts = []

    def poor(side, salt):
        salts.append(salt)
        # The first two hash functions tell only the ids' lengths.
        return F.length(side).cast("bigint") if salt < 2 else hash_of(side, salt)

    monkeypatch.setattr(ids_module, "_hash", poor)
    _, ids = key_strings(ratings, "user", LEVEL)
    assert salts == [0, 1, 2]
    assert ids.frame.select("key").distinct().count() == len(IDS)


def test_a_hash_that_never_tells_ids_apart_is_reported(ratings, monkeypatch):
    monkeypatch.setattr(ids_module, "_hash", lambda side, salt: F.lit(1).cast("bigint"))
    with pytest.raises(
        RuntimeError, match="The user ids must have different keys, got equal ones with each of 8 hash functions"
    ):
        key_strings(ratings, "user", LEVEL)


def test_factors_get_their_ids_back(spark):
    factors = spark.createDataFrame([(5, [1.0]), (6, [2.0])], "id bigint, features array<float>")
    assert with_original_ids(factors, None, LEVEL).collect() == factors.collect()
    ids = IdMap(spark.createDataFrame([(6, "six"), (5, "five"), (7, "seven")], "key bigint, id string").cache())
    for level in (LEVEL, StorageLevel.NONE):
        restored = with_original_ids(factors, ids, level)
        assert sorted(map(tuple, restored.collect())) == [("five", [1.0]), ("six", [2.0])]
    biased = with_original_ids(factors.selectExpr("*", "cast(id + 0.5 AS float) bias"), ids, LEVEL)
    assert sorted(map(tuple, biased.collect())) == [("five", [1.0], 5.5), ("six", [2.0], 6.5)]
    restored = with_original_ids(factors, ids, LEVEL)
    ids.release()
    assert restored.count() == 2
