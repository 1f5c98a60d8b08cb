"""How a fit tells where it is: records of the standard logger ``spark_mf`` that carry a `Progress`.

A library must not print, so estimators log; a program decides what is shown, with `show_progress` or a
handler of its own that reads ``record.progress``.
"""

import logging
import sys
from dataclasses import dataclass
from typing import TextIO

logger = logging.getLogger("spark_mf")


@dataclass(frozen=True)
class Progress:
    """One finished iteration of a fit.

    Attributes:
        label: which estimator, such as ``"ALS"``.
        step: the iteration, from 1.
        total: how many there will be at most.
        seconds: wall-clock time of this iteration alone.
        elapsed: wall-clock seconds since the fit began, setting up included.
        train_rmse: RMSE of the training ratings, in their own unit; None where it is not measured.
        validation_rmse: the same of the validation ratings.
    """

    label: str
    step: int
    total: int
    seconds: float
    elapsed: float
    train_rmse: float | None = None
    validation_rmse: float | None = None

    @property
    def seconds_left(self) -> float:
        """What the remaining iterations take if each takes as long as this one.

        The mean of all so far would be worse: the first one also compiles and warms up.
        """
        return self.seconds * (self.total - self.step)

    def line(self) -> str:
        """The progress in words; the lines of one fit are aligned."""
        parts = [f"{self.label}  {self.step:{len(str(self.total))}d}/{self.total}"]
        if self.train_rmse is not None:
            parts.append(f"train RMSE {self.train_rmse:.4f}")
        if self.validation_rmse is not None:
            parts.append(f"validation RMSE {self.validation_rmse:.4f}")
        parts.append(f"{self.seconds:.2f} s")
        if self.step < self.total:
            parts.append(f"about {_duration(self.seconds_left)} left")
        return "  ".join(parts)


def report(progress: Progress) -> None:
    """Log one finished iteration at INFO; the record's attribute ``progress`` is the `Progress` itself."""
    logger.info(progress.line(), extra={"progress": progress})


class ConsoleProgress(logging.Handler):
    """Shows progress on a stream, and what else is logged as plain lines.

    On a terminal the line of a fit is drawn anew with each iteration; elsewhere every iteration gets a line.

    Args:
        stream: where to write; stderr by default, so that a job's stdout stays its result.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream if stream is not None else sys.stderr
        self._redraws = self._stream.isatty()
        self._open: Progress | None = None  # what stands on the terminal's last line, still to be drawn over

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record; called by `logging`."""
        progress = getattr(record, "progress", None)
        try:
            if progress is None:
                self._end_line()
                prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
                self._stream.write(f"{prefix}{self.format(record)}\n")
            elif self._redraws:
                self._redraw(progress)
            else:
                self._stream.write(f"{progress.line()}\n")
            self._stream.flush()
        except Exception:
            self.handleError(record)

    def _redraw(self, progress: Progress) -> None:
        follows = self._open is not None and self._open.label == progress.label and self._open.step < progress.step
        if not follows:
            self._end_line()
        self._stream.write(f"\r{progress.line()}\x1b[K")
        self._open = progress
        if progress.step == progress.total:
            self._end_line()

    def _end_line(self) -> None:
        if self._open is not None:
            self._stream.write("\n")
            self._open = None

    def close(self) -> None:
        """End a line that a fit left open, as one does that stops early."""
        self.acquire()
        try:
            self._end_line()
        finally:
            self.release()
        super().close()


def show_progress(stream: TextIO | None = None) -> ConsoleProgress:
    """Show the progress of every fit of this process on `stream`, stderr by default.

    Calling it again replaces the earlier handler, so no line is shown twice.
    """
    for handler in logger.handlers[:]:
        if isinstance(handler, ConsoleProgress):
            logger.removeHandler(handler)
            handler.close()
    handler = ConsoleProgress(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
