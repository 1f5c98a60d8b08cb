"""Tests of parsed times and integers against plain Python."""

import random
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from spark_mf.data.columns import whole_text
from spark_mf.data.readers.time_formats import (
    EUROPEAN,
    ISO,
    MILLISECONDS,
    SECONDS,
    US,
    WHOLE,
    require_pattern,
    require_time_format,
    tick,
)

# With summer time, so that hours are missing and doubled, and with local mean time before 1883.
ZONE = ZoneInfo("America/New_York")
FIRST, END = -62_135_596_800_000_000, 253_402_300_800_000_000
PATTERN = "dd-MM-yyyy HH:mm"


@pytest.fixture(scope="module")
def new_york(spark):
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", str(ZONE))
    yield spark
    spark.conf.set("spark.sql.session.timeZone", before)


def micros(year, month, day, clock=(0, 0, 0, 0), zone=None):
    """Microseconds since 1970 of a civil time, or None where there is no such time."""
    try:
        local = datetime(int(year), int(month), int(day), *clock)
    except ValueError:
        return None
    offset = local.replace(tzinfo=zone or ZONE).utcoffset() or timedelta(0)
    found = (local - datetime(1970, 1, 1) - offset) // timedelta(microseconds=1)
    return found if FIRST <= found < END else None


def clock_of(hour, minute, second, fraction, meridiem=None):
    """Hour, minute, second, microsecond; 99 for an hour that its half of the day does not have."""
    hour = int(hour or 0)
    if meridiem:
        hour = hour % 12 + 12 * (meridiem.lower() == "pm") if 1 <= hour <= 12 else 99
    return hour, int(minute or 0), int(second or 0), int((fraction or "")[:6].ljust(6, "0"))


DATE = re.compile(
    r"\s*(\d{1,2})([./-])(\d{1,2})\2(\d{4})(,?\s+(\d{1,2}):(\d\d)(:(\d\d))?((\.\d{1,9})|\s*([AaPp][Mm]))?)?\s*", re.A
)


def date(text, day_first):
    match = DATE.fullmatch(text)
    if not match:
        return None
    one, _, other, year, _, hour, minute, _, second, _, fraction, meridiem = match.groups()
    clock = clock_of(hour, minute, second, (fraction or "")[1:], meridiem)
    return micros(year, *((other, one) if day_first else (one, other)), clock)


ISO_TEXT = re.compile(
    r"\s*(\d{4})-(\d\d?)-(\d\d?)([T ](\d\d?):(\d\d?)(:(\d\d?)(\.(\d{1,9}))?)?"
    r"(Z| UTC|([+-])(\d\d?)(:(\d\d?)|(\d\d))?)?)?\s*",
    re.A,
)


def iso(text):
    match = ISO_TEXT.fullmatch(text)
    if not match:
        return None
    year, month, day, _, hour, minute, _, second, _, fraction, zone, sign, hours, _, minutes, plain = match.groups()
    found = UTC if zone else None
    if sign:
        east = int(hours) * 60 + int(minutes or plain or 0)
        if east > 18 * 60 or int(minutes or plain or 0) > 59:
            return None
        found = timezone(timedelta(minutes=-east if sign == "-" else east))
    return micros(year, month, day, clock_of(hour, minute, second, fraction), found)


def number(text, places):
    """Seconds (6 decimal places) or milliseconds (3) in microseconds."""
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", text, re.A):
        return None
    exact = Decimal(text.strip()).scaleb(places)
    found = int(exact.to_integral_value(ROUND_HALF_UP)) if abs(exact) < 10**18 else END
    return found if FIRST <= found < END else None


def whole(text):
    match = re.fullmatch(r"\s*([+-]?\d+)(\.0+)?\s*", text, re.A)
    return int(match[1]) if match and -(2**63) <= int(match[1]) < 2**63 else None


def pattern(text):
    match = re.fullmatch(r" *(\d\d)-(\d\d)-(\d{4}) (\d\d):(\d\d) *", text, re.A)
    return match and micros(match[3], match[2], match[1], clock_of(match[4], match[5], 0, ""))


REFERENCES = {
    ISO: iso,
    US: lambda text: date(text, day_first=False),
    EUROPEAN: lambda text: date(text, day_first=True),
    SECONDS: lambda text: number(text, 6),
    MILLISECONDS: lambda text: number(text, 3),
    WHOLE: whole,
    PATTERN: pattern,
}


