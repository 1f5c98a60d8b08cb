"""Tests of reading ratings: equal rows from every format, and errors for invalid files."""

import gzip
import os

import pytest

from spark_mf.data.reading import ReadOptions, read_ratings

ROWS = [(1, 10, 3.5, 100), (1, 20, 4.0, 101), (2, 10, 0.5, 102)]
HEADER = ["userId", "movieId", "rating", "timestamp"]


def text(separator, header=True):
    lines = [HEADER, *ROWS] if header else ROWS
    return "".join(separator.join(map(str, line)) + "\n" for line in lines)


def write(path, content):
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


def rows(found):
    return sorted(tuple(row) for row in found.ratings.collect())


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("ratings.csv", text(","), "csv"),
        ("ratings.csv.gz", text(","), "csv"),
        ("noheader.csv", text(",", header=False), "csv"),
        ("ratings.dat", text("::", header=False), "dat"),
        ("ratings.dat.gz", text("::", header=False), "dat"),
        ("u.data", text("\t", header=False), "tsv"),
        ("ratings.txt", text("\t"), "tsv"),
        ("bom.csv", "\ufeff" + text(",").replace("\n", "\r\n"), "csv"),
    ],
)
def test_text_formats(spark, tmp_path, name, content, expected):
    found = read_ratings(spark, write(tmp_path / name, content))
    assert found.format == expected
    assert rows(found) == ROWS
    assert found.rows == 3
    assert found.ratings.schema.simpleString() == "struct<user:int,item:int,rating:float,timestamp:bigint>"
    if "userId" in content:
        assert found.columns == dict(zip(["user", "item", "rating", "timestamp"], HEADER, strict=True))
        assert "user column: userId (guessed from its name)" in found.notes
    else:
        assert "header: none, columns are named by position (use --columns for other names)" in found.notes
        assert "item column: column 2 (by position)" in found.notes


def test_parquet_file_and_folders(spark, tmp_path):
    frame = spark.createDataFrame(ROWS, "user_id bigint, item_id int, score double, ts bigint")
    frame.repartition(2).write.parquet(str(tmp_path / "table"))
    found = read_ratings(spark, tmp_path / "table")
    assert found.format == "parquet"
    assert rows(found) == ROWS
    assert found.ratings.schema.simpleString().startswith("struct<user:int,item:int,rating:float")
    part = next(path for path in (tmp_path / "table").glob("part-*") if path.stat().st_size)
    assert read_ratings(spark, str(part)).format == "parquet"


def test_folder_of_part_files(spark, tmp_path):
    write(tmp_path / "part-0.csv.gz", text(","))
    write(tmp_path / "part-1.csv.gz", "userId,movieId,rating,timestamp\n9,9,1,5\n")
    write(tmp_path / "_SUCCESS", "")
    assert rows(read_ratings(spark, tmp_path)) == [*ROWS, (9, 9, 1.0, 5)]


def test_options_override_the_guesses(spark, tmp_path):
    path = write(tmp_path / "a.csv", "user\tuid\titem\tvalue,x\n1\t2\t3\t4\n")
    found = read_ratings(spark, path, ReadOptions(format="tsv", user_col="uid", rating_col="value,x"))
    assert rows(found) == [(2, 3, 4.0)]
    assert found.notes == [
        "format: tab-separated text (as requested)",
        "encoding: UTF-8 (by default)",
        "quotes: double",
        "layout: ratings, one per line (by default)",
        "header: the first line",
        "user column: uid (as requested)",
        "item column: item (guessed from its name)",
        "rating column: value,x (as requested)",
        "timestamp column: none (not found)",
        "user ids: integers (guessed)",
        "item ids: integers (guessed)",
    ]


def test_marks_that_are_not_asked_for_are_left_out_and_said(spark, tmp_path):
    path = write(tmp_path / "a.csv", "user,item,rating,split\n1,2,3,train\n1,3,4,test\n")
    found = read_ratings(spark, path)
    assert found.ratings.columns == ["user", "item", "rating"]
    assert "split column: none (split is possible, choose it with split_col)" in found.notes
    asked = read_ratings(spark, path, ReadOptions(split_col="split"))
    assert sorted(row.split for row in asked.ratings.collect()) == ["test", "train"]
    assert not any("could be it, choose it with split_col" in note for note in asked.notes)


