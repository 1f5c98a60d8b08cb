"""Tests of partitioned ratings: equal models, and errors for folders that have changed."""

import json
import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from spark_mf import ALS
from spark_mf.data.generating import generate_ratings
from spark_mf.models.factors import factors_arrays
from spark_mf.ratings import folder as partitioned_module
from spark_mf.ratings import folder_writing as partitioning
from spark_mf.ratings import stored_writing as stored
from spark_mf.ratings.folder import PartitionedRatings
from spark_mf.ratings.folder_writing import partition_ratings
from spark_mf.ratings.manifest import read_manifest

BLOCKS = {"numUserBlocks": 3, "numItemBlocks": 2}


@pytest.fixture(scope="module")
def marked(spark):
    ratings = generate_ratings(spark, users=90, items=50, ratings=1500, seed=1)
    split = F.expr("CASE WHEN (user + item) % 7 = 0 THEN 'validation' WHEN item % 9 = 4 THEN 'test' ELSE 'train' END")
    # Some pairs twice, and a user who is cold.
    again = ratings.where("user = 3").withColumn("rating", F.lit(1.0).cast("float"))
    cold = spark.createDataFrame([(900, 7, 2.0, "validation")], "user int, item int, rating float, split string")
    return ratings.union(again).withColumn("split", split).union(cold).cache()


@pytest.fixture(scope="module")
def folder(marked, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("partitioned") / "out")
    layouts = ("blocks", "grid")
    partition_ratings(marked, path, userBlocks=3, itemBlocks=2, splitCol="split", layouts=layouts, seed=5)
    return path


