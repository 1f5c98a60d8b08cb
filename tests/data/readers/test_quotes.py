"""Tests of quoted fields that span lines, and of open quotes, which must neither remove nor add other rows."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_mf.data.readers.quotes import MOST_LINES, End, follow_quotes, joined_lines

LAST = frozenset({3})


def records(lines, columns=4, may_span=LAST, separator=","):
    """The records of lines of one file; None for the lines that are part of an earlier one."""
    found = joined_lines([("f", line) for line in lines], separator, columns, may_span)
    return [None if skipped else text for text, skipped in found]


def test_fields_that_span_lines_are_one_record():
    lines = ['1,2,5,"My list:', "7,8,1,boring", "", '9,9,2,bad ""x"""', '2,2,4,"fine"']
    assert records(lines) == ["\n".join(lines[:4]), None, None, None, lines[4]]


@pytest.mark.parametrize(
    "lines",
    [
        ['1,2,5,"open', "1,3,4,x", "1,4,4,y"],  # never closes
        ['1,2,5,"open', '1,3,4,a "quoted" word', "1,4,4,y"],  # a quote inside is not doubled
        ['1,2,5,"open', '1,3,4,"closed"'],  # the next quote begins a field
        ['1,"2', '3",5,x'],  # an id holds no line ends
        ['1,2,5,"a', 'b",c'],  # too many fields
        ['1,2,5,"He said "hello" and', "7,8,1,boring"],
    ],
)
def test_a_quote_that_stays_open_takes_no_other_line(lines):
    assert records(lines) == lines


def test_a_field_may_span_so_many_lines_and_no_more():
    lines = ['1,2,3,"', *["x"] * (MOST_LINES - 2), '"']
    assert records(lines)[1:] == [None] * (MOST_LINES - 1)
    lines.insert(1, "x")
    assert records(lines) == lines


def test_fields_do_not_span_files():
    lines = [("a", '1,2,5,"x'), ("b", 'y"')]
    assert [skipped for _, skipped in joined_lines(lines, ",", 4, LAST)] == [False, False]


def test_where_the_quotes_of_a_line_end():
    assert follow_quotes('"a,""b",c', ",") == (End.CLOSED, 1)
    assert follow_quotes('a"b,"c,""', ",") == (End.OPEN, 1)
    assert follow_quotes('x" ,y', ",", 2, inside=True) == (End.CLOSED, 3)
    assert follow_quotes('x"y', ",", 2, inside=True) == (End.BROKEN, 2)
    assert follow_quotes('a\t"b"\t', "\t") == (End.CLOSED, 2)


TEXTS = st.lists(st.text(alphabet='a,"\n ', max_size=8), min_size=1, max_size=8)


@given(TEXTS, TEXTS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_python_writes_is_read_back(titles, notes, quoting):
    rows = [[str(n), title, "5", note] for n, (title, note) in enumerate(zip(titles, notes, strict=False))]
    written = io.StringIO(newline="")
    csv.writer(written, quoting=quoting, lineterminator="\n").writerows(rows)
    lines = written.getvalue().split("\n")[:-1]
    texts = [text for text in records(lines, may_span=frozenset({1, 3})) if text is not None]
    assert [next(csv.reader(io.StringIO(text, newline=""))) for text in texts] == rows