def texts(count, seed=13):
    """Dates and numbers of every format, a tenth of them with a character too many, too few or changed."""
    draw = random.Random(seed)

    def clock():
        hour, minute, second = draw.randint(0, 24), draw.randint(0, 60), draw.randint(0, 60)
        seconds = draw.choice(["", f":{second:02}"])
        return f"{draw.choice([f'{hour:02}', str(hour)])}:{minute:02}{seconds}", seconds

    def one():
        year = draw.choice([draw.randint(1, 9999), draw.randint(1880, 2030), 1, 9999])
        month, day = draw.randint(0, 13), draw.randint(0, 32)
        kind = draw.choice(["iso", "date", "number", "whole", "pattern"])
        if kind == "iso":
            text = draw.choice([f"{year:04}-{month:02}-{day:02}", f"{year:04}-{month}-{day}"])
            if draw.random() < 0.3:
                return text
            fraction = draw.choice(["", "." + "".join(draw.choices("0123456789", k=draw.randint(1, 9)))])
            minutes = f"{draw.randint(0, 24):02}:{draw.randint(0, 60):02}"
            zone = draw.choice(["", "Z", " UTC", "+05:30", "-0800", "+02", "+00:00"])
            return (
                text
                + draw.choice("T ")
                + draw.choice([minutes, f"{minutes}:{draw.randint(0, 60):02}{fraction}"])
                + zone
            )
        if kind == "date":
            mark, comma = draw.choice("./-"), draw.choice(["", ","])
            text = mark.join(draw.choice([f"{n:02}", str(n)]) for n in (month, day)) + f"{mark}{year:04}"
            if draw.random() < 0.4:
                return text
            time, seconds = clock()
            rest = draw.choice(["", ".25" if seconds else "", " PM", "am", " Am"])
            return f"{text}{comma} {time}{rest}"
        if kind == "pattern":
            return f"{day:02}-{month:02}-{year:04} {draw.randint(0, 24):02}:{draw.randint(0, 59):02}"
        if kind == "whole":
            near = draw.choice([0, 10, 2**31, 2**53, 2**63, 964_982_703, 1_569_838_500_123, 10**25])
            integer = draw.choice([1, -1]) * near + draw.randint(-3, 3)
            return f"{integer}{draw.choice(['', '', '.0', '.000', '.', '.5', 'e3', '.0e0', '.00000000000001'])}"
        value = draw.choice([draw.uniform(-1e11, 3e11), draw.uniform(-1e15, 3e14), draw.uniform(-2, 2)])
        return draw.choice([repr(value), f"{value:.6f}", f"{value:.9e}", f"{value:.1f}"])

    def changed(text):
        place = draw.randrange(len(text))
        new = draw.choice(["", *"0159./-:T Z+,", "x", "\u0661"])
        return text[:place] + new + text[place + draw.randint(0, 1) :]

    found = [one() for _ in range(count)]
    found = [changed(text) if draw.random() < 0.1 else text for text in found]
    return [
        draw.choice(["", " ", "\t"]) + text + draw.choice(["", " "]) if draw.random() < 0.1 else text for text in found
    ]


def test_every_format_reads_what_python_reads(new_york):
    given = [
        *texts(6_000),
        "",
        " ",
        ".0",
        "-.0",
        "nan",
        "1e999",
        "1e-999",
        "1_000",
        "\uff11",
        "10:00",
        "2019",
        "0000-01-01",
    ]
    rows = new_york.createDataFrame([(text,) for text in given], "text string").select(
        "text", *(tick(F.col("text"), StringType(), format).alias(format) for format in REFERENCES)
    )
    wrong, reads = [], dict.fromkeys(REFERENCES, 0)
    for row in rows.collect():
        for format, reference in REFERENCES.items():
            expected = reference(row["text"])
            reads[format] += expected is not None
            if row[format] != expected:
                wrong.append((format, row["text"], row[format], expected))
    assert wrong == []
    assert all(count > 300 for count in reads.values()), reads


def test_text_that_spells_a_whole_number_keeps_all_its_digits(spark):
    """Doubles hold 53 bits of a number, and a cast to one would join ids."""
    given = ["9007199254740993.0", "-9223372036854775808.00", "9223372036854775807.0", "9223372036854775808.0"]
    given += [
        "12.0",
        " +12.0 ",
        "-0.0",
        "12.5",
        "12.",
        ".0",
        "1e3",
        "1.0e1",
        "12.0.0",
        "x.0",
        "007.0",
        "",
        "1.0\x00",
        "7 .0",
    ]
    frame = spark.createDataFrame([(text,) for text in given], "text string")
    found = [row[0] for row in frame.select(whole_text(F.col("text"))).collect()]
    assert found == [2**53 + 1, -(2**63), 2**63 - 1, None, 12, 12, 0, *[None] * 7, 7, *[None] * 3]


@pytest.mark.parametrize("time_format", ["", "ISO", "dd.MM"])
def test_what_is_neither_a_word_nor_has_a_year(time_format):
    with pytest.raises(
        ValueError, match=f"time_format must be one of iso, us, .*, got '{time_format}'. Give one of th"
    ):
        require_time_format(time_format)


@pytest.mark.parametrize("time_format", ["YYYY y", "foo y", "yyyy'", "ddd yyyy"])
def test_patterns_that_spark_does_not_know(spark, time_format):
    with pytest.raises(ValueError, match=r"or one of Spark's datetime patterns, got .*\. Give a pattern such as") as no:
        require_pattern(spark, time_format)
    assert "\n" not in str(no.value)
