"""The first pass over the ratings, which converts DataFrame rows to checked arrays with local ids.

A chunk holds ratings of one partition as arrays.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from py4j.protocol import Py4JError
from pyspark import RDD, StorageLevel
from pyspark.serializers import NoOpSerializer
from pyspark.sql import DataFrame, Row
from pyspark.sql.pandas.types import to_arrow_schema

from spark_mf.blocks.compact import (
    compact_indices,
    compact_values,
    compact_weights,
    restore_indices,
    restore_values,
    restore_weights,
)
from spark_mf.blocks.ids import IdIndex
from spark_mf.kernels.layout import encode
from spark_mf.runtime.jobs import job_description
from spark_mf.runtime.refusal import is_refusal

#: Ratings of one chunk, so that the memory of a task does not grow with its partition.
CHUNK_RATINGS = 1 << 22

Ids = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Training ratings with local codes, and validation ratings with their ids; pickled in compact form.

    Attributes
    ----------
    users, items : tuple of int64[m] and int64[m]
        Ascending ids of the training ratings, and the number of ratings of each.
    user_codes, item_codes : int32[n]
        Positions in these ids.
    values : float32[n]
    weights : float32[n] or None
        Weights of the ratings; None if the weight of all ratings is 1.
    validation : tuple of int64[v], int64[v], float32[v], and float32[v] or None
        User ids, item ids, values and weights.
    faults : dict[str, int]
        Number of unusable rows by reason.
    """

    users: Ids
    items: Ids
    user_codes: NDArray[np.int32]
    item_codes: NDArray[np.int32]
    values: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    validation: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32] | None]
    faults: dict[str, int]

    def __reduce__(self) -> tuple[Any, ...]:
        codes = compact_indices(self.user_codes), compact_indices(self.item_codes)
        return _restore_chunk, (
            self.users,
            self.items,
            *codes,
            compact_values(self.values),
            compact_weights(self.weights),
            self.validation,
            self.faults,
        )


def _restore_chunk(
    users: Ids, items: Ids, user_codes: Any, item_codes: Any, values: Any, weights: Any, *others: Any
) -> Chunk:
    codes = restore_indices(user_codes), restore_indices(item_codes)
    return Chunk(users, items, *codes, restore_values(values), restore_weights(weights), *others)


@dataclass(frozen=True)
class RatingCounts:
    """Results of the first pass: all ids with their numbers of ratings, in 16 bytes per user and per item."""

    users: Ids
    items: Ids
    ratings: int
    validation_ratings: int
    faults: dict[str, int] = field(default_factory=dict)

    def merge(self, other: "RatingCounts") -> "RatingCounts":
        """Return the sum of both counts."""
        reasons = self.faults.keys() | other.faults.keys()
        return RatingCounts(
            _merge_ids(self.users, other.users),
            _merge_ids(self.items, other.items),
            self.ratings + other.ratings,
            self.validation_ratings + other.validation_ratings,
            {reason: self.faults.get(reason, 0) + other.faults.get(reason, 0) for reason in reasons},
        )


def chunk_ratings(ratings: DataFrame, level: StorageLevel) -> RDD:
    """Return a persisted RDD of `Chunk` for the output of `spark_mf.data.columns.select_ratings` with integer ids."""
    build = partial(_build_chunks, to_arrow_schema(ratings.schema))
    return arrow_batches(ratings).mapPartitions(build).persist(level)


def arrow_batches(frame: DataFrame) -> RDD:
    """Return the rows as an RDD of serialized Arrow batches.

    This uses the same JVM method as `toArrow`. The public way to a Python RDD, `mapInArrow(...).rdd`, measures the size
    of every row and transfers all data twice more, which takes four to six times as long on 18 million rows. It is the
    fallback on platforms that allow Python to call only the JVM methods that pyspark itself calls.
    """
    try:
        batches = frame._jdf.toArrowBatchRdd().toJavaRDD()
    except Py4JError as error:
        if not is_refusal(error):
            raise
        return frame.mapInArrow(_serialized, "batch binary").rdd.map(_content)
    return RDD(batches, frame.sparkSession.sparkContext, NoOpSerializer())


