"""Memory plans: upper estimates of the memory that a fit needs, from its sizes, in bytes.

`tests/resources/test_memory.py` checks the arithmetic by hand, and `tests/resources/test_memory_measured.py` compares
the estimates with the memory of processes.
"""

from dataclasses import dataclass

MIB = 1 << 20
_FLOAT32 = 4

#: A Python process that has imported NumPy, numba and Arrow and has compiled the kernels.
PYTHON_ITSELF = 256 * MIB
#: The JVM heap of Spark without any data.
SPARK_ITSELF = 200 * MIB

# Maximum bytes per rating: packed in a block (three for the column, four for the value), unpacked, and in a cell.
_PACKED, _UNPACKED = 7, 8
_PACKED_CELL, _UNPACKED_CELL = 10, 12
# Bytes per rating for its weight: packed or unpacked, in the targets of a half-step, and in each of the arrays that a
# layout holds at a time.
_WEIGHT, _WEIGHTED_TARGET, _WEIGHT_LAID_OUT = 4, 4, 24
# Maximum bytes per rating of a block whose objective has biases: the residuals that rows are fitted to, and those of
# which the error is computed.
_RESIDUALS = 8
# Bytes per rating of the conversion of DataFrame rows to a chunk, and of parts of chunks to a block or cells: the
# arrays of each step together with those of the previous step.
_CHUNKING, _BLOCKING = 80, 80
# Bytes per user and item: id, count, block, position and entries of a hash index.
_OF_A_ROW = 48


@dataclass(frozen=True)
class FitSize:
    """Sizes that determine the memory of a fit.

    Attributes
    ----------
    users, items : int
    ratings, validation_ratings : int
    user_blocks, item_blocks : int
    members : int
        Number of tasks that run at the same time on all executors.
    chunk : int
        Number of ratings that a task converts from rows to arrays at a time; 0 for ratings that are already laid out.
    weighted : bool
        Whether ratings have weights.
    """

    users: int
    items: int
    ratings: int
    validation_ratings: int
    user_blocks: int
    item_blocks: int
    members: int
    chunk: int
    weighted: bool = False

    @property
    def packed(self) -> int:
        """Maximum bytes per rating of a packed block."""
        return _PACKED + (_WEIGHT if self.weighted else 0)

    @property
    def unpacked(self) -> int:
        """Bytes per rating of a block in a half-step."""
        return _UNPACKED + (_WEIGHT + _WEIGHTED_TARGET if self.weighted else 0)

    @property
    def packed_cell(self) -> int:
        """Maximum bytes per rating of a packed cell."""
        return _PACKED_CELL + (_WEIGHT if self.weighted else 0)

    @property
    def unpacked_cell(self) -> int:
        """Bytes per rating of a cell."""
        return _UNPACKED_CELL + (_WEIGHT if self.weighted else 0)

    @property
    def rows(self) -> int:
        """Number of users and items."""
        return self.users + self.items

    @property
    def longer(self) -> int:
        """Number of rows of the longer side."""
        return max(self.users, self.items)

    def laying_out(self, tasks: int) -> int:
        """Return the memory of a Python worker, without `PYTHON_ITSELF`, while `tasks` tasks lay out the ratings."""
        share = _share(self.ratings + self.validation_ratings, tasks)
        more = _WEIGHT_LAID_OUT if self.weighted else 0
        return max((_CHUNKING + more) * self.chunk, (_BLOCKING + more) * share) + _OF_A_ROW * self.rows


@dataclass(frozen=True)
class MemoryPlan:
    """Memory that a fit needs, in bytes.

    Attributes
    ----------
    result : int
        Result of a stage, which passes through the driver's heap in one piece.
    driver_heap, driver_python : int
        Heap of the driver's JVM, and memory of the driver's Python process.
    worker : int
        Memory of each Python worker.
    record : int
        Largest record that a worker reads or writes, which the executor's heap buffers.
    cached : int
        Persisted ratings on all executors, which may spill to disk.
    members : int
        Number of workers that are busy at the same time on all executors.
    """

    result: int
    driver_heap: int
    driver_python: int
    worker: int
    record: int
    cached: int
    members: int

    def executor_heap(self, workers: int) -> int:
        """Return the heap of an executor with busy workers: each one's record while it is read and cached."""
        return SPARK_ITSELF + 2 * workers * self.record


