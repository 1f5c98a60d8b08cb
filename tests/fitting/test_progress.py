"""Tests of progress records and of their display on a terminal and in a file."""

import io
import logging
import sys

import pytest

from spark_mf.fitting import progress
from spark_mf.fitting.progress import ConsoleProgress, Progress, report, show_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def step(number: int, total: int = 10, label: str = "ALS") -> Progress:
    return Progress(label, number, total, seconds=0.421, elapsed=2.5, train_rmse=0.78123, validation_rmse=0.86341)


@pytest.fixture
def shown():
    """Shows progress on a stream of the test's choice, and afterwards leaves the logger as it was."""
    logger = logging.getLogger("spark_mf")
    level = logger.level
    handlers = []

    def show(stream: io.StringIO) -> io.StringIO:
        handlers.append(show_progress(stream))
        return stream

    yield show
    for handler in handlers:
        logger.removeHandler(handler)
    logger.setLevel(level)


def test_line_tells_step_errors_and_seconds():
    assert step(3).line() == "ALS   3/10  train RMSE 0.7812  validation RMSE 0.8634  0.42 s"


def test_line_leaves_out_what_is_not_measured():
    assert Progress("SGD", 5, 5, seconds=1.0, elapsed=9.0).line() == "SGD  5/5  1.00 s"


def test_report_logs_the_progress_itself(caplog):
    with caplog.at_level(logging.INFO, logger="spark_mf"):
        report(step(3))
    (record,) = caplog.records
    assert record.progress == step(3)
    assert record.getMessage() == step(3).line()


def test_file_gets_one_aligned_line_a_step(shown):
    stream = shown(io.StringIO())
    for number in (9, 10):
        report(step(number))
    assert stream.getvalue() == f"{step(9).line()}\n{step(10).line()}\n"
    assert [line.index("train") for line in stream.getvalue().splitlines()] == [12, 12]


def test_terminal_redraws_one_line_and_ends_it_with_the_last_step(shown):
    stream = shown(Terminal())
    for number in (1, 2):
        report(step(number, total=2))
    *drawn, last = stream.getvalue().split("\r")
    assert any("1/2" in line for line in drawn)
    assert last.startswith("ALS: 100%")
    assert "2/2" in last
    assert "train RMSE 0.7812, validation RMSE 0.8634" in last
    assert stream.getvalue().count("\n") == 1
    assert last.endswith("\n")


def test_terminal_tells_the_time_left_from_the_seconds_of_the_first_step(shown):
    stream = shown(Terminal())
    report(Progress("ALS", 1, 10, seconds=10.0, elapsed=12.0))
    assert "[00:10<01:30, 10.0" in stream.getvalue()


def test_terminal_keeps_the_last_line_of_a_fit_that_stopped_early(shown):
    stream = shown(Terminal())
    report(step(2))
    report(step(1))
    kept, drawn = stream.getvalue().split("\n")
    assert "2/10" in kept.split("\r")[-1]
    assert "1/10" in drawn


def test_terminal_ends_the_open_line_on_close(shown):
    stream = Terminal()
    handler = ConsoleProgress(stream)
    handler.handle(logging.makeLogRecord({"progress": step(1)}))
    handler.close()
    assert "1/10" in stream.getvalue().split("\r")[-1]
    assert stream.getvalue().endswith("\n")


def test_other_messages_get_lines_of_their_own(shown):
    stream = shown(Terminal())
    report(step(1))
    progress.logger.warning("%d ratings were set aside", 3)
    progress.logger.info("ratings are in column 'stars'")
    lines = [line.split("\r")[-1] for line in stream.getvalue().split("\n")]
    assert lines[:-1] == ["warning: 3 ratings were set aside", "ratings are in column 'stars'"]
    assert "1/10" in lines[-1]


def test_without_tqdm_a_terminal_gets_lines_too(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    stream = shown(Terminal())
    for number in (1, 2):
        report(step(number))
    assert stream.getvalue() == f"{step(1).line()}\n{step(2).line()}\n"


def test_showing_again_does_not_show_twice(shown):
    first, second = shown(io.StringIO()), shown(io.StringIO())
    report(step(1))
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_a_line_of_implicit_feedback_has_the_objective_and_the_recall():
    progress = Progress("ALS", 2, 10, 0.5, 1.0, objective=12345.678, validation_recall=0.25)
    assert progress.line() == "ALS   2/10  objective 12345.7  validation recall@10 0.2500  0.50 s"
