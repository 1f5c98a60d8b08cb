"""Breakdown of the seconds of a fit, from the jobs and tasks of an event log."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from spark_mf.benchmarks.scalability.event_log import EventLog, Span


@dataclass(frozen=True)
class Breakdown:
    """Wall-clock seconds by what they went into; their sum is all of the time that was looked at.

    While a job runs, a second of one of n task slots counts as 1/n of a second.

    Attributes
    ----------
    kernels : float
        The arithmetic of tasks, by the fit's own clock; 0 where it has none, as pyspark's ALS.
    tasks : float
        The rest of tasks at work: the pipe between the JVM and Python, packing and unpacking there, and on the ring
        sending and waiting for others. Where there is no clock of kernels, all work of tasks.
    serialization : float
        Unpacking tasks, packing and fetching results, in the JVM.
    shuffle : float
        Tasks waiting for, and writing, shuffled blocks.
    scheduling : float
        Tasks being sent, queued and their end being noticed.
    idle : float
        Slots without a task while a job runs: waiting for the last task, or fewer tasks than slots.
    driver : float
        No job running: the driver gathers results and makes broadcasts.
    """

    kernels: float
    tasks: float
    serialization: float
    shuffle: float
    scheduling: float
    idle: float
    driver: float

    @property
    def total(self) -> float:
        """Their sum."""
        return float(sum(astuple(self)))

    def of_each(self, iterations: int, outside: "Breakdown | None" = None) -> "Breakdown":
        """Return the mean of an iteration, ``outside`` taken off before; a part never falls below 0."""
        taken = astuple(outside) if outside else (0.0,) * len(astuple(self))
        return Breakdown(*(max(0.0, whole - off) / iterations for whole, off in zip(astuple(self), taken, strict=True)))


def break_down(log: EventLog, window: Span, slots: int, kernel_seconds: float = 0.0) -> Breakdown:
    """Break the time of a window down.

    Parameters
    ----------
    log : EventLog
    window : Span
        Of tasks that lie in it in part, the same part of each of their seconds counts.
    slots : int
        Tasks that could run at the same time.
    kernel_seconds : float
        Of all tasks in the window together.

    Raises
    ------
    ValueError
        When the window is empty or there are no slots.
    """
    if window.seconds <= 0 or slots < 1:
        raise ValueError(f"window and slots must be > 0, got {window.seconds:g} s and {slots} slots.")
    tasks = serialization = shuffle = scheduling = 0.0
    for task in log.tasks:
        share = window.common(task.span) / task.span.seconds / slots if task.span.seconds > 0 else 0.0
        tasks += share * (task.run - task.shuffle)
        serialization += share * (task.deserialize + task.serialize + task.fetch_result)
        shuffle += share * task.shuffle
        scheduling += share * task.delay
    in_jobs = _covered(log.jobs, window)
    idle = max(0.0, in_jobs - (tasks + serialization + shuffle + scheduling))
    kernels = min(kernel_seconds / slots, tasks)
    return Breakdown(kernels, tasks - kernels, serialization, shuffle, scheduling, idle, window.seconds - in_jobs)


def _covered(jobs: Sequence[Span], window: Span) -> float:
    """Return seconds of the window in which at least one job runs."""
    covered, reached = 0.0, window.began
    for job in sorted(jobs, key=lambda job: job.began):
        covered += window.common(Span(max(job.began, reached), max(job.ended, reached)))
        reached = max(reached, job.ended)
    return covered
