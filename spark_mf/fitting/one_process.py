"""SGD epochs in one process without Spark, as the baseline of benchmarks."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spark_mf.blocks.csr import RatingBlock
from spark_mf.blocks.partition import Partition
from spark_mf.blocks.strata import Strata
from spark_mf.exchange.sgd_task import SGDTask, UserBlock
from spark_mf.exchange.stopping import FitProgress, StoppingRules
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.sgd import Update
from spark_mf.models.summary import IterationRecord
from spark_mf.objectives.explicit import ExplicitObjective, SquaredLoss
from spark_mf.objectives.regularization import Regularization
from spark_mf.ratings.grid import GridRow, training_cells, validation_cell
from spark_mf.solvers.base import Factors

Triples = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


class SGDEstimator(Protocol):
    """The methods of `spark_mf.SGD` that `OneProcessSGD` uses."""

    def getSeed(self) -> int: ...
    def getFitBias(self) -> bool: ...
    def _regularization(self, n_ratings: float) -> Regularization: ...
    def getNumUserBlocks(self) -> int | None: ...
    def getNumItemBlocks(self) -> int | None: ...
    def _initial_factors(self, purpose: Purpose, n_rows: int) -> Factors: ...
    def _rules(self, objective: ExplicitObjective) -> StoppingRules: ...
    def _update(self) -> Update: ...


class OneProcessSGD:
    """Stratified SGD with one thread per user block.

    Blocks, schedule, seeds and the code of a block are those of a fit on Spark. The threads synchronize after each
    stratum. Benchmarks use this class to measure Spark's overhead.

    Parameters
    ----------
    sgd : SGDEstimator
        An instance of `spark_mf.SGD` with numUserBlocks and numItemBlocks set.
    training, validation : (int32[n] users, int32[n] items, float32[n] ratings)
        Ids of users and items may be any integers. Validation ratings of unknown users or items are ignored.
    """

    def __init__(self, sgd: SGDEstimator, training: Triples, validation: Triples) -> None:
        users, items = np.unique(training[0]), np.unique(training[1])
        training, validation = (_dense(part, users, items) for part in (training, validation))
        task = self._task = _task_of(sgd, training, validation[2].size)
        layout = task.update.layout
        user_rows = layout.user_rows(sgd._initial_factors(Purpose.USER_FACTORS, users.size), None)
        item_rows = layout.item_rows(sgd._initial_factors(Purpose.ITEM_FACTORS, items.size), None)
        p, q = task.users.n_blocks, task.items.n_blocks
        self._blocks = [_user_block(number, training, validation, user_rows, task) for number in range(p)]
        self._items = [_rows_of(task.items, block, item_rows, task) for block in range(q)]
        self._threads = ThreadPoolExecutor(p)
        self._progress = FitProgress()

    def epoch(self) -> tuple[IterationRecord, float]:
        """Run the next epoch.

        Returns
        -------
        record : IterationRecord
            Its `seconds` are those of the training alone.
        seconds : float
            Seconds of the evaluation.
        """
        task, number, step = self._task, self._progress.iteration, self._progress.step
        began = time.perf_counter()
        error = 0.0
        for stratum in task.strata.strata(number):
            error += sum(
                self._threads.map(
                    lambda block, item: block.train(item, self._items[item], number, step), self._blocks, stratum
                )
            )
        trained = time.perf_counter()
        items = np.concatenate([rows[:, : task.update.layout.width] for rows in self._items])
        validation_error = float(sum(self._threads.map(lambda block: block.validation_error(items), self._blocks)))
        evaluated = time.perf_counter()
        penalty = sum(block.penalties() for block in self._blocks)
        penalty += sum(task.penalties("item", block, rows) for block, rows in enumerate(self._items))
        loss = SquaredLoss(error, validation_error, penalty)
        result, self._progress = task.finish(loss, trained - began, 0.0, self._progress)
        return IterationRecord(result.number, result.seconds, result.metrics), evaluated - trained


def _task_of(sgd: SGDEstimator, training: Triples, n_validation: int) -> SGDTask:
    objective = ExplicitObjective(sgd._regularization(training[2].size), n_validation)
    counts = np.bincount(training[0]), np.bincount(training[1])
    p, q, seed = sgd.getNumUserBlocks(), sgd.getNumItemBlocks(), sgd.getSeed()
    if p is None or q is None:
        raise ValueError(f"numUserBlocks and numItemBlocks must be set, got {p} and {q}. Set both.")
    users, items = Partition.balanced(counts[0], p, seed), Partition.balanced(counts[1], q, seed)
    return SGDTask(
        update=sgd._update(),
        objective=objective,
        rules=sgd._rules(objective),
        strata=Strata(p, q, seed),
        mean=float(training[2].mean(dtype=np.float64)) if sgd.getFitBias() else 0.0,
        users=users,
        items=items,
        user_counts=counts[0],
        item_counts=counts[1],
    )


def _user_block(number: int, training: Triples, validation: Triples, rows: Factors, task: SGDTask) -> UserBlock:
    blocks = []
    for part in (training, validation):
        mine = task.users.block[part[0]] == number
        members, local_rows = task.users.members(number), task.users.row[part[0][mine]]
        blocks.append(RatingBlock.from_triples(members, local_rows, part[1][mine], part[2][mine]))
    seed, items = task.strata.seed, task.items
    row = GridRow(number, training_cells(blocks[0], items, seed), validation_cell(blocks[1], items, seed))
    return UserBlock(row, _rows_of(task.users, number, rows, task), task)


def _rows_of(side: Partition, block: int, rows: Factors, task: SGDTask) -> Factors:
    members = side.members(block)
    own = task.update.layout.zeros(members.size)
    own[:] = rows[members]
    return own


def _dense(ratings: Triples, users: NDArray[np.int32], items: NDArray[np.int32]) -> Triples:
    """Return the ratings of known users and items, with dense indices."""
    known = np.isin(ratings[0], users) & np.isin(ratings[1], items)
    rows = np.searchsorted(users, ratings[0][known]).astype(np.int32)
    columns = np.searchsorted(items, ratings[1][known]).astype(np.int32)
    return rows, columns, ratings[2][known]
