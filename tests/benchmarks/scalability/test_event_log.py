"""Tests of the event-log reader and the breakdown, with an event log written by hand."""

import json

import pytest

from spark_mf.benchmarks.scalability.breakdown import Breakdown, break_down
from spark_mf.benchmarks.scalability.event_log import EventLog, Span, find_event_log, read_event_log


def task(launched, finished, metrics, getting=0):
    info = {"Launch Time": launched, "Finish Time": finished, "Getting Result Time": getting, "Failed": False}
    return {"Event": "SparkListenerTaskEnd", "Task Info": info, "Task Metrics": metrics}


# Of two slots: a job of 10 s with a task of 8 s and one of 4 s, a second of nothing, and a job of 2 s.
FIRST = task(
    1_000_000,
    1_008_000,
    {
        "Executor Run Time": 6_000,
        "Executor Deserialize Time": 500,
        "Result Serialization Time": 250,
        "Shuffle Read Metrics": {"Fetch Wait Time": 800, "Remote Bytes Read": 1_000, "Local Bytes Read": 20},
        "Shuffle Write Metrics": {"Shuffle Write Time": 200_000_000, "Shuffle Bytes Written": 3},
    },
    getting=1_007_000,
)
LOST = task(1_001_000, 1_005_000, None)
SECOND = task(1_011_000, 1_013_000, {"Executor Run Time": 2_000, "Executor Deserialize Time": 0})
EVENTS = [
    {"Event": "SparkListenerLogStart", "Spark Version": "4.3.0"},
    {"Event": "SparkListenerJobStart", "Job ID": 0, "Submission Time": 1_000_000},
    LOST,
    FIRST,
    {"Event": "SparkListenerJobEnd", "Job ID": 0, "Completion Time": 1_010_000},
    {"Event": "SparkListenerJobStart", "Job ID": 1, "Submission Time": 1_011_000},
    SECOND,
    {"Event": "SparkListenerJobEnd", "Job ID": 1, "Completion Time": 1_013_000},
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "local-1"
    path.write_text("".join(json.dumps(event) + "\n" for event in EVENTS), encoding="utf-8")
    return read_event_log(path)


def test_jobs_and_tasks_are_read_in_seconds(log):
    assert log.jobs == (Span(1_000.0, 1_010.0), Span(1_011.0, 1_013.0))
    lost, first, second = log.tasks
    assert (first.span, first.run, first.deserialize, first.serialize) == (Span(1_000.0, 1_008.0), 6.0, 0.5, 0.25)
    assert (first.fetch_result, first.shuffle, first.shuffle_bytes) == (1.0, 1.0, 1_023)
    assert first.delay == pytest.approx(0.25)
    assert (lost.run, lost.delay) == (0.0, 4.0)
    assert (second.run, second.delay, second.shuffle_bytes) == (2.0, 0.0, 0)


def test_every_second_goes_somewhere_once(log):
    found = break_down(log, Span(1_000.0, 1_014.0), slots=2, kernel_seconds=3.0)
    assert found.kernels == pytest.approx(3.0 / 2)
    assert found.tasks == pytest.approx((5.0 + 2.0 - 3.0) / 2)
    assert found.serialization == pytest.approx((0.5 + 0.25 + 1.0) / 2)
    assert found.shuffle == pytest.approx(0.5)
    assert found.scheduling == pytest.approx((0.25 + 4.0) / 2)
    # 12 s of jobs are 24 slot-seconds, of which the tasks span 8 + 4 + 2.
    assert found.idle == pytest.approx((24 - 14) / 2)
    assert found.driver == pytest.approx(2.0)
    assert found.total == pytest.approx(14.0)


def test_only_what_lies_in_the_window_counts(log):
    found = break_down(log, Span(1_004.0, 1_011.5), slots=2)
    # Half of the first task, a quarter of the lost and of the second one.
    assert found.tasks == pytest.approx((0.5 * 5.0 + 0.25 * 2.0) / 2)
    assert found.scheduling == pytest.approx((0.5 * 0.25 + 0.25 * 4.0) / 2)
    assert found.driver == pytest.approx(1.0)
    assert found.total == pytest.approx(7.5)


def test_kernels_are_a_part_of_the_tasks_even_where_clocks_differ(log):
    found = break_down(log, Span(1_000.0, 1_014.0), slots=2, kernel_seconds=7.5)
    assert (found.kernels, found.tasks) == (pytest.approx(3.5), 0.0)


def test_jobs_at_the_same_time_count_once():
    jobs = (Span(0.0, 4.0), Span(1.0, 2.0), Span(3.0, 5.0))
    found = break_down(EventLog(jobs, ()), Span(0.0, 6.0), slots=1)
    assert found == Breakdown(0.0, 0.0, 0.0, 0.0, 0.0, idle=5.0, driver=1.0)


def test_a_mean_iteration_is_without_the_set_up():
    whole, setup = Breakdown(4.0, 6.0, 1.0, 2.0, 0.5, 1.0, 3.0), Breakdown(0.0, 2.0, 0.5, 0.0, 1.0, 0.0, 1.0)
    assert whole.of_each(2) == Breakdown(2.0, 3.0, 0.5, 1.0, 0.25, 0.5, 1.5)
    assert whole.of_each(2, outside=setup) == Breakdown(2.0, 2.0, 0.25, 1.0, 0.0, 0.5, 1.0)


def test_no_time_is_refused(log):
    with pytest.raises(ValueError, match="window and slots must be > 0"):
        break_down(log, Span(5.0, 5.0), slots=2)
    with pytest.raises(ValueError, match="0 slots"):
        break_down(log, Span(5.0, 6.0), slots=0)


def test_what_is_no_event_log_is_refused(tmp_path):
    path = tmp_path / "log"
    with pytest.raises(FileNotFoundError, match=r"spark\.eventLog\.enabled"):
        read_event_log(path)
    for text in ("not JSON", "[]", '{"Event": "SparkListenerJobEnd", "Job ID": 7, "Completion Time": 1}'):
        path.write_text(json.dumps(EVENTS[0]) + "\n" + text + "\n", encoding="utf-8")
        with pytest.raises(ValueError, match=r"log, line 2: not a Spark event .*compress"):
            read_event_log(path)


def test_the_log_of_an_ended_application_is_found(tmp_path):
    (tmp_path / "local-1.inprogress").touch()
    with pytest.raises(FileNotFoundError, match="one finished event log, got 0"):
        find_event_log(tmp_path)
    (tmp_path / "local-1.inprogress").rename(tmp_path / "local-1")
    assert find_event_log(tmp_path) == tmp_path / "local-1"
