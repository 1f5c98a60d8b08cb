"""Benchmark of SGD's kernels: ratings per second by rank and block shape, compared with the memory bandwidth."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass as pydantic_dataclass

from spark_mf.benchmarks.environment import PACKAGE, git_commit, software_versions, utc_now
from spark_mf.cli.phases import phase
from spark_mf.cli.settings import STRICT, Several, setting
from spark_mf.kernels.jit import kernel
from spark_mf.kernels.sgd import Cell, Update, make_cells, sgd_row_layout, squared_error, train

T = TypeVar("T")

TRAIN, EVALUATE = "train", "squared_error"
IN_CACHE, REAL_CELL, UNBLOCKED = "in cache", "cell", "unblocked"

# Users and items of a block: what a second-level cache holds; half of 138,000 users and a thirtieth of 27,000 items,
# a fit's own cell on two cores; and the same users with all items, in no order at all.
SHAPES = {IN_CACHE: (256, 128), REAL_CELL: (69_000, 900), UNBLOCKED: (69_000, 27_000)}

# Of a rating: its user's and its item's place, and its value.
RATING_BYTES = 12

_REPETITIONS = 3
_STREAM_FLOATS = 32 << 20  # 128 MiB each of two arrays: no cache holds them.
_MEAN, _STEP, _PENALTY = 3.5, 1e-3, 0.05


@pydantic_dataclass(frozen=True, kw_only=True, config=STRICT)
class BenchKernelsSettings:
    """Settings of the benchmark; every field is an option of ``jobs/bench_kernels.py`` and a key of its TOML file."""

    ranks: Several[PositiveInt] = setting(
        (8, 16, 32, 64, 128, 256), "features of each user and item, beside their bias", group="what is measured"
    )
    ratings: PositiveInt = setting(1_500_000, "ratings of each thread's block", group="what is measured")
    threads: PositiveInt = setting(2, "threads, each with a block of its own; and one alone", group="what is measured")
    seed: NonNegativeInt = setting(0, "of ratings and factors", group="what is measured")


@dataclass(frozen=True, kw_only=True)
class KernelRow:
    """One kernel at one rank, on blocks of one shape, with some threads.

    Attributes
    ----------
    kernel : str
        `TRAIN` or `EVALUATE`.
    rank : int
    shape : str
        A key of `SHAPES`.
    threads : int
    ratings : int
        Of each thread's block.
    seconds : float
        Of the fastest of a few passes over all threads' ratings.
    bytes_a_rating : int
        What a rating must move when neither of its rows is in a cache: both rows in, after training both out too,
        and the rating itself in.
    bandwidth : float
        Bytes a second that as many threads read and write in memory, measured in the same run.
    versions, git, started_at
        As in `spark_mf.benchmarks.rows.ResultRow`.
    """

    kernel: str
    rank: int
    shape: str
    threads: int
    ratings: int
    seconds: float
    bytes_a_rating: int
    bandwidth: float
    versions: dict[str, str]
    git: str | None
    started_at: str

    @property
    def ratings_per_second(self) -> float:
        """Speed of all threads together."""
        return self.threads * self.ratings / self.seconds

    @property
    def share_of_bandwidth(self) -> float:
        """The speed over the one at which memory would be the limit if it delivered every row; above 1 with caches."""
        return self.ratings_per_second * self.bytes_a_rating / self.bandwidth

    def to_json(self) -> str:
        """Return one line of JSON, without the line's end; it also holds the properties."""
        derived = {"ratings_per_second": self.ratings_per_second, "share_of_bandwidth": self.share_of_bandwidth}
        return json.dumps({**asdict(self), **derived}, allow_nan=False, ensure_ascii=False)


@dataclass(frozen=True)
class Block:
    """One thread's ratings and rows."""

    cell: Cell
    order: NDArray[np.int32]
    users: NDArray[np.float32]
    items: NDArray[np.float32]
    shares: tuple[NDArray[np.float32], NDArray[np.float32]]