def half_steps_plan(
    size: FitSize,
    rank: int,
    *,
    is_ring: bool,
    needs_previous: bool,
    alternates: bool,
    has_tol: bool,
    keeps_best: bool = False,
    has_bias: bool = False,
    extrapolates: bool = False,
) -> MemoryPlan:
    """Return the memory plan of ALS and GD.

    Parameters
    ----------
    size : FitSize
    rank : int
    is_ring : bool
        Whether the engine is "ring" or "broadcast".
    needs_previous, alternates : bool
        Properties of the `spark_mf.solvers.base.RowSolver`.
    has_tol : bool
        Whether the fit sums Gram matrices of the change, float64[2·rank, 2·rank] per side.
    keeps_best : bool
        Whether the factors of the best iteration are kept beside those of the last one.
    has_bias : bool
        Whether rows have a bias; half-steps then copy the rows of the fixed side and the ratings of a block.
    extrapolates : bool
        Whether the factors of the previous iteration are kept, from which those of the last one are extrapolated.
    """
    row = (rank + has_bias) * _FLOAT32
    kept, before = row if keeps_best else 0, row if extrapolates else 0
    # One side has 4·rank² numbers of eight bytes; with biases, rows have a constant too.
    gram = 32 * (rank + 2 * has_bias) ** 2 if has_tol else 0
    previous = needs_previous or has_tol
    cached = size.packed * (2 * size.ratings + size.validation_ratings)
    tasks = size.members if is_ring else min(size.user_blocks, size.item_blocks)
    if is_ring:
        result = size.rows * (row + kept + before)
        worker = _half_step_member(size, row, gram, previous=previous, alternates=alternates)
        # The rows of the iteration before are received and copied like the others; items stay before and after their
        # extrapolation.
        worker += (2 * size.rows + size.users + _share(size.items, size.members)) * before
        # The best rows are copied while the previous copy still exists.
        worker += 2 * _share(size.rows, size.members) * kept
        record = max(_share(cached, size.members), _share(result, size.members))
    else:
        result = max(size.longer * row, size.items * (row + before))
        result += max(size.user_blocks, size.item_blocks) * gram
        worker = _half_step_task(size, row, gram, previous=previous, alternates=alternates)
        # The items of the iteration before, and those of a block after their extrapolation, also serialized.
        worker += (size.items + 2 * _largest_block(size)) * before
        block = _share(size.ratings + size.validation_ratings, tasks)
        record = max(size.packed * block, _largest_block(size) * (row + before))
    if has_bias:
        worker += _half_step_biases(size, row, has_tol=has_tol)
    return _plan(size, row + kept + before, result, max(worker, size.laying_out(tasks)), record, cached)


def _half_step_member(size: FitSize, row: int, gram: int, *, previous: bool, alternates: bool) -> int:
    """Return the memory of a member of the ring: broadcast factors, their copy, and ratings by user and by item."""
    ratings = _share(2 * size.ratings + size.validation_ratings, size.members)
    factors = 2 * size.rows * row + (0 if alternates else size.items * row)
    # The solved rows of both sides stay until the sums of the iteration; one side's are concatenated and gathered.
    solved = _share(size.rows, size.members) + _share(size.longer, size.members) + size.longer
    if previous:
        solved += _largest_block(size)
    grams = 2 * gram * (size.members + 1)
    # A record is read as one bytes object, and its blocks are copies of parts of it until they are unpacked.
    return factors + solved * row + grams + (2 * size.packed + size.unpacked) * ratings + _OF_A_ROW * size.rows