@pytest.fixture
def copied(folder, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(folder, tmp_path / "copy")


def als(**params) -> ALS:
    # Joining a ring takes a second.
    return ALS(**{"rank": 4, "maxIter": 2, "seed": 5, "engine": "broadcast", **params})


def same_fit(spark, marked, path: str, engine: str = "broadcast") -> None:
    """Assert that fits from the data and from the folder agree, whatever was counted and computed."""
    kept = marked.where("split != 'test'").withColumn("held", F.col("split") == "validation")
    from_data = als(validationIndicatorCol="held", engine=engine, **BLOCKS).fit(kept)
    from_folder = als(engine=engine).fit(PartitionedRatings(spark, path))
    one, other = from_data.summary, from_folder.summary
    for name in ("users", "items", "ratings", "validationRatings", "coldValidationRatings", "duplicates"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.coldValidationRatings > 0
    assert one.duplicates > 0
    for name in ("objective", "validation_rmse"):
        assert one.metricHistory(name) == pytest.approx(other.metricHistory(name), rel=1e-9)
    for side in ("userFactors", "itemFactors"):
        assert getattr(from_data, side).schema == getattr(from_folder, side).schema
        (ids, factors), (other_ids, others) = (factors_arrays(getattr(m, side)) for m in (from_data, from_folder))
        assert ids.equals(other_ids)
        np.testing.assert_array_equal(factors, others)


@pytest.mark.parametrize("engine", ["broadcast", "ring"])
def test_a_fit_from_the_folder_is_the_fit_from_the_data(spark, marked, folder, engine):
    same_fit(spark, marked, folder, engine)


def test_string_ids_come_back_from_the_folder(spark, marked, tmp_path):
    texts = marked.selectExpr("'ü' || user AS user", "concat('item ', item) AS item", "rating", "split")
    written = partition_ratings(texts, str(tmp_path / "out"), userBlocks=3, itemBlocks=2, splitCol="split", seed=5)
    assert (written.manifest.users.id_type, written.manifest.items.id_type) == ("string", "string")
    same_fit(spark, texts, str(tmp_path / "out"))


def test_spark_writes_where_the_file_system_is_not_local(spark, marked, tmp_path, monkeypatch):
    monkeypatch.setattr(partitioned_module, "local_path", lambda *_: None)
    monkeypatch.setattr(stored, "_write_local", None)
    path = str(tmp_path / "out")
    layouts = ("blocks", "grid")
    partition_ratings(marked, path, userBlocks=3, itemBlocks=2, splitCol="split", layouts=layouts, seed=5)
    same_fit(spark, marked, path)
    assert (tmp_path / "out" / "grid" / "_SUCCESS").exists()


def test_the_files_hold_every_rating_once(spark, marked, folder):
    users, items = (spark.read.parquet(f"{folder}/{side}").orderBy("index").toPandas() for side in ("users", "items"))
    assert users["index"].tolist() == list(range(len(users)))
    expected = marked.where("split = 'train'").toPandas()[["user", "item", "rating"]]
    by_count = expected.groupby("user").size()
    assert users.set_index("id")["ratings"].to_dict() == by_count.to_dict()

    def triples(name: str, rows: pd.DataFrame, columns: pd.DataFrame, order: list[str]) -> list[tuple]:
        table = spark.read.parquet(f"{folder}/{name}").toPandas().explode(["columns", "ratings"]).dropna()
        assert (rows["block"].to_numpy()[table["row"]] == table["block"]).all()
        if "column_block" in table:
            assert (columns["block"].to_numpy()[table["columns"].astype(int)] == table["column_block"]).all()
        found = {order[0]: rows["id"].to_numpy()[table["row"]]}
        found[order[1]] = columns["id"].to_numpy()[table["columns"].astype(int)]
        return sorted(zip(found["user"], found["item"], table["ratings"].astype(float), strict=True))

    truth = sorted(expected.itertuples(index=False, name=None))
    assert triples("by_user", users, items, ["user", "item"]) == truth
    assert triples("by_item", items, users, ["item", "user"]) == truth
    assert triples("grid", users, items, ["user", "item"]) == truth


def test_the_manifest_tells_what_is_there(spark, marked, folder):
    manifest = PartitionedRatings(spark, folder).manifest
    counts = {row["split"]: row["count"] for row in marked.groupBy("split").count().collect()}
    assert (manifest.ratings, manifest.left_out) == (counts["train"], counts["test"])
    assert manifest.validation_ratings + manifest.cold_validation_ratings == counts["validation"]
    assert (manifest.users.blocks, manifest.items.blocks) == (3, 2)
    cells = (
        spark.read.parquet(f"{folder}/grid").groupBy("block", "column_block").agg(F.sum(F.size("ratings")).alias("n"))
    )
    assert {(row.block, row.column_block): row.n for row in cells.collect()} == {
        (p, q): n for p, row in enumerate(manifest.cells) for q, n in enumerate(row)
    }
    assert manifest.users.balance <= 1.2
    assert manifest.items.balance <= 1.2
    assert manifest.seed == 5


def test_long_rows_are_written_in_batches_of_their_own(spark, marked, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "_BATCH_RATINGS", 10)  # fewer than most users have
    kept = marked.where("split = 'train'")
    written = partition_ratings(kept, str(tmp_path / "out"), userBlocks=3, itemBlocks=2, seed=5)
    one, other = als().fit(written), als(**BLOCKS).fit(kept)
    np.testing.assert_array_equal(factors_arrays(one.userFactors)[1], factors_arrays(other.userFactors)[1])


def test_more_blocks_than_can_be_even_are_lowered_and_said(spark, tmp_path, caplog):
    # Item 0 has half of all ratings: more than two blocks of items cannot be even.
    rows = [(user, 0, 1.0) for user in range(40)] + [(user, 1 + user, 2.0) for user in range(40)]
    ratings = spark.createDataFrame(rows, "user int, item int, rating float")
    with caplog.at_level(logging.WARNING, "spark_mf"):
        written = partition_ratings(ratings, str(tmp_path / "out"), userBlocks=4, itemBlocks=8)
    assert (written.manifest.users.blocks, written.manifest.items.blocks) == (4, 2)
    assert written.manifest.items.balance <= 1.2
    assert (
        "8 blocks of items were requested, but only 2 are made: the 41 items have up to 40 ratings each" in caplog.text
    )
    # What was asked for is accepted as well as what was made.
    for blocks in (8, 2):
        assert als(numItemBlocks=blocks).fit(written).summary.items == 41


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"numUserBlocks": 4}, "numUserBlocks must be 3, the number of blocks in .*, got 4"),
        ({"numItemBlocks": 3}, "numItemBlocks must be 2, the number of blocks in .*, got 3"),
    ],
)
def test_other_blocks_are_refused_by_name(spark, folder, params, sentence):
    with pytest.raises(ValueError, match=sentence):
        als(**params).fit(PartitionedRatings(spark, folder))


