"""How much memory a fit takes, worked out from its sizes before it starts.

Everything is bytes. Figures are upper estimates, so that what fits in them runs: `tests/engine/test_memory.py` has the
arithmetic by hand, and `tests/engine/test_memory_measured.py` holds them against what processes take.
"""

from dataclasses import dataclass

MIB = 1 << 20
_FLOAT32 = 4

#: A Python worker, and the driver's Python, that have imported NumPy, numba and Arrow and have compiled kernels.
PYTHON_ITSELF = 256 * MIB
#: The heap of Spark without any data.
SPARK_ITSELF = 200 * MIB

# At most, for each rating: packed in a block (three bytes of a column, four of a value) and unpacked; in a cell.
_PACKED, _UNPACKED = 7, 8
_PACKED_CELL, _UNPACKED_CELL = 10, 12
# For each rating that is turned from a DataFrame's rows into a chunk, and from chunks' pieces into a block or cells:
# the arrays of each step beside those of the one before.
_CHUNKING, _BLOCKING = 80, 80
# For each user and item: id, count, block, position and their places in a hash index.
_OF_A_ROW = 48


@dataclass(frozen=True)
class FitSize:
    """The numbers that a fit's memory follows from.

    Attributes
    ----------
    users, items : rows of either side
    ratings, validation_ratings : rows of the dataset
    user_blocks, item_blocks : int
    members : int
        Tasks that work at the same time, over all executors.
    chunk : int
        Ratings that a task turns from rows into arrays at a time; 0 where they were laid out before.
    """

    users: int
    items: int
    ratings: int
    validation_ratings: int
    user_blocks: int
    item_blocks: int
    members: int
    chunk: int

    @property
    def rows(self) -> int:
        """Users and items."""
        return self.users + self.items

    @property
    def longer(self) -> int:
        """Rows of the longer side."""
        return max(self.users, self.items)

    def laying_out(self, tasks: int) -> int:
        """What a Python worker takes beside itself until so many tasks have laid the ratings out in blocks."""
        share = _share(self.ratings + self.validation_ratings, tasks)
        return max(_CHUNKING * self.chunk, _BLOCKING * share) + _OF_A_ROW * self.rows


@dataclass(frozen=True)
class MemoryPlan:
    """What a fit takes, in bytes.

    Attributes
    ----------
    result : int
        Of a stage, which passes the driver's heap in one piece.
    driver_heap, driver_python : int
        Of the driver's JVM and of its Python process.
    worker : int
        Of each Python worker.
    record : int
        Of what a worker reads or writes in one piece, which waits in the executor's heap.
    cached : int
        Of the ratings that Spark keeps, over all executors; what finds no memory goes to disk.
    members : int
        Workers that are busy at the same time, over all executors.
    """

    result: int
    driver_heap: int
    driver_python: int
    worker: int
    record: int
    cached: int
    members: int

    def executor_heap(self, workers: int) -> int:
        """Heap of an executor with so many busy workers: a record of each as it is read and as it is cached."""
        return SPARK_ITSELF + 2 * workers * self.record


def half_steps_plan(
    size: FitSize, rank: int, *, is_ring: bool, needs_previous: bool, alternates: bool, has_tol: bool
) -> MemoryPlan:
    """Return what ALS and GD take.

    Parameters
    ----------
    size : FitSize
    rank : int
    is_ring : bool
        Else the engine is that of broadcasts.
    needs_previous, alternates : bool
        As `spark_mf.solvers.base.RowSolver` has them.
    has_tol : bool
        Whether Gram matrices of the change are summed, float64[2·rank, 2·rank] a side.
    """
    row = rank * _FLOAT32
    # Of one side: 4·rank² numbers of eight bytes.
    gram = 32 * rank * rank if has_tol else 0
    previous = needs_previous or has_tol
    cached = _PACKED * (2 * size.ratings + size.validation_ratings)
    tasks = size.members if is_ring else min(size.user_blocks, size.item_blocks)
    if is_ring:
        result = size.rows * row
        worker = _half_step_member(size, row, gram, previous=previous, alternates=alternates)
        record = max(_share(cached, size.members), _share(result, size.members))
    else:
        result = size.longer * row + max(size.user_blocks, size.item_blocks) * gram
        worker = _half_step_task(size, row, gram, previous=previous, alternates=alternates)
        block = _share(size.ratings + size.validation_ratings, tasks)
        record = max(_PACKED * block, _largest_block(size) * row)
    return _plan(size, row, result, max(worker, size.laying_out(tasks)), record, cached)


