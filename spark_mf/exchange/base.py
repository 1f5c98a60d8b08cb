"""The interface of exchanges, the state that they update, and the result of an iteration."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spark_mf.exchange.stopping import FitProgress
from spark_mf.solvers.base import Factors


@dataclass
class FitState:
    """The rows of both sides in the order of their dense indices, in the fit's `RowLayout`.

    Attributes
    ----------
    users, items : float32[n_users, stride], float32[n_items, stride]
    best_users, best_items : float32[n_users, width], float32[n_items, width], or None
        Rows without the optimizer's state, after the iteration with the best monitored RMSE.
    previous_users, solved_items : float32[n_users, width], float32[n_items, width], or None
        Rows from which the next iteration extrapolates: the users of the previous iteration, and the items of this one
        before their extrapolation. None without extrapolation.
    """

    users: Factors
    items: Factors
    best_users: Factors | None = None
    best_items: Factors | None = None
    previous_users: Factors | None = None
    solved_items: Factors | None = None

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays that are not None, by name."""
        return {name: rows for name, rows in vars(self).items() if rows is not None}


@dataclass(frozen=True)
class IterationResult:
    """The result of one iteration.

    Attributes
    ----------
    number : int
        Number of the iteration, counted from 1.
    seconds : float
        Wall-clock seconds.
    metrics : mapping of str to float or None
        Metrics of the objective, and "product_change" or "step_size" if they were computed.
    kernel_seconds : float
        Total seconds of all tasks in the kernels.
    """

    number: int
    seconds: float
    metrics: Mapping[str, float | None]
    kernel_seconds: float


class Exchange(Protocol):
    """Runs the iterations of one fit on its laid-out ratings."""

    def run(
        self, state: FitState, progress: FitProgress, numbers: range
    ) -> Generator[tuple[IterationResult, FitProgress]]:
        """Run iterations until a stopping rule ends the fit, updating `state` in place.

        Parameters
        ----------
        state : FitState
            Has the rows of the last iteration once all results have been yielded.
        progress : FitProgress
            Progress after the previous iteration.
        numbers : range
            Numbers of the iterations, counted from 1.

        Yields
        ------
        result : IterationResult
        progress : FitProgress
            Progress after the iteration.
        """
        ...