def test_another_rank_or_layout_or_missing_validation_is_refused_by_name(spark, marked, tmp_path):
    kept = marked.where("split = 'train'")
    ranked = partition_ratings(kept, str(tmp_path / "ranked"), rank=5, userBlocks=2, itemBlocks=2)
    with pytest.raises(ValueError, match=r"rank must be 5, for which .* was partitioned, got 4"):
        als().fit(ranked)
    assert als(rank=5).fit(ranked).rank == 5
    with pytest.raises(
        ValueError, match=r"validationIndicatorCol must not be set, as .* without validation rows, got 'held'"
    ):
        als(rank=5, validationIndicatorCol="held").fit(ranked)
    grid = partition_ratings(kept, str(tmp_path / "grid"), layouts=("grid",), userBlocks=2, itemBlocks=2)
    with pytest.raises(ValueError, match="must have the layout by_user for this fit, got grid"):
        als().fit(grid)


def data_file(folder: Path, name: str) -> Path:
    return next(path for path in sorted((folder / name).iterdir()) if path.name.startswith("part-"))


def test_a_folder_without_manifest_is_not_taken_for_complete(spark, copied):
    (copied / "manifest.json").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"must contain manifest.json, got a folder without it. Give the output of a completed"
    ):
        PartitionedRatings(spark, str(copied))


def test_files_that_do_not_match_are_refused_by_name(spark, copied):
    file = data_file(copied, "by_item")
    length = file.stat().st_size
    with file.open("ab") as end:
        end.write(b"x")
    with pytest.raises(ValueError, match=f"got {length + 1} bytes instead of {length} in the file by_item/{file.name}"):
        PartitionedRatings(spark, str(copied))
    file.rename(file.with_name("part-9.parquet"))
    with pytest.raises(ValueError, match=f"must match its manifest.json, got no file by_item/{file.name}"):
        PartitionedRatings(spark, str(copied))
    shutil.copy(data_file(copied, "users"), file)
    file.write_bytes(b"x" * length)
    with pytest.raises(ValueError, match=r"got the file by_item/part-9\.parquet, which is not in the manifest"):
        PartitionedRatings(spark, str(copied))


def rewritten(spark, copied: Path, name: str, change) -> PartitionedRatings:
    """The folder with one of its tables changed, and a manifest that knows the new files but not the change."""
    changed = change(spark.read.parquet(str(copied / name))).toPandas()
    for file in (copied / name).glob("part-*"):
        file.unlink()
    for block, rows in changed.groupby("block"):
        rows.to_parquet(copied / name / f"part-{block}.parquet", index=False)
    found = json.loads((copied / "manifest.json").read_text())
    kept = {path: size for path, size in found["files"].items() if not path.startswith(f"{name}/")}
    now = {f"{name}/{path.name}": path.stat().st_size for path in (copied / name).glob("part-*")}
    (copied / ".manifest.json.crc").unlink()  # Hadoop's own checksum
    (copied / "manifest.json").write_text(json.dumps({**found, "files": kept | now}))
    return PartitionedRatings(spark, str(copied))


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (
            "by_user",
            lambda rows: rows.withColumn("ratings", F.transform("ratings", lambda r: r + F.lit(1).cast("float"))),
            "Block 0 of .*/by_user must contain the ratings that were written, got another checksum",
        ),
        ("by_item", lambda rows: rows.where("row != 7"), "Block . of .*/by_item must contain the ratings"),
        ("by_item", lambda rows: rows.union(rows.where("row = 7")), "Block . of .*/by_item must contain the ratings"),
        (
            "by_user",
            lambda rows: rows.withColumn("columns", F.transform("columns", lambda c: c + 1000)),
            "Block 0 of .*/by_user must contain the ratings that were written",
        ),
        (
            "by_user",
            lambda rows: rows.withColumn("ratings", F.slice("ratings", 1, 1)),
            "Block 0 of .*/by_user must contain the ratings that were written",
        ),
        (
            "users",
            lambda rows: rows.withColumn("id", F.col("id") + 1),
            ".*/users must contain the ids that were written, got others",
        ),
    ],
    ids=["rating", "row missing", "row twice", "column out of range", "lists of other lengths", "id"],
)
def test_changed_content_is_refused_by_name(spark, copied, name, change, sentence):
    damaged = rewritten(spark, copied, name, change)
    with pytest.raises(ValueError, match=sentence):
        als().fit(damaged)


