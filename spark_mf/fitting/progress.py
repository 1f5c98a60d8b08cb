"""Progress reports of fits, as records of the logger ``spark_mf`` with a `Progress` attribute.

Estimators log instead of printing. Programs decide what to show, with `show_progress` or with their own handler, which
reads ``record.progress``.
"""

import logging
import sys
from dataclasses import dataclass
from typing import TextIO

logger = logging.getLogger("spark_mf")


@dataclass(frozen=True)
class Progress:
    """One completed iteration of a fit.

    Attributes
    ----------
    label : str
        Name of the estimator, such as ``"ALS"``.
    step : int
        Number of the iteration, counted from 1.
    total : int
        Maximum number of iterations.
    seconds : float
        Wall-clock seconds of this iteration.
    elapsed : float
        Wall-clock seconds since the start of the fit, including its set-up.
    train_rmse : float or None
        RMSE of the training ratings; None if it was not computed.
    validation_rmse : float or None
        RMSE of the validation ratings; None if there are none.
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
        """Estimated seconds of the remaining iterations, each taken to be as long as this one.

        The mean over all iterations would overestimate, as the first iteration also compiles the kernels.
        """
        return self.seconds * (self.total - self.step)

    def line(self) -> str:
        """Return the progress as one line; the lines of a fit are aligned."""
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
    """Log one completed iteration at level INFO, with the `Progress` as the record's attribute ``progress``."""
    logger.info(progress.line(), extra={"progress": progress})


class ConsoleProgress(logging.Handler):
    """Logging handler that writes progress and all other records to a stream.

    On a terminal each iteration overwrites the line of the previous one; otherwise each iteration is one line.

    Parameters
    ----------
    stream : TextIO, optional
        Defaults to stderr, so that a job's stdout contains only its result.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream if stream is not None else sys.stderr
        self._redraws = self._stream.isatty()
        self._open: Progress | None = None  # the progress in the terminal's current line, which will be overwritten

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; `logging` calls this method."""
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
        """Terminate the current line, which a fit that stops early leaves open."""
        self.acquire()
        try:
            self._end_line()
        finally:
            self.release()
        super().close()


def show_progress(stream: TextIO | None = None) -> ConsoleProgress:
    """Show the progress of every fit of this process.

    Parameters
    ----------
    stream : TextIO, optional
        Defaults to stderr.

    Returns
    -------
    ConsoleProgress
        The handler that was added to the logger ``spark_mf``. Another call replaces it.
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