def bench_kernels(settings: BenchKernelsSettings) -> list[KernelRow]:
    """Measure both kernels at every rank and shape, with one thread and with all; takes a minute or two.

    Returns
    -------
    list[KernelRow]
        By kernel, rank, shape and threads.
    """
    counts = sorted({1, settings.threads})
    rows = []
    with ThreadPoolExecutor(settings.threads) as pool:
        with phase("bandwidth of the memory"):
            bandwidth = {threads: measure_bandwidth(pool, threads) for threads in counts}
        for rank in settings.ranks:
            with phase(f"rank {rank}"):
                for shape in SHAPES:
                    blocks = [make_block(settings, rank, shape, thread) for thread in range(settings.threads)]
                    for threads in counts:
                        rows += _measure(pool, rank, shape, blocks[:threads], bandwidth[threads])
    return sorted(rows, key=lambda row: row.kernel != TRAIN)


def measure_bandwidth(pool: ThreadPoolExecutor, threads: int) -> float:
    """Return bytes a second that threads together read and write, each adding a multiple of one long array to another.

    That is the triad of McCalpin's STREAM in place: it writes only what it has read, so that no line of memory moves
    that is not counted.
    """
    arrays = [np.ones((2, _STREAM_FLOATS // threads), np.float32) for _ in range(threads)]
    seconds = _fastest(pool, lambda pair: add_multiple(pair[0], pair[1], np.float32(1e-3)), arrays)
    return threads * 3 * arrays[0][0].nbytes / seconds


@kernel(fastmath=True)
def add_multiple(values, others, factor):  # type: ignore[no-untyped-def]
    """Add `factor` times the others to the values, float32[n] each, in place."""
    for i in range(values.size):
        values[i] += factor * others[i]


def make_block(settings: BenchKernelsSettings, rank: int, shape: str, thread: int) -> Block:
    """Return random ratings in a block of a shape; the unblocked ones are one tile in random order."""
    n_users, n_items = SHAPES[shape]
    random = np.random.default_rng([settings.seed, thread])
    rows = np.sort(random.integers(0, n_users, settings.ratings)).astype(np.int32)
    columns = random.integers(0, n_items, settings.ratings).astype(np.int32)
    values = random.uniform(1, 5, settings.ratings).astype(np.float32)
    if shape == UNBLOCKED:
        cell = Cell(random.permutation(rows), columns, values, np.array([0, settings.ratings]))
    else:
        indptr = np.searchsorted(rows, np.arange(n_users + 1))
        everyone, one_block = np.arange(n_users, dtype=np.int32), np.zeros(n_items, np.int32)
        places = np.arange(n_items, dtype=np.int32)
        (cell,) = make_cells(indptr, everyone, columns, values, one_block, places, 1, settings.seed)
    layout = sgd_row_layout(rank, True, "sgd")
    factors = (random.normal(0, 0.1, (n, rank)).astype(np.float32) for n in (n_users, n_items))
    users, items = (
        rows_of(each, None) for rows_of, each in zip((layout.user_rows, layout.item_rows), factors, strict=True)
    )
    shares = np.ones(n_users, np.float32), np.ones(n_items, np.float32)
    return Block(cell, random.permutation(cell.starts.size - 1).astype(np.int32), users, items, shares)


def _measure(pool: ThreadPoolExecutor, rank: int, shape: str, blocks: list[Block], bandwidth: float) -> list[KernelRow]:
    layout = sgd_row_layout(rank, True, "sgd")
    update = Update(layout, "sgd", _STEP, _STEP, _PENALTY, _PENALTY, False, 1)

    def descend(block: Block) -> float:
        return train(block.cell, block.order, block.users, block.items, *block.shares, _MEAN, update)

    def evaluate(block: Block) -> float:
        return squared_error(block.cell, block.users, block.items, _MEAN, layout)

    row_bytes = layout.width * 4
    return [
        KernelRow(
            kernel=name,
            rank=rank,
            shape=shape,
            threads=len(blocks),
            ratings=blocks[0].cell.values.size,
            seconds=_fastest(pool, work, blocks),
            bytes_a_rating=moved + RATING_BYTES,
            bandwidth=bandwidth,
            versions=software_versions(),
            git=git_commit(PACKAGE),
            started_at=utc_now(),
        )
        for name, work, moved in ((TRAIN, descend, 4 * row_bytes), (EVALUATE, evaluate, 2 * row_bytes))
    ]


def _fastest(pool: ThreadPoolExecutor, work: Callable[[T], object], each: list[T]) -> float:
    """Return seconds in which all is done, one a thread: the least of a few times, after one that also compiles."""
    seconds = []
    for _ in range(1 + _REPETITIONS):
        began = time.perf_counter()
        list(pool.map(work, each))
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