def test_wide_ids_blanks_quotes_and_dates(spark, tmp_path):
    content = ',user,item,rating,date\n0,3000000000, 7 ,"4",2020-01-31T12:00Z\n1,-1,8.0,5e-1,\n'
    found = read_ratings(spark, write(tmp_path / "a.csv", content))
    assert found.ratings.schema.simpleString() == "struct<user:bigint,item:int,rating:float,timestamp:timestamp>"
    seconds = found.ratings.selectExpr("user", "item", "rating", "unix_seconds(timestamp)").collect()
    assert sorted(map(tuple, seconds)) == [(-1, 8, 0.5, None), (3000000000, 7, 4.0, 1580472000)]
    assert found.notes[-1] == "timestamp: ISO 8601 (guessed)"


def test_times_are_understood_or_refused_or_not_read(spark, tmp_path):
    """None of it costs another job where all times are integers."""
    path = write(tmp_path / "a.csv", "user,item,rating,date\n1,2,3,01/02/2019\n1,3,4,03/02/2019\n")
    with pytest.raises(
        ValueError, match=r"in column date of .*a.csv must be dates of one kind, got '01/02/2019' and '0"
    ):
        read_ratings(spark, path)
    found = read_ratings(spark, path, ReadOptions(time_format="european"))
    assert [str(row.timestamp)[:10] for row in found.ratings.collect()] == ["2019-02-01", "2019-02-03"]
    assert found.notes[-1] == "timestamp: European dates, D.M.YYYY (as requested)"
    assert read_ratings(spark, path, ReadOptions(timestamp_col="")).ratings.columns == ["user", "item", "rating"]
    integers = write(tmp_path / "b.csv", text(","))
    spark.sparkContext.setJobGroup("one pass", "")
    try:
        assert read_ratings(spark, integers).notes[-1] == "timestamp: integers, compared as they are (guessed)"
        # A shuffle is a job of its own to Spark, and the first look at the files runs in the driver.
        assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("one pass")) == 2
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)


def test_bad_rows(spark, tmp_path):
    """They are counted by reason, and the first is shown; each kind of them has its row in test_rejects.py."""
    path = write(tmp_path / "ratings.csv", text(",") + "2,30,five,103\n1,30,1,1\n\nx,30\n2,30,five,103\n")
    with pytest.raises(ValueError, match="cannot be used") as refusal:
        read_ratings(spark, path)
    assert str(refusal.value) == (
        f"3 of 7 rows of {path} cannot be used (1 × it has too few or too many fields, 2 × rating is not a number). "
        f"The first is line 5 of {path}, '2,30,five,103' (rating is not a number). Correct or remove them, or set them "
        "aside with jobs/check_ratings.py --on-bad reject."
    )


def test_bad_ids_name_the_way_out(spark, tmp_path):
    path = write(tmp_path / "ratings.csv", text(",") + "x,30,4,103\n")
    with pytest.raises(ValueError, match=r"userId is not an integer .*, or read ids as text with id_type string\.$"):
        read_ratings(spark, path)
    found = read_ratings(spark, path, ReadOptions(id_type="string"))
    assert found.ratings.schema.simpleString().startswith("struct<user:string,item:string,rating:float")
    assert found.rows == 4


