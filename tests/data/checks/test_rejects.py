"""Tests of the classification of rows by their first fault."""

import gzip

import numpy as np
import pytest

from spark_mf.data.checking import CheckRules, clean_ratings
from spark_mf.data.readers.options import ReadOptions

HEADER = "userId,movieId,rating,timestamp\n"


def check(spark, ratings, id_type="auto", **rules):
    options = ReadOptions(id_type=id_type)
    return clean_ratings(spark, ratings, options, CheckRules(on_bad="reject", duplicates="keep", **rules))


def rejected(clean):
    return sorted((row["line"], row["text"], row["reason"]) for row in clean.rejected.collect())


def accepted(clean):
    return sorted(tuple(row) for row in clean.accepted.collect())


# Line, and why it is bad, or the row that it is; the line's number is its place here.
INTEGERS = [
    ("1,10,3.5,100", (1, 10, 3.5, 100)),
    ("", None),
    (" \t", None),
    ("2,30", "it has too few or too many fields"),
    ("2,30,4,103,9", "it has too few or too many fields"),
    ('2,"30,4,103', "its quotes do not close"),
    ("userId,movieId,rating,timestamp", "it repeats the header"),
    ("UserId,movieId,rating,timestamp", "userId is not an integer of at most 64 bits"),
    (",30,4,103", "userId is missing"),
    ("2,\t ,4,103", "movieId is missing"),
    ("x,30,4,103", "userId is not an integer of at most 64 bits"),
    ("2,1.5,4,103", "movieId is not an integer of at most 64 bits"),
    ("2,1e3,4,103", "movieId is not an integer of at most 64 bits"),
    ("12.0,9007199254740993.00,4,103.0", (12, 2**53 + 1, 4.0, 103)),
    ("-0.0,.0,4,103", "movieId is not an integer of at most 64 bits"),
    ("9223372036854775807,-9223372036854775808,4,103", (2**63 - 1, -(2**63), 4.0, 103)),
    ("9223372036854775808,30,4,103", "userId is not an integer of at most 64 bits"),
    ("2,-9223372036854775809,4,103", "movieId is not an integer of at most 64 bits"),
    ("-3,2147483648,4,103", (-3, 2**31, 4.0, 103)),
    (' 4 ,"5",6,7', (4, 5, 6.0, 7)),
    ("😀,30,4,103", "userId is not an integer of at most 64 bits"),
    ("2,30,,103", "rating is missing"),
    ("2,30,five,103", "rating is not a number"),
    ('2,30,"5,0",103', "rating is not a number"),
    ("2,30,5d,103", "rating is not a number"),
    ("2,30,0x1p3,103", "rating is not a number"),
    ("2,30,NaN,103", "rating is not finite"),
    ("2,30,-inf,103", "rating is not finite"),
    ("2,30,1e400,103", "rating is not finite"),
    ("2,30,1e39,103", "rating is not finite"),
    ("2,30,-1e-400,103", "rating is out of range (below 0.5)"),
    ("2,30,4,noon", "timestamp is not an integer"),
    ("2,31,4,", (2, 31, 4.0, None)),
    ("2,30,0.4,1", "rating is out of range (below 0.5)"),
    # As float32 it is above the bound's float64, but it is the bound.
    ("2,30,7.1,1", (2, 30, float(np.float32(7.1)), 1)),
    ("2,30,7.2,1", "rating is out of range (above 7.1)"),
    (",x,,", "userId is missing"),
]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_of_text_is_what_it_is(spark, tmp_path, end):
    (tmp_path / "ratings.csv").write_bytes(
        ("\ufeff" + HEADER.strip() + end + end.join(t for t, _ in INTEGERS)).encode()
    )
    clean = check(spark, tmp_path / "ratings.csv", "integer", min_rating=0.5, max_rating=7.1)
    expected = [(n, line, why) for n, (line, why) in enumerate(INTEGERS, start=2) if isinstance(why, str)]
    assert rejected(clean) == expected
    assert sorted(map(tuple, clean.accepted.fillna(-1).collect())) == sorted(
        tuple(-1 if value is None else value for value in row) for _, row in INTEGERS if isinstance(row, tuple)
    )
    assert clean.accepted.schema.simpleString().startswith("struct<user:bigint,item:bigint,rating:float,timestamp:big")
    assert clean.blank_lines == 2
    assert clean.rows == len(INTEGERS) - 2 == clean.accepted_rows + clean.rejected_rows
    assert sum(clean.reasons.values()) == len(expected)
    clean.unpersist()


def test_string_ids_stay_as_they_are(spark, tmp_path):
    ids = ["007", " blank s ", "😀", "Ab", "ab", 'say ""hi""', "9223372036854775808", "-1", "\u2028\x0b"]
    lines = [f'"{each}",i {n},1'.encode() for n, each in enumerate(ids)]
    bad = [b'"",i,1', b" ,i,1", b"\xff\xfe,i,1", b"u,,1", b"u,i,x"]
    (tmp_path / "a.csv").write_bytes(b"user,item,rating\n" + b"\n".join(lines + bad))
    clean = check(spark, tmp_path / "a.csv")
    assert {row["user"] for row in clean.accepted.collect()} == {each.replace('""', '"') for each in ids}
    reasons = ["user is missing", "user is missing", "user is not UTF-8", "item is missing", "rating is not a number"]
    assert [reason for _, _, reason in rejected(clean)] == reasons
    assert rejected(clean)[2][1] == "\ufffd\ufffd,i,1"
    clean.unpersist()


