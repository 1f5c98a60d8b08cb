"""The interface of exchanges, the state that they improve, and what an iteration leaves behind."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spark_mf.exchange.stopping import FitProgress
from spark_mf.solvers.base import Factors


@dataclass
class FitState:
    """The rows of both sides in the order of their dense indices, as the fit's `RowLayout` lays them out.

    Attributes
    ----------
    users, items : float32[n_users, stride], float32[n_items, stride]
    best_users, best_items : float32[n_users, width], float32[n_items, width], or None
        Without the optimizer's state, after the iteration with the best watched RMSE.
    """

    users: Factors
    items: Factors
    best_users: Factors | None = None
    best_items: Factors | None = None

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays that are there, by name."""
        return {name: rows for name, rows in vars(self).items() if rows is not None}


@dataclass(frozen=True)
class IterationResult:
    """What one iteration left behind.

    Attributes
    ----------
    number : int
        From 1.
    seconds : float
        Wall-clock seconds.
    metrics : mapping
        Of the objective, by name; and "product_change" or "step_size" where they were computed.
    kernel_seconds : float
        Of all tasks together in the arithmetic.
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
        """Improve `state` by iterations, until a stopping rule ends the fit.

        Parameters
        ----------
        state : FitState
            Changed; it has the rows of the last iteration once all are yielded.
        progress : FitProgress
            After the iteration before.
        numbers : range
            Of the iterations, from 1.

        Yields
        ------
        each iteration's result, and the progress after it
        """
        ...
