"""Tests of the detection of the format of times."""

from collections import Counter
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F

from spark_mf.data.readers.time_choice import Evidence, contradiction
from spark_mf.data.readers.time_formats import EUROPEAN, ISO, SECONDS, US, WHOLE
from spark_mf.data.times import require_times

FORMATS = (WHOLE, SECONDS, ISO, US, EUROPEAN)
# Which formats read a value: a number, a huge number, one with a fraction, ISO, a date of each kind, none.
KINDS = [{WHOLE, SECONDS}, {WHOLE}, {SECONDS}, {ISO}, {US, EUROPEAN}, {US}, {EUROPEAN}, set()]
VALUES = st.lists(st.sampled_from(KINDS).map(frozenset), max_size=6)


def evidence(values):
    read = Counter(format for formats in values for format in formats)
    return Evidence(len(values), sum(map(bool, values)), {format: read[format] for format in FORMATS})


@given(VALUES)
def test_a_format_fits_if_it_reads_every_value_that_any_reads(values):
    readable = [formats for formats in values if formats]
    fit = {format for format in FORMATS if all(format in formats for formats in readable)}
    found = evidence(values).fitting()
    if not values or (WHOLE in fit and readable):
        assert found == (WHOLE,)
    elif not readable:
        assert found == ()
    elif not fit and all(formats <= {WHOLE, SECONDS} for formats in readable):
        assert found == (SECONDS,)
    else:
        assert set(found) == fit
    # Counts do not know the order of rows, nor values that nothing reads.
    assert evidence([*reversed(values), frozenset()] if values else values).fitting() == found


@given(VALUES)
def test_mixed_columns_have_two_values_that_no_format_reads_both(values):
    if not any(values) or evidence(values).fitting():
        return
    examples = {formats: (f"{sorted(formats)} a", f"{sorted(formats)} z") for formats in values}
    one, other = contradiction(examples)
    pair = [
        formats for formats in values if any(shown.startswith(repr(examples[formats][0])) for shown in (one, other))
    ]
    assert len(set(pair)) == 2
    assert not frozenset.intersection(*pair)


def of(spark, values, kind="string"):
    return spark.createDataFrame(list(enumerate(values)), f"row int, time {kind}")


@pytest.mark.parametrize(
    ("values", "time_format", "format", "first", "last"),
    [
        # The first value says nothing about the others.
        (["978300760", "978300760.5"], None, SECONDS, "2000-12-31 22:12:40+00:00", "2000-12-31 22:12:40.500000+00:00"),
        (["978300760.0", "-5"], None, WHOLE, "-5", "978300760"),
        (["01/02/2019", "13/02/2019"], None, EUROPEAN, "2019-02-01 00:00:00+00:00", "2019-02-13 00:00:00+00:00"),
        (["01/02/2019", "02/13/2019 1:00 PM"], None, US, "2019-01-02 00:00:00+00:00", "2019-02-13 13:00:00+00:00"),
        (["01/02/2019", "03/04/2019"], US, US, "2019-01-02 00:00:00+00:00", "2019-03-04 00:00:00+00:00"),
        (["1.2.1902", "3.4.1901"], None, EUROPEAN, "1901-04-03 00:00:00+00:00", "1902-02-01 00:00:00+00:00"),
        (["20190930", "20180930"], "yyyyMMdd", "yyyyMMdd", "2018-09-30 00:00:00+00:00", "2019-09-30 00:00:00+00:00"),
        (["1569838500123", "-1"], "milliseconds", "milliseconds", "1969-12-31 23:59:59.999000+00:00", None),
    ],
)
def test_the_format_is_that_of_all_values(spark, values, time_format, format, first, last):
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        for ordered in (values, values[::-1]):
            found = require_times(of(spark, ordered), "time", time_format)
            assert (found.format, found.spell(found.first)) == (format, first)
            assert last is None or found.spell(found.last) == last
    finally:
        spark.conf.unset("spark.sql.session.timeZone")


@pytest.mark.parametrize(
    ("values", "time_format", "sentence"),
    [
        (
            ["01/02/2019", "03/04/2019"],
            None,
            "The times in column time must be dates of one kind, got '01/02/2019' and '03/04/2019', and all may be US "
            "or European dates. Set time_format (--time-format) to us or european.",
        ),
        (
            ["964982703", "2019-09-30"],
            None,
            "all be of one format, got '2019-09-30' (ISO 8601) and '964982703' (a numb",
        ),
        (
            ["30/09/2019", "9/30/2019"],
            None,
            "all be of one format, got '30/09/2019' (European) and '9/30/2019' (US). C",
        ),
        # A date with dots is European, unless others show that the dots mean nothing.
        (["01.02.2019", "09.30.2019"], None, "got '01.02.2019' (European) and '09.30.2019' (US)"),
        (
            ["noon", "Sep 30"],
            None,
            "must be ISO 8601, US or European dates, or seconds since 1970, got 'Sep 30' and 'noon'. Set time_format",
        ),
        (["2019-09-30"], "european", "must be European dates, D.M.YYYY, got '2019-09-30'. Set time_format"),
        (["2019-09-30", "noon"], None, "got none in 1 of 2 rows, such as 'noon'. Correct or remove them. The others "),
        (
            ["2019-09-30"],
            "soon",
            "time_format must be one of iso, us, european, seconds, milliseconds or a datetime pa",
        ),
    ],
)
def test_other_columns_are_refused_with_two_values(spark, values, time_format, sentence):
    with pytest.raises(ValueError, match=r"\.$") as refusal:
        require_times(of(spark, values), "time", time_format)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "values", "format"),
    [
        ("double", [2.0, -1.0], WHOLE),
        ("float", [0.25, -1.5], SECONDS),
        ("decimal(12,2)", ["3.25", "1"], SECONDS),
        ("timestamp_ntz", [datetime(2019, 1, 2), datetime(2018, 1, 1)], "typed"),
        ("date", [date(1969, 1, 2), date(1901, 1, 1)], "typed"),
    ],
)
def test_columns_of_every_type(spark, kind, values, format):
    frame = (
        of(spark, values, "string").select("row", F.col("time").cast(kind))
        if kind[:3] == "dec"
        else of(spark, values, kind)
    )
    found = require_times(frame, "time")
    assert (found.format, found.rows) == (format, 2)
    assert [row[0] for row in frame.orderBy(found.tick).select("row").collect()] == [1, 0]
    assert found.first < found.last


@pytest.mark.parametrize(
    ("kind", "time_format", "sentence"),
    [
        ("boolean", None, "column time must hold timestamps, dates, numbers or strings, got the type boolean. Cast it"),
        ("int", "iso", "time_format must be seconds or milliseconds for column time, which has the type int, got 'i"),
        ("double", "yyyyMMdd", "time_format must be seconds or milliseconds for column time, which has the type dou"),
    ],
)
def test_types_and_formats_that_do_not_go_together(spark, kind, time_format, sentence):
    with pytest.raises(ValueError, match=r"\.$") as refusal:
        require_times(of(spark, [None], kind), "time", time_format)
    assert sentence in str(refusal.value)
