"""Top-k recommendations for the rows of a factor DataFrame, by blocked matrix products."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, DataType, FloatType, StructField, StructType

from spark_mf.kernels.topk import empty_selection, topk_products
from spark_mf.models.factors import factors_arrays, matrix
from spark_mf.resources.limits import require_room
from spark_mf.runtime.jobs import job_description


@dataclass(frozen=True)
class Candidates:
    """The rows that can be recommended: an Arrow array of n ids in ascending order, and their factors."""

    ids: pa.Array
    factors: NDArray[np.float32]


def broadcast_candidates(frame: DataFrame, rank: int) -> Broadcast[Candidates]:
    """Return a broadcast of a factor DataFrame: n·rank·4 bytes in the driver and once in each running task.

    String ids take additional memory, in Arrow's string format.

    Raises
    ------
    MemoryError
        If the factors do not fit in the driver; see `spark_mf.resources.limits.require_room`.
    """
    context = frame.sparkSession.sparkContext
    with job_description(context, "collect the candidates of recommendations"):
        require_room(context, frame.count(), 0, rank)
        return context.broadcast(Candidates(*factors_arrays(frame)))


def recommendation_schema(source: str, source_type: DataType, target: str, target_type: DataType) -> StructType:
    """Return the schema of pyspark's recommendations: a source id and an array of (target id, rating)."""
    pair = StructType([StructField(target, target_type), StructField("rating", FloatType())])
    return StructType(
        [
            StructField(source, source_type, nullable=False),
            StructField("recommendations", ArrayType(pair)),
        ]
    )


def spread(frame: DataFrame) -> DataFrame:
    """Return a factor DataFrame with at least as many partitions as there are task slots.

    A saved model may consist of a few files, whose partitions would occupy only that many cores.
    """
    context = frame.sparkSession.sparkContext
    tasks = context.defaultParallelism
    with job_description(context, "count partitions"):
        return frame.repartition(tasks) if frame.rdd.getNumPartitions() < tasks else frame


def recommend(
    sources: DataFrame,
    candidates: Broadcast[Candidates],
    n: int,
    schema: StructType,
    block_size: int,
    shown_range: tuple[float, float] | None = None,
) -> DataFrame:
    """Return a lazy DataFrame of the top n candidates for each source row.

    A task needs memory for one copy of the candidates, one Arrow batch of source rows and a tile of at most
    `spark_mf.kernels.topk.TILE_BYTES` of scores, regardless of the number of rows and candidates.

    Parameters
    ----------
    sources : DataFrame (id, features)
    candidates : Broadcast[Candidates]
        Must not be destroyed before the result.
    n : int
        Maximum number of candidates per row, in descending order of score; equal scores in ascending order of id.
        Candidates with a score of NaN or -inf are left out.
    schema : StructType
        The result of `recommendation_schema`.
    block_size : int
        Maximum number of candidates that are scored at a time.
    shown_range : (low, high), optional
        Range to which the ratings in the result are clipped; their order is that of the unclipped scores.
    """
    output = to_arrow_schema(schema)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            targets = candidates.value.factors
            if len(targets):
                sources = matrix(batch.column(1), targets.shape[1])
                values, indices = topk_products(sources, targets, n, block_size)
            else:  # without candidates the rank is unknown
                values, indices = empty_selection(batch.num_rows, 0)
            if shown_range is not None:
                np.clip(values, *shown_range, out=values)
            yield _recommendations(batch.column(0), candidates.value.ids, values, indices, output)

    return sources.select("id", "features").mapInArrow(score, schema)


def _recommendations(
    source_ids: pa.Array,
    target_ids: pa.Array,
    values: NDArray[np.float32],
    indices: NDArray[np.int64],
    schema: pa.Schema,
) -> pa.RecordBatch:
    """Return the selections as a batch of (source id, list of (target id, rating)), without empty entries."""
    is_taken = indices >= 0
    ends = np.cumsum(is_taken.sum(axis=1), dtype=np.int32)
    lists = schema.field(1).type
    fields = list(lists.value_type)
    # Ids may be large strings, depending on a setting of the session, which may change until the result is computed.
    targets = target_ids.take(pa.array(indices[is_taken])).cast(fields[0].type)
    sources = source_ids.cast(schema.field(0).type)
    pairs = pa.StructArray.from_arrays([targets, pa.array(values[is_taken])], fields=fields)
    offsets = pa.array(np.concatenate([np.zeros(1, np.int32), ends]))
    return pa.record_batch([sources, pa.ListArray.from_arrays(offsets, pairs, type=lists)], schema=schema)
