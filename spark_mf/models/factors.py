"""Conversion of factor matrices between NumPy arrays and Spark DataFrames, through Arrow."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

from spark_mf.runtime.frames import arrow_frame, id_type

# An Arrow list array has 32-bit offsets, so DataFrames are built from batches that are well below that limit.
_BATCH_VALUES = 1 << 24


class CollectedFactors(NamedTuple):
    """The factors of one side of a model in driver memory: n·(rank + 1)·4 bytes and the ids."""

    ids: pa.Array
    """n ids in ascending order, with the type of the DataFrame: int32, int64, string or large_string."""
    factors: NDArray[np.float32]
    """float32[n, rank], in the order of `ids`; float32[0, 0] for an empty DataFrame."""
    biases: NDArray[np.float32] | None
    """float32[n], in the order of `ids`; None if the DataFrame has no column `bias`."""


def factors_frame(
    spark: SparkSession,
    ids: NDArray[np.int64],
    factors: NDArray[np.float32],
    biases: NDArray[np.float32] | None = None,
) -> DataFrame:
    """Return a factor matrix as a DataFrame in the schema of pyspark's `userFactors` and `itemFactors`.

    Parameters
    ----------
    spark : SparkSession
    ids : int64[n]
        Distinct ids of the rows.
    factors : float32[n, rank]
    biases : float32[n], optional

    Returns
    -------
    DataFrame (id int not null, features array<float>), and with biases (…, bias float not null)
        `id` is bigint if an id does not fit in 32 bits. Rows are in the given order and not cached.

    Raises
    ------
    ValueError
        If the shapes do not match.
    """
    if ids.ndim != 1 or factors.ndim != 2 or len(ids) != len(factors):
        raise ValueError(
            f"ids and factors must have the shapes [n] and [n, rank], got {ids.shape} and {factors.shape}."
        )
    if biases is not None and biases.shape != ids.shape:
        raise ValueError(f"biases must have the shape of ids, {ids.shape}, got {biases.shape}.")
    id_kind = id_type(ids)
    rows = max(1, _BATCH_VALUES // max(1, factors.shape[1]))
    schema = StructType(
        [
            StructField("id", from_arrow_type(id_kind), nullable=False),
            StructField("features", ArrayType(FloatType(), containsNull=False)),
        ]
    )
    if biases is not None:
        schema = schema.add("bias", FloatType(), nullable=False)
    batches = []
    for start in range(0, max(1, len(ids)), rows):  # pyspark requires a table with at least one batch
        part = slice(start, start + rows)
        columns = [pa.array(ids[part], id_kind), list_array(factors[part])]
        if biases is not None:
            columns.append(pa.array(biases[part], pa.float32()))
        batches.append(pa.record_batch(columns, names=schema.names))
    return arrow_frame(spark, pa.Table.from_batches(batches), schema)


def factors_arrays(frame: DataFrame) -> tuple[pa.Array, NDArray[np.float32]]:
    """Return the ids and factors of a factor DataFrame without its biases, as `collect_factors` does."""
    return collect_factors(frame.select("id", "features"))[:2]


def collect_factors(frame: DataFrame) -> CollectedFactors:
    """Return the content of a factor DataFrame, sorted by id; the inverse of `factors_frame`.

    Parameters
    ----------
    frame : DataFrame (id int, bigint or string, features array<float>) or (…, bias float)

    Raises
    ------
    ValueError
        If rows of factors are null or differ in length, or a bias is null.
    """
    table = frame.toArrow()
    ids = table["id"].combine_chunks()
    chunks = [chunk for chunk in table["features"].chunks if len(chunk)]
    rank = len(chunks[0][0]) if chunks else 0
    factors = np.empty((len(ids), rank), np.float32)
    start = 0
    for chunk in chunks:
        factors[start : start + len(chunk)] = matrix(chunk, rank)
        start += len(chunk)
    order = pc.array_sort_indices(ids)
    biases = None
    if "bias" in table.column_names:
        if table["bias"].null_count:
            raise ValueError(f"bias must not be null, got {table['bias'].null_count} null rows. Fit the model again.")
        biases = table["bias"].to_numpy()[order.to_numpy()]
    return CollectedFactors(ids.take(order), factors[order.to_numpy()], biases)


def list_array(rows: NDArray[np.float32]) -> pa.ListArray:
    """Return float32[n, rank] as an Arrow array of n lists."""
    n, rank = rows.shape
    offsets = np.arange(0, (n + 1) * rank, rank, dtype=np.int32) if rank else np.zeros(n + 1, np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(rows).reshape(-1)))


def matrix(lists: pa.ListArray, rank: int) -> NDArray[np.float32]:
    """Return an Arrow array of n lists of `rank` floats as float32[n, rank], read-only.

    Raises
    ------
    ValueError
        If a list is null or has another length.
    """
    lengths = lists.value_lengths()
    if lengths.null_count or not np.all(lengths.to_numpy() == rank):
        raise ValueError(f"features must have {rank} factors in every row, got null or another number. Fit again.")
    return lists.flatten().to_numpy().reshape(-1, rank)
