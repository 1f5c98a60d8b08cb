"""Conversion of Arrow tables to Spark DataFrames."""

import threading

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

# Numbers below 1 mean no limit in Spark, but pyspark's createDataFrame of an Arrow table does not support them.
_MAX_RECORDS, _ANY_NUMBER = "spark.sql.execution.arrow.maxRecordsPerBatch", 2**31 - 1
_setting_records = threading.Lock()


def arrow_frame(spark: SparkSession, table: pa.Table, schema: StructType | None = None) -> DataFrame:
    """Return an Arrow table as a DataFrame, whatever the session's maximum number of rows per batch."""
    # The lock covers everything, as another thread could restore the setting while this one creates its DataFrame.
    with _setting_records:
        rows = spark.conf.get(_MAX_RECORDS) or ""
        if int(rows) > 0:
            return spark.createDataFrame(table, schema)
        spark.conf.set(_MAX_RECORDS, _ANY_NUMBER)
        try:
            return spark.createDataFrame(table, schema)
        finally:
            spark.conf.set(_MAX_RECORDS, rows)


def id_type(ids: NDArray[np.int64]) -> pa.DataType:
    """Return int32 if all ids fit in it, as in pyspark, otherwise int64."""
    bounds = np.iinfo(np.int32)
    is_narrow = len(ids) == 0 or (ids.min() >= bounds.min and ids.max() <= bounds.max)
    return pa.int32() if is_narrow else pa.int64()
