"""The first pass over the ratings: from DataFrame rows to arrays, checked and with local ids.

A chunk holds some ratings of one partition as arrays. From here on no rating is a row again.
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

from spark_mf.blocks.compact import compact_indices, compact_values, restore_indices, restore_values
from spark_mf.blocks.ids import IdIndex
from spark_mf.kernels.layout import encode
from spark_mf.runtime.jobs import job_description
from spark_mf.runtime.refusal import is_refusal

#: Ratings of one chunk, so that a task's memory does not grow with its partition.
CHUNK_RATINGS = 1 << 22

Ids = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Training ratings with local codes, and validation ratings with their ids; compact while it is pickled.

    Attributes
    ----------
    users, items : (ids int64[m] ascending, counts int64[m]) of the training ratings
    user_codes, item_codes : int32[n], positions in those ids
    values : float32[n]
    validation : (user ids int64[v], item ids int64[v], values float32[v])
    faults : how many rows cannot be used, by reason
    """

    users: Ids
    items: Ids
    user_codes: NDArray[np.int32]
    item_codes: NDArray[np.int32]
    values: NDArray[np.float32]
    validation: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
    faults: dict[str, int]

    def __reduce__(self) -> tuple[Any, ...]:
        codes = compact_indices(self.user_codes), compact_indices(self.item_codes)
        return _restore_chunk, (
            self.users,
            self.items,
            *codes,
            compact_values(self.values),
            self.validation,
            self.faults,
        )


def _restore_chunk(users: Ids, items: Ids, user_codes: Any, item_codes: Any, values: Any, *others: Any) -> Chunk:
    codes = restore_indices(user_codes), restore_indices(item_codes)
    return Chunk(users, items, *codes, restore_values(values), *others)


@dataclass(frozen=True)
class RatingCounts:
    """What the first pass found: all ids with their rating counts. Grows with users and items, 16 bytes each."""

    users: Ids
    items: Ids
    ratings: int
    validation_ratings: int
    faults: dict[str, int] = field(default_factory=dict)

    def merge(self, other: "RatingCounts") -> "RatingCounts":
        """Return the counts of both parts."""
        reasons = self.faults.keys() | other.faults.keys()
        return RatingCounts(
            _merge_ids(self.users, other.users),
            _merge_ids(self.items, other.items),
            self.ratings + other.ratings,
            self.validation_ratings + other.validation_ratings,
            {reason: self.faults.get(reason, 0) + other.faults.get(reason, 0) for reason in reasons},
        )


def chunk_ratings(ratings: DataFrame, level: StorageLevel) -> RDD:
    """Return an RDD of `Chunk`, persisted, from the columns of `spark_mf.data.columns.select_ratings`, ids integers."""
    build = partial(_build_chunks, to_arrow_schema(ratings.schema))
    return arrow_batches(ratings).mapPartitions(build).persist(level)


def arrow_batches(frame: DataFrame) -> RDD:
    """Return the rows as an RDD of serialized Arrow batches.

    This is the way that `toArrow` takes inside the JVM. The public one into a Python RDD, `mapInArrow(...).rdd`,
    measures every row's size and pipes all data twice more: four to six times as long on 18 million rows. It is taken
    where a platform does not let Python call methods of the JVM's that pyspark itself does not call.
    """
    try:
        batches = frame._jdf.toArrowBatchRdd().toJavaRDD()
    except Py4JError as error:
        if not is_refusal(error):
            raise
        return frame.mapInArrow(_serialized, "batch binary").rdd.map(_content)
    return RDD(batches, frame.sparkSession.sparkContext, NoOpSerializer())


def count_chunks(chunks: RDD) -> RatingCounts:
    """Count users, items, ratings and unusable rows in one job; merged by the executors, not by the driver."""
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
    """Turn a partition's Arrow batches into chunks of at most about CHUNK_RATINGS ratings."""
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
    held_out = table["validation"].to_numpy() if "validation" in table.column_names else np.zeros(len(values), bool)
    is_finite = np.isfinite(values)
    faults = {
        "a null or non-integer user id": int(no_user.sum()),
        "a null or non-integer item id": int(no_item.sum()),
        "a null rating": int(no_rating.sum()),
        "a NaN or infinite rating": int((~is_finite & ~no_rating).sum()),
    }
    if any(faults.values()):
        keep = is_finite & ~no_user & ~no_item & ~no_rating
        users, items, values, held_out = users[keep], items[keep], values[keep], held_out[keep]
    validation = (users[held_out], items[held_out], values[held_out])
    if held_out.any():
        users, items, values = users[~held_out], items[~held_out], values[~held_out]
    user_ids, user_counts, user_codes = encode(users)
    item_ids, item_counts, item_codes = encode(items)
    return Chunk((user_ids, user_counts), (item_ids, item_counts), user_codes, item_codes, values, validation, faults)


def _numbers(column: pa.ChunkedArray, dtype: type) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return a column as a contiguous array with 0 for null, and which entries were null."""
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