def _half_step_member(size: FitSize, row: int, gram: int, *, previous: bool, alternates: bool) -> int:
    """A member of the ring: both sides' factors as they were sent and its own copy, its ratings by user and by item."""
    ratings = _share(2 * size.ratings + size.validation_ratings, size.members)
    factors = 2 * size.rows * row + (0 if alternates else size.items * row)
    # The solved rows of both sides stay until the iteration's sums; one side's are put together and gathered.
    solved = _share(size.rows, size.members) + _share(size.longer, size.members) + size.longer
    if previous:
        solved += _largest_block(size)
    grams = 2 * gram * (size.members + 1)
    # A record is read as one string of bytes, and its blocks are copies of parts of it until they are unpacked.
    return factors + solved * row + grams + (2 * _PACKED + _UNPACKED) * ratings + _OF_A_ROW * size.rows


def _half_step_task(size: FitSize, row: int, gram: int, *, previous: bool, alternates: bool) -> int:
    """A task of the engine of broadcasts: the factors it needs and one block."""
    factors = size.rows if previous else size.longer
    if not alternates:
        factors += size.items
    block = _share(size.ratings + size.validation_ratings, min(size.user_blocks, size.item_blocks))
    # A block's rows as they were, solved, and written to be sent.
    solved = (3 if previous else 2) * _largest_block(size)
    return (factors + solved) * row + 2 * gram + (2 * _PACKED + _UNPACKED) * block


def sgd_plan(size: FitSize, stride: int, width: int, *, is_ring: bool) -> MemoryPlan:
    """Return what SGD takes.

    Parameters
    ----------
    size : FitSize
    stride, width : int
        Floats of a row with the optimizer's state and without, as `spark_mf.kernels.row_layout.RowLayout` has them.
    is_ring : bool
        Else each stratum is a stage of its own.
    """
    row, factors = stride * _FLOAT32, width * _FLOAT32
    kept = factors if size.validation_ratings else 0
    cached = _PACKED_CELL * (size.ratings + size.validation_ratings)
    own = _share(size.users, size.user_blocks)
    block = _share(size.items, size.item_blocks)
    if is_ring:
        result = size.rows * (row + kept)
        worker = _sgd_member(size, row, kept)
        record = max(_share(cached, size.user_blocks), _share(result, size.user_blocks))
    else:
        result = (size.users + size.user_blocks * block) * row
        cells = size.user_blocks * size.item_blocks
        # A cell's rows as they were sent, as they are changed and as they are written; validation loads all rows.
        rows = 3 * (own + block) * row
        everyone = size.users * row + size.items * factors + own * row if size.validation_ratings else 0
        ratings = _share(size.ratings, cells) + _share(size.validation_ratings, size.user_blocks)
        worker = max(rows, everyone) + (2 * _PACKED_CELL + _UNPACKED_CELL) * ratings + _OF_A_ROW * size.rows
        record = max(_PACKED_CELL * ratings, (own + block) * row)
    return _plan(size, row + kept, result, max(worker, size.laying_out(size.user_blocks)), record, cached)


def _sgd_member(size: FitSize, row: int, kept: int) -> int:
    """A member of SGD's ring: all rows as they were sent, its own, the best epoch's, and item blocks under way."""
    own = _share(size.users, size.user_blocks) + _share(size.items, size.user_blocks)
    under_way = 3 * _share(size.items, size.item_blocks)
    # What validation gathers is there once in parts and once put together. The rows of the best epoch are copied
    # while the ones before are still held, and all that a member leaves behind is written as one string of bytes.
    validating = 2 * size.items * kept
    best = 2 * own * kept
    left_behind = own * (row + kept)
    ratings = _share(size.ratings + size.validation_ratings, size.user_blocks)
    return (
        size.rows * row
        + 2 * own * row
        + under_way * row
        + validating
        + best
        + left_behind
        + (2 * _PACKED_CELL + _UNPACKED_CELL) * ratings
        + _OF_A_ROW * size.rows
    )


def _plan(size: FitSize, row: int, result: int, worker: int, record: int, cached: int) -> MemoryPlan:
    factors = size.rows * row
    return MemoryPlan(
        result=result,
        # As results come and while Python reads them; the model's frames hold the factors once.
        driver_heap=SPARK_ITSELF + max(2 * result, result + factors),
        # The rows so far, those that come, as they are put together, and as they are written for the JVM.
        driver_python=PYTHON_ITSELF + 4 * factors + 2 * _OF_A_ROW * size.rows,
        worker=PYTHON_ITSELF + worker,
        record=record,
        cached=cached,
        members=size.members,
    )


def _largest_block(size: FitSize) -> int:
    """Rows of a block of the side that has the larger ones."""
    return max(_share(size.users, size.user_blocks), _share(size.items, size.item_blocks))


def _share(amount: int, n: int) -> int:
    return -(-amount // n)
