"""Encodings: every one of a byte a character decodes as Python does, in Python and in Spark."""

import pytest
from pyspark.sql import functions as F

from spark_mf.storage.encodings import find_encoding

ALL = bytes(range(256))


def test_encodings_decode_as_python_does(spark):
    names = ["ISO-8859-1", "latin-1", "windows-1252", "cp1251", "koi8-r", "iso8859-7", "ascii"]
    frame = spark.createDataFrame([(bytearray(ALL),)], "data binary").select(F.col("data").cast("string").alias("text"))
    (row,) = frame.select(*(find_encoding(name).decoded(F.col("text")) for name in names)).collect()
    for name, decoded in zip(names, row, strict=True):
        expected = ALL.decode(name, errors="replace")
        assert find_encoding(name).decode(ALL) == expected
        assert decoded == expected


def test_utf_8_is_left_as_it_is():
    for name in ("utf8", "UTF-8", "utf-8-sig"):
        assert find_encoding(name).upper is None
    assert find_encoding("utf-8").decode(b"\xef\xbb\xbfa\xff") == "a\ufffd"


@pytest.mark.parametrize("name", ["utf-16", "utf-7", "gbk", "shift_jis", "cp037", "base64", "rot13", "idna", "x", ""])
def test_other_encodings_are_refused(name):
    with pytest.raises(ValueError, match=r"^encoding must be UTF-8 or .*, got .* Convert the file to UTF-8"):
        find_encoding(name)
