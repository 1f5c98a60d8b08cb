"""Progress reports of fits, as records of the logger ``spark_mf`` with a `Progress` attribute.

Estimators log instead of printing. Programs decide what to show, with `show_progress` or with their own handler, which
reads ``record.progress``.
"""

import logging
import sys
import time
from dataclasses import dataclass
from typing import Any, TextIO

logger = logging.getLogger("spark_mf")


@dataclass(frozen=True)
class Progress:
    """One finished iteration of a fit.

    Attributes
    ----------
    label : str
        Name of the estimator, such as ``"ALS"``.
    step : int
        Number of the iteration, counted from 1.
    total : int
        Maximum number of iterations.
    seconds : float
        Wall-clock seconds of this iteration alone.
    elapsed : float
        Wall-clock seconds since the start of the fit, including the set-up phase.
    train_rmse : float or None
        RMSE of the training ratings, in the unit of the ratings; None if it was not computed.
    validation_rmse : float or None
        RMSE of the validation ratings.
    objective : float or None
        Shown for models without a training RMSE, i.e. those of implicit feedback.
    validation_recall : float or None
        Recall@10 of the validation ratings of implicit feedback.
    """

    label: str
    step: int
    total: int
    seconds: float
    elapsed: float
    train_rmse: float | None = None
    validation_rmse: float | None = None
    objective: float | None = None
    validation_recall: float | None = None

    def line(self) -> str:
        """Return the progress as one line; the lines of one fit are aligned."""
        count = f"{self.label}  {self.step:{len(str(self.total))}d}/{self.total}"
        return "  ".join([count, *self.errors(), f"{self.seconds:.2f} s"])

    def errors(self) -> list[str]:
        """Return the names and values of the metrics that were computed."""
        named = (
            ("train RMSE", self.train_rmse, ".4f"),
            ("validation RMSE", self.validation_rmse, ".4f"),
            ("objective", self.objective if self.train_rmse is None else None, ".6g"),
            ("validation recall@10", self.validation_recall, ".4f"),
        )
        return [f"{name} {value:{form}}" for name, value, form in named if value is not None]


def report(progress: Progress) -> None:
    """Log a finished iteration at INFO, in a record whose attribute ``progress`` is the `Progress`."""
    logger.info(progress.line(), extra={"progress": progress})


class ConsoleProgress(logging.Handler):
    """Logging handler that shows the progress of fits, and other records as plain lines.

    On a terminal each fit has a tqdm progress bar. Otherwise, or if tqdm is not installed, each iteration has a line.

    Parameters
    ----------
    stream : TextIO, optional
        Output stream; by default stderr, so that the stdout of a job contains only its result.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream if stream is not None else sys.stderr
        self._tqdm: Any = _find_tqdm() if self._stream.isatty() else None
        self._bar: Any = None
        self._shown: Progress | None = None  # shown by the bar

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record; called by `logging`."""
        progress = getattr(record, "progress", None)
        try:
            if progress is not None and self._tqdm is not None:
                self._draw(progress)
                return
            prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
            line = progress.line() if progress is not None else f"{prefix}{self.format(record)}"
            if self._bar is not None:
                self._bar.write(line, file=self._stream)  # above the bar
            else:
                self._stream.write(f"{line}\n")
            self._stream.flush()
        except Exception:
            self.handleError(record)

    def _draw(self, progress: Progress) -> None:
        before = self._shown
        if before is None or before.label != progress.label or before.step >= progress.step:
            self._end_bar()
            self._bar = self._tqdm(
                total=progress.total, desc=progress.label, file=self._stream, mininterval=0, dynamic_ncols=True
            )
            # The bar is created after the first iteration.
            self._bar.start_t = self._bar.last_print_t = time.time() - progress.seconds * progress.step
        self._shown = progress
        self._bar.set_postfix_str(", ".join(progress.errors()), refresh=False)
        self._bar.update(progress.step - self._bar.n)
        if progress.step == progress.total:
            self._end_bar()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = self._shown = None

    def close(self) -> None:
        """Close the bar of a fit that stopped early."""
        self.acquire()
        try:
            self._end_bar()
        finally:
            self.release()
        super().close()


def _find_tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return None
    return tqdm


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
