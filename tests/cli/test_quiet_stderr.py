"""What a job's stderr does not show, and that everything else is shown."""

from spark_mf.cli.quiet_stderr import without_notes

FAREWELL = [
    b"Traceback (most recent call last):\n",
    b'  File "lib/pyspark.zip/pyspark/daemon.py", line 264, in manager\n',
    b'  File "lib/pyspark.zip/pyspark/daemon.py", line 95, in worker\n',
    b"BrokenPipeError: [Errno 32] Broken pipe\n",
]
REAL = [
    b"Traceback (most recent call last):\n",
    b'  File "lib/pyspark.zip/pyspark/worker.py", line 100, in process\n',
    b"ValueError: bad\n",
]


def test_notes_and_farewells_are_left_out_and_all_else_is_kept():
    noise = [b"WARNING: Using incubator modules: jdk.incubator.vector\n", *FAREWELL]
    assert list(without_notes([*noise, b"real\n", *FAREWELL, *REAL])) == [b"real\n", *REAL]


def test_farewells_of_two_workers_may_mix():
    mixed = [line for pair in zip(FAREWELL, FAREWELL, strict=True) for line in pair]
    assert list(without_notes([b"first\n", *mixed, *REAL])) == [b"first\n", *REAL]


def test_a_traceback_at_the_very_end_is_not_lost():
    assert list(without_notes(REAL[:1])) == REAL[:1]
