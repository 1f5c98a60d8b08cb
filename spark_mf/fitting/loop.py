"""The fit loop: runs, records, reports and checks iterations, and writes a checkpoint after each interval."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field

from spark_mf.exchange.base import Exchange, FitState, IterationResult
from spark_mf.exchange.stopping import DIVERGED, FitProgress, StoppingRules
from spark_mf.fitting.checkpoint import Checkpoint, SavedFit
from spark_mf.fitting.progress import Progress, report
from spark_mf.models.summary import IterationRecord


@dataclass
class RunningFit:
    """State of a running fit.

    Attributes
    ----------
    state : FitState
    mean : float
        Global mean μ of all predictions.
    progress : FitProgress
    history : list of IterationRecord
        Completed iterations.
    """

    state: FitState
    mean: float = 0.0
    progress: FitProgress = field(default_factory=FitProgress)
    history: list[IterationRecord] = field(default_factory=list)

    @classmethod
    def from_saved(cls, saved: SavedFit) -> "RunningFit":
        """Return the fit that resumes from a checkpoint."""
        progress = FitProgress(**saved.progress["progress"]).resumed()
        return cls(FitState(**saved.arrays), saved.progress["mean"], progress, list(saved.history))

    def to_saved(self) -> SavedFit:
        """Return the content of a checkpoint of this fit."""
        progress = {"progress": asdict(self.progress), "mean": self.mean}
        return SavedFit(tuple(self.history), self.state.arrays(), progress)


@dataclass(frozen=True)
class FitLoop:
    """Runs all iterations of a fit.

    Attributes
    ----------
    name : str
        Name of the estimator, for progress reports.
    exchange : Exchange
    rules : StoppingRules
    interval : int
        Iterations between checkpoints, and in one stage of the ring; -1 for all iterations.
    checkpoint : Checkpoint or None
    diverged : callable
        Returns the error message for an iteration whose factors are not finite.
    """

    name: str
    exchange: Exchange
    rules: StoppingRules
    interval: int
    checkpoint: Checkpoint | None
    diverged: Callable[[IterationResult], str]

    def run(self, fit: RunningFit, began: float) -> None:
        """Run the remaining iterations, updating `fit` in place.

        Parameters
        ----------
        fit : RunningFit
        began : float
            Start of the fit, as given by `time.perf_counter`.

        Raises
        ------
        ArithmeticError
            If factors become NaN or infinite.
        OSError
            If a checkpoint cannot be written.
        """
        for numbers in intervals(len(fit.history), self.rules.max_iterations, self.interval):
            if fit.progress.end is not None:
                return
            # Closing the generator releases the broadcasts of the exchange, also after an error.
            with closing(self.exchange.run(fit.state, fit.progress, numbers)) as iterations:
                for result, fit.progress in iterations:
                    if fit.progress.end == DIVERGED:
                        raise ArithmeticError(self.diverged(result))
                    fit.history.append(
                        IterationRecord(result.number, result.seconds, result.metrics, result.kernel_seconds)
                    )
                    self._report(fit.history[-1], began)
            if self.checkpoint is not None:
                self.checkpoint.save(fit.to_saved())

    def _report(self, record: IterationRecord, began: float) -> None:
        report(
            Progress(
                label=self.name,
                step=record.iteration,
                total=self.rules.max_iterations,
                seconds=record.seconds,
                elapsed=time.perf_counter() - began,
                train_rmse=record.train_rmse,
                validation_rmse=record.validation_rmse,
                objective=record.objective,
                validation_recall=record.validation_recall,
            )
        )


def intervals(done: int, total: int, interval: int) -> Iterator[range]:
    """Yield the remaining iteration numbers in intervals of `interval` iterations, or in one interval for -1.

    The intervals of a resumed fit are aligned to those of an uninterrupted one.
    """
    step = interval if interval > 0 else max(total, 1)
    first = done + 1
    while first <= total:
        end = min(total, -(-first // step) * step)
        yield range(first, end + 1)
        first = end + 1
