"""Reader of jobs and tasks in Spark's event log; does not need Spark.

The log, which Spark writes with `spark.eventLog.enabled`, has one JSON object per event and line. Times and durations
in it are in milliseconds, except the time of shuffle writing, which is in nanoseconds.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MILLI, _NANO = 1e-3, 1e-9


@dataclass(frozen=True)
class Span:
    """From one moment to another, in seconds since 1970."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.ended - self.began

    def common(self, other: "Span") -> float:
        """Return seconds that both share."""
        return max(0.0, min(self.ended, other.ended) - max(self.began, other.began))


@dataclass(frozen=True)
class Task:
    """One attempt of a task, failed ones included; all but the span and the bytes are seconds of it.

    Attributes
    ----------
    span : Span
        From its launch by the driver to the driver's notice of its end.
    run : float
        At work in the executor, what its Python worker does and shuffling included.
    deserialize, serialize : float
        Unpacking the task, its broadcasts in the JVM included, and packing its result.
    fetch_result : float
        Fetching a result that was too large to come with the notice of the end.
    shuffle : float
        Of `run`: waiting for blocks of other tasks, and writing blocks for them.
    shuffle_bytes : int
        Read from and written for other tasks.
    """

    span: Span
    run: float
    deserialize: float
    serialize: float
    fetch_result: float
    shuffle: float
    shuffle_bytes: int

    @property
    def delay(self) -> float:
        """The rest of the span: sending, queueing and noticing, which Spark's pages call scheduler delay."""
        known = self.run + self.deserialize + self.serialize + self.fetch_result
        return max(0.0, self.span.seconds - known)


@dataclass(frozen=True)
class EventLog:
    """The jobs that ended and all attempts of tasks of one application."""

    jobs: tuple[Span, ...]
    tasks: tuple[Task, ...]


def find_event_log(folder: Path) -> Path:
    """Return the one event log in a folder.

    Raises
    ------
    FileNotFoundError
        When there is none, or the application did not end.
    """
    logs = [path for path in folder.iterdir() if path.is_file() and path.suffix not in (".inprogress", ".crc")]
    if len(logs) != 1:
        raise FileNotFoundError(
            f"{folder} must contain one finished event log, got {len(logs)}. Stop the session first."
        )
    return logs[0]


def read_event_log(path: Path) -> EventLog:
    """Read an event log that was written in one file and not compressed.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a line is no event; the message names file and line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Set spark.eventLog.enabled to true.")
    with path.open(encoding="utf-8", errors="replace") as lines:
        return _gather(path, lines)


def _gather(path: Path, lines: Iterable[str]) -> EventLog:
    began: dict[int, float] = {}
    jobs: list[Span] = []
    tasks: list[Task] = []
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            kind = event["Event"]
            if kind == "SparkListenerJobStart":
                began[event["Job ID"]] = event["Submission Time"] * _MILLI
            elif kind == "SparkListenerJobEnd":
                jobs.append(Span(began[event["Job ID"]], event["Completion Time"] * _MILLI))
            elif kind == "SparkListenerTaskEnd":
                tasks.append(_task(event))
        except (ValueError, KeyError, TypeError) as fault:
            raise ValueError(
                f"{path}, line {number}: not a Spark event ({type(fault).__name__}: {fault}). Write the log with "
                "spark.eventLog.compress and spark.eventLog.rolling.enabled set to false."
            ) from None
    return EventLog(tuple(jobs), tuple(tasks))


def _task(event: dict[str, Any]) -> Task:
    info = event["Task Info"]
    metrics = event.get("Task Metrics") or {}  # an attempt that was lost with its executor has none
    read, written = metrics.get("Shuffle Read Metrics") or {}, metrics.get("Shuffle Write Metrics") or {}
    fetching = info["Getting Result Time"]
    shuffle_bytes = sum(
        (
            read.get("Remote Bytes Read", 0),
            read.get("Local Bytes Read", 0),
            written.get("Shuffle Bytes Written", 0),
        )
    )
    return Task(
        span=Span(info["Launch Time"] * _MILLI, info["Finish Time"] * _MILLI),
        run=metrics.get("Executor Run Time", 0) * _MILLI,
        deserialize=metrics.get("Executor Deserialize Time", 0) * _MILLI,
        serialize=metrics.get("Result Serialization Time", 0) * _MILLI,
        fetch_result=(info["Finish Time"] - fetching) * _MILLI if fetching else 0.0,
        shuffle=read.get("Fetch Wait Time", 0) * _MILLI + written.get("Shuffle Write Time", 0) * _NANO,
        shuffle_bytes=shuffle_bytes,
    )
