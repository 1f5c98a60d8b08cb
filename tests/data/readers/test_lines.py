"""Tests of lines of JSON, of other encodings, and with open quotes."""

import gzip

import pytest

from spark_mf.data.checking import CheckRules, clean_ratings
from spark_mf.data.readers.options import ReadOptions
from spark_mf.data.reading import read_ratings

REJECT = CheckRules(on_bad="reject", duplicates="keep")

# Lines, each with its row, its fault, or None where it is part of the row before.
REVIEWS = [
    ('1,2,5,"My list:', (1, 2, 5.0)),
    ("7,8,1,boring", None),
    ("", None),
    ('9,9,2,bad"', None),
    ("2,2,4,fine", (2, 2, 4.0)),
    ('3,2,4,"open, and', "its quotes do not close"),
    ("4,2,3,fine", (4, 2, 3.0)),
    ('4,3,x,"He said ""hello""', "rating is not a number"),
    ("4,4,4,and", None),
    ('left"', None),
    ('5,5,1,"a "stray" one', "its quotes do not close"),
    ('5,"6', "its quotes do not close"),
    ('1",2,x', "it has too few or too many fields"),
    ("6,6,2,fine", (6, 6, 2.0)),
    ('7,7,2,"never closed', "its quotes do not close"),
    ("8,8,2,last", (8, 8, 2.0)),
]


@pytest.mark.parametrize("packed", [False, True])
def test_open_quotes_take_and_make_no_rows(spark, tmp_path, packed):
    """The same in a file that several tasks read, however it is cut."""
    data = ("user_id,book_id,rating,review\n" + "\n".join(line for line, _ in REVIEWS) + "\n").encode()
    path = tmp_path / ("reviews.csv" + ".gz" * packed)
    path.write_bytes(gzip.compress(data) if packed else data)
    spark.conf.set("spark.sql.files.maxPartitionBytes", "40")
    spark.conf.set("spark.sql.files.openCostInBytes", "0")
    try:
        clean = clean_ratings(spark, path, None, REJECT)
        rejected = sorted((row["line"], row["reason"], row["text"].split("\n")[0]) for row in clean.rejected.collect())
        assert sorted(map(tuple, clean.accepted.collect())) == [why for _, why in REVIEWS if isinstance(why, tuple)]
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")
    assert rejected == [(n, why, line) for n, (line, why) in enumerate(REVIEWS, start=2) if isinstance(why, str)]
    assert clean.rows == clean.accepted_rows + clean.rejected_rows == len(REVIEWS) - 5
    assert (clean.skipped_lines, clean.blank_lines) == (5, 0)
    clean.unpersist()


def test_an_open_quote_is_refused_with_the_way_out(spark, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('user,item,rating\n1,2,"3\n2,2,4\n')
    with pytest.raises(ValueError, match=r"'1,2,\"3' \(its quotes do not close\)\. .* with --quote none\.$"):
        read_ratings(spark, path)
    path.write_text('user,item,rating\n"1,2,3\n2,2,4\n')
    found = read_ratings(spark, path, ReadOptions(quote="none", id_type="string"))
    assert sorted(row["user"] for row in found.ratings.collect()) == ['"1', "2"]


def test_every_json_line_is_what_it_is(spark, tmp_path):
    lines = [
        ('{"user_id": "a", "business_id": 5, "stars": 4.0, "date": "2020"}', ("a", 5, 4.0)),
        ('{"stars": "3", "business_id": "6", "user_id": "é\\u0041"}', ("éA", 6, 3.0)),
        (
            '{"user_id": "b", "business_id": 12345678901234567, "stars": 5e-1, "x": [{"stars": 9}]}',
            ("b", 12345678901234567, 0.5),
        ),
        (
            '{"user_id": "c", "business_id": 1, "stars": 1}{"user_id": "d", "business_id": 1, "stars": 1}',
            "it has too few",
        ),
        ('{"user_id": "c", "business_id": 1, "stars": 1} junk', "it has too few"),
        ('{"user_id": "c", "business_id": 1,', "it has too few"),
        ('["user_id"]', "it has too few"),
        ("7", "it has too few"),
        ('{"user_id": null, "business_id": 1, "stars": 1}', "user_id is missing"),
        ('{"business_id": 1, "stars": 1}', "user_id is missing"),
        ('{"user_id": "c", "business_id": 1.5, "stars": 1}', "business_id is not an integer"),
        ('{"user_id": "c", "business_id": 1, "stars": true}', "stars is not a number"),
        ('{"user_id": "c", "business_id": 1, "stars": NaN}', "stars is not finite"),
        ('{"user_id": "c", "business_id": 1, "stars": 1e400}', "stars is not finite"),
        ('{"user_id": "c", "business_id": 1, "stars": [1]}', "stars is not a number"),
        ('{"user_id": "c\ufffd", "business_id": 1, "stars": 1}', "user_id is not UTF-8"),
        ("", None),
    ]
    (tmp_path / "a.json").write_bytes("\r\n".join(line for line, _ in lines).encode() + b"\r\n")
    clean = clean_ratings(spark, tmp_path / "a.json", None, REJECT)
    accepted = sorted(tuple(row)[:3] for row in clean.accepted.collect())
    assert accepted == sorted(why for _, why in lines if isinstance(why, tuple))
    rejected = sorted((row["line"], row["text"], row["reason"]) for row in clean.rejected.collect())
    expected = [(n, line, why) for n, (line, why) in enumerate(lines, start=1) if isinstance(why, str)]
    assert [row[:2] for row in rejected] == [row[:2] for row in expected]
    assert all(found.startswith(why) for (_, _, found), (_, _, why) in zip(rejected, expected, strict=True))
    assert (clean.rows, clean.blank_lines) == (16, 1)
    clean.unpersist()


def test_text_of_another_encoding_is_refused_by_name_or_read(spark, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("user;item;rating;café\né1;ü€;4;ß\n".encode("windows-1252"))
    with pytest.raises(ValueError, match=r"must be UTF-8 text, got a first line .* Set its encoding with --encoding"):
        read_ratings(spark, path)
    found = read_ratings(spark, path, ReadOptions(encoding="windows-1252"))
    assert [tuple(row) for row in found.ratings.collect()] == [("é1", "ü€", 4.0)]
    assert "encoding: windows-1252 (as requested)" in found.notes
    path.write_bytes("user;item;rating;note\né1;ü;4;ß\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"user is not UTF-8\)\. .* name the encoding of the file with --encoding\.$"):
        read_ratings(spark, path)
    # Where ids are UTF-8, the bytes of other columns do not matter.
    path.write_bytes("user;item;rating;note\n1;2;4;ß\n".encode("latin-1"))
    assert read_ratings(spark, path).rows == 1
