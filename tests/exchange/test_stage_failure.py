"""Tests of the extraction of a cause from abridged error messages of Spark's JVM."""

import pytest

from spark_mf.exchange.stage_failure import member_failure

ABORTED = (
    "Job aborted due to stage failure: ShuffleMapStage 37 (fit at factorizer.py:86) has failed the maximum allowable "
    "number of times: 4. Most recent failure reason: Stage failed because barrier task ShuffleMapTask(37, 1) finished "
    "unsuccessfully.\n"
)
FRAMES = (
    '  File "barrier_stage.py", line 49, in enter\n    result = work(ring, record)\n             ^^^^^^^^^^^^^^^^^^\n'
    '  File "ring.py", line 93, in all_gather\n    raise RingError(str(self._failure)) from self._failure\n'
)
JAVA = "\tat org.apache.spark.api.python.BasePythonRunner.hasNext(PythonRunner.scala:1097)\n\t... 20 more\n"
IN_PYTHON = "org.apache.spark.api.python.PythonException: [PYTHON_EXCEPTION] An exception was thrown: "


def traceback(*errors: str) -> str:
    chained = "\n\nThe above exception was the direct cause of the following exception:\n\n"
    parts = [f"Traceback (most recent call last):\n{FRAMES}{error}" for error in errors]
    return f"{ABORTED}{IN_PYTHON}{chained.join(parts)}\n SQLSTATE: 38000\n{JAVA}"


@pytest.mark.parametrize(
    ("message", "begins", "says_of_the_ring"),
    [
        (
            traceback("TimeoutError", "spark_mf.exchange.ring.connection.RingError: position 1 was silent for 2 s."),
            "position 1 was silent for 2 s. Set a larger ringTimeout",
            True,
        ),
        (traceback("MemoryError"), "MemoryError. See Spark's log", False),
        (traceback("ValueError: two\nlines"), "ValueError: two. See Spark's log", False),
        (
            f"{ABORTED}org.apache.spark.SparkException: Python worker exited unexpectedly (crashed). Consider this.\n"
            f"{JAVA}Caused by: java.io.EOFException\n{JAVA}",
            "Python worker exited unexpectedly (crashed). See Spark's log",
            False,
        ),
        (
            f"{ABORTED}ExecutorLostFailure (executor 0 exited) Reason: Command exited with code 137",
            "ExecutorLostFailure (executor 0 exited) Reason: Command exited with code 137. See Spark's log",
            False,
        ),
    ],
    ids=["ring", "no message", "two lines", "killed", "executor"],
)
def test_the_cause_is_one_line(message: str, begins: str, says_of_the_ring: bool):
    cause = member_failure(message)
    assert cause is not None
    assert cause.startswith(begins)
    assert "\n" not in cause
    assert ("ringTimeout" in cause) == says_of_the_ring


def test_what_is_no_members_failure_is_left_as_it_is():
    assert member_failure("Job 5 cancelled because killed via the Web UI") is None
