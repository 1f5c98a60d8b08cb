"""Tests that files in well-known layouts are read correctly with the options of docs/ratings.md."""

import gzip
import json
import shlex
from argparse import ArgumentParser
from functools import reduce
from pathlib import Path

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_mf.cli.read_settings import ReadSettings
from spark_mf.cli.settings import add_options, read_settings
from spark_mf.data.readers.options import ReadOptions
from spark_mf.data.readers.sources import open_ratings
from spark_mf.data.reading import read_ratings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ratings.md"

ROWS = [("7", "21", 5.0), ("7", "22", 3.0), ("8", "21", 1.0), ("19", "30", 4.0)]


def lines(pattern, header="", end="\n"):
    """The rows, each as a pattern has it; the place of `{u}`, `{i}`, `{r}` and `{t}` is theirs."""
    rows = [pattern.format(u=u, i=i, r=f"{r:g}", t=978300760 + n) for n, (u, i, r) in enumerate(ROWS)]
    return "".join(line + end for line in ([header] if header else []) + rows)


def objects(**keys):
    """The rows as JSON lines, with a review that has what other formats separate by."""
    made = []
    for u, i, r in ROWS:
        values = {"u": u, "i": i, "r": r, "x": 'so, "so"\nlines; ::\t|'}
        made.append(json.dumps({key: values.get(value, value) for key, value in keys.items()}))
    return "\n".join(made)


# The beginning of its row on the page, file, content.
PUBLISHED = [
    ("MovieLens 100K", "u.data", lines("{u}\t{i}\t{r}\t{t}")),
    ("MovieLens 100K", "ratings.dat", lines("{u}::{i}::{r}::{t}")),
    ("MovieLens 100K", "ratings.csv", lines("{u},{i},{r},{t}", "userId,movieId,rating,timestamp")),
    ("Netflix prize", "mv.txt", "21:\n7,5,2005-09-06\n8,1,2005-09-07\n22:\n7,3,2005-01-01\n30:\n19,4,2004-01-01\n"),
    (
        "Book-Crossing",
        "BX-Book-Ratings.csv",
        lines('"{u}";"{i}é";"{r}"', '"User-ID";"ISBN";"Book-Rating"', "\r\n").encode("latin-1"),
    ),
    ("Amazon, ratings only, 2014", "Books.csv", lines("A{u},B{i},{r}.0,{t}")),
    ("Amazon, ratings only, 2018", "Books.csv", lines("B{i},A{u},{r}.0,{t}")),
    ("Amazon reviews (JSON lines) to", "r.json.gz", objects(reviewerID="u", asin="i", reviewText="x", overall="r")),
    (
        "Amazon reviews (JSON lines) of",
        "r.jsonl",
        objects(rating="r", title="x", asin="x", parent_asin="i", user_id="u"),
    ),
    ("Yelp", "review.json", objects(review_id="x", user_id="u", business_id="i", stars="r", useful="0", text="x")),
    ("Goodreads", "inter.csv", lines("{u},{i},1,{r},0", "user_id,book_id,is_read,rating,is_reviewed")),
    ("Goodreads", "goodreads.json.gz", objects(user_id="u", book_id="i", review_id="x", rating="r")),
    ("Last.fm 360K", "plays.tsv", lines('{u}\tf0c1\t"B{i}\t{r}')),
    ("FilmTrust", "ratings.txt", lines("{u} {i} {r}.0")),
    ("Epinions (", "ratings_data.txt", lines("  {u}  {i} {r}  ")),
    ("Epinions, extended", "rating.txt", lines("{i}|{u}|{r}|0|2001/01/10|2001/01/10|1|17")),
    (
        "RecBole",
        "ml.inter",
        lines("{u}\t{i}\t{r}\t{t}", "user_id:token\titem_id:token\trating:float\ttimestamp:float"),
    ),
]


