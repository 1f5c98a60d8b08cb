"""Tests of the layout of a DataFrame in blocks: every rating arrives once, in the block of its row."""

import pickle

import numpy as np
import pandas as pd
import pytest
from pyspark import StorageLevel

from spark_mf.blocks.piece import Piece
from spark_mf.data.columns import select_ratings
from spark_mf.ratings import chunks as chunks_module
from spark_mf.ratings.chunks import chunk_ratings, count_chunks
from spark_mf.ratings.layout import lay_out, unpack_block
from spark_mf.ratings.side import Side

LEVEL = StorageLevel.MEMORY_AND_DISK


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 3000
    return pd.DataFrame(
        {
            "user": rng.choice([-7, 3, 10, 2**40, *range(100, 150)], n),
            "item": rng.integers(0, 40, n) ** 2,
            "rating": rng.integers(1, 11, n).astype(np.float32) / 2,
            "held_out": rng.random(n) < 0.1,
        }
    )


@pytest.fixture(scope="module")
def chunks(spark, table):
    # Partitions 5 to 7 stay empty.
    frame = (
        spark.createDataFrame(table)
        .repartition(5)
        .union(spark.createDataFrame(table.head(0), "user bigint, item bigint, rating float, held_out boolean"))
    )
    return chunk_ratings(select_ratings(frame, "user", "item", "rating", "held_out"), LEVEL)


def sides(counts, user_blocks: int, item_blocks: int) -> tuple[Side, Side]:
    return Side.balanced("users", counts.users, user_blocks, 0), Side.balanced("items", counts.items, item_blocks, 0)


def triples(blocks, rows: Side, columns: Side) -> pd.DataFrame:
    """The ratings of unpacked blocks with their ids, sorted."""
    parts = [
        pd.DataFrame(
            {
                rows.name: rows.index.ids[np.repeat(block.rows, np.diff(block.indptr))],
                columns.name: columns.index.ids[block.indices],
                "rating": block.values,
            }
        )
        for block in blocks
    ]
    return pd.concat(parts)[["users", "items", "rating"]].sort_values(["users", "items", "rating"], ignore_index=True)


def expected(table: pd.DataFrame) -> pd.DataFrame:
    renamed = table.rename(columns={"user": "users", "item": "items"})[["users", "items", "rating"]]
    return renamed.sort_values(["users", "items", "rating"], ignore_index=True)


def test_census_counts_what_pandas_counts(chunks, table):
    counts = count_chunks(chunks)
    training = table[~table.held_out]
    for (ids, numbers), column in ((counts.users, "user"), (counts.items, "item")):
        series = training[column].value_counts().sort_index()
        np.testing.assert_array_equal(ids, series.index)
        np.testing.assert_array_equal(numbers, series)
    assert counts.ratings == len(training)
    assert counts.validation_ratings == len(table) - len(training)
    assert not any(counts.faults.values())


@pytest.mark.parametrize(("user_blocks", "item_blocks"), [(1, 1), (3, 7), (20, 2)])
def test_every_rating_arrives_once_in_each_layout(spark, chunks, table, user_blocks, item_blocks):
    counts = count_chunks(chunks)
    users, items = sides(counts, user_blocks, item_blocks)
    for rows, columns in ((users, items), (items, users)):
        layout = lay_out(spark.sparkContext, chunks, rows, columns, LEVEL)
        blocks = [unpack_block(packed) for packed in layout.blocks.collect()]
        assert [block.number for block in blocks] == list(range(rows.partition.n_blocks))
        for block in blocks:
            np.testing.assert_array_equal(block.training.rows, rows.partition.members(block.number))
        training = triples([block.training for block in blocks], rows, columns)
        pd.testing.assert_frame_equal(training, expected(table[~table.held_out]), check_dtype=False)
        if rows is users:
            pairs = table[~table.held_out][["user", "item"]]
            assert layout.counts.duplicates == int(pairs.duplicated().sum())
            held_out = triples([block.validation for block in blocks], rows, columns)
            known = table.user.isin(pairs.user) & table.item.isin(pairs.item)
            pd.testing.assert_frame_equal(held_out, expected(table[table.held_out & known]), check_dtype=False)
            assert layout.counts.validation_ratings == len(held_out)
        layout.unpersist()


def test_chunks_stay_small_whatever_the_partition(chunks, table, monkeypatch):
    """A partition of many Arrow batches becomes several chunks that hold the same ratings."""
    import pyarrow as pa

    columns = {"user": table.user, "item": table.item, "rating": table.rating, "validation": table.held_out}
    whole = pa.table({name: pa.array(values) for name, values in columns.items()})
    batches = whole.to_batches(max_chunksize=100)
    monkeypatch.setattr(chunks_module, "CHUNK_RATINGS", 250)
    built = list(chunks_module._build_chunks(whole.schema, (b.serialize().to_pybytes() for b in batches)))
    assert len(built) == 10
    assert max(chunk.values.size + chunk.validation[2].size for chunk in built) <= 350
    assert sum(chunk.values.sum() for chunk in built) == pytest.approx(table.rating[~table.held_out].sum())


def test_chunks_and_pieces_survive_pickling():
    """They are compact on the way and the same behind it, with few and with many distinct values."""
    rng = np.random.default_rng(0)
    for values in (rng.integers(1, 11, 5000).astype(np.float32), rng.normal(size=5000).astype(np.float32)):
        codes = rng.integers(0, 70_000, 5000).astype(np.int32)
        ids = (np.arange(70_000), np.ones(70_000, np.int64))
        for weights in (None, values[::-1].copy()):
            held_out = (np.arange(2), np.arange(2), values[:2], None if weights is None else weights[:2])
            chunk = chunks_module.Chunk(ids, ids, codes, codes % 300, values, weights, held_out, {"x": 1})
            part = None if weights is None else weights[9:4009]
            piece = Piece(True, (3, 4), codes[7:4007], codes[:4000] % 9, values[5:4005], part)
            for original in (chunk, piece):
                back = pickle.loads(pickle.dumps(original))
                assert type(back) is type(original)
                names = original._fields if isinstance(original, tuple) else original.__slots__
                for name in names:
                    np.testing.assert_equal(getattr(back, name), getattr(original, name))
            assert len(pickle.dumps(piece)) < len(pickle.dumps(tuple(piece)))
