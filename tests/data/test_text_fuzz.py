"""Text of any kind: one sentence or every line accounted for, whatever bytes it consists of."""

import gzip
import os
import re
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_mf.data.checking import CheckRules, clean_ratings
from spark_mf.data.sources import ReadOptions

NASTY = ['"', '""', ",", "\t", "::", " ", "\\", "'", "\x00", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\ufeff", "😀"]
NASTY += ["é", "\ufffd", "nan", "1e400", "5,0", "007", "+1", "-1", "9" * 25, "x" * 3000, "{0}", "null", "\\N", "%s"]
FIELD = st.one_of(
    st.integers(-5, 5).map(str), st.floats(0, 5).map(str), st.sampled_from(NASTY), st.text(max_size=4)
).map(lambda text: re.sub("[\r\n]", "", text).encode("utf-8", "surrogatepass"))
RAW = st.binary(max_size=12).map(lambda data: re.sub(b"[\r\n]", b"", data))
END = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n"])

# Each costs several Spark jobs; FUZZ_EXAMPLES asks for more.
MOST_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))


@st.composite
def files(draw):
    """The bytes of a file that mostly looks like ratings, its separator, and its header or none."""
    separator = draw(st.sampled_from([b",", b"\t", b"::"]))
    header = draw(st.sampled_from([None, separator.join([b"user", b"item", b"rating"])]))
    good = st.tuples(*[st.integers(0, 3).map(lambda n: b"%d" % n)] * 3)
    odd = st.lists(FIELD, min_size=1, max_size=5)
    line = st.one_of(good.map(separator.join), odd.map(separator.join), RAW, st.just(header or b""))
    lines = [header or separator.join([b"1", b"2", b"3"]), *draw(st.lists(line, max_size=12))]
    data = b"".join(part for each in lines for part in (each, draw(END)))
    return data[: len(data) - draw(st.integers(0, 2))], header


def expected_lines(data, header):
    """Rows and blank lines, by plain Python."""
    lines = re.split(b"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf"))
    if lines[-1] == b"":
        lines.pop()
    blank = [line for line in lines if not line.strip(b" \t\n\x0b\x0c\r")]
    return len(lines) - len(blank) - (header is not None), len(blank)


@settings(max_examples=MOST_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(files(), st.booleans(), st.sampled_from(["auto", "string"]))
def test_every_line_is_accounted_for(spark, tmp_path, file, packed, id_type):
    data, header = file
    path = tmp_path / ("ratings.txt.gz" if packed else "ratings.txt")
    path.write_bytes(gzip.compress(data) if packed else data)
    clean = None
    try:
        clean = clean_ratings(spark, path, ReadOptions(id_type=id_type), CheckRules("reject", "last"))
    except (ValueError, OSError) as fault:
        refusal = str(fault)
    if clean is None:
        assert "\n" not in refusal
        assert refusal.endswith(".")
        return
    rows, blank = expected_lines(data, header)
    accepted, rejected = clean.accepted.collect(), clean.rejected.collect()
    assert (clean.rows, clean.blank_lines) == (rows, blank)
    assert (len(accepted), len(rejected)) == (clean.accepted_rows, clean.rejected_rows)
    assert len(accepted) + len(rejected) == rows
    assert Counter(row["reason"] for row in rejected) == clean.reasons
    lines = re.split(b"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf"))
    for row in rejected:
        assert row["text"] == lines[row["line"] - 1].decode(errors="replace")
    clean.unpersist()
