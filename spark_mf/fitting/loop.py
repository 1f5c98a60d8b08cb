"""The fit loop: iterations in intervals, each recorded, reported and checked, with a checkpoint after each interval."""

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
    """A fit on its way.

    Attributes
    ----------
    state : FitState
    mean : float
        μ, which every prediction contains.
    progress : FitProgress
    history : list of IterationRecord
    """

    state: FitState
    mean: float = 0.0
    progress: FitProgress = field(default_factory=FitProgress)
    history: list[IterationRecord] = field(default_factory=list)

    @classmethod
    def from_saved(cls, saved: SavedFit) -> "RunningFit":
        """Return the fit that a checkpoint holds."""
        progress = FitProgress(**saved.progress["progress"]).resumed()
        return cls(FitState(**saved.arrays), saved.progress["mean"], progress, list(saved.history))

    def to_saved(self) -> SavedFit:
        """Return the fit as a checkpoint holds it."""
        progress = {"progress": asdict(self.progress), "mean": self.mean}
        return SavedFit(tuple(self.history), self.state.arrays(), progress)


@dataclass(frozen=True)
class FitLoop:
    """Runs a fit to its end.

    Attributes
    ----------
    name : str
        Of the estimator, in what is reported.
    exchange : Exchange
    rules : StoppingRules
    interval : int
        Iterations between checkpoints, and in one stage of the ring; -1 for all at once.
    checkpoint : Checkpoint or None
    diverged : callable
        The sentence on an iteration whose factors are not finite, with what to change.
    """

    name: str
    exchange: Exchange
    rules: StoppingRules
    interval: int
    checkpoint: Checkpoint | None
    diverged: Callable[[IterationResult], str]

    def run(self, fit: RunningFit, began: float) -> None:
        """Run the iterations that are not in the history yet, in place.

        Parameters
        ----------
        fit : RunningFit
        began : float
            When the fit began, by `time.perf_counter`.

        Raises
        ------
        ArithmeticError
            When factors are not finite any more.
        OSError
            When the checkpoint cannot be written.
        """
        for numbers in intervals(len(fit.history), self.rules.max_iterations, self.interval):
            if fit.progress.end is not None:
                return
            # Closed at once, whatever happens, so that the exchange releases what it has sent.
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
            )
        )


def intervals(done: int, total: int, interval: int) -> Iterator[range]:
    """Yield the numbers of the iterations to come, as many at a time as `interval` says, or all for -1.

    A fit that resumes from a checkpoint has the intervals of an undisturbed one.
    """
    step = interval if interval > 0 else max(total, 1)
    first = done + 1
    while first <= total:
        end = min(total, -(-first // step) * step)
        yield range(first, end + 1)
        first = end + 1