def _half_step_task(size: FitSize, row: int, gram: int, *, previous: bool, alternates: bool) -> int:
    """Return the memory of a task of the engine "broadcast": the factors that it needs and one block."""
    factors = size.rows if previous else size.longer
    if not alternates:
        factors += size.items
    block = _share(size.ratings + size.validation_ratings, min(size.user_blocks, size.item_blocks))
    # The rows of a block: previous, solved and serialized.
    solved = (3 if previous else 2) * _largest_block(size)
    return (factors + solved) * row + 2 * gram + (2 * size.packed + size.unpacked) * block


def _half_step_biases(size: FitSize, row: int, *, has_tol: bool) -> int:
    """Return the memory of what tasks copy for biases: the fixed side, a block's ratings, and its rows for `tol`."""
    ratings = _share(size.ratings + size.validation_ratings, min(size.user_blocks, size.item_blocks))
    copied = size.longer + (2 * _largest_block(size) if has_tol else 0)
    return copied * (row + _FLOAT32) + _RESIDUALS * ratings


def sgd_plan(size: FitSize, stride: int, width: int, *, is_ring: bool) -> MemoryPlan:
    """Return the memory plan of SGD.

    Parameters
    ----------
    size : FitSize
    stride, width : int
        Number of floats of a row with and without the optimizer's state; see `spark_mf.kernels.row_layout.RowLayout`.
    is_ring : bool
        Whether the engine is "ring" or "stages".
    """
    row, factors = stride * _FLOAT32, width * _FLOAT32
    kept = factors if size.validation_ratings else 0
    cached = size.packed_cell * (size.ratings + size.validation_ratings)
    own = _share(size.users, size.user_blocks)
    block = _share(size.items, size.item_blocks)
    if is_ring:
        result = size.rows * (row + kept)
        worker = _sgd_member(size, row, kept)
        record = max(_share(cached, size.user_blocks), _share(result, size.user_blocks))
    else:
        result = (size.users + size.user_blocks * block) * row
        cells = size.user_blocks * size.item_blocks
        # The rows of a cell: broadcast, updated and serialized. Validation loads all rows.
        rows = 3 * (own + block) * row
        everyone = size.users * row + size.items * factors + own * row if size.validation_ratings else 0
        ratings = _share(size.ratings, cells) + _share(size.validation_ratings, size.user_blocks)
        worker = max(rows, everyone) + (2 * size.packed_cell + size.unpacked_cell) * ratings + _OF_A_ROW * size.rows
        record = max(size.packed_cell * ratings, (own + block) * row)
    return _plan(size, row + kept, result, max(worker, size.laying_out(size.user_blocks)), record, cached)


def _sgd_member(size: FitSize, row: int, kept: int) -> int:
    """Return the memory of a member of SGD's ring: broadcast, own and best rows, and item blocks in flight."""
    own = _share(size.users, size.user_blocks) + _share(size.items, size.user_blocks)
    under_way = 3 * _share(size.items, size.item_blocks)
    # Validation holds the gathered rows in parts and concatenated. The rows of the best epoch are copied while the
    # previous copy still exists, and the result of a member is serialized to one bytes object.
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
        + (2 * size.packed_cell + size.unpacked_cell) * ratings
        + _OF_A_ROW * size.rows
    )


def _plan(size: FitSize, row: int, result: int, worker: int, record: int, cached: int) -> MemoryPlan:
    factors = size.rows * row
    return MemoryPlan(
        result=result,
        # The results when they arrive and while Python reads them; the model's DataFrames hold the factors once.
        driver_heap=SPARK_ITSELF + max(2 * result, result + factors),
        # The previous rows, the new ones, their concatenation, and their serialization for the JVM.
        driver_python=PYTHON_ITSELF + 4 * factors + 2 * _OF_A_ROW * size.rows,
        worker=PYTHON_ITSELF + worker,
        record=record,
        cached=cached,
        members=size.members,
    )


def _largest_block(size: FitSize) -> int:
    """Return the number of rows of the largest block of both sides."""
    return max(_share(size.users, size.user_blocks), _share(size.items, size.item_blocks))


def _share(amount: int, n: int) -> int:
    return -(-amount // n)