def test_files_may_be_written_anew_with_the_same_content(spark, copied):
    assert als().fit(rewritten(spark, copied, "by_user", lambda rows: rows)).summary.users == 90


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("by_user", "Block 0 of .*/by_user must contain the ratings that were written"),
        ("items", "cannot be read: .* Partition the ratings again"),
    ],
)
def test_bytes_that_are_no_parquet_are_refused_in_one_sentence(spark, copied, name, sentence):
    file = data_file(copied, name)
    file.write_bytes(b"x" * file.stat().st_size)
    for path in copied.rglob(".*.crc"):  # or Hadoop's own checksum would speak first
        path.unlink()
    with pytest.raises(ValueError, match=sentence):
        als().fit(PartitionedRatings(spark, str(copied)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"userBlocks": 0}, r"^userBlocks must be an integer >= 1, got 0\.$"),
        ({"itemBlocks": True}, r"^itemBlocks must be an integer >= 1, got True\.$"),
        ({"rank": 0}, r"^rank must be an integer >= 1, got 0\.$"),
        ({"layouts": ("rows",)}, r"layouts must be one or both of blocks, grid, got \('rows',\)"),
        ({"layouts": ()}, r"layouts must be .*, got \(\)"),
        ({"itemCol": "film"}, "itemCol must be a column of the dataset, got 'film'"),
        ({"splitCol": "rating"}, "Column rating must hold strings .* or booleans .*, got type float"),
    ],
)
def test_bad_arguments_leave_nothing(marked, tmp_path, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        partition_ratings(marked, str(tmp_path / "out"), **arguments)
    assert not (tmp_path / "out").exists()


def test_bad_rows_leave_an_earlier_folder_as_it_was(spark, marked, copied):
    bad = marked.select("user", "item", F.when(F.col("user") == 5, None).otherwise(F.col("rating")).alias("rating"))
    with pytest.raises(ValueError, match="with a null rating"):
        partition_ratings(bad, str(copied), overwrite=True)
    PartitionedRatings(spark, str(copied))
    with pytest.raises(FileExistsError, match="is not empty"):
        partition_ratings(marked, str(copied))


def test_a_run_that_is_killed_leaves_no_manifest_or_the_earlier_one(spark, marked, copied, monkeypatch):
    def killed(*_arguments):
        raise KeyboardInterrupt

    manifest = PartitionedRatings(spark, str(copied)).manifest
    monkeypatch.setattr(partitioning, "_write_side", killed)
    for folder in (copied, copied.parent / "new"):
        with pytest.raises(KeyboardInterrupt):
            partition_ratings(marked.where("split = 'train'"), str(folder), overwrite=True)
    assert list((copied / "_unfinished" / "by_user").glob("part-*"))
    assert PartitionedRatings(spark, str(copied)).manifest == manifest
    assert list((copied.parent / "new" / "by_user").glob("part-*"))
    with pytest.raises(FileNotFoundError, match=r"must contain manifest.json"):
        PartitionedRatings(spark, str(copied.parent / "new"))


def test_the_manifest_on_disk_is_the_one_that_was_returned(spark, folder):
    text = (Path(folder) / "manifest.json").read_text()
    assert read_manifest(text, folder) == PartitionedRatings(spark, folder).manifest


def test_the_page_on_ratings_shows_what_works(spark, folder, tmp_path, monkeypatch):
    """Its Python block and its look at the ratings run where a folder of blocks is."""
    text = (Path(__file__).parents[2] / "docs" / "ratings.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(from spark_mf import ALS\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    (look,) = re.findall(r"^`(spark\.read.*)`\.$", text, re.MULTILINE)
    assert "out/blocks" in block
    names = {"spark": spark}
    exec(block.replace("out/blocks", folder).replace("rank=64", "rank=4"), names)
    assert names["model"].rank == 4
    looked = eval(look.replace("out/blocks", folder), names)
    assert looked.columns == ["row", "columns", "ratings"]
    assert looked.count() == PartitionedRatings(spark, folder).manifest.ratings