def count_chunks(chunks: RDD) -> RatingCounts:
    """Count users, items, ratings and unusable rows in one job, with the merge on the executors."""
    parts = chunks.map(_chunk_counts)
    empty = np.empty(0, np.int64)
    nothing = RatingCounts((empty, empty), (empty, empty), 0, 0)
    with job_description(chunks.context, "check and count ratings"):
        return parts.treeAggregate(nothing, RatingCounts.merge, RatingCounts.merge)


def _serialized(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.record_batch([pa.array([batch.serialize().to_pybytes()], pa.binary())], ["batch"])


def _content(row: Row) -> bytes:
    return bytes(row[0])


def _build_chunks(schema: pa.Schema, batches: Iterable[bytes]) -> Iterator[Chunk]:
    """Yield chunks of about CHUNK_RATINGS ratings at most from the Arrow batches of a partition."""
    waiting: list[pa.RecordBatch] = []
    n_waiting = 0
    for batch in batches:
        waiting.append(pa.ipc.read_record_batch(pa.py_buffer(batch), schema))
        n_waiting += waiting[-1].num_rows
        if n_waiting >= CHUNK_RATINGS:
            yield _build_chunk(pa.Table.from_batches(waiting))
            waiting, n_waiting = [], 0
    if n_waiting:
        yield _build_chunk(pa.Table.from_batches(waiting))


def _build_chunk(table: pa.Table) -> Chunk:
    users, no_user = _numbers(table["user"], np.int64)
    items, no_item = _numbers(table["item"], np.int64)
    values, no_rating = _numbers(table["rating"], np.float32)
    weights, no_weight, bad_weight = _weights(table)
    held_out = table["validation"].to_numpy() if "validation" in table.column_names else np.zeros(len(values), bool)
    is_finite = np.isfinite(values)
    faults = {
        "a null or non-integer user id": int(no_user.sum()),
        "a null or non-integer item id": int(no_item.sum()),
        "a null rating": int(no_rating.sum()),
        "a NaN or infinite rating": int((~is_finite & ~no_rating).sum()),
        "a null weight": int(no_weight.sum()),
        "a negative, NaN or infinite weight": int(bad_weight.sum()),
    }
    rows = (users, items, values, weights)
    if any(faults.values()):
        keep = is_finite & ~no_user & ~no_item & ~no_rating
        if weights is not None:
            keep &= ~no_weight & ~bad_weight
        rows, held_out = _where(keep, *rows), held_out[keep]
    validation = _where(held_out, *rows)
    users, items, values, weights = _where(~held_out, *rows) if held_out.any() else rows
    user_ids, user_counts, user_codes = encode(users)
    item_ids, item_counts, item_codes = encode(items)
    ids = (user_ids, user_counts), (item_ids, item_counts)
    return Chunk(*ids, user_codes, item_codes, values, weights, validation, faults)


def _weights(table: pa.Table) -> tuple[NDArray[np.float32] | None, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the weights, None without that column, and masks of null entries and of other unusable ones."""
    if "weight" not in table.column_names:
        nowhere = np.zeros(0, bool)
        return None, nowhere, nowhere
    weights, no_weight = _numbers(table["weight"], np.float32)
    # A weight of 0 is usable, but such rows do not come here.
    return weights, no_weight, ~no_weight & ~(np.isfinite(weights) & (weights >= 0))


def _where(
    keep: NDArray[np.bool_],
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    values: NDArray[np.float32],
    weights: NDArray[np.float32] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32] | None]:
    """Return the rows of a mask."""
    return users[keep], items[keep], values[keep], None if weights is None else weights[keep]


def _numbers(column: pa.ChunkedArray, dtype: type) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return a column as a contiguous array with 0 for null, and a mask of the null entries."""
    is_null = column.is_null().to_numpy()
    filled = column.fill_null(0) if column.null_count else column
    return np.ascontiguousarray(filled.to_numpy(), dtype), is_null


def _chunk_counts(chunk: Chunk) -> RatingCounts:
    return RatingCounts(chunk.users, chunk.items, chunk.values.size, chunk.validation[2].size, chunk.faults)


def _merge_ids(one: Ids, other: Ids) -> Ids:
    if not one[0].size or not other[0].size:
        return other if not one[0].size else one
    index, counts = IdIndex.merge([one, other])
    return index.ids, counts