def documented(name: str) -> ReadOptions:
    """The options that the page gives for a file, as jobs understand them."""
    (line,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {name}")]
    parser = ArgumentParser()
    add_options(parser, ReadSettings)
    given = parser.parse_args(shlex.split(line.split("|")[2].strip(" `")))
    return read_settings(ReadSettings, None, vars(given)).options()


def write(path: Path, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def test_published_files_are_read_to_their_rows(spark, tmp_path):
    """All in one Spark job."""
    found: list[DataFrame] = []
    for number, (name, file, content) in enumerate(PUBLISHED):
        source = open_ratings(spark, write(tmp_path / str(number) / file, content), documented(name))
        texts = [F.col(role).cast("string").alias(role) for role in ("user", "item", "rating")]
        kept = source.rows.where("not (blank or skipped or header)")
        broken = (F.col("malformed") | F.col("unclosed")).alias("broken")
        found.append(kept.select(F.lit(number).alias("number"), *texts, broken))
    rows: list[list[tuple[str, str, float]]] = [[] for _ in PUBLISHED]
    for row in reduce(DataFrame.unionByName, found).collect():
        assert not row["broken"], row
        rows[row["number"]].append((row["user"].strip("A"), row["item"].strip('B"é'), float(row["rating"])))
    for (name, file, _), read in zip(PUBLISHED, rows, strict=True):
        assert sorted(read) == sorted(ROWS), (name, file)


@pytest.mark.parametrize("cut", [False, True])
def test_items_of_netflix_files_pass_from_part_to_part(spark, tmp_path, cut):
    """A part of a file that names no item takes that of the parts before; the next file starts again."""
    content = "1:\n" + "".join(f"{n},3,2005-01-01\n" for n in range(300)) + "\n2:\n5,4,2005-01-01\n"
    (tmp_path / "a.txt").write_text(content)
    (tmp_path / "b.txt").write_text("3:\n1,1,2005-01-01\n2,2,2005-01-01\n")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "600" if cut else "100000000")
    spark.conf.set("spark.sql.files.openCostInBytes", "0")
    try:
        assert (spark.read.text(str(tmp_path)).rdd.getNumPartitions() > 6) == cut
        found = read_ratings(spark, tmp_path)
        read = sorted((row["item"], row["user"], row["rating"]) for row in found.ratings.collect())
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")
    assert read == [*((1, n, 3.0) for n in range(300)), (2, 5, 4.0), (3, 1, 1.0), (3, 2, 2.0)]
    assert "layout: netflix, a line such as 17: before the ratings of item 17 (guessed)" in found.notes


def test_matrices(spark, tmp_path):
    """Jester's: numbers of ratings first, 99 for none; users and items by the numbers of lines and columns."""
    (tmp_path / "jester").mkdir()
    write(tmp_path / "jester" / "1.csv", "2,-7.82,99,0.5\n1,99,99.0,9\n")
    write(tmp_path / "jester" / "2.csv", "\n1,3,,99\n")
    found = read_ratings(spark, str(tmp_path / "jester"), documented("Jester"))
    read = sorted((row["user"], row["item"], round(row["rating"], 2)) for row in found.ratings.collect())
    assert read == [(1, 1, -7.82), (1, 3, 0.5), (2, 3, 9.0), (4, 1, 3.0)]
    pivot = write(tmp_path / "pivot.csv", 'userId,10,"20",30\nann,1,,3\nbob,,2.5,\n')
    found = read_ratings(spark, pivot, ReadOptions(layout="matrix", columns=("userId",)))
    assert sorted(map(tuple, found.ratings.collect())) == [("ann", 10, 1.0), ("ann", 30, 3.0), ("bob", 20, 2.5)]
    assert "user column: userId (before the ratings)" in found.notes
    broken = write(tmp_path / "broken.csv", "1,2\n1,2,3\n1,x\n")
    with pytest.raises(ValueError, match=r"^2 of 5 rows of .* The first is line 2 of .*, '1,2,3' \(it has too few or"):
        read_ratings(spark, broken, ReadOptions(layout="matrix"))


@pytest.mark.parametrize("content", ["1,2,3,4,5\n", "3,-7.82,99,0,99,8.79\n" * 4, "1 2 3 4 5\n" * 2, "1,2\n"])
def test_numbers_in_other_than_three_or_four_columns_are_refused(spark, tmp_path, content):
    with pytest.raises(ValueError, match=r"must have 3 or 4 columns if it has no header .* --columns, or give --l"):
        read_ratings(spark, write(tmp_path / "a.csv", content))


def test_columns_that_are_not_those_of_the_file_are_refused(spark, tmp_path):
    path = write(tmp_path / "a.csv", "1,2,3,4\n")
    with pytest.raises(ValueError, match=r"^columns must name 4 columns, as many as .* has, got 3: item, user, ra"):
        read_ratings(spark, path, ReadOptions(columns=("item", "user", "rating")))
    with pytest.raises(ValueError, match=r"^separator must not be given with format 'json', got ';'\. It is an option"):
        ReadOptions(format="json", separator=";")
    with pytest.raises(ValueError, match=r"^missing must be given with layout matrix only, got 99\.$"):
        ReadOptions(missing=99)