BROKEN_GZIP = gzip.compress(text(",").encode() * 500)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "a.csv must contain a file of ratings, got no file that is not empty."),
        ("a.csv", b"\n \n", "a.csv must hold ratings, got only blank lines."),
        ("a.csv", b"user,item,rating\n", "a.csv must have at least one row of ratings, got none."),
        (
            "a.txt",
            b"one two three\n",
            "blanks, got 'one two three' as its first line. Name another",
        ),
        ("a.csv", b"\x00\x01,\xff\n", "must be text or Parquet, got a file that begins with "),
        ("a.csv", "user,item,rating\n1,2,3\n".encode("utf-16"), "Convert it to UTF-8 if it is text of another"),
        ("a.csv", b"x" * 70_000 + b"\n", "must begin with a line of at most 65536 bytes, got a longer one."),
        ("a.csv", b"1," * 20_000 + b"1", "must have at most 20000 columns, got 20001."),
        ("a.zip", b"PK\x03\x04abc", "a.zip. Unpack it first."),
        ("a.csv", BROKEN_GZIP, "must have a name that ends in .gz, got a gzipped file of another name. Rename it to "),
        (
            "a.csv.gz",
            text(",").encode(),
            "must be gzipped, as its name ends in .gz, got a file that is not. Rename it.",
        ),
        ("a.csv.gz", b"\x1f\x8bbroken", "must be a complete gzip file, got an error: "),
        (
            "a.csv.gz",
            BROKEN_GZIP[:-9],
            "cannot be read as comma-separated text: Unexpected end of input stream",
        ),
        ("a.parquet", b"PAR1 and no more", "cannot be read as Parquet: "),
        (
            "a.csv",
            b"user,item,user\n1,2,3\n",
            "must name each column once, got user several times. Rename one of them.",
        ),
        (
            "a.csv",
            b"1,2\n",
            "must have 3 or 4 columns if it has no header (user, item, rating, time",
        ),
        ("a.csv", b"caf\xe9,item,rating\n", "Set its encoding with --encoding, such as ISO-8859-1 or windows-1252."),
        ("a.json", b'[{"user": 1,\n "item": 2}]', "must hold one JSON object per line, got '[{"),
        ("a.csv", b"1:\n2:\n", "must hold ratings, got only the numbers of items."),
    ],
)
def test_unreadable_files(spark, tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=r"\.$") as refusal:
        read_ratings(spark, str(tmp_path / name))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("", ValueError, "path must not be empty, got ''. Give a file or a folder of ratings"),
        ("no/such/file.csv", FileNotFoundError, "no/such/file.csv does not exist. Give a file or a folder"),
        ("nowhere://x/y.csv", ValueError, 'y.csv cannot be opened: No FileSystem for scheme "nowhere"'),
    ],
)
def test_bad_paths(spark, path, error, message):
    with pytest.raises(error, match=message):
        read_ratings(spark, path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(spark, tmp_path):
    path = write(tmp_path / "a.csv", text(","))
    os.chmod(path, 0)
    with pytest.raises(PermissionError, match=r"a\.csv cannot be read: .*\. Allow this user to read it\.$"):
        read_ratings(spark, path)


def test_folders_that_hold_no_ratings_or_other_files_too(spark, tmp_path):
    with pytest.raises(ValueError, match="must contain a file of ratings, got no file that is not empty"):
        read_ratings(spark, tmp_path)
    write(tmp_path / "movies.csv", "movieId,title\n1,x\n")
    write(tmp_path / "ratings.csv", text(","))
    with pytest.raises(ValueError, match=r"must be alike, got .*movies.csv, which begins with 'movieId,title', and"):
        read_ratings(spark, tmp_path)


def test_part_files_beyond_the_sample_must_be_alike(spark, tmp_path):
    """The header of the 21st file, which is not looked at beforehand, has the ids the other way round."""
    for n in range(20):
        write(tmp_path / f"part-{n:02}.csv", "user,item,rating\n1,2,3\n")
    write(tmp_path / "part-20.csv", "item,user,rating\n1,2,3\n")
    with pytest.raises(ValueError, match=r"part-20.csv must begin with the header of the first file"):
        read_ratings(spark, tmp_path)


def test_format_that_the_file_is_not_in(spark, tmp_path):
    path = write(tmp_path / "a.csv", text(","))
    with pytest.raises(
        ValueError, match="format must be one of csv, tsv, dat, json, parquet, or None to guess it, got 'xml'"
    ):
        read_ratings(spark, path, ReadOptions(format="xml"))
    with pytest.raises(
        ValueError, match=r"format must be that of the file, got 'parquet' for .*a.csv, which is not a Parquet"
    ):
        read_ratings(spark, path, ReadOptions(format="parquet"))


def test_session_without_a_jvm():
    class ConnectSession:
        pass

    session: object = ConnectSession()
    with pytest.raises(
        ValueError, match=r"spark must be a classic SparkSession, got .*ConnectSession, which has no JVM"
    ):
        read_ratings(session, "x.csv")  # type: ignore[arg-type]
