"""Tests of separators: names in options, and detection."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.data.readers.column_names import choose_columns
from spark_mf.data.readers.separators import detect_separator, parse_separator
from spark_mf.data.readers.text import text_layout
from spark_mf.storage.encodings import find_encoding
from spark_mf.storage.files import FileHead

NAMES = ["userId", "item_id", "Rating", "timestamp", "title", "genres"]
ROLES = {"user": "userId", "item": "item_id", "rating": "Rating", "timestamp": "timestamp"}
TITLES = st.text(alphabet='ab ,;|:\t"\n1', max_size=12)


@st.composite
def files(draw):
    """Rows in any order of columns as Python writes them, with a separator and a style of quoting."""
    names = draw(st.permutations(NAMES))
    rows = [
        {"userId": n, "item_id": 10 + n, "Rating": n / 2, "timestamp": 900 + n, "title": draw(TITLES), "genres": "a|b"}
        for n in range(draw(st.integers(1, 6)))
    ]
    separator = draw(st.sampled_from([",", "\t", ";", "|"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    ends = draw(st.sampled_from(["\n", "\r\n"]))
    header = draw(st.booleans())
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, names, delimiter=separator, quoting=quoting, lineterminator=ends)
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode(), separator, names, header, rows


@given(files())
def test_every_order_of_columns_is_found(file):
    data, separator, names, header, rows = file
    columns = () if header else tuple(names)
    # Without a header, the first line must be a whole row for its separator to be found.
    asked = separator if not header and "\n" in rows[0]["title"] else None
    head = FileHead("ratings.txt", data, cut=False)
    layout = text_layout(
        [head], "ratings.txt", find_encoding("utf-8"), separator=asked, quote=True, kind=None, columns=columns
    )
    assert layout.separator == separator
    assert layout.names == names
    chosen, _ = choose_columns(layout.names, dict.fromkeys(ROLES), "ratings.txt")
    assert chosen == ROLES
    wanted = [{role: str(row[name]) for role, name in ROLES.items()} for row in rows]
    assert [{role: row[name] for role, name in ROLES.items()} for row in layout.sample(list(ROLES.values()))] == wanted


@pytest.mark.parametrize(
    ("lines", "name", "separator"),
    [
        (["1;2;3,5;4,5"], "a.csv", ";"),
        (["1,2,5,a;b;c", "1,3,5,d;e;f"], "a.csv", ","),
        (["1\t2\tHello, you, all\t3"], "a.csv", "\t"),
        (["1::2::5::978300760"], "a.txt", "::"),
        (["1,2,5,2020-01-01 12:00:00"], "a.txt", ","),
        (["  1  100   5", "2 7\t4"], "a.txt", " "),
        (["user item rating", "1 2 3"], "a.txt", " "),
        (["1|2|5|0|a"], "a.txt", "|"),
        (["1,2"], "a.txt", ","),
    ],
)
def test_separators_of_files(lines, name, separator):
    assert detect_separator(name, lines, quote=True) == separator


def test_text_without_a_separator_is_refused():
    for lines in (["one two three"], ["a b c", "d e"], ["12"]):
        with pytest.raises(ValueError, match=r"must hold JSON lines, Parquet, or lines .* with --separator\.$"):
            detect_separator("a.txt", lines, quote=True)


@pytest.mark.parametrize(
    ("text", "separator"),
    [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), ("blank", " "), (" ", " "), ("::", "::"), (";", ";"), ("^", "^")],
)
def test_names_of_separators(text, separator):
    assert parse_separator(text) == separator


@pytest.mark.parametrize("text", ["", "a", "7", '"', "\\", "\n", ";;", "semicolon"])
def test_what_cannot_separate(text):
    with pytest.raises(ValueError, match=r"^separator must be one character that is not a letter, .*, got "):
        parse_separator(text)
