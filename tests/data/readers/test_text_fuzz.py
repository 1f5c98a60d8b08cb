"""Tests of random text: every line is counted, or an error is raised."""

import gzip
import os
import re
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_mf.data.checking import CheckRules, clean_ratings
from spark_mf.data.readers.options import ReadOptions

NASTY = ['"', '""', ",", "\t", "::", " ", "\\", "'", "\x00", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\ufeff", "😀"]
NASTY += ["é", "\ufffd", "nan", "1e400", "5,0", "007", "+1", "-1", "9" * 25, "x" * 3000, "{0}", "null", "\\N", "%s"]
FIELD = st.one_of(
    st.integers(-5, 5).map(str), st.floats(0, 5).map(str), st.sampled_from(NASTY), st.text(max_size=4)
).map(lambda text: re.sub("[\r\n]", "", text).encode("utf-8", "surrogatepass"))
RAW = st.binary(max_size=12).map(lambda data: re.sub(b"[\r\n]", b"", data))
END = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n"])

# Each costs several Spark jobs; FUZZ_EXAMPLES asks for more.
MOST_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))


@st.composite
def folders(draw):
    """The bytes of one to three files that mostly look like ratings of one kind, and their header or none."""
    separator = draw(st.sampled_from([b",", b"\t", b"::", b";", b"|"]))
    header = draw(st.sampled_from([None, separator.join([b"user", b"item", b"rating"])]))
    first = header or separator.join([b"1", b"2", b"3"])
    good = st.tuples(*[st.integers(0, 3).map(lambda n: b"%d" % n)] * 3)
    odd = st.lists(FIELD, min_size=1, max_size=5)
    line = st.one_of(good.map(separator.join), odd.map(separator.join), RAW, st.just(header or b""))
    files = []
    for _ in range(draw(st.integers(1, 3))):
        lines = [first, *draw(st.lists(line, max_size=12))]
        data = b"".join(part for each in lines for part in (each, draw(END)))
        files.append(data[: len(data) - draw(st.integers(0, 2))])
    return files, header


def lines_of(data):
    return re.split(b"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf"))


def expected_lines(data, header):
    """Rows and blank lines, by plain Python."""
    lines = lines_of(data)
    if lines[-1] == b"":
        lines.pop()
    blank = [line for line in lines if not line.strip(b" \t\n\x0b\x0c\r")]
    return len(lines) - len(blank) - (header is not None), len(blank)


@settings(max_examples=MOST_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(folders(), st.booleans(), st.sampled_from(["auto", "string"]))
def test_every_line_is_accounted_for(spark, tmp_path, folder, packed, id_type):
    files, header = folder
    path = Path(mkdtemp(dir=tmp_path))
    named = {f"{number}.txt{'.gz' * packed}": data for number, data in enumerate(files)}
    for name, data in named.items():
        (path / name).write_bytes(gzip.compress(data) if packed else data)
    clean = None
    try:
        clean = clean_ratings(spark, path, ReadOptions(id_type=id_type), CheckRules("reject", "last"))
    except (ValueError, OSError) as fault:
        refusal = str(fault)
    if clean is None:
        assert "\n" not in refusal
        assert refusal.endswith(".")
        return
    rows, blank = map(sum, zip(*(expected_lines(data, header) for data in files), strict=True))
    accepted, rejected = clean.accepted.collect(), clean.rejected.collect()
    assert (clean.rows, clean.blank_lines) == (rows, blank)
    assert (len(accepted), len(rejected)) == (clean.accepted_rows, clean.rejected_rows)
    assert len(accepted) + len(rejected) == rows
    assert Counter(row["reason"] for row in rejected) == clean.reasons
    for row in rejected:
        lines = lines_of(named[Path(row["file"]).name])
        assert row["text"] == lines[row["line"] - 1].decode(errors="replace")
    clean.unpersist()