def test_types_of_ids_in_text(spark, tmp_path):
    def schema(name, *ids, id_type="auto"):
        path = tmp_path / name
        path.write_text("user,item,rating\n" + "".join(f"{each},3000000000,1\n" for each in ids))
        clean = check(spark, path, id_type)
        clean.unpersist()
        return dict(clean.accepted.dtypes)["user"], dict(clean.accepted.dtypes)["item"], clean.rejected_rows

    assert schema("a.csv", "1", "2", "x") == ("int", "bigint", 1)
    assert schema("b.csv", "1", "x", "y") == ("string", "bigint", 0)
    assert schema("c.csv", "1", "2", "3", "01") == ("string", "bigint", 0)
    assert schema("d.csv", "1", "2", "3", "+1") == ("string", "bigint", 0)
    assert schema("e.csv", "0", "-1", id_type="string") == ("string", "string", 0)
    # As pandas writes integers of a column with missing values.
    assert schema("g.csv", "1.0", "2.0", "3000000000.0") == ("bigint", "bigint", 0)
    assert schema("h.csv", "1.0", "2.5", "3.0") == ("int", "bigint", 1)
    assert schema("i.csv", "1.5", "2.5", "3.0") == ("string", "bigint", 0)
    assert schema("f.csv", "01", "x", id_type="integer") == ("int", "bigint", 1)


def test_tables_of_several_types(spark, tmp_path):
    """Ids of Parquet: doubles are integers where they are whole, strings are strings."""
    inf, nan = float("inf"), float("nan")
    rows: list[tuple[float | None, str | None, float | None]] = [
        (1.0, "7", 1.0),
        (2.0**31, " x ", 2.0),
        (1.5, "7", 1.0),
        (None, "7", 1.0),
        (nan, "7", 1.0),
    ]
    rows += [(1e19, "7", 1.0), (1.0, None, 1.0), (1.0, " ", 1.0), (1.0, "7", None), (1.0, "7", nan), (1.0, "7", -inf)]
    rows += [(1.0, "7", 1e39)]
    frame = spark.createDataFrame(rows, "`a.b` double, i string, r double").coalesce(1)
    frame.write.parquet(str(tmp_path / "t"))
    options = ReadOptions(user_col="a.b", item_col="i", rating_col="r")
    rules = CheckRules(on_bad="reject", duplicates="keep")
    from_file, from_frame = (
        clean_ratings(spark, each, options, rules) for each in (str(tmp_path / "t"), frame.cache())
    )
    whole = "a.b is not an integer of at most 64 bits"
    reasons = [whole, "a.b is missing", whole, whole, "i is missing", "i is missing"]
    reasons += ["r is missing", "r is not finite", "r is not finite", "r is not finite"]
    for clean in (from_file, from_frame):
        assert accepted(clean) == [(1, "7", 1.0), (2**31, " x ", 2.0)]
        assert clean.accepted.schema.simpleString() == "struct<user:bigint,item:string,rating:float>"
    assert [(line, reason) for line, _, reason in rejected(from_file)] == list(enumerate(reasons, start=3))
    assert rejected(from_file)[4][1] == '{"a.b":1.0,"i":null,"r":1.0}'
    assert {row["line"] for row in from_frame.rejected.collect()} == {None}
    as_text = check(spark, frame.selectExpr("`a.b` user", "i item", "r rating").cache(), "string")
    assert {row["user"] for row in as_text.accepted.collect()} == {"1", "2147483648", "1.5", "NaN", "1.0E19"}


def test_columns_that_hold_neither_numbers_nor_text(spark):
    frame = spark.range(1).selectExpr("id user", "current_date() item", "id rating", "array(id) x")
    with pytest.raises(ValueError, match="Column item of the ratings must hold numbers or strings, got type date"):
        check(spark, frame)
    with pytest.raises(ValueError, match=r"Column x of the ratings must hold numbers, got type array<bigint>"):
        clean_ratings(spark, frame, ReadOptions(user_col="user", item_col="rating", rating_col="x"))


def test_lines_are_numbered_through_blanks_headers_and_parts(spark, tmp_path):
    """A file that several tasks read, beside gzipped, empty and header-only ones."""
    good = [f"{n},1,1" for n in range(4_000)]
    bad_lines = [7, 1_500, 1_501, 3_999]
    for n in bad_lines:
        good[n] = f"{n},1,bad"
    (tmp_path / "a b%+ü.csv").write_text("\n\n user,item,rating\n" + "\n\n".join(good))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"\n user,item,rating\r\n1,1,1\r\n1,1,x\r\n user,item,rating"))
    (tmp_path / "c.csv").write_text(" user,item,rating\n")
    (tmp_path / "d.csv").write_text("")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "5000")
    try:
        clean = check(spark, tmp_path)
        found = {(row["file"].rsplit("/", 1)[1], row["line"]) for row in clean.rejected.collect()}
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
    assert found == {("a b%+ü.csv", 4 + 2 * n) for n in bad_lines} | {("b.csv.gz", 4), ("b.csv.gz", 5)}
    assert (clean.rows, clean.accepted_rows, clean.blank_lines) == (4_003, 3_997, 2 + 3_999 + 1)


def test_lines_of_very_many_fields(spark, tmp_path):
    (tmp_path / "a.csv").write_text("user,item,rating\n" + "1," * 30_000 + "\n" + "x" * 100_000 + ",1,1\n2,2,2\n")
    clean = check(spark, tmp_path / "a.csv")
    assert [(line, reason) for line, _, reason in rejected(clean)] == [
        (2, "it has too few or too many fields"),
        (3, "user is not an integer of at most 64 bits"),
    ]
    assert accepted(clean) == [(2, 2, 2.0)]
