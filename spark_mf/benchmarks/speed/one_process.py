"""SGD's kernels in one process without Spark: what an epoch takes at least on this machine.

A fit's own blocks of users and items, schedule, seeds and code for a block, but each user block is a thread's, and all
wait for each other after each stratum.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spark_mf.blocks.csr import RatingBlock
from spark_mf.blocks.partition import Partition
from spark_mf.blocks.strata import Strata
from spark_mf.engine.course import Rules
from spark_mf.engine.descent import Descent, Rows, UserBlock
from spark_mf.ratings.grid import GridRow, training_cells, validation_cell
from spark_mf.benchmarks.speed.data import DATA, counts_of, read_arrays
from spark_mf.benchmarks.speed.settings import ONE_PROCESS, BenchSettings, point_methods
from spark_mf.benchmarks.environment import PACKAGE, PeakMemory, Provenance, git_commit, software_versions
from spark_mf.benchmarks.measuring import unmeasured_row
from spark_mf.benchmarks.rows import ResultRow
from spark_mf.cli.phases import stage
from spark_mf.kernels.initial import normal_rows
from spark_mf.kernels.random import Purpose
from spark_mf.kernels.sgd import Lanes, Update
from spark_mf.models.summary import IterationRecord

logger = logging.getLogger(__name__)

Triples = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


def measure_one_process(settings: BenchSettings, folder: Path) -> list[ResultRow]:
    """Run SGD's epochs on the ratings of a benchmark's folder, with as many threads as it has cores.

    Returns
    -------
    list[ResultRow]
        The same epochs twice: their seconds with the evaluation on the test rows after each, and without it.

    Raises
    ------
    FileNotFoundError
        When the folder lacks the ratings.
    """
    counts = counts_of(folder / DATA, settings.description)
    if counts is None:
        raise FileNotFoundError(f"{folder / DATA} lacks the ratings: run the job without --point.")
    where = Provenance(f"{settings.cores} threads", settings.cores, software_versions(), git_commit(PACKAGE))
    rows = [unmeasured_row(method, counts, settings.given, where) for method in point_methods(ONE_PROCESS, settings)]
    began = time.perf_counter()
    with stage("laying out the ratings"):
        descent = OneProcessDescent(settings, folder / DATA)
    setup = time.perf_counter() - began
    with stage("epochs", ticking=True), PeakMemory() as memory:
        epochs = [descent.epoch(number) for number in range(settings.sgd_epochs)]
    finished = []
    for row, evaluated in zip(rows, (True, False), strict=True):
        history = tuple(
            replace(record, seconds=record.seconds + evaluation * evaluated) for record, evaluation in epochs
        )
        seconds = setup + sum(record.seconds for record in history)
        finished.append(
            replace(
                row,
                fit_seconds=seconds,
                setup_seconds=setup,
                history=history,
                test_rmse=history[-1].validation_rmse,
                peak_memory_mb=memory.megabytes,
                notes=("Both rows are of one run, whose training and evaluation were timed apart.",),
            )
        )
    return finished


class OneProcessDescent:
    """Stratified descent with a thread for each user block.

    Parameters
    ----------
    settings : BenchSettings
    folder : Path
        With the written set.
    """

    def __init__(self, settings: BenchSettings, folder: Path) -> None:
        train, test = (read_arrays(folder, part) for part in ("train", "test"))
        users, items = np.unique(train[0]), np.unique(train[1])
        train, test = (_dense(part, users, items) for part in (train, test))
        self._descent = _describe(settings, train, test[2].size)
        seed, rank, deviation = settings.seed, settings.rank, settings.sgd_init_std
        lanes = self._descent.update.lanes
        user_rows = lanes.user_rows(normal_rows(seed, Purpose.USER_FACTORS, users.size, rank, deviation), None)
        item_rows = lanes.item_rows(normal_rows(seed, Purpose.ITEM_FACTORS, items.size, rank, deviation), None)
        p, q = self._descent.users.n_blocks, self._descent.items.n_blocks
        self._blocks = [self._user_block(number, train, test, user_rows) for number in range(p)]
        self._items = [_rows_of(self._descent.items, block, item_rows, lanes) for block in range(q)]
        self._threads = ThreadPoolExecutor(p)

    def epoch(self, number: int) -> tuple[IterationRecord, float]:
        """Run epoch `number` (from 0); return its record, whose seconds are those of the training, and the seconds of
        its evaluation."""
        rules, step = self._descent.rules, self._descent.rules.decay**number
        began = time.perf_counter()
        error = self._visit(number, lambda block, item, rows: block.train(item, rows, number, step))
        trained = time.perf_counter()
        test_error = self._test_error()
        evaluated = time.perf_counter()
        record = IterationRecord(
            iteration=number + 1,
            seconds=trained - began,
            objective=None,
            train_rmse=float(np.sqrt(error / rules.n_ratings)),
            validation_rmse=float(np.sqrt(test_error / rules.n_validation)),
            step_size=self._descent.update.stepSize * step,
        )
        return record, evaluated - trained

    def _test_error(self) -> float:
        width = self._descent.update.lanes.width
        items = np.concatenate([rows[:, :width] for rows in self._items])
        return float(sum(self._threads.map(lambda block: block.validation_error(items), self._blocks)))

    def _visit(self, epoch: int, visit: Callable[[UserBlock, int, Rows], float]) -> float:
        """Visit all cells, those of a stratum at the same time; return the sum of what `visit` returns."""
        total = 0.0
        for stratum in self._descent.strata.strata(epoch):
            total += sum(
                self._threads.map(lambda block, item: visit(block, item, self._items[item]), self._blocks, stratum)
            )
        return total

    def _user_block(self, number: int, train: Triples, test: Triples, user_rows: Rows) -> UserBlock:
        descent = self._descent
        seed, items = descent.strata.seed, descent.items
        training, validation = (_block_of(part, number, descent.users) for part in (train, test))
        row = GridRow(number, training_cells(training, items, seed), validation_cell(validation, items, seed))
        return UserBlock(row, _rows_of(descent.users, number, user_rows, descent.update.lanes), descent)


def _describe(settings: BenchSettings, train: Triples, n_test: int) -> Descent:
    """The descent that `spark_mf.SGD` would make of the ratings."""
    given = settings.descent
    step = given.step
    assert step is not None
    assert step.biasStepSize is not None
    assert step.biasRegParam is not None
    lanes = Lanes(given.rank, True, step.optimizer)
    update = Update(lanes, step.stepSize, step.biasStepSize, given.regParam, step.biasRegParam, False, 1)
    rules = Rules(
        epochs=given.iterations,
        schedule=step.schedule,
        decay=step.decay,
        patience=0,
        tol=0.0,
        regularization=given.regularization,
        n_ratings=train[2].size,
        n_validation=n_test,
    )
    counts = np.bincount(train[0]), np.bincount(train[1])
    blocks = settings.cores, settings.sgd_item_blocks
    users, items = (Partition.balanced(*each, given.seed) for each in zip(counts, blocks, strict=True))
    mean = float(train[2].mean(dtype=np.float64))
    return Descent(update, rules, Strata(*blocks, given.seed), mean, users, items, *counts)


def _dense(ratings: Triples, users: NDArray[np.int32], items: NDArray[np.int32]) -> Triples:
    """The ratings of known users and items, by their places among these."""
    known = np.isin(ratings[0], users) & np.isin(ratings[1], items)
    rows = np.searchsorted(users, ratings[0][known]).astype(np.int32)
    columns = np.searchsorted(items, ratings[1][known]).astype(np.int32)
    return rows, columns, ratings[2][known]


def _block_of(ratings: Triples, number: int, users: Partition) -> RatingBlock:
    mine = users.block[ratings[0]] == number
    return RatingBlock.from_triples(
        users.members(number), users.row[ratings[0][mine]], ratings[1][mine], ratings[2][mine]
    )


def _rows_of(side: Partition, block: int, rows: Rows, lanes: Lanes) -> Rows:
    members = side.members(block)
    own = lanes.zeros(members.size)
    own[:] = rows[members]
    return own
