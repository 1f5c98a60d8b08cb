"""Selection and extension of the rows of factor DataFrames by id."""

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from spark_mf.data.columns import quoted, require_classic, require_ids, usable_ids


def with_factors(factors: DataFrame, *further: Column) -> DataFrame:
    """Return a factor DataFrame (id, features) with further factors appended to each row."""
    more = F.array(*(factor.cast("float") for factor in further))
    return factors.select("id", F.concat("features", more).alias("features"))


def subset(factors: DataFrame, dataset: DataFrame, param: str, column: str) -> DataFrame:
    """Return the rows of a factor DataFrame whose ids are in a column of a dataset."""
    require_classic(dataset)
    ids = ids_of(dataset.schema, param, column, factors)
    return factors.join(dataset.select(ids.alias("id")).distinct(), "id", "left_semi")


def ids_of(schema: StructType, param: str, column: str, factors: DataFrame, table: str | None = None) -> Column:
    """Return the id column that a Param names; its type must match that of the factors, strings or integers."""
    data_type = require_ids(schema, param, column)
    wanted = factors.schema["id"].dataType
    if isinstance(wanted, StringType) != isinstance(data_type, StringType):
        raise ValueError(
            f"{param} must be a column of type {wanted.simpleString()}, like the ids that the model was trained with, "
            f"got {column!r} of type {data_type.simpleString()}. Cast the column to {wanted.simpleString()}."
        )
    name = quoted(column) if table is None else f"{table}.{quoted(column)}"
    return usable_ids(F.col(name), data_type)


def row_of(factors: DataFrame, name: str, value: int | str) -> DataFrame:
    """Return the rows with one id, which may be a NumPy scalar: one row or none."""
    wanted = factors.schema["id"].dataType
    plain = value.item() if isinstance(value, np.generic) else value
    is_id = isinstance(plain, (str, int, float)) and not isinstance(plain, bool)
    if not is_id or isinstance(wanted, StringType) != isinstance(plain, str):
        raise TypeError(
            f"{name} must be an id of type {wanted.simpleString()}, like the ids that the model was trained with, got "
            f"{value!r} of type {type(value).__name__}."
        )
    return factors.where(F.col("id") == plain)
